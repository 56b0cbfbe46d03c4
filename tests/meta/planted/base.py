"""A right Adamax over NumPy arrays: a small method for all that can go wrong.

It is written to be read, and independently of `impl`, so that a bug there cannot hide here. A planted bug or
a faithful variant overrides one method. With m and u zero before the first step, and g negated first when
maximizing:

    g     <- g + lambda*theta                       if lambda != 0
    m     <- beta1*m + (1 - beta1)*g
    u     <- max(beta2*u, |g| + eps)
    theta <- theta - lr*m / ((1 - beta1^t)*u)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class Scalars:
    """The factors and divisors of one step of one group, in the parameter's dtype.

    Attributes:
        t: the number of the step, from 1.
        lr: the learning rate.
        beta1: decay of the first moment.
        complement: 1 - beta1.
        beta2: decay of the infinity norm.
        eps: the term added to the gradient's size.
        weight_decay: lambda.
        maximize: whether the gradient is negated.
        correction: 1 - beta1^t.
        rate: lr / (1 - beta1^t).
    """

    t: int
    lr: Any
    beta1: Any
    complement: Any
    beta2: Any
    eps: Any
    weight_decay: Any
    maximize: bool
    correction: Any
    rate: Any


class Adamax:
    """The documented optimizer, with a weighted moment and scalars rounded once.

    Args:
        params: a list of arrays, or a list of dicts with the key `params` and any of the options below.
        lr: an int, a float or a 0-d array, at least 0.
        betas: two numbers in [0, 1).
        eps: at least 0.
        weight_decay: at least 0.
        maximize: whether the objective is maximized.
    """

    name: ClassVar[str] = "adamax"
    family: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]] = ("float16", "float32", "float64")

    def __init_subclass__(cls) -> None:
        """Name the class as a reader would: `EpsOutsideMaximum` is `eps-outside-maximum`."""
        words = re.findall(r"[A-Z][a-z]*|\d+", cls.__name__.replace("NaN", "Nan"))
        cls.name = "-".join(words).lower()

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False
    ) -> None:
        self.defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        self.validate(self.defaults)
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups = [self.defaults | group | {"params": list(group["params"])} for group in groups]
        for group in self.param_groups:
            self.validate(group)
        thetas = [theta for _, theta in self.indexed_parameters()]
        self.m = [np.zeros(theta.shape, theta.dtype) for theta in thetas]
        self.u = [np.zeros(theta.shape, theta.dtype) for theta in thetas]
        self.steps = 0

    @property
    def exp_avg(self):
        """The first moment of every parameter, in the order of the gradients."""
        return self.m

    @property
    def exp_inf(self):
        """The infinity norm of every parameter, in the order of the gradients."""
        return self.u

    def indexed_parameters(self) -> Iterator[tuple[int, np.ndarray]]:
        """Every parameter with the index of its group, in the order of the gradients."""
        for group_index, group in enumerate(self.param_groups):
            for theta in group["params"]:
                yield group_index, theta

    # Refusals.

    def validate(self, options) -> None:
        """Refuse the arguments that the page promises to refuse."""
        self.check_lr_type(options["lr"])
        self.check_lr(options["lr"])
        self.check_betas(options["betas"])
        self.check_eps(options["eps"])
        self.check_weight_decay(options["weight_decay"])

    def check_lr_type(self, lr) -> None:
        scalar = isinstance(lr, (int, float)) or (isinstance(lr, np.ndarray) and lr.shape == ())
        if not scalar or isinstance(lr, complex):
            raise ValueError(f"lr must be an int, a float or a 0-d array, not {lr!r}")

    def check_lr(self, lr) -> None:
        if not lr >= 0:
            raise ValueError(f"lr must be at least 0, not {lr!r}")

    def check_betas(self, betas) -> None:
        beta1, beta2 = betas
        self.check_beta(0, beta1)
        self.check_beta(1, beta2)

    def check_beta(self, index, beta) -> None:
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{index}] must be in [0, 1), not {beta!r}")

    def check_eps(self, eps) -> None:
        if not eps >= 0:
            raise ValueError(f"eps must be at least 0, not {eps!r}")

    def check_weight_decay(self, weight_decay) -> None:
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay must be at least 0, not {weight_decay!r}")

    # Bookkeeping.

    def __call__(self, gradients):
        """Take one step, and update the arrays of params in place.

        Args:
            gradients: one array for each parameter, of its shape and dtype.

        Raises:
            ValueError: there are not as many gradients as parameters, or one has another shape than its parameter.
        """
        self.check_gradients(gradients)
        self.steps = self.next_step(self.steps)
        given = self.gradients_to_read(gradients)
        with np.errstate(all="ignore"):
            for index, (group_index, theta) in enumerate(self.indexed_parameters()):
                self.visit(index, group_index, theta, given[index])

    def check_gradients(self, gradients) -> None:
        if len(gradients) != len(self.m):
            raise ValueError(f"gradients must be {len(self.m)} arrays, not {len(gradients)}")
        for index, (_, theta) in enumerate(self.indexed_parameters()):
            if gradients[index].shape != theta.shape:
                shape = gradients[index].shape
                raise ValueError(
                    f"gradient {index} must have its parameter's shape {theta.shape}, not {shape}"
                )

    def gradients_to_read(self, gradients):
        """The gradients; a copy of each that lies in the memory of a parameter."""
        written = {id(_owner(theta)) for _, theta in self.indexed_parameters()}
        return [g.copy() if id(_owner(g)) in written else g for g in gradients]

    def next_step(self, t):
        """The number of the step that follows step t."""
        return t + 1

    def step_of(self, _index):
        """The number of this parameter's step."""
        return self.steps

    def options_of(self, group_index):
        """The options in force for the group with this index."""
        return self.param_groups[group_index]

    def visit(self, index, group_index, theta, g) -> None:
        """Step one parameter, and store the results."""
        scalars = self.scalars_at(self.options_of(group_index), self.step_of(index), theta.dtype)
        self.store(index, theta, *self.advance(theta, self.m[index], self.u[index], g, scalars))

    def store(self, index, theta, new_theta, m, u) -> None:
        theta[...] = new_theta
        self.m[index][...] = m
        self.u[index][...] = u

    def state_dict(self):
        """Copies of everything that a run needs to go on."""
        return {
            "step": self.steps,
            "exp_avg": [m.copy() for m in self.m],
            "exp_inf": [u.copy() for u in self.u],
            "param_groups": [{k: v for k, v in g.items() if k != "params"} for g in self.param_groups],
        }

    def load_state_dict(self, state) -> None:
        """Take over the state of another optimizer."""
        self.steps = state["step"]
        self.m = [m.copy() for m in state["exp_avg"]]
        self.u = [u.copy() for u in state["exp_inf"]]
        for group, saved in zip(self.param_groups, state["param_groups"], strict=True):
            group.update(saved)

    # The numbers of a step.

    def scalars_at(self, options, t, dtype) -> Scalars:
        """The scalars of step t, computed in binary64 and rounded once."""
        number = np.dtype(dtype).type
        lr = np.float64(options["lr"])
        beta1, beta2 = (np.float64(beta) for beta in options["betas"])
        correction = self.correction(beta1, t)
        return Scalars(
            t=t,
            lr=number(lr),
            beta1=number(beta1),
            complement=number(1 - beta1),
            beta2=number(beta2),
            eps=number(options["eps"]),
            weight_decay=number(options["weight_decay"]),
            maximize=options["maximize"],
            correction=number(correction),
            rate=number(lr / correction),
        )

    def correction(self, beta1, t):
        """1 - beta1^t, in binary64."""
        return 1 - beta1**t

    # The formula.

    def advance(self, theta, m, u, g, scalars):
        """The numbers theta, m and u after the step."""
        g = self.effective_gradient(theta, g, scalars)
        m = self.first_moment(m, g, scalars)
        u = self.norm(u, g, scalars)
        return self.update(theta, m, u, scalars), m, u

    def effective_gradient(self, theta, g, scalars):
        return self.decayed_gradient(theta, self.ascent(g, scalars), scalars)

    def ascent(self, g, scalars):
        return -g if scalars.maximize else g

    def decayed_gradient(self, theta, g, scalars):
        return g + scalars.weight_decay * theta if scalars.weight_decay != 0 else g

    def first_moment(self, m, g, scalars):
        return scalars.beta1 * m + scalars.complement * g

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g) + scalars.eps)

    def update(self, theta, m, u, scalars):
        """Theta less the step, which is 0 if m is 0, even if u rounded to 0."""
        return theta - np.where(m == 0, m, self.step(m, u, scalars))

    def step(self, m, u, scalars):
        return scalars.rate * (m / u)


def _owner(array):
    """The array whose memory another one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
