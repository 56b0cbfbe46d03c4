"""The comparison: a subject's trajectory against the exact one, element by element, within the bound.

Two modes. In lockstep each step is judged on its own, from the state that the subject itself had before it, so
nothing accumulates and the bound is tight. As a trajectory, the exact run and the radii are carried from the
start, which needs no state but theta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..reference.case import Case, FloatArray
from ..reference.hyperparameters import Hyperparameters
from .batch.lockstep import QUANTITIES, Block, judge_block, judge_element
from .batch.tally import BlockTally
from .batch.trajectory import ExactRun, RunStep, judge_trajectory
from .error_model import Assumption
from .exact.trajectory import context, exact_scalars, precision_for
from .judgement import (
    Findings,
    GroupBounds,
    Judgement,
    Tally,
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


@dataclass(frozen=True)
class Many:
    """Different elements of a parameter after a step.

    Attributes:
        t: the step.
        parameter: which.
        shape: of the parameter.
        places: of the elements, in row-major order.
        judge: what the exact oracle says of one of them, by its index among `places`.
    """

    t: int
    parameter: int
    shape: tuple[int, ...]
    places: npt.NDArray[np.intp]
    judge: Callable[[int], Mapping[Quantity, Judgement]]

    def place(self, index: int) -> _Place:
        """Where an element is."""
        return _Place(self.t, self.parameter, _element(self.places[index], self.shape))


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
        self._diverges(tally, quantity, place, Judgement(exact, radius, actual, found))
        if self.brief:
            raise _Enough

    def take(self, quantity: Quantity, many: Many, found: BlockTally) -> None:
        """What was found of many numbers after a step: counted as if one by one."""
        tally = self.found.get(quantity)
        if tally is None:
            return
        tally.judged += found.judged
        tally.open += found.open
        tally.exceeded += found.exceeded
        tally.sixteenths.update(found.sixteenths)
        if found.largest_ulp is not None:
            tally.largest_ulp = max(tally.largest_ulp, found.largest_ulp.in_ulp)
        if found.worst:
            worst = many.judge(found.worst[0].place)[quantity].measured
            assert worst is not None
            tally.largest_over_bound = max(tally.largest_over_bound, worst.over)
            tally.at_step(many.t, worst.in_ulp, worst.bound_in_ulp)
        if found.first_exceeded is not None:
            place = found.first_exceeded.place
            self._diverges(tally, quantity, many.place(place), many.judge(place)[quantity])
            if self.brief:
                raise _Enough

    def _diverges(self, tally: Tally, quantity: Quantity, place: _Place, judgement: Judgement) -> None:
        """Keep the first number beyond its bound."""
        if tally.divergence is None and judgement.measured is not None:
            over, in_ulp = judgement.measured.over, judgement.measured.in_ulp
            tally.divergence = divergence_of(
                quantity,
                _reason(quantity, place, self.mode, in_ulp, over, self.case),
                judgement,
                (place.t, place.parameter, place.element),
                self.case,
            )


def _reason(quantity: Quantity, place: _Place, mode: str, in_ulp: float, over: float, case: Case) -> str:
    where = f"{quantity.value} of parameter {place.parameter}, element {list(place.element)}, after step {place.t}"
    if math.isinf(over):
        return f"{where} is not within any bound ({mode}, case {case.name})"
    return f"{where} is off by {in_ulp:.4g} ulp, {over:.4g} times the proven bound ({mode}, case {case.name})"


_FEW = 64


_MANY = 1 << 14
"""From so many different elements on, the vectorised oracle judges them."""


def _distinct(*arrays: FloatArray) -> npt.NDArray[np.intp]:
    """One element for each distinct tuple of values, so that a large periodic array costs its period."""
    if arrays[0].size <= _FEW:
        return np.arange(arrays[0].size)
    rows = np.stack([_flat(a) for a in arrays], axis=1).view(np.int64)
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.sort(first)


def _flat(array: FloatArray) -> FloatArray:
    return np.ascontiguousarray(array).reshape(-1)


def _element(place: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(place, shape))


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
                arrays = (*before, parameter.gradients[t - 1], *after)
                places = _distinct(*arrays)
                if len(places) >= _MANY and all(quantity in found for quantity in QUANTITIES):
                    block = Block(*(_flat(array)[places] for array in arrays))
                    options = group.at(t)
                    exactly = partial(_judged, block, options, t, assumption)
                    many = Many(t, place, parameter.theta.shape, places, exactly)
                    for quantity, tally in judge_block(block, options, t, assumption).items():
                        judge.take(quantity, many, tally)
                    before = after
                    continue
                step_bounds = GroupBounds(ctx, exact_scalars(ctx, group.at(t)), t, assumption)
                for each in places:
                    element = _element(each, parameter.theta.shape)
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
    judge = _Judge(case, assumption, found, "trajectory", brief=brief)
    with suppress(_Enough):
        for place, group, parameter in case.placed():
            shown = [tuple(None if a is None else a[place] for a in (s.theta, s.m, s.u)) for s in observed]
            seen = [array for arrays in shown for array in arrays if array is not None]
            gradients = parameter.gradients[: len(observed)]
            places = _distinct(parameter.theta, *parameter.gradients, *seen)
            theta = _flat(parameter.theta)[places]
            steps = [
                RunStep(
                    group.at(t),
                    _flat(g)[places],
                    tuple(None if array is None else _flat(array)[places] for array in arrays),
                )
                for t, (g, arrays) in enumerate(zip(gradients, shown, strict=True), start=1)
            ]
            run = ExactRun(theta, steps, assumption)
            if len(places) >= _MANY:
                for t, tallies in enumerate(judge_trajectory(theta, steps, assumption), start=1):
                    many = Many(t, place, parameter.theta.shape, places, partial(run.after, t))
                    for quantity, tally in tallies.items():
                        judge.take(quantity, many, tally)
                continue
            for index, each in enumerate(places):
                element = _element(each, parameter.theta.shape)
                for t, judged in run.judge(index):
                    at = _Place(t, place, element)
                    for quantity, judgement in judged.items():
                        judge.judge(quantity, at, judgement.exact, judgement.radius, judgement.actual)


def _judged(
    block: Block, options: Hyperparameters, t: int, assumption: Assumption, place: int
) -> Mapping[Quantity, Judgement]:
    return judge_element(block, place, options, t, assumption)
