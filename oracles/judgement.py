"""The judgement of one number against its bound, and the tally of many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..reference.case import Case
from ..reference.formula import State, effective_gradient, first_moment, norm_branches, update
from ..reference.rules import Rule
from .bounds.radii import moment_radius, norm_radius, stored_theta_radius, theta_radius
from .bounds.step import StepBounds
from .exact.trajectory import decimal
from .formats import Format
from .verdict import Divergence, Quantity


@dataclass
class ComparisonTally:
    """The counts and the largest errors of one quantity in a comparison.

    Attributes:
        judged: elements compared.
        open: elements whose bound is infinite, since an admissible evaluation overflows or divides by zero.
        largest_over_bound: the largest error as a fraction of its bound.
        largest_ulp: the largest error in ulp of the expected value.
        by_step: for each step the error and the bound in ulp, of the error that is the largest fraction of its bound.
            So a step with any error beyond its bound shows one.
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
        """Keep an error of a step if it is the worst so far."""
        pair = (in_ulp, bound_in_ulp)
        if t not in self.by_step or error_rank(*pair) >= error_rank(*self.by_step[t]):
            self.by_step[t] = pair


def error_rank(error: float, bound: float) -> tuple[float, float]:
    """A sort key for errors: the fraction of the bound, then the size."""
    if error == 0 or (bound and not math.isinf(error)):
        return error and error / bound, error
    return math.inf, error


ComparisonTallies = dict[Quantity, ComparisonTally]


LAST_SIXTEENTH: Final = 1 << 6
"""The bin of all errors of 4 ulp and more."""


EDGE_SHIFT: Final = 2.0**-10
"""The edges between the bins lie lower by this. Many errors are a whole number of sixteenths; so they are counted alike,
however closely they were computed."""


def sixteenth(in_ulp: float) -> int:
    """The bin of a finite error: its whole number of sixteenths of an ulp."""
    return int(min(in_ulp * 16 + EDGE_SHIFT, LAST_SIXTEENTH))


class ErrorSize(NamedTuple):
    """The distance of a number from the exact one.

    Attributes:
        rounded: the exact number, rounded once to the working format.
        over_bound: the error as a fraction of its bound; above 1 is wrong.
        in_ulp: the error in ulp of the expected value; infinite for what is not finite.
        bound_in_ulp: the bound likewise.
    """

    rounded: float
    over_bound: float
    in_ulp: float
    bound_in_ulp: float


def error_size(format_: Format, exact: Any, radius: Any, actual: float) -> ErrorSize:
    """Measure a number against the exact one; the radius is finite."""
    rounded = format_.round(exact)
    ulp = format_.ulp(rounded) if math.isfinite(rounded) else math.inf
    if math.isfinite(actual):
        error = abs(exact - actual)
        over = float(error / radius) if radius else (math.inf if error else 0.0)
        in_ulp = float(error / ulp)
    else:
        over = in_ulp = math.inf
    return ErrorSize(rounded, over, in_ulp, float(radius / ulp))


@dataclass(frozen=True)
class Judgement:
    """One number and its comparison with the exact one.

    Attributes:
        exact: the exact value, as mpf.
        radius: its bound; infinite where nothing is judged.
        actual: the subject's number.
        error_size: how far off it is; None where the bound is infinite.
    """

    exact: Any
    radius: Any
    actual: float
    error_size: ErrorSize | None


def divergence_of(
    quantity: Quantity,
    reason: str,
    judgement: Judgement,
    location: tuple[int, int, tuple[int, ...]],
    case: Case | None,
) -> Divergence:
    """The evidence for a number beyond its bound.

    Args:
        quantity: what was judged.
        reason: one sentence.
        judgement: of the number.
        location: the step, the parameter's index, and the element's.
        case: the case, if it is to go on record.
    """
    if judgement.error_size is None:
        raise ValueError(f"{quantity.value} has an infinite bound: nothing can diverge from it")
    step, parameter, element = location
    radius = judgement.radius
    return Divergence(
        quantity=quantity,
        reason=reason,
        expected=decimal(judgement.exact),
        actual=decimal(judgement.actual),
        expected_hex=judgement.error_size.rounded.hex(),
        actual_hex=float(judgement.actual).hex(),
        error_ulp=judgement.error_size.in_ulp,
        error_over_bound=judgement.error_size.over_bound,
        bound=decimal(radius, 6) if not isinstance(radius, float) else f"{radius:.6g}",
        step=step,
        parameter=parameter,
        element=element,
        case=None if case is None else case.to_json(),
    )


def empty_tallies(*quantities: Quantity) -> ComparisonTallies:
    """Create an empty tally for each of some quantities."""
    return {quantity: ComparisonTally() for quantity in quantities}


def step_judgements(
    ctx: Any,
    bounds: StepBounds,
    rule: Rule,
    t: int,
    before: Sequence[float],
    after: Sequence[float],
    quantities: Container[Quantity],
) -> Iterator[tuple[Quantity, Any, Any, float]]:
    """Yield quantity, exact value, radius and actual value of one element's step.

    Args:
        ctx: the mpmath context of the exact values.
        bounds: of the step.
        rule: the update formula.
        t: the number of the step, from 1.
        before: theta, m and u before the step, and the gradient; all finite.
        after: theta, m and u after it.
        quantities: which to judge; theta is left out where m or u after the step is not finite.
    """
    scalars = bounds.scalars
    theta_after, m_after, u_after = after
    k, near, number = bounds.for_sizes(*before, m_after, u_after)
    theta, m, u, g = (ctx.mpf(x) for x in before)
    effective = effective_gradient(theta, g, scalars, rule)
    near_theta, near_m, near_u, near_g = (number(x) for x in before)
    near_effective = effective_gradient(near_theta, near_g, near, rule)
    m_formed = u_formed = math.inf  # how far off m and u may have been when they entered theta
    if Quantity.M in quantities:
        radius = moment_radius(k, near_m, k.zero, near_g, near_effective, near_theta, k.zero)
        exact_m = first_moment(m, effective, scalars)
        yield Quantity.M, exact_m, radius, m_after
        m_formed = number(abs(exact_m - m_after)) + radius
    if Quantity.U in quantities:
        branches = norm_branches(near_u, near_effective, near, rule)
        radius = norm_radius(k, near_u, k.zero, near_g, near_effective, branches, near_theta, k.zero)
        exact_u = max(norm_branches(u, effective, scalars, rule))
        yield Quantity.U, exact_u, radius, u_after
        u_formed = number(abs(exact_u - u_after)) + radius
    if Quantity.THETA in quantities and math.isfinite(m_after) and math.isfinite(u_after):
        radius = stored_theta_radius(k, near_theta, number(m_after), number(u_after), m_formed, u_formed)
        exact_theta = (
            theta  # nothing is compared with it
            if radius == math.inf
            else update(theta, ctx.mpf(m_after), ctx.mpf(u_after), t, scalars, rule)
        )
        yield Quantity.THETA, exact_theta, radius, theta_after


def advance(
    ctx: Any, bounds: StepBounds, rule: Rule, before: State[Any], radii: State[Any], g: float, t: int
) -> tuple[State[Any], State[Any]]:
    """Take an exact step and carry the radii along.

    Args:
        ctx: the mpmath context of the exact values.
        bounds: of the step.
        rule: the update formula.
        before: the exact state before the step.
        radii: its radii, all finite.
        g: the gradient as passed.
        t: the number of the step, from 1.

    Returns:
        The exact state after the step, and its radii.
    """
    scalars = bounds.scalars
    effective = effective_gradient(before.theta, ctx.mpf(g), scalars, rule)
    m = first_moment(before.m, effective, scalars)
    u = max(norm_branches(before.u, effective, scalars, rule))
    sizes = (before.theta, before.m, before.u, g, m, u)
    k, near, number = bounds.for_sizes(*sizes, *(r for r in (radii.theta, radii.m, radii.u) if r != math.inf))
    near_theta, near_m, near_u, near_g, m_after, u_after = (number(x) for x in sizes)
    theta_off, m_off, u_off = (number(r) for r in (radii.theta, radii.m, radii.u))
    near_effective = effective_gradient(near_theta, near_g, near, rule)
    branches = norm_branches(near_u, near_effective, near, rule)
    m_radius = moment_radius(k, near_m, m_off, near_g, near_effective, near_theta, theta_off)
    u_radius = norm_radius(k, near_u, u_off, near_g, near_effective, branches, near_theta, theta_off)
    is_open = math.inf in (m_radius, u_radius)
    radius = (
        math.inf if is_open else theta_radius(k, near_theta, theta_off, m_after, m_radius, u_after, u_radius)
    )
    # Where nothing can be compared, the exact value may not exist: 0/0.
    theta = before.theta if radius == math.inf else update(before.theta, m, u, t, scalars, rule)
    return State(theta, m, u), State(radius, m_radius, u_radius)
