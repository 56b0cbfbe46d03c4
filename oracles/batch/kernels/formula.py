"""The update formula for compiled loops, over `FormulaConstants`.

`evaluate_in_binary64` and `evaluate_in_double_double` return the same of one element. There is what its bounds need: the
effective gradient, the decayed norm and the gradient's. And there are, for m, u and theta, the exact value rounded to
binary64 and its distance from the subject's number. BOUNDS.md, "The compiled oracle", bounds their errors.

Importing this module imports Numba.
"""

from __future__ import annotations

from . import double_double as dd
from .counts import jit_inline
from .formula_constants import FormulaConstants

ValueAndError = tuple[float, float]
"""A quantity's exact value, and the distance of the subject's number from it."""

ElementValues = tuple[float, tuple[float, float], ValueAndError, ValueAndError, ValueAndError]


@jit_inline
def evaluate_in_binary64(
    x: FormulaConstants,
    theta: float,
    m: float,
    u: float,
    g: float,
    theta_after: float,
    m_after: float,
    u_after: float,
) -> ElementValues:
    """Evaluate one element in binary64, for formats of at least 29 bits less."""
    effective = x.after * (x.before * g + x.weight_decay * theta)
    decayed = x.beta2 * u + x.eps_on_decayed
    fresh = max(abs(effective) + x.eps_in_norm, x.eps_as_floor)
    m_exact = x.beta1 * m + x.complement[0] * effective
    u_exact = max(decayed, fresh)
    theta_exact = (theta - x.share[0] * theta) - x.rate[0] * m_after / (u_after + x.eps_in_denominator)
    return (
        effective,
        (decayed, fresh),
        (m_exact, abs(m_exact - m_after)),
        (u_exact, abs(u_exact - u_after)),
        (theta_exact, abs(theta_exact - theta_after)),
    )


@jit_inline
def moments(
    x: FormulaConstants, theta: dd.Double, m: dd.Double, u: dd.Double, g: float
) -> tuple[float, tuple[float, float], dd.Double, dd.Double]:
    """Form the effective gradient, the norm's branches, and m and u after the step.

    All of it has twice binary64's precision.
    """
    effective = dd.plus(dd.times(theta, x.after * x.weight_decay), (x.after * x.before * g, 0.0))
    sign = 1.0 if effective[0] >= 0.0 else -1.0
    decayed = dd.plus(dd.times(u, x.beta2), (x.eps_on_decayed, 0.0))
    fresh = dd.plus((sign * effective[0], sign * effective[1]), (x.eps_in_norm, 0.0))
    below = fresh[0] < x.eps_as_floor or (fresh[0] == x.eps_as_floor and fresh[1] < 0.0)
    fresh = (x.eps_as_floor if below else fresh[0], 0.0 if below else fresh[1])
    m_exact = dd.plus(dd.times(m, x.beta1), dd.times_double(effective, x.complement))
    larger = decayed[0] > fresh[0] or (decayed[0] == fresh[0] and decayed[1] > fresh[1])
    u_exact = (decayed[0] if larger else fresh[0], decayed[1] if larger else fresh[1])
    return effective[0], (decayed[0], fresh[0]), m_exact, u_exact


@jit_inline
def theta_after_step(x: FormulaConstants, theta: dd.Double, m: dd.Double, u: dd.Double) -> dd.Double:
    """Form theta from m and u after the step, in twice binary64's precision."""
    step = dd.over(dd.times_double(x.rate, m), dd.plus(u, (x.eps_in_denominator, 0.0)))
    decay = dd.times_double(x.share, theta)
    kept = dd.plus(theta, (-decay[0], -decay[1]))
    return dd.plus(kept, (-step[0], -step[1]))


@jit_inline
def evaluate_in_double_double(
    x: FormulaConstants,
    theta: float,
    m: float,
    u: float,
    g: float,
    theta_after: float,
    m_after: float,
    u_after: float,
) -> ElementValues:
    """Evaluate one element in twice binary64's precision, for every format."""
    effective, branches, m_exact, u_exact = moments(x, (theta, 0.0), (m, 0.0), (u, 0.0), g)
    theta_exact = theta_after_step(x, (theta, 0.0), (m_after, 0.0), (u_after, 0.0))
    return (
        effective,
        branches,
        (m_exact[0], dd.distance(m_exact, m_after)),
        (u_exact[0], dd.distance(u_exact, u_after)),
        (theta_exact[0], dd.distance(theta_exact, theta_after)),
    )
