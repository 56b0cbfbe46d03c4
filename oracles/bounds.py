"""How far an honest evaluation of one step may be off: the bounds, as derived in BOUNDS.md beside this file.

Every function takes exact values with the radius of what the subject may have had in their place, and returns
the radius of the result. Radii of zero on input make it the lockstep bound; radii carried from step to step
make it the trajectory's. An infinite radius says that an admissible evaluation overflows, or divides by zero:
nothing is right or wrong there.

The functions work on Python floats and on mpf alike. A float is enough where no intermediate leaves its range
(`oracles.exact.wide_range` decides): nothing here cancels, so `SLACK` covers its rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from ..reference.formula import (
    Scalars,
    bias_correction,
    denominator,
    effective_gradient,
    norm_branches,
    retained,
)
from ..reference.rules import BiasCorrection, Decay, Epsilon, Rule
from .arithmetic import Arithmetic, Form, Habits
from .formats import Format
from .scalars import Entrance, Real, ScalarErrors, scalar_errors

SLACK: Final = 1 + 2.0**-40
"""Covers the evaluation of a bound in binary64 (fewer than 2**11 roundings, each 2**-53) and the oracle's own
error (BOUNDS.md, "The oracle's own error")."""

TWICE: Final = 1 + 2.0**-11
"""Covers a result that is rounded twice, first to at least 11 bits more (BOUNDS.md, "What is assumed")."""


def compound(*errors: Real) -> Real:
    """(1 + e1)(1 + e2)... - 1, without the cancellation."""
    total = errors[0] * 0
    for error in errors:
        total = total + error + total * error
    return total


class StepBounds:
    """The bounds of one step of one parameter group.

    Args:
        scalars: the exact hyperparameters of the step, as mpf.
        t: the number of the step, from 1.
        format_: the working format.
        rule: the rule that the subject follows.
        habits: how it evaluates the rule.
        arithmetic: what is declared of its operations.
        number: the type in which the bounds are evaluated, `float` or the mpf of `scalars`.
    """

    def __init__(
        self,
        scalars: Scalars[Any],
        t: int,
        format_: Format,
        rule: Rule,
        habits: Habits,
        arithmetic: Arithmetic,
        number: Callable[[Any], Real],
    ) -> None:
        self.rule = rule
        self.form = habits.form
        self.flushes = arithmetic.flush_to_zero
        self.rounds_operands = habits.rounds_operands
        two = type(scalars.lr)(2)
        self.zero = number(0)
        self.roundoff = number(format_.unit_roundoff * TWICE)
        # Half the smallest subnormal of binary64 is no binary64 number; the bound is then evaluated in mpf,
        # or no size comes near it.
        self.half_subnormal = number(two ** (format_.emin - format_.precision) * TWICE)
        self.smallest_normal = number(format_.smallest_normal)
        self.largest = number(format_.largest)
        self.add = arithmetic.add * self.roundoff
        self.multiply = arithmetic.multiply * self.roundoff
        self.divide = arithmetic.divide * self.roundoff
        correction = bias_correction(t, scalars, rule)
        self.correction = number(correction)
        self.s = Scalars(
            lr=number(scalars.lr),
            beta1=number(scalars.beta1),
            beta2=number(scalars.beta2),
            eps=number(scalars.eps),
            weight_decay=number(scalars.weight_decay),
            maximize=scalars.maximize,
        )
        self.complement = number(1 - scalars.beta1)
        errors = {
            habit: scalar_errors(scalars, t, correction, Entrance(format_, habit, arithmetic), number)
            for habit in {habits.m, habits.u, habits.theta}
        }
        self.moment_errors = errors[habits.m]
        self.norm_errors = errors[habits.u]
        self.step_errors = errors[habits.theta]
        # The operations of the step: one each for the norm, lr and the correction, where the rule has one. A
        # factor of exactly 1 saves none: 1/c is a quotient like another, and so is c/(1/u).
        other = max(self.multiply, self.divide)
        factors = 1 if rule.bias_correction is BiasCorrection.NONE else 2
        self.operations = (self.divide, *(other,) * factors)

    def _read(self, size: Real, radius: Real) -> Real:
        """The radius of an operand of this size, which may be rounded as it is read, or flushed to zero."""
        if self.rounds_operands and size + radius:
            if self._overflows(size + radius):
                return math.inf
            radius = radius + self._stored(size + radius)
        if self.flushes and size - radius < self.smallest_normal:
            return radius + min(size + radius, self.smallest_normal)
        return radius

    def _lost(self, size: Real) -> Real:
        """What a product or quotient of at most this size may lose to underflow, absolutely."""
        if not size:
            return self.zero
        if self.flushes:
            return self.smallest_normal  # whatever the size: the actual value may be smaller
        return self.zero if size >= self.smallest_normal else self.half_subnormal

    def _lost_sum(self, size: Real) -> Real:
        """The same for a sum, which is exact in the subnormal range unless it is flushed."""
        return self._lost(size) if self.flushes else self.zero

    def _stored(self, size: Real) -> Real:
        """How far a number may have been from the number of this size that it was stored as, zero included."""
        if size >= self.smallest_normal:
            return self.roundoff * size
        return self.smallest_normal if self.flushes else self.half_subnormal

    def _overflows(self, *sizes: Real) -> bool:
        """Whether an intermediate of one of these sizes may leave the format's range once it is rounded."""
        return any(not size * (1 + 4 * self.roundoff) < self.largest for size in sizes)

    # The gradient --------------------------------------------------------------------------------------

    def gradient(self, theta: Real, theta_radius: Real, g: Real, errors: ScalarErrors) -> Real:
        """Radius of the effective gradient. BOUNDS.md, "The gradient"."""
        read = self._read(abs(g), self.zero)
        if self.rule.decay is not Decay.L2 or not self.s.weight_decay:
            return read
        if errors.weight_decay == math.inf:
            return math.inf
        theta_radius = self._read(abs(theta), theta_radius)
        term = self.s.weight_decay * (abs(theta) + theta_radius)
        off = (
            self.s.weight_decay * theta_radius
            + term * compound(errors.weight_decay, self.multiply)
            + self._lost(term)
            + read
        )
        total = abs(effective_gradient(theta, g, self.s, self.rule)) + off
        if self._overflows(term + off, total):
            return math.inf
        if g and term:
            off += self.add * total
        return off + self._lost_sum(total)

    # The first moment ----------------------------------------------------------------------------------

    def moment(self, m: Real, m_radius: Real, g: Real, theta: Real, theta_radius: Real) -> Real:
        """Radius of m after the step. BOUNDS.md, "The first moment".

        Args:
            m: the first moment before the step.
            m_radius: its radius.
            g: the gradient as passed.
            theta: theta before the step.
            theta_radius: its radius.
        """
        g_radius = self.gradient(theta, theta_radius, g, self.moment_errors)
        if g_radius == math.inf:
            return math.inf
        effective = effective_gradient(theta, g, self.s, self.rule)
        m_radius = self._read(abs(m), m_radius)
        if m_radius == math.inf:
            return math.inf
        carried = self.s.beta1 * m_radius + self.complement * g_radius
        m_size, g_size = abs(m) + m_radius, abs(effective) + g_radius
        if self.form is Form.WEIGHTED:
            return (carried + self._weighted(m_size, g_size)) * SLACK
        distance = abs(effective - m) + g_radius + m_radius
        if self._overflows(distance, m_size, g_size):
            return math.inf
        total = abs(self.s.beta1 * m + self.complement * effective) + carried
        return (carried + self._interpolated(m_size, g_size, distance, total)) * SLACK

    def _weighted(self, m_size: Real, g_size: Real) -> Real:
        """What beta1*m + (1 - beta1)*g adds to what is carried."""
        if not self.s.beta1:
            return self._lost_sum(g_size)  # 0*m + 1*g
        e = self.moment_errors
        decayed, fresh = self.s.beta1 * m_size, self.complement * g_size
        add = self.add if decayed and fresh else self.zero
        off = (
            decayed * compound(e.beta1, self.multiply, add)
            + fresh * compound(e.complement, self.multiply, add)
            + (self._lost(decayed) + self._lost(fresh)) * (1 + add)
            + self._lost_sum(decayed + fresh)
        )
        return math.inf if self._overflows(decayed + fresh + off) else off

    def _interpolated(self, m_size: Real, g_size: Real, distance: Real, total: Real) -> Real:
        """What m + (1 - beta1)*(g - m), or g - (g - m)*beta1, adds to what is carried."""
        e = self.moment_errors
        subtract = self.add if m_size and g_size else self.zero
        onward, back = self.complement * distance, self.s.beta1 * distance
        off = onward * compound(e.complement, subtract, self.multiply) + self._lost(onward)
        goes_back = self.complement * (1 + e.complement) >= 0.5
        if goes_back:
            # beta1 as given, or as 1 - (1 - beta1): exact there, but for the error of 1 - beta1 itself.
            rounded = compound(subtract, self.multiply)
            weight = max(
                back * e.beta1 * (1 + rounded),
                onward * e.complement * (1 + rounded),
            )
            off = max(off, back * rounded + weight + self._lost(back))
        off += self._lost_sum(distance)
        if m_size or goes_back:
            off += self.add * (total + off)
        return off + self._lost_sum(total + off)

    # The infinity norm ---------------------------------------------------------------------------------

    def norm(self, u: Real, u_radius: Real, g: Real, theta: Real, theta_radius: Real) -> Real:
        """Radius of u after the step. BOUNDS.md, "The infinity norm"."""
        e = self.norm_errors
        fresh_off = self.gradient(theta, theta_radius, g, e)
        if math.inf in (fresh_off, e.eps):
            return math.inf
        effective = effective_gradient(theta, g, self.s, self.rule)
        u_radius = self._read(abs(u), u_radius)
        if u_radius == math.inf:
            return math.inf
        decayed, fresh = norm_branches(u, effective, self.s, self.rule)
        product = self.s.beta2 * (abs(u) + u_radius)
        decayed_off = (
            self.s.beta2 * u_radius + product * compound(e.beta2, self.multiply) + self._lost(product)
        )
        if self.rule.epsilon is Epsilon.IN_NORM:
            fresh_off = self._plus_eps(abs(effective), fresh_off, e)
        elif self.rule.epsilon is Epsilon.ON_DECAYED_NORM:
            decayed_off = self._plus_eps(self.s.beta2 * abs(u), decayed_off, e)
        if self._overflows(decayed + decayed_off, fresh + fresh_off):
            return math.inf
        # A branch that cannot win adds nothing.
        if (decayed + decayed_off) * SLACK < fresh - fresh_off:
            return fresh_off * SLACK
        if (fresh + fresh_off) * SLACK < decayed - decayed_off:
            return decayed_off * SLACK
        return max(decayed_off, fresh_off) * SLACK

    def _plus_eps(self, size: Real, radius: Real, e: ScalarErrors) -> Real:
        """Radius of a number plus eps, from the number's size and radius."""
        off = radius + self.s.eps * e.eps
        total = size + self.s.eps + off
        if e.eps and total < self.smallest_normal:
            off += (TWICE - 1) * 2 * self.half_subnormal  # a wide sum that another rounding takes for a tie
        if self.s.eps and size + radius:
            off += self.add * total
        return off + self._lost_sum(total)

    # Theta ---------------------------------------------------------------------------------------------

    def theta(
        self, theta: Real, theta_radius: Real, m: Real, m_radius: Real, u: Real, u_radius: Real
    ) -> Real:
        """Radius of theta after the step. BOUNDS.md, "Theta".

        Args:
            theta: theta before the step.
            theta_radius: its radius.
            m: the first moment after the step.
            m_radius: its radius.
            u: the infinity norm after the step.
            u_radius: its radius.
        """
        theta_radius = self._read(abs(theta), theta_radius)
        kept, kept_off = self._kept(theta, theta_radius)
        step, step_off = self._step(m, self._read(abs(m), m_radius), u, self._read(u, u_radius))
        if kept is not theta:
            step_off = step_off + self._joined(abs(step) + step_off, abs(theta) + theta_radius)
        off = kept_off + step_off
        total = abs(kept - step) + off
        if self._overflows(abs(kept) + kept_off, total):
            return math.inf
        if (kept or kept_off) and (step or step_off):
            off += self.add * total
        return (off + self._lost_sum(total)) * SLACK

    def stored_theta(
        self, theta: Real, m: Real, u: Real, m_formed: Real = math.inf, u_formed: Real = math.inf
    ) -> Real:
        """Radius of theta after the step from the subject's own m and u, which may have entered unrounded.

        Args:
            theta: theta before the step.
            m: the first moment after the step, as stored.
            u: the infinity norm after the step, as stored.
            m_formed: how far from `m` any admissible evaluation of it may be, where that is known.
            u_formed: the same for `u`.
        """
        m_radius = min(self._stored(abs(m)), m_formed)
        u_radius = min(self._stored(abs(u)), u_formed)
        return self.theta(theta, self.zero, m, m_radius, u, u_radius)

    def _kept(self, theta: Real, theta_radius: Real) -> tuple[Real, Real]:
        """What stays of theta before the step is taken, and its radius."""
        kept = retained(theta, self.s, self.rule)
        if kept is theta:
            return kept, theta_radius
        e = self.step_errors
        if math.inf in (e.lr, e.weight_decay):
            return kept, math.inf
        size = abs(theta) + theta_radius
        share = self.s.lr * self.s.weight_decay
        part = share * size
        off = (
            part * compound(e.lr, e.weight_decay, self.multiply, self.multiply, self.add)
            + self._lost(part)
            + self._lost(share) * size
            + compound(self.add, self.multiply) * (size + part)
        )
        return kept, theta_radius * (1 + share) + off

    def _joined(self, size: Real, theta_size: Real) -> Real:
        """What lr*(m/(c*d) + weight_decay*theta) adds to a step of at most this size: a sum, and what is lost."""
        decay = self.s.weight_decay * theta_size
        if size == math.inf or not self.s.lr or not decay:
            return self.zero
        joined = size / self.s.lr + decay
        if self._overflows(joined):
            return math.inf
        lost = self.s.lr * (self._lost(decay) + self._lost_sum(joined))
        lost = lost * (1 + compound(self.step_errors.lr, self.add, self.multiply))
        return self.add * size + lost + self._lost(self.s.lr * joined)

    def _step(self, m: Real, m_radius: Real, u: Real, u_radius: Real) -> tuple[Real, Real]:
        """lr*m / (correction*denominator), and its radius over every admissible order of evaluation."""
        e, lr, c = self.step_errors, self.s.lr, self.correction
        size = abs(m) + m_radius
        d = denominator(u, self.s, self.rule)
        d_off = self._plus_eps(u, u_radius, e) if self.rule.epsilon is Epsilon.IN_DENOMINATOR else u_radius
        nearest, farthest = d - d_off * SLACK, d + d_off
        if not nearest > 0 or e.lr == math.inf:
            return self.zero, math.inf
        largest = lr / c * (size / nearest)
        # Every product and quotient of two, then of three, of lr, m, 1/c and 1/d: above the fraction bar ...
        pairs = (lr * size, lr / c, lr / nearest, size / c, size / nearest)
        triples = (lr * size / c, lr * size / nearest, size / (c * nearest), lr / (c * nearest))
        # ... and below it.
        below = [c * nearest, *((c / lr, nearest / lr, c * nearest / lr) if lr else ())]
        second = max(self._shrinks(x) for x in below[:3])
        third = max(self._shrinks(x) for x in below)
        shrunk = compound(e.correction, *self.operations, second, third)
        if not shrunk < 1:
            return self.zero, math.inf
        growth = compound(e.lr, shrunk / (1 - shrunk))
        second = max(self._vanishes(x) for x in pairs)
        third = max(second, *(self._vanishes(x) for x in triples))
        # What lost to underflow may divide another factor, which is then the larger; unless all of it is lost:
        # the step is then 0, and counted as lost.
        loss = growth if second >= 1 else compound(growth, second / (1 - second))
        below = [c * farthest, *((c / lr, farthest / lr, c * farthest / lr) if lr else ())]
        if self._overflows(*(x * (1 + loss) for x in (*pairs, *triples, *below, largest))):
            return self.zero, math.inf
        carried = lr / c * ((m_radius + abs(m) * (d_off / d)) / nearest)
        return lr / c * (m / d), carried + largest * compound(growth, second, third, self._vanishes(largest))

    def _shrinks(self, size: Real) -> Real:
        """By which fraction underflow may change a divisor of at least this size; 1 where it may vanish."""
        if self.flushes:
            return self.zero if size >= 2 * self.smallest_normal else self.zero + 1
        return self._lost(size) / size

    def _vanishes(self, size: Real) -> Real:
        """By which fraction of its size underflow may change a factor of at most this size; at most all of it."""
        return min(self.zero + 1, self._lost(size) / size) if size else self.zero
