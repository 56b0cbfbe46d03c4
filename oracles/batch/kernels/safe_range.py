"""Which elements of a step are ordinary: nothing of theirs is lost to underflow, and nothing overflows.

Every product and quotient that `oracles.bounds.radii` looks at is monotone in the sizes of its operands, so it is enough
to look at the ends of their ranges. For elements within these, the bounds are what they would be in a format of
unlimited exponents; `ordinary` has the constants of that.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from ...bounds.radii import StepConstants, compound

_RANGE: Final = 2.0**200
"""The sizes over which bounds may be evaluated in binary64: `exact.wide_range`."""
_NORM: Final = (2.0**-40, 2.0**20)
"""The norms that are looked at; with them, sizes of m down to some 2^-97 are ordinary in binary32."""
_ROOM: Final = 16.0
"""Sizes stay so far from overflow, and a quarter of it from underflow: that covers radii, which are less than a
quarter of their numbers, and the sums of two terms."""


class Ranges(NamedTuple):
    """The sizes of an ordinary element; each may be 0, too, but for u after the step.

    Attributes:
        m_low: of m before the step, of m after it, and of the gradient, where they are not 0.
        m_high: the same, from above.
        u_low: of u.
        u_high: of u.
        theta_low: of theta.
        theta_high: of theta.
    """

    m_low: float
    m_high: float
    u_low: float
    u_high: float
    theta_low: float
    theta_high: float


NOWHERE: Final = Ranges(math.inf, -math.inf, math.inf, -math.inf, math.inf, -math.inf)
"""No element is ordinary."""


def ranges(k: StepConstants, precision: int) -> Ranges:
    """The ranges within which an element of a step is ordinary; nowhere for what is seldom asked.

    Args:
        k: the step, in floats.
        precision: of the working format.
    """
    if not k.eps_in_norm or k.flushes or k.rounds_operands or k.decays_theta:
        return NOWHERE
    if not k.lr or not _scalars_are_near(k):
        return NOWHERE
    lr, c, (low, high) = k.lr, k.correction, _NORM
    least, most = k.smallest_normal, min(k.largest, _RANGE) / _ROOM
    least = 4 * max(least, 1 / _RANGE)
    # What m does not enter: below the fraction bar, and above it.
    alone = [c * low, c * high, c / lr, low / lr, high / lr, c * low / lr, c * high / lr]
    alone += [lr / c, lr / low, lr / high, lr / (c * low), lr / (c * high)]
    alone += [x for x in (k.eps, k.beta2 * low, k.beta2 * high) if x]
    if k.eps > high or not all(least <= x <= most for x in alone):
        return NOWHERE
    # By what m is multiplied: into the moment, and in every part of the step. A difference of two numbers of the
    # format is at least 2^-precision of the smaller one, and so is the radius of a gradient with decay.
    moment = [x for x in (k.beta1, k.complement) if x]
    step = [1.0, lr, 1 / c, lr / c, *(x / u for u in (low, high) for x in (1.0, lr, 1 / c, lr / c))]
    m_low = max(least / min(moment) * 2.0 ** (precision + 1), least / min(step))
    m_high = most / max(step)
    decay = k.weight_decay if k.decays_gradient else 0.0
    return Ranges(
        m_low,
        m_high,
        low,
        high,
        m_low / decay if decay else 0.0,
        min(most, m_high / decay) if decay else most,
    )


def _scalars_are_near(k: StepConstants) -> bool:
    """Whether no scalar is off by more than a quarter of itself, nor all of the step's together."""
    m, u, theta = k.moment, k.norm, k.step
    off = (m.beta1, m.complement, m.weight_decay, u.beta2, u.eps, u.weight_decay, theta.lr, theta.eps)
    return all(x < 0.25 for x in (*off, compound(theta.correction, k.operations)))


def ordinary(k: StepConstants) -> StepConstants:
    """The constants of a step in a format of unlimited exponents; for compiled code, which folds them."""
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
        k.moment,
        k.norm,
        k.step,
        k.decays_gradient,
        False,
        k.interpolated,
        True,
        False,
        False,
        False,
        False,
    )
