"""How far an honest evaluation of one step may be off: the bounds of one step of one parameter group.

Radii of zero on input make it the lockstep bound; radii carried from step to step make it the trajectory's.
`oracles.bounds.radii` has the functions, BOUNDS.md their derivation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...reference.formula import Scalars, bias_correction, effective_gradient, norm_branches
from ...reference.rules import BiasCorrection, Decay, Epsilon, Rule
from ..error_model import Arithmetic, Form, Habits
from ..formats import Format
from . import radii
from .radii import TWICE, StepConstants, compound
from .scalar_errors import Entrance, Real, scalar_errors


def step_constants(
    scalars: Scalars[Any],
    t: int,
    format_: Format,
    rule: Rule,
    habits: Habits,
    arithmetic: Arithmetic,
    number: Callable[[Any], Real],
) -> StepConstants:
    """What the bounds of a step depend on beside the numbers of an element.

    Args:
        scalars: the exact hyperparameters of the step, as mpf.
        t: the number of the step, from 1.
        format_: the working format.
        rule: the rule that the subject follows.
        habits: how it evaluates the rule.
        arithmetic: what is declared of its operations.
        number: the type in which the bounds are evaluated, `float` or the mpf of `scalars`.
    """
    two = type(scalars.lr)(2)
    roundoff = number(format_.unit_roundoff * TWICE)
    add, multiply, divide = (a * roundoff for a in (arithmetic.add, arithmetic.multiply, arithmetic.divide))
    correction = bias_correction(t, scalars, rule)
    errors = {
        habit: scalar_errors(scalars, t, correction, Entrance(format_, habit, arithmetic), number)
        for habit in {habits.m, habits.u, habits.theta}
    }
    # The operations of the step: one each for the norm, lr and the correction, where the rule has one. A
    # factor of exactly 1 saves none: 1/c is a quotient like another, and so is c/(1/u).
    other = max(multiply, divide)
    factors = 1 if rule.bias_correction is BiasCorrection.NONE else 2
    decays = bool(scalars.weight_decay)
    return StepConstants(
        lr=number(scalars.lr),
        beta1=number(scalars.beta1),
        complement=number(1 - scalars.beta1),
        beta2=number(scalars.beta2),
        eps=number(scalars.eps),
        weight_decay=number(scalars.weight_decay),
        correction=number(correction),
        zero=number(0),
        roundoff=roundoff,
        # Half the smallest subnormal of binary64 is no binary64 number; the bound is then evaluated in mpf,
        # or no size comes near it.
        half_subnormal=number(two ** (format_.emin - format_.precision) * TWICE),
        smallest_normal=number(format_.smallest_normal),
        largest=number(format_.largest),
        add=add,
        multiply=multiply,
        divide=divide,
        operations=compound(divide, *(other,) * factors),
        coarse=number(habits.theta.unit_roundoff if habits.theta.precision < format_.precision else 0),
        moment=errors[habits.m],
        norm=errors[habits.u],
        step=errors[habits.theta],
        decays_gradient=decays and rule.decay is Decay.L2,
        decays_theta=decays and rule.decay is Decay.DECOUPLED,
        interpolated=habits.form is Form.INTERPOLATED,
        eps_in_norm=rule.epsilon is Epsilon.IN_NORM,
        eps_on_decayed=rule.epsilon is Epsilon.ON_DECAYED_NORM,
        eps_in_denominator=rule.epsilon is Epsilon.IN_DENOMINATOR,
        flushes=arithmetic.flush_to_zero,
        rounds_operands=habits.rounds_operands,
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
        self.constants = step_constants(scalars, t, format_, rule, habits, arithmetic, number)
        self.zero = self.constants.zero
        self._rule = rule
        k = self.constants
        self._scalars = Scalars(k.lr, k.beta1, k.beta2, k.eps, k.weight_decay, scalars.maximize)

    def moment(self, m: Real, m_radius: Real, g: Real, theta: Real, theta_radius: Real) -> Real:
        """Radius of m after the step.

        Args:
            m: the first moment before the step.
            m_radius: its radius.
            g: the gradient as passed.
            theta: theta before the step.
            theta_radius: its radius.
        """
        effective = effective_gradient(theta, g, self._scalars, self._rule)
        return radii.moment(self.constants, m, m_radius, g, effective, theta, theta_radius)

    def norm(self, u: Real, u_radius: Real, g: Real, theta: Real, theta_radius: Real) -> Real:
        """Radius of u after the step.

        Args:
            u: the infinity norm before the step.
            u_radius: its radius.
            g: the gradient as passed.
            theta: theta before the step.
            theta_radius: its radius.
        """
        effective = effective_gradient(theta, g, self._scalars, self._rule)
        branches = norm_branches(u, effective, self._scalars, self._rule)
        return radii.norm(self.constants, u, u_radius, g, effective, branches, theta, theta_radius)

    def theta(
        self, theta: Real, theta_radius: Real, m: Real, m_radius: Real, u: Real, u_radius: Real
    ) -> Real:
        """Radius of theta after the step.

        Args:
            theta: theta before the step.
            theta_radius: its radius.
            m: the first moment after the step.
            m_radius: its radius.
            u: the infinity norm after the step.
            u_radius: its radius.
        """
        return radii.theta(self.constants, theta, theta_radius, m, m_radius, u, u_radius)

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
        return radii.stored_theta(self.constants, theta, m, u, m_formed, u_formed)
