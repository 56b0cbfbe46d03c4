"""Adamax over lists of numbers, with nothing but the standard library.

g <- g + weight_decay*theta, negated first when maximizing; m <- beta1*m + (1 - beta1)*g;
u <- max(beta2*u, |g| + eps); theta <- theta - lr*m / ((1 - beta1^t)*u).
"""

from __future__ import annotations

import copy
import math
from array import array
from typing import NamedTuple

TYPE_CODES = {"float32": "f", "float64": "d"}
"""An array of these types rounds each number once, to nearest even. A sum, product or quotient of two
float32 numbers that was rounded to float64 before is rounded as if it had never been."""

DEFAULTS = {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "maximize": False}


class Tensor(NamedTuple):
    """An argument that is a tensor."""

    shape: list[int]
    data: list[float]


def divide(x, y):
    """Divide x by y as IEEE 754 does, where Python would raise."""
    if y != 0:
        return x / y
    return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1.0, y)


def maximum(x, y):
    """The larger number; NaN where one is NaN."""
    return x if x > y or x != x else y  # noqa: PLR0124 - NaN is what differs from itself


def is_real(value):
    """Accept an int or a float, and refuse a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_learning_rate(value):
    """Check a learning rate; anything else is a ValueError."""
    if isinstance(value, Tensor) and value.shape == []:
        value = value.data[0]
    if not is_real(value):
        raise ValueError(f"lr is {value!r}; it must be an int, a float or a 0-d tensor")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"lr is {value!r}; it must be finite and at least 0")
    return float(value)


def check_real(name, value):
    if not is_real(value):
        raise TypeError(f"{name} is {value!r}; it must be a number")
    return float(value)


def check_options(options):
    """Check all options of a group; a wrong one is a ValueError or a TypeError."""
    for name in options:
        if name not in DEFAULTS:
            raise ValueError(f"the option {name!r} is unknown; known are {', '.join(DEFAULTS)}")
    values = DEFAULTS | options
    betas = values["betas"]
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise TypeError(f"betas is {betas!r}; it must be two numbers")
    betas = tuple(check_real("betas", beta) for beta in betas)
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas is {betas!r}; each must be in [0, 1)")
    eps, decay = (check_real(name, values[name]) for name in ("eps", "weight_decay"))
    if not (math.isfinite(eps) and eps > 0):
        raise ValueError(f"eps is {eps!r}; it must be finite and greater than 0")
    if not (math.isfinite(decay) and decay >= 0):
        raise ValueError(f"weight_decay is {decay!r}; it must be finite and at least 0")
    if not isinstance(values["maximize"], bool):
        raise TypeError(f"maximize is {values['maximize']!r}; it must be a bool")
    return {
        "lr": check_learning_rate(values["lr"]),
        "betas": betas,
        "eps": eps,
        "weight_decay": decay,
        "maximize": values["maximize"],
    }


class Parameter:
    """theta, m and u, each an array of one type."""

    def __init__(self, theta, code):
        self.theta = array(code, theta)
        self.m = array(code, bytes(len(theta) * self.theta.itemsize))
        self.u = array(code, self.m)


class Adamax:
    """The optimizer.

    groups: a list of pairs, the options of a group and its parameters, each a list of numbers.
    """

    def __init__(self, groups, dtype):
        self.code = TYPE_CODES[dtype]
        self.step_count = 0
        self.options = [check_options(options) for options, _ in groups]
        self.groups = [[Parameter(theta, self.code) for theta in thetas] for _, thetas in groups]

    @property
    def parameters(self):
        return [parameter for group in self.groups for parameter in group]

    def set_lr(self, group, value):
        self.options[group]["lr"] = check_learning_rate(value)

    def step(self, gradients):
        """One step; gradients in the order of the parameters, group by group."""
        self.step_count += 1
        gradients = iter(gradients)
        for options, group in zip(self.options, self.groups, strict=True):
            for parameter in group:
                self._update(parameter, next(gradients), options)

    def _update(self, parameter, gradient, options):
        def rounded(values):
            return array(self.code, values)

        def scalar(value):
            return rounded([value])[0]

        # The scalars are formed in float64, and rounded once.
        beta1, beta2 = options["betas"]
        rate = scalar(options["lr"] / (1 - beta1**self.step_count))
        complement = scalar(1 - beta1)
        beta1, beta2, eps = scalar(beta1), scalar(beta2), scalar(options["eps"])
        decay = scalar(options["weight_decay"])

        theta = parameter.theta
        g = rounded(-x for x in gradient) if options["maximize"] else rounded(gradient)
        if decay != 0:
            penalty = rounded(decay * x for x in theta)
            g = rounded(x + y for x, y in zip(g, penalty, strict=True))
        decayed = rounded(beta1 * x for x in parameter.m)
        fresh = rounded(complement * x for x in g)
        m = rounded(x + y for x, y in zip(decayed, fresh, strict=True))
        decayed = rounded(beta2 * x for x in parameter.u)
        fresh = rounded(abs(x) + eps for x in g)
        u = rounded(map(maximum, decayed, fresh))
        quotient = rounded(map(divide, m, u))
        change = rounded(rate * x for x in quotient)
        parameter.theta = rounded(x - y for x, y in zip(theta, change, strict=True))
        parameter.m, parameter.u = m, u

    def save(self):
        """Everything but theta."""
        return copy.deepcopy((self.step_count, self.options, [(p.m, p.u) for p in self.parameters]))

    def load(self, checkpoint):
        self.step_count, self.options, moments = copy.deepcopy(checkpoint)
        for parameter, (m, u) in zip(self.parameters, moments, strict=True):
            parameter.m, parameter.u = m, u
