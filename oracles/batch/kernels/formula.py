"""The exact values of one element's step, for compiled loops: `reference.formula` with the constants of `StepValues`.

Both ways return, of one element, what its bounds ask for (the effective gradient, the decayed norm and the gradient's)
and, for m, u and theta, the exact value rounded to binary64 and its distance from what came.
BOUNDS.md, "The compiled oracle", proves how far they are off.

Importing this module imports Numba.
"""

from __future__ import annotations

from . import double_double as dd
from .counts import inlined
from .step_constants import StepValues

One = tuple[float, float]
"""A quantity's exact value, and its distance from what came."""

Evaluated = tuple[float, tuple[float, float], One, One, One]


@inlined
def in_binary64(
    x: StepValues,
    theta: float,
    m: float,
    u: float,
    g: float,
    theta_after: float,
    m_after: float,
    u_after: float,
) -> Evaluated:
    """Evaluate one element in binary64: for the formats that have 29 bits less, or more."""
    effective = x.after * (x.before * g + x.weight_decay * theta)
    decayed = x.beta2 * u + x.eps_on_decayed
    fresh = abs(effective) + x.eps_in_norm
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


@inlined
def moments(
    x: StepValues, theta: dd.Double, m: dd.Double, u: dd.Double, g: float
) -> tuple[float, tuple[float, float], dd.Double, dd.Double]:
    """Form the effective gradient, the two branches, and m and u after the step, in twice binary64's precision."""
    effective = dd.plus(dd.times(theta, x.after * x.weight_decay), (x.after * x.before * g, 0.0))
    sign = 1.0 if effective[0] >= 0.0 else -1.0
    decayed = dd.plus(dd.times(u, x.beta2), (x.eps_on_decayed, 0.0))
    fresh = dd.plus((sign * effective[0], sign * effective[1]), (x.eps_in_norm, 0.0))
    m_exact = dd.plus(dd.times(m, x.beta1), dd.times_double(effective, x.complement))
    larger = decayed[0] > fresh[0] or (decayed[0] == fresh[0] and decayed[1] > fresh[1])
    u_exact = (decayed[0] if larger else fresh[0], decayed[1] if larger else fresh[1])
    return effective[0], (decayed[0], fresh[0]), m_exact, u_exact


@inlined
def theta_after_step(x: StepValues, theta: dd.Double, m: dd.Double, u: dd.Double) -> dd.Double:
    """Form theta after the step from m and u after it, in twice binary64's precision."""
    step = dd.over(dd.times_double(x.rate, m), dd.plus(u, (x.eps_in_denominator, 0.0)))
    lost = dd.times_double(x.share, theta)
    kept = dd.plus(theta, (-lost[0], -lost[1]))
    return dd.plus(kept, (-step[0], -step[1]))


@inlined
def in_twice_binary64(
    x: StepValues,
    theta: float,
    m: float,
    u: float,
    g: float,
    theta_after: float,
    m_after: float,
    u_after: float,
) -> Evaluated:
    """Evaluate one element in twice the precision of binary64: for every format."""
    effective, branches, m_exact, u_exact = moments(x, (theta, 0.0), (m, 0.0), (u, 0.0), g)
    theta_exact = theta_after_step(x, (theta, 0.0), (m_after, 0.0), (u_after, 0.0))
    return (
        effective,
        branches,
        (m_exact[0], dd.distance(m_exact, m_after)),
        (u_exact[0], dd.distance(u_exact, u_after)),
        (theta_exact[0], dd.distance(theta_exact, theta_after)),
    )
