"""The safe range of a step: sizes for which nothing under- or overflows.

Every product and quotient in `oracles.bounds.radii` is monotone in the sizes of its operands. So it is enough to look at
the ends of their ranges. For elements in the safe range, the bounds are those of a format of unlimited exponents;
`safe_range_constants` has its constants.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from ...bounds.radii import StepConstants, compound

_RANGE: Final = 2.0**200
"""The sizes over which bounds may be evaluated in binary64: `exact.needs_wide_range`."""
_NORM: Final = (2.0**-40, 2.0**20)
"""The range of the norm. With it, sizes of m down to some 2^-97 are in the safe range of binary32."""
_ROOM: Final = 16.0
"""The distance of sizes from overflow, as a factor; a quarter of it is that from underflow.

That covers radii, which are less than a quarter of their numbers, and the sums of two terms.
"""


class SafeRanges(NamedTuple):
    """The safe range of each number of an element.

    A number may also be 0, except for u after the step.

    Attributes:
        m_low: the lower end for m before and after the step, and for the gradient.
        m_high: the upper end for them.
        u_low: the lower end for u.
        u_high: the upper end for u.
        theta_low: the lower end for theta.
        theta_high: the upper end for theta.
    """

    m_low: float
    m_high: float
    u_low: float
    u_high: float
    theta_low: float
    theta_high: float


NO_SAFE_RANGE: Final = SafeRanges(math.inf, -math.inf, math.inf, -math.inf, math.inf, -math.inf)
"""Ranges that hold no number: every element takes the slow path."""


def safe_ranges(k: StepConstants, precision: int) -> SafeRanges:
    """The safe ranges of a step; `NO_SAFE_RANGE` for rules and devices that are rare.

    Args:
        k: the step, in floats.
        precision: of the working format.
    """
    if not k.eps_in_norm or k.flushes or k.rounds_operands or k.decays_theta or k.reciprocal:
        return NO_SAFE_RANGE
    if not k.lr or not _scalars_are_near(k):
        return NO_SAFE_RANGE
    lr, c, (low, high) = k.lr, k.correction, _NORM
    least, most = k.smallest_normal, min(k.largest, _RANGE) / _ROOM
    least = 4 * max(least, 1 / _RANGE)
    # Products and quotients without m: below the fraction bar, and above it.
    alone = [c * low, c * high, c / lr, low / lr, high / lr, c * low / lr, c * high / lr]
    alone += [lr / c, lr / low, lr / high, lr / (c * low), lr / (c * high)]
    alone += [x for x in (k.eps, k.beta2 * low, k.beta2 * high) if x]
    if k.eps > high or not all(least <= x <= most for x in alone):
        return NO_SAFE_RANGE
    # The factors of m: in the moment, and in every part of the step. A difference of two numbers of the
    # format is at least 2^-precision of the smaller one, and so is the radius of a gradient with decay.
    moment = [x for x in (k.beta1, k.complement) if x]
    step = [1.0, lr, 1 / c, lr / c, *(x / u for u in (low, high) for x in (1.0, lr, 1 / c, lr / c))]
    m_low = max(least / min(moment) * 2.0 ** (precision + 1), least / min(step))
    m_high = most / max(step)
    decay = k.weight_decay if k.decays_gradient else 0.0
    return SafeRanges(
        m_low,
        m_high,
        low,
        high,
        m_low / decay if decay else 0.0,
        min(most, m_high / decay) if decay else most,
    )


def _scalars_are_near(k: StepConstants) -> bool:
    """Check that the errors of each scalar and of the whole step are below 1/4."""
    m, u, theta = k.m_errors, k.u_errors, k.theta_errors
    off = (m.beta1, m.complement, m.weight_decay, u.beta2, u.eps, u.weight_decay, theta.lr, theta.eps)
    return all(x < 0.25 for x in (*off, compound(theta.correction, k.operations)))


def safe_range_constants(k: StepConstants) -> StepConstants:
    """The constants of a step in a format of unlimited exponents, for folding."""
    return StepConstants(
        k.lr,
        k.beta1,
        k.complement,
        k.beta2,
        k.eps,
        k.weight_decay,
        k.correction,
        0.0,
        k.roundoff,
        0.0,
        0.0,
        math.inf,
        k.add,
        k.multiply,
        k.divide,
        k.operations,
        0.0,
        k.m_errors,
        k.u_errors,
        k.theta_errors,
        k.decays_gradient,
        False,
        k.weighted,
        k.unweighted,
        k.decremented,
        k.from_gradient,
        True,
        False,
        False,
        False,
        False,
        False,
        False,
    )
