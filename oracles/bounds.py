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
from dataclasses import dataclass
from typing import Any, Final

from ..reference.formula import (
    Scalars,
    bias_correction,
    denominator,
    effective_gradient,
    norm_branches,
    retained,
)
from ..reference.rules import Decay, Epsilon, Rule
from .arithmetic import Arithmetic, Form, Habits
from .formats import Format

SLACK: Final = 1 + 2.0**-40
"""Covers the evaluation of a bound in binary64 (fewer than 2**11 roundings, each 2**-53) and the oracle's own
error (BOUNDS.md, "The oracle's own error")."""

Real = Any
"""A float or an mpf; the bounds are the same text for both."""


def compound(*errors: Real) -> Real:
    """(1 + e1)(1 + e2)... - 1, without the cancellation."""
    total = errors[0] * 0
    for error in errors:
        total = total + error + total * error
    return total


@dataclass(frozen=True)
class ScalarErrors:
    """Relative errors of the scalars of one step, as they enter an operation in the working format."""

    lr: Real
    beta1: Real
    complement: Real
    beta2: Real
    eps: Real
    weight_decay: Real
    correction: Real
    overflows: bool


def scalar_errors(
    scalars: Scalars[Any],
    t: int,
    correction: Any,
    format_: Format,
    habit: Format,
    number: Callable[[Any], Real],
    *,
    flushes: bool,
) -> ScalarErrors:
    """The errors of the scalars of one step. BOUNDS.md, "Scalars".

    Args:
        scalars: the exact hyperparameters, as mpf.
        t: the number of the step, from 1.
        correction: the exact bias correction, as mpf, or 1 where the rule has none.
        format_: the working format.
        habit: the format in which the scalars are computed.
        number: the type of the result's numbers.
        flushes: whether subnormal numbers are flushed to zero.
    """
    roundoff, v = (type(scalars.lr)(f.unit_roundoff) for f in (format_, habit))
    narrowest = max(format_, habit, key=lambda f: f.smallest_normal)
    # A flushing device may take the smallest normal number for a subnormal one as well: seen on MindSpore.
    lost_at_most = type(scalars.lr)(2) ** (narrowest.emin - (0 if flushes else narrowest.precision))
    given = v if habit is not Format.BINARY64 else v * 0
    entering = roundoff if format_.precision < habit.precision else v * 0

    def relative(value: Any, *errors: Any) -> Real:
        if not value:
            return number(0)
        lost = lost_at_most / abs(value) if abs(value) < 2 * narrowest.smallest_normal else 0
        return number(compound(*errors, entering) + lost)

    complement = 1 - scalars.beta1
    subtraction = v if given or scalars.beta1 < 0.5 else v * 0
    power = scalars.beta1**t
    # The power: the rounding of beta1 counts t times, and each of the t - 1 products once; an accurate pow
    # is within 2 of the correctly rounded power, which is no more than t for t > 1.
    turns = (t if given else 0) + (t if t > 1 else 0)
    powered = (1 + v) ** turns - 1
    return ScalarErrors(
        lr=relative(scalars.lr, given),
        beta1=relative(scalars.beta1, given),
        complement=relative(complement, given * scalars.beta1 / complement, subtraction),
        beta2=relative(scalars.beta2, given),
        eps=relative(scalars.eps, given),
        weight_decay=relative(scalars.weight_decay, given),
        correction=number(0) if correction == 1 else relative(correction, powered * power / correction, v),
        overflows=max(scalars.lr, scalars.eps, scalars.weight_decay) > min(format_.largest, habit.largest),
    )


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
        two = type(scalars.lr)(2)
        self.zero = number(0)
        self.roundoff = number(format_.unit_roundoff)
        # Half the smallest subnormal of binary64 is no binary64 number; the bound is then evaluated in mpf,
        # or no size comes near it.
        self.half_subnormal = number(two ** (format_.emin - format_.precision))
        self.smallest_normal = number(format_.smallest_normal)
        self.largest = number(format_.largest)
        self.add = arithmetic.add * self.roundoff
        self.multiply = arithmetic.multiply * self.roundoff
        self.divide = arithmetic.divide * self.roundoff
        exact_correction = bias_correction(t, scalars, rule)
        self.correction = number(exact_correction)
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
            habit: scalar_errors(scalars, t, exact_correction, format_, habit, number, flushes=self.flushes)
            for habit in {habits.m, habits.u, habits.theta}
        }
        self.moment_errors = errors[habits.m]
        self.norm_errors = errors[habits.u]
        self.step_errors = errors[habits.theta]

    def _lost(self, size: Real) -> Real:
        """What one operation whose exact result has this size may lose to underflow, absolutely."""
        if not size or size >= self.smallest_normal * 2:
            return self.zero
        return self.smallest_normal if self.flushes else self.half_subnormal

    def _lost_sum(self, size: Real) -> Real:
        """The same for a sum, which is exact in the subnormal range unless it is flushed."""
        return self._lost(size) if self.flushes else self.zero

    def _stored(self, size: Real) -> Real:
        """What storing a number of this size may change."""
        return self.roundoff * size + self._lost(size)

    def _overflows(self, *sizes: Real) -> bool:
        """Whether an intermediate of one of these sizes may leave the format's range once it is rounded."""
        return any(not size * (1 + 4 * self.roundoff) < self.largest for size in sizes)

    # The gradient --------------------------------------------------------------------------------------

    def gradient(self, theta: Real, theta_radius: Real, effective: Real, errors: ScalarErrors) -> Real:
        """Radius of the effective gradient. BOUNDS.md, "The gradient"."""
        if self.rule.decay is not Decay.L2 or not self.s.weight_decay:
            return self.zero
        size = abs(theta) + theta_radius
        term = self.s.weight_decay * size
        off = (
            self.s.weight_decay * theta_radius
            + term * compound(errors.weight_decay, self.multiply)
            + self._lost(term)
        )
        total = abs(effective) + off
        if errors.overflows or self._overflows(term + off, total):
            return math.inf
        return off + self.add * total + self._lost_sum(total)

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
        e = self.moment_errors
        effective = effective_gradient(theta, g, self.s, self.rule)
        g_radius = self.gradient(theta, theta_radius, effective, e)
        carried = self.s.beta1 * m_radius + self.complement * g_radius
        if e.overflows or carried == math.inf:
            return math.inf
        g_size = abs(effective) + g_radius
        m_size = abs(m) + m_radius
        decayed, fresh = self.s.beta1 * m_size, self.complement * g_size
        if self.form is Form.WEIGHTED:
            off = (
                decayed * compound(e.beta1, self.multiply, self.add)
                + fresh * compound(e.complement, self.multiply, self.add)
                + (self._lost(decayed) + self._lost(fresh)) * (1 + self.add)
                + self._lost_sum(decayed + fresh)
            )
            if self._overflows(decayed, fresh, decayed + fresh + off):
                return math.inf
            return (carried + off) * SLACK
        distance = abs(effective - m) + g_radius + m_radius
        if self._overflows(distance, g_size, m_size):
            return math.inf
        # Towards g by 1 - beta1, or back from g by beta1, whose complement is formed from the rounded weight.
        onward, back = self.complement * distance, self.s.beta1 * distance
        off = max(
            onward * compound(e.complement, self.add, self.multiply) + self._lost(onward),
            back * compound(e.beta1, self.add, self.add, self.multiply)
            + onward * e.complement * (1 + compound(self.add, self.add, self.multiply))
            + self._lost(back),
        ) + self._lost_sum(distance)
        total = abs(self.s.beta1 * m + self.complement * effective) + carried + off
        return (carried + off + self.add * total + self._lost_sum(total)) * SLACK

    # The infinity norm ---------------------------------------------------------------------------------

    def norm(self, u: Real, u_radius: Real, g: Real, theta: Real, theta_radius: Real) -> Real:
        """Radius of u after the step. BOUNDS.md, "The infinity norm"."""
        e = self.norm_errors
        effective = effective_gradient(theta, g, self.s, self.rule)
        g_radius = self.gradient(theta, theta_radius, effective, e)
        if e.overflows or g_radius == math.inf:
            return math.inf
        decayed, fresh = norm_branches(u, effective, self.s, self.rule)
        product = self.s.beta2 * (abs(u) + u_radius)
        decayed_off = (
            self.s.beta2 * u_radius + product * compound(e.beta2, self.multiply) + self._lost(product)
        )
        fresh_off = g_radius
        if self.rule.epsilon is Epsilon.IN_NORM:
            fresh_off = self._plus_eps(abs(effective), fresh_off, e)
        elif self.rule.epsilon is Epsilon.ON_DECAYED_NORM:
            decayed_off = self._plus_eps(product, decayed_off, e)
        if self.flushes:
            fresh_off += self._lost(abs(effective))
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
        return off + self.add * total + self._lost_sum(total)

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
        e = self.step_errors
        if e.overflows:
            return math.inf
        kept, kept_off = self._kept(theta, theta_radius, e)
        step, step_off = self._step(m, m_radius, u, u_radius, e)
        if step_off == math.inf:
            return math.inf
        off = kept_off + step_off
        total = abs(kept - step) + off
        if self._overflows(abs(kept) + kept_off, total):
            return math.inf
        return (off + self.add * total + self._lost_sum(total)) * SLACK

    def stored_theta(self, theta: Real, m: Real, u: Real) -> Real:
        """Radius of theta after the step from the subject's own m and u, which may have entered unrounded."""
        return self.theta(theta, self.zero, m, self._stored(abs(m)), u, self._stored(abs(u)))

    def _kept(self, theta: Real, theta_radius: Real, e: ScalarErrors) -> tuple[Real, Real]:
        """What stays of theta before the step is taken, and its radius."""
        kept = retained(theta, self.s, self.rule)
        if kept is theta:
            return kept, theta_radius
        size = abs(theta) + theta_radius
        share = self.s.lr * self.s.weight_decay
        part = share * size
        off = (
            part * compound(e.lr, e.weight_decay, self.multiply, self.multiply)
            + self._lost(part)
            + self._lost(share) * size
            + compound(self.add, self.multiply) * (size + part)
        )
        return kept, theta_radius * (1 + share) + off

    def _step(self, m: Real, m_radius: Real, u: Real, u_radius: Real, e: ScalarErrors) -> tuple[Real, Real]:
        """lr*m / (correction*denominator), and its radius over every admissible order of evaluation."""
        lr, c = self.s.lr, self.correction
        m_size = abs(m) + m_radius
        d = denominator(u, self.s, self.rule)
        d_off = (
            u_radius if self.rule.epsilon is not Epsilon.IN_DENOMINATOR else self._plus_eps(u, u_radius, e)
        )
        smallest = d - d_off * SLACK
        if not smallest > 0 or e.correction >= 1 or not c > 0:
            return self.zero, math.inf
        if not lr or not m_size:
            return self.zero, self.zero
        rate = lr / c
        scaled = c * smallest
        largest_step = rate * (m_size / smallest)
        sizes = (
            lr * m_size,
            rate,
            rate * m_size,
            m_size / c,
            m_size / smallest,
            m_size / scaled,
            largest_step,
        )
        if self._overflows(*sizes, lr * (m_size / smallest), c / lr, c / lr * (d + d_off)):
            return self.zero, math.inf
        # Relative losses: of the scaled norm and of the rate's inverse times it; they shrink a divisor.
        shrinks = (
            self._lost(scaled) / scaled + self._lost(c / lr) * rate + self._lost(scaled / lr) * lr / scaled
        )
        lost = (
            self._lost(lr * m_size) / scaled
            + (self._lost(rate) * m_size + self._lost(rate * m_size)) / smallest
            + self._lost(m_size / c) * lr / smallest
            + self._lost(m_size / smallest) * rate
            + self._lost(m_size / scaled) * lr
            + self._lost(lr * (m_size / smallest)) / c
            + self._lost(largest_step)
        )
        if self.flushes:
            lost += self._lost(m_size) * rate / smallest
            shrinks += self._lost(smallest) / smallest
        if shrinks >= 1:
            return self.zero, math.inf
        divisor = compound(e.correction / (1 - e.correction), shrinks / (1 - shrinks))
        growth = compound(e.lr, self.multiply, self.divide, max(self.multiply, self.divide), divisor)
        carried = rate * ((m_radius + abs(m) * (d_off / d)) / smallest)
        return rate * (m / d), carried + largest_step * growth + lost * (1 + growth)
