"""The comparison: a subject's trajectory against the exact one, element by element, within the bound.

Two modes. In lockstep each step is judged on its own, from the state that the subject itself had before it, so
nothing accumulates and the bound is tight. As a trajectory, the exact run and the radii are carried from the
start, which needs no state but theta.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..reference.case import Case, FloatArray
from ..reference.formula import State
from .exact import context, exact_scalars, precision_for
from .judgement import (
    Assumption,
    Findings,
    GroupBounds,
    Judgement,
    advance,
    divergence_of,
    measured,
    sixteenth,
    step_judgements,
)
from .verdict import Quantity


class Snapshot(Protocol):
    """A subject's state after one step: one float64 array a parameter; m and u are None where they are hidden."""

    @property
    def theta(self) -> Sequence[FloatArray]:
        """Theta of every parameter."""

    @property
    def m(self) -> Sequence[FloatArray] | None:
        """The first moment of every parameter."""

    @property
    def u(self) -> Sequence[FloatArray] | None:
        """The infinity norm of every parameter."""


@dataclass(frozen=True)
class _Place:
    """Where an element is."""

    t: int
    parameter: int
    element: tuple[int, ...]


class _Enough(Exception):  # noqa: N818 - not an error: the first one found ends a brief comparison
    """A brief comparison has found what it was for."""


class _Judge:
    """Compares numbers and keeps the tallies."""

    def __init__(
        self, case: Case, assumption: Assumption, found: Findings, mode: str, *, brief: bool
    ) -> None:
        self.case = case
        self.format = assumption.format_
        self.found = found
        self.mode = mode
        self.brief = brief

    def judge(self, quantity: Quantity, place: _Place, exact: Any, radius: Any, actual: float) -> None:
        """One number: counted, and kept as the divergence if it is the first beyond its bound."""
        tally = self.found.get(quantity)
        if tally is None:
            return
        tally.judged += 1
        if radius == math.inf:
            tally.open += 1
            return
        found = measured(self.format, exact, radius, actual)
        _, over, in_ulp, bound_in_ulp = found
        tally.largest_over_bound = max(tally.largest_over_bound, over)
        tally.largest_ulp = max(tally.largest_ulp, in_ulp)
        if math.isfinite(in_ulp):
            tally.sixteenths[sixteenth(in_ulp)] += 1
        tally.at_step(place.t, in_ulp, bound_in_ulp)
        if over <= 1:
            return
        tally.exceeded += 1
        if tally.divergence is None:
            tally.divergence = divergence_of(
                quantity,
                _reason(quantity, place, self.mode, in_ulp, over, self.case),
                Judgement(exact, radius, actual, found),
                (place.t, place.parameter, place.element),
                self.case,
            )
        if self.brief:
            raise _Enough


def _reason(quantity: Quantity, place: _Place, mode: str, in_ulp: float, over: float, case: Case) -> str:
    where = f"{quantity.value} of parameter {place.parameter}, element {list(place.element)}, after step {place.t}"
    if math.isinf(over):
        return f"{where} is not within any bound ({mode}, case {case.name})"
    return f"{where} is off by {in_ulp:.4g} ulp, {over:.4g} times the proven bound ({mode}, case {case.name})"


_FEW = 64


def _distinct(*arrays: FloatArray) -> Iterator[tuple[int, ...]]:
    """One element for each distinct tuple of values, so that a large periodic array costs its period."""
    shape = arrays[0].shape
    if arrays[0].size <= _FEW:
        yield from np.ndindex(shape)
        return
    rows = np.stack([np.ascontiguousarray(a).reshape(-1) for a in arrays], axis=1).view(np.int64)
    _, first = np.unique(rows, axis=0, return_index=True)
    for place in np.sort(first):
        yield tuple(int(i) for i in np.unravel_index(place, shape))


def lockstep(
    case: Case, observed: Sequence[Snapshot], assumption: Assumption, found: Findings, *, brief: bool = False
) -> None:
    """Judge each step from the subject's own state before it; theta from its own m and u after it.

    Elements whose state or gradient is not finite are left to the special values' checks.

    Args:
        case: what the subject was run on.
        observed: its state after each step, with m and u.
        assumption: what it is judged against.
        found: the tallies to add to; quantities that are missing in it are not judged.
        brief: whether to stop at the first error beyond its bound.
    """
    ctx = context(precision_for(case.steps))
    judge = _Judge(case, assumption, found, "lockstep", brief=brief)
    rule = assumption.rule
    with suppress(_Enough):
        for place, group, parameter in case.placed():
            zeros = np.zeros(parameter.theta.shape)
            before = (parameter.theta, zeros, zeros)
            for t, snapshot in enumerate(observed, start=1):
                if snapshot.m is None or snapshot.u is None:
                    raise ValueError("lockstep needs m and u of the subject; judge its trajectory instead")
                after = (snapshot.theta[place], snapshot.m[place], snapshot.u[place])
                step_bounds = GroupBounds(ctx, exact_scalars(ctx, group.at(t)), t, assumption)
                for element in _distinct(*before, parameter.gradients[t - 1], *after):
                    at = _Place(t, place, element)
                    values = [float(array[element]) for array in (*before, parameter.gradients[t - 1])]
                    if not all(map(math.isfinite, values)):
                        continue
                    results = [float(array[element]) for array in after]
                    for quantity, exact, radius, actual in step_judgements(
                        ctx, step_bounds, rule, t, values, results, found
                    ):
                        judge.judge(quantity, at, exact, radius, actual)
                before = after


def trajectory(
    case: Case, observed: Sequence[Snapshot], assumption: Assumption, found: Findings, *, brief: bool = False
) -> None:
    """Judge the whole run from the start: the exact trajectory, with the radii carried from step to step.

    Args:
        case: what the subject was run on.
        observed: its state after each step; m and u are judged where they are seen.
        assumption: what it is judged against.
        found: the tallies to add to; quantities that are missing in it are not judged.
        brief: whether to stop at the first error beyond its bound.
    """
    ctx = context(precision_for(case.steps))
    judge = _Judge(case, assumption, found, "trajectory", brief=brief)
    zero = ctx.mpf(0)
    with suppress(_Enough):
        for place, group, parameter in case.placed():
            steps = [
                GroupBounds(ctx, exact_scalars(ctx, group.at(t)), t, assumption)
                for t in range(1, len(observed) + 1)
            ]
            seen = [a[place] for s in observed for a in (s.theta, s.m, s.u) if a is not None]
            for element in _distinct(parameter.theta, *parameter.gradients, *seen):
                state: State[Any] = State(ctx.mpf(float(parameter.theta[element])), zero, zero)
                radii: State[Any] = State(0.0, 0.0, 0.0)
                for t, bounds in enumerate(steps, start=1):
                    g = float(parameter.gradients[t - 1][element])
                    if not math.isfinite(g):
                        break
                    at = _Place(t, place, element)
                    snapshot = observed[t - 1]
                    state, radii = advance(ctx, bounds, assumption.rule, state, radii, g, t)
                    judge.judge(
                        Quantity.THETA, at, state.theta, radii.theta, float(snapshot.theta[place][element])
                    )
                    if snapshot.m is not None:
                        judge.judge(Quantity.M, at, state.m, radii.m, float(snapshot.m[place][element]))
                    if snapshot.u is not None:
                        judge.judge(Quantity.U, at, state.u, radii.u, float(snapshot.u[place][element]))
                    if math.inf in (radii.theta, radii.m, radii.u):
                        break
