"""References to compare with: a loop over the parameters, in a given format.

It follows `torch.optim.Adamax` with `foreach=False` in its order of operations. It is written independently of the
planted classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class ForLoop:
    """The documented optimizer in its parameters' format, with scalars rounded once.

    Args:
        params: arrays, updated in place.
        lr: the learning rate.
        betas: the decay of m and of u.
        eps: the term added to the gradient's size.
        weight_decay: lambda.
        maximize: whether the gradient is negated.
    """

    scalars: ClassVar[type[np.floating[Any]]] = np.float64

    def __init__(
        self,
        params: Sequence[Array],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        self.params = list(params)
        self.lr, self.beta1, self.beta2 = self.scalars(lr), self.scalars(betas[0]), self.scalars(betas[1])
        self.eps, self.weight_decay, self.maximize = eps, weight_decay, maximize
        self.exp_avg = [np.zeros_like(theta) for theta in self.params]
        self.exp_inf = [np.zeros_like(theta) for theta in self.params]
        self.steps = 0

    def __call__(self, gradients: Sequence[Array]) -> None:
        """Take one step."""
        self.steps += 1
        for theta, m, u, given in zip(self.params, self.exp_avg, self.exp_inf, gradients, strict=True):
            number = theta.dtype.type
            g = -given if self.maximize else given
            if self.weight_decay != 0:
                g = g + number(self.weight_decay) * theta
            m[...] = m + (g - m) * number(1 - self.beta1)
            u[...] = self.norm(u, g)
            rate = number(self.lr / (1 - self.beta1**self.steps))
            theta[...] = theta - rate * self.quotient(m, u)

    def norm(self, u: Array, g: Array) -> Array:
        """U after the step."""
        number = u.dtype.type
        return np.maximum(number(self.beta2) * u, np.abs(g) + number(self.eps))

    def quotient(self, m: Array, u: Array) -> Array:
        """The step of theta without its rate."""
        return m / u


class InLongDouble(ForLoop):
    """The same in the widest format of NumPy, for parameters in that format."""

    scalars = np.longdouble


class Jax(ForLoop):
    """The rule of `jax.example_libraries.optimizers.adamax`, which divides by u + eps."""

    def norm(self, u: Array, g: Array) -> Array:
        """U after the step, without eps."""
        return np.maximum(u.dtype.type(self.beta2) * u, np.abs(g))

    def quotient(self, m: Array, u: Array) -> Array:
        """The step of theta without its rate."""
        return m / (u + u.dtype.type(self.eps))
