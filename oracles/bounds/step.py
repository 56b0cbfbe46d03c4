"""The constants of the bounds of one step of one parameter group.

`oracles.bounds.radii` has the bounds themselves, BOUNDS.md their derivation. Radii of zero before the step give the
lockstep bound; radii that are carried from step to step give the trajectory bound.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ...reference.formula import Scalars, bias_correction
from ...reference.rules import BiasCorrection, Decay, Epsilon
from ..error_model import ErrorModel, Form
from ..exact.trajectory import needs_wide_range
from .radii import TWICE, StepConstants, compound
from .scalar_errors import Real, ScalarPath, correction_error, lasting_errors


@lru_cache(maxsize=1 << 12)
def step_constants(
    scalars: Scalars[Any], t: int, error_model: ErrorModel, number: Callable[[Any], Real]
) -> StepConstants:
    """The numbers that the bounds of a step depend on, besides those of an element.

    Args:
        scalars: the exact hyperparameters of the step, as mpf.
        t: the number of the step, from 1.
        error_model: the format, rule, evaluation scheme and arithmetic.
        number: the type in which the bounds are evaluated, `float` or the mpf of `scalars`.
    """
    lasting = lasting_constants(scalars, error_model, number)
    return constants_at(lasting, scalars, t, error_model, number)


def constants_at(
    lasting: StepConstants,
    scalars: Scalars[Any],
    t: int,
    error_model: ErrorModel,
    number: Callable[[Any], Real],
) -> StepConstants:
    """The constants of step t, from those that do not depend on its number."""
    correction = bias_correction(t, scalars, error_model.rule)
    scheme, format_, arithmetic = error_model.scheme, error_model.format_, error_model.arithmetic
    error = {
        computed_in: correction_error(
            scalars.beta1, t, correction, ScalarPath(format_, computed_in, arithmetic), number
        )
        for computed_in in {scheme.m, scheme.u, scheme.theta}
    }
    return lasting._replace(
        correction=number(correction),
        m_errors=lasting.m_errors._replace(correction=error[scheme.m]),
        u_errors=lasting.u_errors._replace(correction=error[scheme.u]),
        theta_errors=lasting.theta_errors._replace(correction=error[scheme.theta]),
    )


@lru_cache(maxsize=1 << 10)
def lasting_constants(
    scalars: Scalars[Any], error_model: ErrorModel, number: Callable[[Any], Real]
) -> StepConstants:
    """The constants of a step without a bias correction: its number does not matter."""
    format_, rule = error_model.format_, error_model.rule
    scheme, arithmetic = error_model.scheme, error_model.arithmetic
    two = type(scalars.lr)(2)
    roundoff = number(format_.unit_roundoff * TWICE)
    add, multiply, divide = (a * roundoff for a in (arithmetic.add, arithmetic.multiply, arithmetic.divide))
    errors = {
        computed_in: lasting_errors(scalars, ScalarPath(format_, computed_in, arithmetic), number)
        for computed_in in {scheme.m, scheme.u, scheme.theta}
    }
    # The operations of the step: one each for the norm, for lr, and for the correction if the rule has one. A
    # factor of exactly 1 saves none: 1/c is a quotient like another, and so is c/(1/u).
    other = max(multiply, divide)
    factors = 1 if rule.bias_correction is BiasCorrection.NONE else 2
    if scheme.reciprocal:
        factors += 1
    decays = bool(scalars.weight_decay)
    complement = number(1 - scalars.beta1)
    forms = scheme.form.alternatives_at(complement, errors[scheme.m].complement)
    return StepConstants(
        lr=number(scalars.lr),
        beta1=number(scalars.beta1),
        complement=complement,
        beta2=number(scalars.beta2),
        eps=number(scalars.eps),
        weight_decay=number(scalars.weight_decay),
        correction=number(1),
        zero=number(0),
        roundoff=roundoff,
        # Half the smallest subnormal of binary64 is not a binary64 number. The bound is then evaluated in mpf, or
        # no size comes near it.
        half_subnormal=number(two ** (format_.emin - format_.precision) * TWICE),
        smallest_normal=number(format_.smallest_normal),
        largest=number(format_.largest),
        add=add,
        multiply=multiply,
        divide=divide,
        operations=compound(divide, *(other,) * factors),
        coarse_roundoff=number(
            scheme.theta.unit_roundoff if scheme.theta.precision < format_.precision else 0
        ),
        m_errors=errors[scheme.m],
        u_errors=errors[scheme.u],
        theta_errors=errors[scheme.theta],
        decays_gradient=decays and rule.decay is Decay.L2,
        decays_theta=decays and rule.decay is Decay.DECOUPLED,
        weighted=Form.WEIGHTED in forms,
        unweighted=forms != (Form.WEIGHTED,),
        decremented=scheme.form is Form.DECREMENTED,
        from_gradient=scheme.form is Form.FROM_GRADIENT,
        eps_in_norm=rule.epsilon is Epsilon.IN_NORM,
        eps_on_decayed=rule.epsilon is Epsilon.ON_DECAYED_NORM,
        eps_as_floor=rule.epsilon is Epsilon.FLOOR,
        eps_in_denominator=rule.epsilon is Epsilon.IN_DENOMINATOR,
        flushes=arithmetic.flush_to_zero,
        rounds_operands=scheme.rounds_operands,
        reciprocal=scheme.reciprocal,
    )


class StepInType(NamedTuple):
    """One step in one type of numbers.

    Attributes:
        constants: for the functions of `oracles.bounds.radii`.
        scalars: the hyperparameters.
        number: the type, `float` or an mpf.
    """

    constants: StepConstants
    scalars: Scalars[Any]
    number: Callable[[Any], Real]


class StepBounds:
    """The bounds of one step, in floats, or in mpf where sizes need a wider range.

    Args:
        ctx: the mpmath context of the exact values.
        scalars: the exact hyperparameters of the step, as mpf.
        t: the number of the step, from 1.
        error_model: the format, rule, evaluation scheme and arithmetic.
    """

    def __init__(self, ctx: Any, scalars: Scalars[Any], t: int, error_model: ErrorModel) -> None:
        self.scalars = scalars
        self._t = t
        self._error_model = error_model
        self._types: tuple[Callable[[Any], Real], Callable[[Any], Real]] = (float, ctx.mpf)
        self._steps: list[StepInType | None] = [None, None]
        self._always_wide = needs_wide_range(
            float(x) for x in (scalars.lr, scalars.beta1, scalars.beta2, scalars.eps, scalars.weight_decay)
        )

    def for_sizes(self, *sizes: Any) -> StepInType:
        """The step in the type that numbers of these sizes need."""
        wide = self._always_wide or needs_wide_range(sizes)
        step = self._steps[wide]
        if step is None:
            number = self._types[wide]
            k = step_constants(self.scalars, self._t, self._error_model, number)
            scalars = Scalars(k.lr, k.beta1, k.beta2, k.eps, k.weight_decay, self.scalars.maximize)
            step = self._steps[wide] = StepInType(k, scalars, number)
        return step
