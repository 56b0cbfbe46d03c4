"""The bounds of one step, as functions of plain numbers; BOUNDS.md derives them.

A function takes the constants of the step and exact values. With each value comes its radius: how far from it the
subject's own number may be. The function returns the radius of the result. An infinite radius means that an
admissible evaluation overflows or divides by zero.

The functions work on floats and on mpf alike. Numba compiles them as they stand
(`oracles.batch.kernels.lockstep`), hence their plain style. A float is enough where no intermediate leaves its range;
`oracles.exact.trajectory.needs_wide_range` decides that. Nothing here cancels, so `SLACK` covers the rounding.
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
    """The numbers that the bounds of a step depend on, besides those of an element.

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
        coarse_roundoff: the unit roundoff of the step's scalars where it is coarser than the working one; else 0. A
            decoupled decay is rounded by it.
        m_errors: errors of the scalars as they enter m.
        u_errors: as they enter u.
        theta_errors: as they enter theta.
        decays_gradient: whether a decay is added to the gradient. Compiled code takes None instead of False.
        decays_theta: whether the decay is decoupled.
        weighted: whether m may be formed in the weighted form; None for False likewise.
        unweighted: whether m may be formed in another one: the interpolated form unless one of the next two is set.
        decremented: whether that is the decremented form.
        from_gradient: whether it starts from the gradient.
        eps_in_norm: whether eps is added to the gradient's size.
        eps_on_decayed: whether it is added to the decayed norm.
        eps_as_floor: whether u is at least eps.
        eps_in_denominator: whether it is added to u where u divides.
        flushes: whether the device replaces subnormal numbers by zero.
        rounds_operands: whether the subject rounds numbers of a finer format as it reads them.
        reciprocal: whether the step is a product with the reciprocal of a divisor.
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
    coarse_roundoff: Real
    m_errors: ScalarErrors
    u_errors: ScalarErrors
    theta_errors: ScalarErrors
    decays_gradient: bool | None
    decays_theta: bool
    weighted: bool | None
    unweighted: bool | None
    decremented: bool
    from_gradient: bool
    eps_in_norm: bool
    eps_on_decayed: bool
    eps_as_floor: bool
    eps_in_denominator: bool
    flushes: bool
    rounds_operands: bool
    reciprocal: bool


def compound(*errors: Real) -> Real:
    """Compute (1 + e1)(1 + e2)... - 1 without the cancellation."""
    total = errors[0] * 0
    for error in errors:
        total = total + error + total * error
    return total


# One number ------------------------------------------------------------------------------------------------


def operand_radius(k: StepConstants, size: Real, radius: Real) -> Real:
    """Radius of an operand of this size after reading, which may round or flush it."""
    if k.rounds_operands and size + radius:
        if overflows(k, size + radius):
            return math.inf
        radius = radius + storage_error(k, size + radius)
    if k.flushes and size - radius < k.smallest_normal:
        return radius + min(size + radius, k.smallest_normal)
    return radius


def underflow_error(k: StepConstants, size: Real) -> Real:
    """Absolute error by underflow of a product or quotient of at most this size."""
    if not size:
        return k.zero
    if k.flushes:
        return k.smallest_normal  # whatever the size: the actual value may be smaller
    return k.zero if size >= k.smallest_normal else k.half_subnormal


def sum_underflow_error(k: StepConstants, size: Real) -> Real:
    """Absolute error by underflow of a sum, which is exact unless it is flushed."""
    return underflow_error(k, size) if k.flushes else k.zero


def storage_error(k: StepConstants, size: Real) -> Real:
    """Distance between a number and its stored form of this size, zero included."""
    if size >= k.smallest_normal:
        return k.roundoff * size
    return k.smallest_normal if k.flushes else k.half_subnormal


def overflows(k: StepConstants, size: Real) -> bool:
    """Check whether an intermediate of this size may overflow when it is rounded."""
    return not size * (1 + 4 * k.roundoff) < k.largest


def divisor_underflow(k: StepConstants, size: Real) -> Real:
    """Relative error by underflow of a divisor of at least this size; at most 1."""
    if k.flushes:
        return k.zero if size >= 2 * k.smallest_normal else k.zero + 1
    return underflow_error(k, size) / size


def factor_underflow(k: StepConstants, size: Real) -> Real:
    """Relative error by underflow of a factor of at most this size; at most 1."""
    return min(k.zero + 1, underflow_error(k, size) / size) if size else k.zero


# The gradient ----------------------------------------------------------------------------------------------


def gradient_radius(
    k: StepConstants, theta: Real, theta_radius: Real, g: Real, effective: Real, e: ScalarErrors
) -> Real:
    """Radius of the effective gradient. BOUNDS.md, "The gradient".

    Args:
        k: the step.
        theta: theta before the step.
        theta_radius: its radius.
        g: the gradient as passed.
        effective: the effective gradient.
        e: the errors of the scalars as they enter m or u.
    """
    as_read = operand_radius(k, abs(g), k.zero)
    if not k.decays_gradient:
        return as_read
    if e.weight_decay == math.inf:
        return math.inf
    theta_radius = operand_radius(k, abs(theta), theta_radius)
    term = k.weight_decay * (abs(theta) + theta_radius)
    off = (
        k.weight_decay * theta_radius
        + term * compound(e.weight_decay, k.multiply)
        + underflow_error(k, term)
        + as_read
    )
    total = abs(effective) + off
    if overflows(k, max(term + off, total)):
        return math.inf
    if g and term:
        off += k.add * total
    return off + sum_underflow_error(k, total)


# The first moment ------------------------------------------------------------------------------------------


def moment_radius(
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
    g_radius = gradient_radius(k, theta, theta_radius, g, effective, k.m_errors)
    m_radius = operand_radius(k, abs(m), m_radius)
    if math.inf in (g_radius, m_radius):
        return math.inf
    carried = k.beta1 * m_radius + k.complement * g_radius
    m_size, g_size = abs(m) + m_radius, abs(effective) + g_radius
    off = k.zero
    if k.weighted:
        off = weighted_error(k, m_size, g_size)
    if k.unweighted:
        distance = abs(effective - m) + g_radius + m_radius
        total = abs(k.beta1 * m + k.complement * effective) + carried
        off = max(off, unweighted_error(k, m_size, g_size, distance, total))
    return (carried + off) * SLACK


def weighted_error(k: StepConstants, m_size: Real, g_size: Real) -> Real:
    """Error that the weighted form, beta1*m + (1 - beta1)*g, adds."""
    if not k.beta1:
        return sum_underflow_error(k, g_size)  # 0*m + 1*g
    e = k.m_errors
    decayed, fresh = k.beta1 * m_size, k.complement * g_size
    add = k.add if decayed and fresh else k.zero
    off = (
        decayed * compound(e.beta1, k.multiply, add)
        + fresh * compound(e.complement, k.multiply, add)
        + (underflow_error(k, decayed) + underflow_error(k, fresh)) * (1 + add)
        + sum_underflow_error(k, decayed + fresh)
    )
    return math.inf if overflows(k, decayed + fresh + off) else off


def unweighted_error(k: StepConstants, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
    """Error that the form of m adds where it is not the weighted one."""
    if k.decremented:
        return decremented_error(k, m_size, g_size, distance, total)
    if overflows(k, max(distance, m_size, g_size)):
        return math.inf
    if k.from_gradient:
        return from_gradient_error(k, m_size, g_size, distance, total)
    return interpolated_error(k, m_size, g_size, distance, total)


def decremented_error(k: StepConstants, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
    """Error that the decremented form, (m - (1 - beta1)*m) + (1 - beta1)*g, adds."""
    if not k.beta1:
        return sum_underflow_error(k, g_size)  # (m - 1*m) + 1*g
    e = k.m_errors
    taken, fresh = k.complement * m_size, k.complement * g_size
    taken_off = taken * (1 + e.complement) * k.multiply + underflow_error(k, taken)
    kept = k.beta1 * m_size + taken * e.complement + taken_off
    off = (
        k.complement * distance * e.complement
        + taken_off
        + k.add * kept
        + sum_underflow_error(k, kept)
        + fresh * (1 + e.complement) * k.multiply
        + underflow_error(k, fresh)
    )
    if overflows(k, max(taken, kept + fresh + off)):
        return math.inf
    if m_size and g_size:
        off += k.add * (total + off)
    return off + sum_underflow_error(k, total + off)


def from_gradient_error(k: StepConstants, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
    """Error that the form g + beta1*(m - g) adds."""
    if not k.beta1:
        return sum_underflow_error(k, g_size)  # g + 0*(m - g)
    subtract = k.add if m_size and g_size else k.zero
    back = k.beta1 * distance
    off = back * compound(k.m_errors.beta1, subtract, k.multiply) + underflow_error(k, back)
    off += sum_underflow_error(k, distance)
    if g_size:
        off += k.add * (total + off)
    return off + sum_underflow_error(k, total + off)


def interpolated_error(k: StepConstants, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
    """Error that the interpolated form adds.

    It is m + (1 - beta1)*(g - m), onward, or g - (g - m)*beta1, back.
    """
    e = k.m_errors
    subtract = k.add if m_size and g_size else k.zero
    onward, back = k.complement * distance, k.beta1 * distance
    off = onward * compound(e.complement, subtract, k.multiply) + underflow_error(k, onward)
    goes_back = k.complement * (1 + e.complement) * SLACK >= 0.5  # a scalar that is rounded to 0.5 goes back
    if goes_back:
        # beta1 itself, or 1 - (1 - beta1), which has no error here but that of 1 - beta1.
        rounded = compound(subtract, k.multiply)
        weight = max(back * e.beta1 * (1 + rounded), onward * e.complement * (1 + rounded))
        off = max(off, back * rounded + weight + underflow_error(k, back))
    off += sum_underflow_error(k, distance)
    if m_size or goes_back:
        off += k.add * (total + off)
    return off + sum_underflow_error(k, total + off)


# The infinity norm -----------------------------------------------------------------------------------------


def norm_radius(
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
    e = k.u_errors
    fresh_off = gradient_radius(k, theta, theta_radius, g, effective, e)
    u_radius = operand_radius(k, abs(u), u_radius)
    if math.inf in (fresh_off, e.eps, u_radius):
        return math.inf
    decayed, fresh = branches
    product = k.beta2 * (abs(u) + u_radius)
    decayed_off = k.beta2 * u_radius + product * compound(e.beta2, k.multiply) + underflow_error(k, product)
    if k.eps_in_norm:
        fresh_off = eps_sum_radius(k, abs(effective), fresh_off, e)
    elif k.eps_on_decayed:
        decayed_off = eps_sum_radius(k, k.beta2 * abs(u), decayed_off, e)
    elif k.eps_as_floor:
        fresh_off = max(fresh_off, k.eps * e.eps + sum_underflow_error(k, k.eps))
    if overflows(k, max(decayed + decayed_off, fresh + fresh_off)):
        return math.inf
    # The branch that cannot be the maximum adds nothing.
    if (decayed + decayed_off) * SLACK < fresh - fresh_off:
        return fresh_off * SLACK
    if (fresh + fresh_off) * SLACK < decayed - decayed_off:
        return decayed_off * SLACK
    return max(decayed_off, fresh_off) * SLACK


def eps_sum_radius(k: StepConstants, size: Real, radius: Real, e: ScalarErrors) -> Real:
    """Radius of the sum of eps and a number, from the number's size and radius."""
    off = radius + k.eps * e.eps
    total = size + k.eps + off
    if e.eps and total < k.smallest_normal:
        off += (TWICE - 1) * 2 * k.half_subnormal  # rounding a wide sum again may take it for a tie
    if k.eps and size + radius:
        off += k.add * total
    return off + sum_underflow_error(k, total)


# Theta -----------------------------------------------------------------------------------------------------


def theta_radius(
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
    before_radius = operand_radius(k, abs(before), before_radius)
    kept, kept_off = before, before_radius
    step, step_off = step_and_radius(
        k, m, operand_radius(k, abs(m), m_radius), u, operand_radius(k, u, u_radius)
    )
    if k.decays_theta:
        kept = before - k.lr * k.weight_decay * before
        kept_off = decoupled_decay_radius(k, abs(before), before_radius)
        step_off = step_off + fused_decay_error(k, abs(step) + step_off, abs(before) + before_radius)
    off = kept_off + step_off
    total = abs(kept - step) + off
    if overflows(k, max(abs(kept) + kept_off, total)):
        return math.inf
    if (kept or kept_off) and (step or step_off):
        off += k.add * total
    return (off + sum_underflow_error(k, total)) * SLACK


def stored_theta_radius(
    k: StepConstants, before: Real, m: Real, u: Real, m_formed: Real, u_formed: Real
) -> Real:
    """Radius of theta after the step from the subject's own m and u.

    Theta may have been formed from m and u before they were rounded to be stored.

    Args:
        k: the step.
        before: theta before the step.
        m: the first moment after the step, as stored.
        u: the infinity norm after the step, as stored.
        m_formed: how far any admissible evaluation of m may be from `m`; infinite where that is not known.
        u_formed: the same for u.
    """
    m_radius, u_radius = min(storage_error(k, abs(m)), m_formed), min(storage_error(k, abs(u)), u_formed)
    return theta_radius(k, before, k.zero, m, m_radius, u, u_radius)


def decoupled_decay_radius(k: StepConstants, size: Real, radius: Real) -> Real:
    """Radius of theta after a decoupled decay and before the step."""
    e = k.theta_errors
    if math.inf in (e.lr, e.weight_decay):
        return math.inf
    size = size + radius
    share = k.lr * k.weight_decay
    part = share * size
    off = (
        part * compound(e.lr, e.weight_decay, k.multiply, k.multiply, k.add)
        + underflow_error(k, part)
        + underflow_error(k, share) * size
        + compound(k.add, k.multiply, k.coarse_roundoff) * (size + part)
    )
    return radius * (1 + share) + off


def fused_decay_error(k: StepConstants, size: Real, theta_size: Real) -> Real:
    """Error that a decay inside the step, lr*(m/(c*d) + weight_decay*theta), adds.

    Args:
        k: the step.
        size: the largest size of the step.
        theta_size: that of theta before it.
    """
    decay = k.weight_decay * theta_size
    if size == math.inf or not k.lr or not decay:
        return k.zero
    sum_ = size / k.lr + decay
    if overflows(k, sum_):
        return math.inf
    gone = (
        k.lr
        * (underflow_error(k, decay) + sum_underflow_error(k, sum_))
        * (1 + compound(k.theta_errors.lr, k.add, k.multiply))
    )
    return k.add * size + gone + underflow_error(k, k.lr * sum_)


def step_and_radius(k: StepConstants, m: Real, m_radius: Real, u: Real, u_radius: Real) -> tuple[Any, Any]:
    """The step lr*m/(correction*denominator), and its radius over all orders."""
    e, lr, c = k.theta_errors, k.lr, k.correction
    size = abs(m) + m_radius
    d, d_off = u, u_radius
    if k.eps_in_denominator:
        d, d_off = u + k.eps, eps_sum_radius(k, u, u_radius, e)
    nearest, farthest = d - d_off * SLACK, d + d_off
    if not nearest > 0 or e.lr == math.inf:
        return k.zero, math.inf
    # A quotient by d is at most this multiple of its dividend.
    inverse = 1 / nearest
    largest = lr / c * (size * inverse)
    # Below the fraction bar: every divisor that joins two of lr, m, 1/c and 1/d, then three.
    second = divisor_underflow(k, c * nearest)
    if lr:
        second = max(second, divisor_underflow(k, c / lr), divisor_underflow(k, nearest / lr))
    third = max(second, divisor_underflow(k, c * nearest / lr)) if lr else second
    shrunk = compound(e.correction, k.operations, second, third)
    if not shrunk < 1:
        return k.zero, math.inf
    growth = compound(e.lr, shrunk / (1 - shrunk))
    # Above the fraction bar: every product and quotient.
    second = max(
        factor_underflow(k, lr * size),
        factor_underflow(k, lr / c),
        factor_underflow(k, lr * inverse),
        factor_underflow(k, size / c),
        factor_underflow(k, size * inverse),
    )
    # Over c, which is at most 1, the product would be at least as large.
    third = max(second, factor_underflow(k, lr * size * inverse))
    inverted = factor_underflow(k, inverse) if k.reciprocal else k.zero
    second = max(second, inverted)
    # A number made smaller by underflow may divide another factor, which makes that larger. If all of it is
    # lost, the step is 0, which counts as lost.
    loss = growth if second >= 1 else compound(growth, second / (1 - second))
    # Above the bar the largest are those over c; below it, those without c or without lr.
    above = max(lr / c, size / c, lr * size / c, size / c * inverse, lr / c * inverse, largest)
    if k.reciprocal:
        above = max(above, inverse, inverse / c)
    below = max(c * farthest, c / lr, farthest / lr) if lr else c * farthest
    if overflows(k, max(above, below) * (1 + loss)):
        return k.zero, math.inf
    exact = 1 / d
    carried = lr / c * ((m_radius + abs(m) * (d_off * exact)) * inverse)
    return lr / c * (m * exact), carried + largest * compound(
        growth, second, third, inverted, factor_underflow(k, largest)
    )
