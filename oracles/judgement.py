"""How is one number judged: what is assumed, how far it is from the exact one, and what is kept of many?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..reference.case import Case
from ..reference.formula import Scalars, State, effective_gradient, first_moment, norm_branches, update
from ..reference.rules import Rule
from .bounds.step import StepBounds
from .error_model import Assumption
from .exact.trajectory import decimal, wide_range
from .formats import Format
from .verdict import Divergence, Quantity


@dataclass
class Tally:
    """What one comparison found of one quantity.

    Attributes:
        judged: elements compared.
        open: elements whose bound is infinite, since an admissible evaluation overflows or divides by zero.
        largest_over_bound: the largest error found, as a fraction of its bound.
        largest_ulp: the largest error found, in ulp of the expected value.
        by_step: for each step the error in ulp and the bound in ulp where the error is the largest fraction of
            the bound, so that a step with any error beyond its bound shows one.
        divergence: the first error above its bound.
        exceeded: how many errors were above their bounds.
        sixteenths: how many errors there are for each whole number of sixteenths of an ulp, rounded down.
    """

    judged: int = 0
    open: int = 0
    largest_over_bound: float = 0.0
    largest_ulp: float = 0.0
    by_step: dict[int, tuple[float, float]] = field(default_factory=dict)
    divergence: Divergence | None = None
    exceeded: int = 0
    sixteenths: Counter[int] = field(default_factory=Counter)

    def at_step(self, t: int, in_ulp: float, bound_in_ulp: float) -> None:
        """Take note of an error of a step."""
        pair = (in_ulp, bound_in_ulp)
        if t not in self.by_step or fraction(*pair) >= fraction(*self.by_step[t]):
            self.by_step[t] = pair


def fraction(error: float, bound: float) -> tuple[float, float]:
    """An order of errors by their bounds, and by their size where that is equal."""
    if error == 0 or (bound and not math.isinf(error)):
        return error and error / bound, error
    return math.inf, error


Findings = dict[Quantity, Tally]


BEYOND: Final = 1 << 6
"""Where all errors of 4 ulp and more are counted."""


EDGE: Final = 2.0**-10
"""The edges between the sixteenths lie so much lower: many errors are a whole number of sixteenths, and are counted
alike however closely they are computed."""


def sixteenth(in_ulp: float) -> int:
    """Where a finite error is counted among the sixteenths of an ulp."""
    return int(min(in_ulp * 16 + EDGE, BEYOND))


class Measured(NamedTuple):
    """How far a number is from the exact one.

    Attributes:
        rounded: the exact number, rounded once to the working format.
        over: the error as a fraction of its bound; above 1 is wrong.
        in_ulp: the error in ulp of the expected value; infinite for what is not finite.
        bound_in_ulp: the bound likewise.
    """

    rounded: float
    over: float
    in_ulp: float
    bound_in_ulp: float


def measured(format_: Format, exact: Any, radius: Any, actual: float) -> Measured:
    """Measure a number against the exact one, where the radius is finite."""
    rounded = format_.round(exact)
    ulp = format_.ulp(rounded) if math.isfinite(rounded) else math.inf
    if math.isfinite(actual):
        error = abs(exact - actual)
        over = float(error / radius) if radius else (math.inf if error else 0.0)
        in_ulp = float(error / ulp)
    else:
        over = in_ulp = math.inf
    return Measured(rounded, over, in_ulp, float(radius / ulp))


@dataclass(frozen=True)
class Judgement:
    """One number, judged.

    Attributes:
        exact: the exact value, as mpf.
        radius: its bound; infinite where nothing is judged.
        actual: what came.
        measured: how far it is off; None where the bound is infinite.
    """

    exact: Any
    radius: Any
    actual: float
    measured: Measured | None


def divergence_of(
    quantity: Quantity,
    reason: str,
    judgement: Judgement,
    place: tuple[int, int, tuple[int, ...]],
    case: Case | None,
) -> Divergence:
    """The evidence for a number beyond its bound, at a step, parameter and element."""
    if judgement.measured is None:
        raise ValueError(f"{quantity.value} has an infinite bound: there is nothing that it diverges from")
    step, parameter, element = place
    radius = judgement.radius
    return Divergence(
        quantity=quantity,
        reason=reason,
        expected=decimal(judgement.exact),
        actual=decimal(judgement.actual),
        expected_hex=judgement.measured.rounded.hex(),
        actual_hex=float(judgement.actual).hex(),
        error_ulp=judgement.measured.in_ulp,
        error_over_bound=judgement.measured.over,
        bound=decimal(radius, 6) if not isinstance(radius, float) else f"{radius:.6g}",
        step=step,
        parameter=parameter,
        element=element,
        case=None if case is None else case.to_json(),
    )


def findings(*quantities: Quantity) -> Findings:
    """Empty tallies for some quantities."""
    return {quantity: Tally() for quantity in quantities}


class GroupBounds:
    """The bounds of one step of one group, in the number type that the sizes at hand ask for."""

    def __init__(self, ctx: Any, scalars: Scalars[Any], t: int, assumption: Assumption) -> None:
        self.scalars = scalars
        self._types = (float, ctx.mpf)
        self._made: list[StepBounds | None] = [None, None]
        self._t = t
        self._assumption = assumption
        self._wide = wide_range(
            float(x) for x in (scalars.lr, scalars.beta1, scalars.beta2, scalars.eps, scalars.weight_decay)
        )

    def over(self, *values: Any) -> tuple[StepBounds, Any]:
        """The bounds, and the type of their numbers, for values of these sizes."""
        wide = self._wide or wide_range(values)
        bounds = self._made[wide]
        if bounds is None:
            a = self._assumption
            bounds = self._made[wide] = StepBounds(
                self.scalars, self._t, a.format_, a.rule, a.habits, a.arithmetic, self._types[wide]
            )
        return bounds, self._types[wide]


def _finite(*values: float) -> bool:
    return all(math.isfinite(x) for x in values)


def step_judgements(
    ctx: Any,
    step_bounds: GroupBounds,
    rule: Rule,
    t: int,
    values: Sequence[float],
    after: Sequence[float],
    quantities: Container[Quantity],
) -> Iterator[tuple[Quantity, Any, Any, float]]:
    """One step of one element in lockstep: each quantity with its exact value, its radius, and what came.

    Args:
        ctx: the context of the exact values.
        step_bounds: the bounds of the step.
        rule: the update formula.
        t: the number of the step, from 1.
        values: theta, m and u before the step, and the gradient; all finite.
        after: theta, m and u after it.
        quantities: which to judge; theta is left out where m or u after the step is not finite.
    """
    scalars = step_bounds.scalars
    theta_after, m_after, u_after = after
    bounds, number = step_bounds.over(*values, m_after, u_after)
    theta, m, u, g = (ctx.mpf(x) for x in values)
    near = [number(x) for x in values]
    effective = effective_gradient(theta, g, scalars, rule)
    formed = [math.inf, math.inf]  # how far m and u may have been when they entered theta
    if Quantity.M in quantities:
        radius = bounds.moment(near[1], bounds.zero, near[3], near[0], bounds.zero)
        exact_m = first_moment(m, effective, scalars)
        yield Quantity.M, exact_m, radius, m_after
        formed[0] = number(abs(exact_m - m_after)) + radius
    if Quantity.U in quantities:
        radius = bounds.norm(near[2], bounds.zero, near[3], near[0], bounds.zero)
        exact_u = max(norm_branches(u, effective, scalars, rule))
        yield Quantity.U, exact_u, radius, u_after
        formed[1] = number(abs(exact_u - u_after)) + radius
    if Quantity.THETA in quantities and _finite(m_after, u_after):
        radius = bounds.stored_theta(near[0], number(m_after), number(u_after), *formed)
        exact_theta = (
            theta  # nothing is compared with it
            if radius == math.inf
            else update(theta, ctx.mpf(m_after), ctx.mpf(u_after), t, scalars, rule)
        )
        yield Quantity.THETA, exact_theta, radius, theta_after


def advance(
    ctx: Any, bounds: GroupBounds, rule: Rule, before: State[Any], radii: State[Any], g: float, t: int
) -> tuple[State[Any], State[Any]]:
    """The exact state after a step and its radii, from those before it."""
    scalars = bounds.scalars
    effective = effective_gradient(before.theta, ctx.mpf(g), scalars, rule)
    m = first_moment(before.m, effective, scalars)
    u = max(norm_branches(before.u, effective, scalars, rule))
    sizes = (before.theta, before.m, before.u, g, m, u)
    at, number = bounds.over(*sizes, *(r for r in (radii.theta, radii.m, radii.u) if r != math.inf))
    theta_near, m_near, u_near, g_near, m_after, u_after = (number(x) for x in sizes)
    theta_radius, m_radius, u_radius = (number(r) for r in (radii.theta, radii.m, radii.u))
    m_radius = at.moment(m_near, m_radius, g_near, theta_near, theta_radius)
    u_radius = at.norm(u_near, u_radius, g_near, theta_near, theta_radius)
    lost = math.inf in (m_radius, u_radius)
    reached = math.inf if lost else at.theta(theta_near, theta_radius, m_after, m_radius, u_after, u_radius)
    # Where nothing can be compared, the exact value may not exist: 0/0.
    theta = before.theta if reached == math.inf else update(before.theta, m, u, t, scalars, rule)
    return State(theta, m, u), State(reached, m_radius, u_radius)
