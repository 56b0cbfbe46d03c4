"""One step worked out: exact numbers, and those that a subject's numbers imply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from ..reference.formula import bias_correction, denominator, effective_gradient, theta_after_decay
from ..reference.hyperparameters import Hyperparameters
from ..reference.rules import BiasCorrection
from .bounds.step import StepBounds
from .error_model import ErrorModel
from .exact.trajectory import decimal, exact_scalars, mpmath_context, precision_for
from .judgement import step_judgements
from .verdict import Quantity

WORKED: Final = "worked"
"""The name of a worked step among the further facts of a divergence."""

_DIGITS: Final = 17
_FEW_DIGITS: Final = 3


def worked_step(
    before: Sequence[float],
    after: Sequence[float],
    options: Hyperparameters,
    t: int,
    error_model: ErrorModel,
) -> dict[str, Any]:
    """The numbers of one element's step, as texts for the facts of a divergence.

    m, u and theta are the subject's own. The others are implied by them: the gradient by m, and the bias correction, lr
    and the step by the change of theta, each if all else is as documented:

        g = (m' - beta1*m) / (1 - beta1)            step = theta - theta'
        c = lr*m' / (step*u')                       lr = step*c*u' / m'

    An implied number is as uncertain as the bound of m or theta makes it: it is off if and only if that number is.

    Args:
        before: theta, m and u before the step, and the gradient.
        after: theta, m and u after it.
        options: in force.
        t: the number of the step, from 1.
        error_model: what the numbers are judged against.

    Returns:
        `{"worked": lines}`; each line has a name, the exact number, the subject's, how far the subject's may be off, and
        whether it is further off. Nothing where a number is not finite or a bound is infinite.
    """
    if not all(map(math.isfinite, (*before, *after))):
        return {}
    ctx = mpmath_context(precision_for(t))
    scalars, rule = exact_scalars(ctx, options), error_model.rule
    bounds = StepBounds(ctx, scalars, t, error_model)
    judged = {
        quantity: (exact, ctx.mpf(radius))
        for quantity, exact, radius, _ in step_judgements(
            ctx, bounds, rule, t, before, after, tuple(Quantity)
        )
    }
    if any(radius == math.inf for _, radius in judged.values()):
        return {}
    theta, m, _, g = map(ctx.mpf, before)
    theta_after, m_after, u_after = map(ctx.mpf, after)
    (exact_m, m_radius), (exact_u, u_radius), (exact_theta, radius) = (
        judged[quantity] for quantity in (Quantity.M, Quantity.U, Quantity.THETA)
    )
    complement = 1 - scalars.beta1
    start = theta_after_decay(theta, scalars, rule)
    step = start - theta_after
    correction = bias_correction(t, scalars, rule)
    lines = [
        _line(
            "g",
            effective_gradient(theta, g, scalars, rule),
            (m_after - scalars.beta1 * m) / complement,
            m_radius / complement,
        ),
        _line("m", exact_m, m_after, m_radius),
        _line("u", exact_u, u_after, u_radius),
    ]
    divisor = denominator(u_after, scalars, rule)
    if abs(step) > radius and m_after and scalars.lr:
        moved = scalars.lr * m_after / divisor
        # 1/x over step - radius .. step + radius is furthest from 1/step at the end that is nearer to zero.
        slack = abs(moved) * radius / (abs(step) * (abs(step) - radius))
        if rule.bias_correction is BiasCorrection.FIRST_MOMENT:
            lines.append(
                _line(
                    "correction", correction, moved / step, slack, off=abs(exact_theta - theta_after) > radius
                )
            )
        per_lr = correction * divisor / m_after
        lines.append(_line("lr", scalars.lr, step * per_lr, radius * abs(per_lr)))
    lines += [
        _line("step", start - exact_theta, step, radius),
        _line("theta", exact_theta, theta_after, radius),
    ]
    return {WORKED: lines}


def _line(name: str, exact: Any, implied: Any, radius: Any, *, off: bool | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "exact": decimal(exact, _DIGITS),
        "subject": decimal(implied, _DIGITS),
        "uncertain by": decimal(radius, _FEW_DIGITS),
        "off": bool(abs(exact - implied) > radius) if off is None else off,
    }
