"""The bounds of one step, derived in oracles/BOUNDS.md: one function for each quantity, over plain numbers.

Every function takes the constants of the step, and exact values with the radius of what the subject may have had
in their place; it returns the radius of the result. An infinite radius says that an admissible evaluation
overflows, or divides by zero.

The functions work on Python floats and on mpf alike, and are compiled as they stand
(`oracles.batch.compiled_lockstep`): hence their plain style. A float is enough where no intermediate leaves its range
(`oracles.exact.trajectory.wide_range` decides): nothing here cancels, so `SLACK` covers its rounding.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from .scalar_errors import Real, ScalarErrors

SLACK: Final = 1 + 2.0**-40
"""Covers the evaluation of a bound in binary64 (fewer than 2**11 roundings, each 2**-53) and the oracle's own
error (BOUNDS.md, "The oracle's own error")."""

TWICE: Final = 1 + 2.0**-11
"""Covers a result that is rounded twice, first to at least 11 bits more (BOUNDS.md, "What is assumed")."""


class StepConstants(NamedTuple):
    """What the bounds of a step depend on beside the numbers of an element.

    Attributes:
        lr: the learning rate.
        beta1: decay of the first moment.
        complement: 1 - beta1.
        beta2: decay of the infinity norm.
        eps: the term added for numerical stability.
        weight_decay: lambda.
        correction: 1 - beta1^t, or 1 where the rule has no bias correction.
        zero: 0.
        roundoff: the unit roundoff of the working format, enlarged by `TWICE`.
        half_subnormal: half of its smallest subnormal number, likewise.
        smallest_normal: its smallest normal number.
        largest: its largest number.
        add: the relative error of an addition or a subtraction.
        multiply: of a multiplication.
        divide: of a division.
        operations: of all operations of the step together.
        coarse: of what a decoupled decay leaves, where the scalars' format is below the working one; else 0.
        moment: errors of the scalars as they enter m.
        norm: as they enter u.
        step: as they enter theta.
        decays_gradient: whether there is a decay that is added to the gradient; in compiled code, None where not.
        decays_theta: whether there is one that is decoupled.
        interpolated: whether m is formed from its distance to the gradient; likewise.
        eps_in_norm: whether eps is added to the gradient's size.
        eps_on_decayed: whether it is added to the decayed norm.
        eps_in_denominator: whether it is added to u as it divides.
        flushes: whether subnormal numbers are replaced by zero.
        rounds_operands: whether numbers of a finer format are rounded as they are read.
    """

    lr: Real
    beta1: Real
    complement: Real
    beta2: Real
    eps: Real
    weight_decay: Real
    correction: Real
    zero: Real
    roundoff: Real
    half_subnormal: Real
    smallest_normal: Real
    largest: Real
    add: Real
    multiply: Real
    divide: Real
    operations: Real
    coarse: Real
    moment: ScalarErrors
    norm: ScalarErrors
    step: ScalarErrors
    decays_gradient: bool | None
    decays_theta: bool
    interpolated: bool | None
    eps_in_norm: bool
    eps_on_decayed: bool
    eps_in_denominator: bool
    flushes: bool
    rounds_operands: bool


def compound(*errors: Real) -> Real:
    """(1 + e1)(1 + e2)... - 1, without the cancellation."""
    total = errors[0] * 0
    for error in errors:
        total = total + error + total * error
    return total


# What may happen to a number -----------------------------------------------------------------------------


def read(k: StepConstants, size: Real, radius: Real) -> Real:
    """The radius of an operand of this size, which may be rounded as it is read, or flushed to zero."""
    if k.rounds_operands and size + radius:
        if overflows(k, size + radius):
            return math.inf
        radius = radius + stored(k, size + radius)
    if k.flushes and size - radius < k.smallest_normal:
        return radius + min(size + radius, k.smallest_normal)
    return radius


def lost(k: StepConstants, size: Real) -> Real:
    """What a product or quotient of at most this size may lose to underflow, absolutely."""
    if not size:
        return k.zero
    if k.flushes:
        return k.smallest_normal  # whatever the size: the actual value may be smaller
    return k.zero if size >= k.smallest_normal else k.half_subnormal


def lost_sum(k: StepConstants, size: Real) -> Real:
    """The same for a sum, which is exact in the subnormal range unless it is flushed."""
    return lost(k, size) if k.flushes else k.zero


def stored(k: StepConstants, size: Real) -> Real:
    """How far a number may have been from the number of this size that it was stored as, zero included."""
    if size >= k.smallest_normal:
        return k.roundoff * size
    return k.smallest_normal if k.flushes else k.half_subnormal


def overflows(k: StepConstants, size: Real) -> bool:
    """Whether an intermediate of this size may leave the format's range once it is rounded."""
    return not size * (1 + 4 * k.roundoff) < k.largest


def shrinks(k: StepConstants, size: Real) -> Real:
    """By which fraction underflow may change a divisor of at least this size; 1 where it may vanish."""
    if k.flushes:
        return k.zero if size >= 2 * k.smallest_normal else k.zero + 1
    return lost(k, size) / size


def vanishes(k: StepConstants, size: Real) -> Real:
    """By which fraction of its size underflow may change a factor of at most this size; at most all of it."""
    return min(k.zero + 1, lost(k, size) / size) if size else k.zero


# The gradient ----------------------------------------------------------------------------------------------


def gradient(
    k: StepConstants, theta: Real, theta_radius: Real, g: Real, effective: Real, e: ScalarErrors
) -> Real:
    """Radius of the effective gradient. BOUNDS.md, "The gradient".

    Args:
        k: the step.
        theta: theta before the step.
        theta_radius: its radius.
        g: the gradient as passed.
        effective: the effective gradient.
        e: the errors of the scalars that it meets.
    """
    as_read = read(k, abs(g), k.zero)
    if not k.decays_gradient:
        return as_read
    if e.weight_decay == math.inf:
        return math.inf
    theta_radius = read(k, abs(theta), theta_radius)
    term = k.weight_decay * (abs(theta) + theta_radius)
    off = (
        k.weight_decay * theta_radius + term * compound(e.weight_decay, k.multiply) + lost(k, term) + as_read
    )
    total = abs(effective) + off
    if overflows(k, max(term + off, total)):
        return math.inf
    if g and term:
        off += k.add * total
    return off + lost_sum(k, total)


# The first moment ------------------------------------------------------------------------------------------


def moment(
    k: StepConstants, m: Real, m_radius: Real, g: Real, effective: Real, theta: Real, theta_radius: Real
) -> Real:
    """Radius of m after the step. BOUNDS.md, "The first moment".

    Args:
        k: the step.
        m: the first moment before the step.
        m_radius: its radius.
        g: the gradient as passed.
        effective: the effective gradient.
        theta: theta before the step.
        theta_radius: its radius.
    """
    g_radius = gradient(k, theta, theta_radius, g, effective, k.moment)
    m_radius = read(k, abs(m), m_radius)
    if math.inf in (g_radius, m_radius):
        return math.inf
    carried = k.beta1 * m_radius + k.complement * g_radius
    m_size, g_size = abs(m) + m_radius, abs(effective) + g_radius
    if not k.interpolated:
        return (carried + weighted(k, m_size, g_size)) * SLACK
    distance = abs(effective - m) + g_radius + m_radius
    if overflows(k, max(distance, m_size, g_size)):
        return math.inf
    total = abs(k.beta1 * m + k.complement * effective) + carried
    return (carried + interpolated(k, m_size, g_size, distance, total)) * SLACK


def weighted(k: StepConstants, m_size: Real, g_size: Real) -> Real:
    """What beta1*m + (1 - beta1)*g adds to what is carried."""
    if not k.beta1:
        return lost_sum(k, g_size)  # 0*m + 1*g
    e = k.moment
    decayed, fresh = k.beta1 * m_size, k.complement * g_size
    add = k.add if decayed and fresh else k.zero
    off = (
        decayed * compound(e.beta1, k.multiply, add)
        + fresh * compound(e.complement, k.multiply, add)
        + (lost(k, decayed) + lost(k, fresh)) * (1 + add)
        + lost_sum(k, decayed + fresh)
    )
    return math.inf if overflows(k, decayed + fresh + off) else off


def interpolated(k: StepConstants, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
    """What m + (1 - beta1)*(g - m), or g - (g - m)*beta1, adds to what is carried."""
    e = k.moment
    subtract = k.add if m_size and g_size else k.zero
    onward, back = k.complement * distance, k.beta1 * distance
    off = onward * compound(e.complement, subtract, k.multiply) + lost(k, onward)
    goes_back = k.complement * (1 + e.complement) >= 0.5
    if goes_back:
        # beta1 as given, or as 1 - (1 - beta1): exact there, but for the error of 1 - beta1 itself.
        rounded = compound(subtract, k.multiply)
        weight = max(back * e.beta1 * (1 + rounded), onward * e.complement * (1 + rounded))
        off = max(off, back * rounded + weight + lost(k, back))
    off += lost_sum(k, distance)
    if m_size or goes_back:
        off += k.add * (total + off)
    return off + lost_sum(k, total + off)


# The infinity norm -----------------------------------------------------------------------------------------


def norm(
    k: StepConstants,
    u: Real,
    u_radius: Real,
    g: Real,
    effective: Real,
    branches: tuple[Real, Real],
    theta: Real,
    theta_radius: Real,
) -> Real:
    """Radius of u after the step. BOUNDS.md, "The infinity norm".

    Args:
        k: the step.
        u: the infinity norm before the step.
        u_radius: its radius.
        g: the gradient as passed.
        effective: the effective gradient.
        branches: the decayed norm and the gradient's, whose maximum is u after the step.
        theta: theta before the step.
        theta_radius: its radius.
    """
    e = k.norm
    fresh_off = gradient(k, theta, theta_radius, g, effective, e)
    u_radius = read(k, abs(u), u_radius)
    if math.inf in (fresh_off, e.eps, u_radius):
        return math.inf
    decayed, fresh = branches
    product = k.beta2 * (abs(u) + u_radius)
    decayed_off = k.beta2 * u_radius + product * compound(e.beta2, k.multiply) + lost(k, product)
    if k.eps_in_norm:
        fresh_off = plus_eps(k, abs(effective), fresh_off, e)
    elif k.eps_on_decayed:
        decayed_off = plus_eps(k, k.beta2 * abs(u), decayed_off, e)
    if overflows(k, max(decayed + decayed_off, fresh + fresh_off)):
        return math.inf
    # A branch that cannot win adds nothing.
    if (decayed + decayed_off) * SLACK < fresh - fresh_off:
        return fresh_off * SLACK
    if (fresh + fresh_off) * SLACK < decayed - decayed_off:
        return decayed_off * SLACK
    return max(decayed_off, fresh_off) * SLACK


def plus_eps(k: StepConstants, size: Real, radius: Real, e: ScalarErrors) -> Real:
    """Radius of a number plus eps, from the number's size and radius."""
    off = radius + k.eps * e.eps
    total = size + k.eps + off
    if e.eps and total < k.smallest_normal:
        off += (TWICE - 1) * 2 * k.half_subnormal  # a wide sum that another rounding takes for a tie
    if k.eps and size + radius:
        off += k.add * total
    return off + lost_sum(k, total)


# Theta -----------------------------------------------------------------------------------------------------


def theta(
    k: StepConstants,
    before: Real,
    before_radius: Real,
    m: Real,
    m_radius: Real,
    u: Real,
    u_radius: Real,
) -> Real:
    """Radius of theta after the step. BOUNDS.md, "Theta".

    Args:
        k: the step.
        before: theta before the step.
        before_radius: its radius.
        m: the first moment after the step.
        m_radius: its radius.
        u: the infinity norm after the step.
        u_radius: its radius.
    """
    before_radius = read(k, abs(before), before_radius)
    kept, kept_off = before, before_radius
    step, step_off = update(k, m, read(k, abs(m), m_radius), u, read(k, u, u_radius))
    if k.decays_theta:
        kept = before - k.lr * k.weight_decay * before
        kept_off = retained(k, abs(before), before_radius)
        step_off = step_off + joined(k, abs(step) + step_off, abs(before) + before_radius)
    off = kept_off + step_off
    total = abs(kept - step) + off
    if overflows(k, max(abs(kept) + kept_off, total)):
        return math.inf
    if (kept or kept_off) and (step or step_off):
        off += k.add * total
    return (off + lost_sum(k, total)) * SLACK


def stored_theta(k: StepConstants, before: Real, m: Real, u: Real, m_formed: Real, u_formed: Real) -> Real:
    """Radius of theta after the step from the subject's own m and u, which may have entered unrounded.

    Args:
        k: the step.
        before: theta before the step.
        m: the first moment after the step, as stored.
        u: the infinity norm after the step, as stored.
        m_formed: how far from `m` any admissible evaluation of it may be; infinite where that is not known.
        u_formed: the same for `u`.
    """
    m_radius, u_radius = min(stored(k, abs(m)), m_formed), min(stored(k, abs(u)), u_formed)
    return theta(k, before, k.zero, m, m_radius, u, u_radius)


def retained(k: StepConstants, size: Real, radius: Real) -> Real:
    """Radius of what a decoupled decay leaves of theta before the step is taken."""
    e = k.step
    if math.inf in (e.lr, e.weight_decay):
        return math.inf
    size = size + radius
    share = k.lr * k.weight_decay
    part = share * size
    off = (
        part * compound(e.lr, e.weight_decay, k.multiply, k.multiply, k.add)
        + lost(k, part)
        + lost(k, share) * size
        + compound(k.add, k.multiply, k.coarse) * (size + part)
    )
    return radius * (1 + share) + off


def joined(k: StepConstants, size: Real, theta_size: Real) -> Real:
    """What lr*(m/(c*d) + weight_decay*theta) adds to a step of at most this size: a sum, and what is lost."""
    decay = k.weight_decay * theta_size
    if size == math.inf or not k.lr or not decay:
        return k.zero
    sum_ = size / k.lr + decay
    if overflows(k, sum_):
        return math.inf
    gone = k.lr * (lost(k, decay) + lost_sum(k, sum_)) * (1 + compound(k.step.lr, k.add, k.multiply))
    return k.add * size + gone + lost(k, k.lr * sum_)


def update(k: StepConstants, m: Real, m_radius: Real, u: Real, u_radius: Real) -> tuple[Any, Any]:
    """lr*m / (correction*denominator), and its radius over every admissible order of evaluation."""
    e, lr, c = k.step, k.lr, k.correction
    size = abs(m) + m_radius
    d, d_off = u, u_radius
    if k.eps_in_denominator:
        d, d_off = u + k.eps, plus_eps(k, u, u_radius, e)
    nearest, farthest = d - d_off * SLACK, d + d_off
    if not nearest > 0 or e.lr == math.inf:
        return k.zero, math.inf
    # At most so much is divided by d: a quotient is at most this multiple of its dividend.
    inverse = 1 / nearest
    largest = lr / c * (size * inverse)
    # Every divisor of two, then of three, of lr, m, 1/c and 1/d: below the fraction bar ...
    second = shrinks(k, c * nearest)
    if lr:
        second = max(second, shrinks(k, c / lr), shrinks(k, nearest / lr))
    third = max(second, shrinks(k, c * nearest / lr)) if lr else second
    shrunk = compound(e.correction, k.operations, second, third)
    if not shrunk < 1:
        return k.zero, math.inf
    growth = compound(e.lr, shrunk / (1 - shrunk))
    # ... and every product and quotient above it.
    second = max(
        vanishes(k, lr * size),
        vanishes(k, lr / c),
        vanishes(k, lr * inverse),
        vanishes(k, size / c),
        vanishes(k, size * inverse),
    )
    third = max(second, vanishes(k, lr * size * inverse))  # over c, which is at most 1, it is no smaller
    # What lost to underflow may divide another factor, which is then the larger; unless all of it is lost:
    # the step is then 0, and counted as lost.
    loss = growth if second >= 1 else compound(growth, second / (1 - second))
    # The largest are those over c; below the bar, those without it, or without lr.
    above = max(lr / c, size / c, lr * size / c, size / c * inverse, lr / c * inverse, largest)
    below = max(c * farthest, c / lr, farthest / lr) if lr else c * farthest
    if overflows(k, max(above, below) * (1 + loss)):
        return k.zero, math.inf
    exact = 1 / d
    carried = lr / c * ((m_radius + abs(m) * (d_off * exact)) * inverse)
    return lr / c * (m * exact), carried + largest * compound(growth, second, third, vanishes(k, largest))
