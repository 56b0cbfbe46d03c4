"""The exact trajectory: the formula over mpmath's numbers, precise enough."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
from mpmath.ctx_mp import MPContext

from ...reference.case import Case
from ...reference.formula import Scalars, State, step
from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import DOCUMENTED, Rule

GUARD_BITS = 64
"""The bits beyond those that a bound can see."""


def precision_for(steps: int) -> int:
    """The bits at which the error of every quantity of a run is far below any bound.

    It is the sum of: 53 bits for the finest format; 53 more that 1 - beta1^t may cancel, since beta1 <= 1 - 2^-53; the
    bits of the step's number, whose power multiplies the relative error of beta1^t; those of three roundings a step,
    accumulated; and `GUARD_BITS`. Each quantity is then off by less than 2^-(53 + GUARD_BITS) of itself over magnitudes:
    with every subtraction made an addition, and a step as much larger as the norm lost to cancellation.
    """
    return 53 + 53 + 2 * steps.bit_length() + 2 + GUARD_BITS


@cache
def mpmath_context(bits: int) -> MPContext:
    """The oracle's own mpmath context of a precision, which callers must not change.

    So the user's `mp.prec` does not reach the oracle, nor the oracle's the user.
    """
    result = MPContext()
    result.prec = bits
    return result


def backend() -> str:
    """The version of mpmath and its integer type, for the record."""
    return f"mpmath {mpmath.__version__} ({mpmath.libmp.BACKEND})"


def exact_scalars(ctx: MPContext, hyperparameters: Hyperparameters) -> Scalars[Any]:
    """The hyperparameters as the binary64 numbers that they are, in mpf."""
    h = hyperparameters
    return Scalars(
        lr=ctx.mpf(float(h.lr)),
        beta1=ctx.mpf(float(h.beta1)),
        beta2=ctx.mpf(float(h.beta2)),
        eps=ctx.mpf(float(h.eps)),
        weight_decay=ctx.mpf(float(h.weight_decay)),
        maximize=h.maximize,
    )


def needs_wide_range(values: Iterable[float]) -> bool:
    """Check whether a bound over these numbers needs a wider range than binary64's.

    Four factors of at most 2^200, or at least 2^-200, stay within binary64's range; the bounds multiply no
    more than that.
    """
    return any(x and not 2.0**-200 < abs(x) < 2.0**200 for x in values)


@dataclass(frozen=True)
class ExactStep:
    """The exact state of one element of one parameter after one step.

    Attributes:
        t: the number of the step, from 1.
        state: theta, m and u as mpf.
    """

    t: int
    state: State[Any]


def element_trajectory(
    case: Case,
    parameter: int,
    element: tuple[int, ...],
    rule: Rule = DOCUMENTED,
    bits: int | None = None,
) -> Iterator[ExactStep]:
    """The exact trajectory of one element, from the start to the last step.

    Args:
        case: the run.
        parameter: the parameter's index in `case.parameters`.
        element: its index in the parameter.
        rule: the update formula.
        bits: the working precision; `precision_for(case.steps)` by default.

    Yields:
        The state after each step.
    """
    ctx = mpmath_context(bits or precision_for(case.steps))
    group = next(g for index, g, _ in case.indexed_parameters() if index == parameter)
    values = case.parameters[parameter]
    state: State[Any] = State(ctx.mpf(float(values.theta[element])), ctx.mpf(0), ctx.mpf(0))
    for t in range(1, case.steps + 1):
        scalars = exact_scalars(ctx, group.at(t))
        state = step(state, ctx.mpf(float(values.gradients[t - 1][element])), t, scalars, rule)
        yield ExactStep(t, state)


def decimal(value: Any, digits: int = 24) -> str:
    """Write an exact value in decimal, to so many significant digits."""
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else f"{value:.17g}"
    return str(mpmath.nstr(value, digits))
