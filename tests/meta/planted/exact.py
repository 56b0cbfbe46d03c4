"""The error of a step against rational arithmetic, as a fraction of a rough bound.

Each step is judged alone, from the state that the subject had before it. With v the unit roundoff 2^-p,
G = |g| + lambda*|theta|, and K counting every rounding of the longest admissible evaluation, scalars and
terms of second order included:

- m: rounding beta1 or 1 - beta1, their products, the sum, and three roundings of G: K = 6 of the terms
  beta1*|m| + (1 - beta1)*G. Interpolated, the terms are |m| + G, and K = 8.
- u: two roundings of beta2*u, five of G + eps: K = 5.
- theta: its own rounding, and of the step, from the stored m and u: lr, 1 - beta1^t, two products, the
  quotient, and one each of m and u where they entered before they were rounded: K = 7.
- Scalars in the working format are off by v*beta1 for 1 - beta1, and by (2t + 2)*beta1^t*v for 1 - beta1^t:
  t for the rounding of beta1, t for the products, and two for a power.
- Underflow: half the smallest subnormal an operation, carried through the divisions of the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from adamax_conformance.reference.formula import Scalars, State, step, update
from adamax_conformance.tests.meta.planted.arithmetic import precision


@dataclass(frozen=True)
class Run:
    """One parameter's run.

    Attributes:
        theta: the initial values, an array of the working dtype.
        gradients: one array for each step.
        options: keyword arguments of the constructor.
        judged: the steps to judge, from 1; all of them if it is empty.
    """

    theta: np.ndarray
    gradients: Sequence[np.ndarray]
    options: dict[str, Any]
    judged: frozenset[int] = field(default_factory=frozenset)


def excess(factory, run: Run, form="weighted", scalars="binary64") -> Fraction:
    """The largest error of all judged steps over its bound; right is at most 1."""
    theta = run.theta.copy()
    optimizer = factory([theta], **run.options)
    optimizer = getattr(optimizer, "_optimizer", optimizer)
    worst = Fraction(0)
    for t, g in enumerate(run.gradients, start=1):
        before = [x.copy() for x in (theta, optimizer.m[0], optimizer.u[0])]
        optimizer([g.copy()])
        if run.judged and t not in run.judged:
            continue
        after = (theta, optimizer.m[0], optimizer.u[0])
        for old, gradient, new in zip(_elements(before), g.flat, _elements(after), strict=True):
            if new is None:
                return Fraction(10**9)
            worst = max(worst, _excess(old, Fraction(float(gradient)), new, t, run, form, scalars))
    return worst


def _elements(arrays):
    """The state of each element as fractions; None if it is not finite."""
    for numbers in zip(*(array.flat for array in arrays), strict=True):
        finite = all(np.isfinite(x) for x in numbers)
        yield State(*(Fraction(float(x)) for x in numbers)) if finite else None


def _excess(old, g, new, t, run, form, scalars) -> Fraction:
    dtype = run.theta.dtype
    roundoff = Fraction(1, 2 ** precision(dtype))
    underflow = Fraction(float(np.finfo(dtype).smallest_subnormal)) / 2
    exact = _exact_scalars(run.options)
    working = scalars == "working" or dtype == np.float64
    right = step(old, g, t, exact)
    size = abs(g) + exact.weight_decay * abs(old.theta)
    complement = 1 - exact.beta1

    weighted = 6 * (exact.beta1 * abs(old.m) + complement * size)
    terms = 8 * (abs(old.m) + size) if form != "weighted" else weighted
    if scalars == "working":
        terms += exact.beta1 * (abs(old.m) + size)
    m_bound = roundoff * terms + 4 * underflow
    u_bound = 5 * roundoff * (exact.beta2 * old.u + size + exact.eps) + 4 * underflow

    right_theta = update(old.theta, new.m, new.u, t, exact) if new.m else old.theta
    correction = 1 - exact.beta1**t
    rate = exact.lr / correction
    taken = rate * abs(new.m) / new.u if new.m else Fraction(0)
    counted = 7 + ((2 * t + 2) * (1 - correction) / correction if working else 0)
    carried = 1 + rate + (1 + 1 / correction) / new.u + rate / new.u if new.m else Fraction(1)
    theta_bound = roundoff * (abs(new.theta) + counted * taken) + underflow * carried

    return max(
        abs(new.m - right.m) / m_bound,
        abs(new.u - right.u) / u_bound,
        abs(new.theta - right_theta) / theta_bound,
    )


def _exact_scalars(options) -> Scalars[Fraction]:
    beta1, beta2 = options.get("betas", (0.9, 0.999))
    numbers = (
        options.get("lr", 2e-3),
        beta1,
        beta2,
        options.get("eps", 1e-8),
        options.get("weight_decay", 0.0),
    )
    return Scalars(*map(Fraction, numbers), maximize=options.get("maximize", False))
