"""The comparison of a subject's run with the exact one, element by element.

There are two modes. In lockstep each step is judged on its own, from the state that the subject itself had before
it: nothing accumulates, so the bound is tight. As a trajectory the exact run and the radii are carried from the
start; that needs no state but theta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..reference.case import Case, FloatArray
from ..reference.hyperparameters import Hyperparameters
from .batch.lockstep import QUANTITIES, Block, judge_block, judge_element
from .batch.tally import QuantityTally
from .batch.trajectory import ExactRunJudge, RunStep, judge_trajectory
from .batch.whole_run import QuantityErrors, StepRows, WholeRun
from .bounds.step import StepBounds
from .error_model import ErrorModel
from .exact.trajectory import exact_scalars, mpmath_context, precision_for
from .judgement import (
    ComparisonTallies,
    ComparisonTally,
    ErrorSize,
    Judgement,
    divergence_of,
    error_size,
    sixteenth,
    step_judgements,
)
from .verdict import Quantity
from .worked import worked_step


class Snapshot(Protocol):
    """A subject's state after one step, as float64 arrays.

    There is one array for each parameter. m and u are None where the subject hides them.
    """

    @property
    def theta(self) -> Sequence[FloatArray]:
        """Theta of every parameter."""

    @property
    def m(self) -> Sequence[FloatArray] | None:
        """The first moment of every parameter."""

    @property
    def u(self) -> Sequence[FloatArray] | None:
        """The infinity norm of every parameter."""


class _Location(NamedTuple):
    """The step, the parameter's index and the element's index of a number."""

    t: int
    parameter: int
    element: tuple[int, ...]


@dataclass(frozen=True)
class _DistinctElements:
    """The elements of a parameter after a step that differ from each other.

    Attributes:
        t: the step.
        parameter: its index.
        shape: its shape.
        indices: of the elements, in row-major order.
        judge: judges the element at a position in `indices` by the exact oracle.
    """

    t: int
    parameter: int
    shape: tuple[int, ...]
    indices: npt.NDArray[np.intp]
    judge: Callable[[int], Mapping[Quantity, Judgement]]

    def location(self, position: int) -> _Location:
        """The location of the element at a position in `indices`."""
        return _Location(self.t, self.parameter, _unravel(self.indices[position], self.shape))


class _DivergenceFoundError(Exception):
    """Ends a brief comparison at the first number beyond its bound."""


class _Judge:
    """Compares numbers with the exact ones and keeps the tallies."""

    def __init__(
        self,
        case: Case,
        error_model: ErrorModel,
        tallies: ComparisonTallies,
        mode: str,
        *,
        brief: bool,
        observed: Sequence[Snapshot] = (),
    ) -> None:
        self.case = case
        self.error_model = error_model
        self.format = error_model.format_
        self.tallies = tallies
        self.mode = mode
        self.brief = brief
        self.observed = observed

    def judge(self, quantity: Quantity, location: _Location, exact: Any, radius: Any, actual: float) -> None:
        """Count one number; keep it as the divergence if it is the first beyond its bound."""
        tally = self.tallies.get(quantity)
        if tally is None:
            return
        tally.judged += 1
        if radius == math.inf:
            tally.open += 1
            return
        size = error_size(self.format, exact, radius, actual)
        tally.largest_over_bound = max(tally.largest_over_bound, size.over_bound)
        tally.largest_ulp = max(tally.largest_ulp, size.in_ulp)
        if math.isfinite(size.in_ulp):
            tally.sixteenths[sixteenth(size.in_ulp)] += 1
        tally.at_step(location.t, size.in_ulp, size.bound_in_ulp)
        if size.over_bound <= 1:
            return
        tally.exceeded += 1
        self.keep(tally, quantity, location, Judgement(exact, radius, actual, size))
        if self.brief:
            raise _DivergenceFoundError

    def add_block(self, quantity: Quantity, elements: _DistinctElements, block: QuantityTally[int]) -> None:
        """Add the tally of many numbers after a step, as if they were counted one by one."""
        tally = self.tallies.get(quantity)
        if tally is None:
            return
        tally.judged += block.judged
        tally.open += block.open
        tally.exceeded += block.exceeded
        tally.sixteenths.update(block.sixteenths)
        if block.largest_ulp is not None:
            tally.largest_ulp = max(tally.largest_ulp, block.largest_ulp.in_ulp)
        if block.worst:
            worst = elements.judge(block.worst[0].index)[quantity].error_size
            assert worst is not None
            tally.largest_over_bound = max(tally.largest_over_bound, worst.over_bound)
            tally.at_step(elements.t, worst.in_ulp, worst.bound_in_ulp)
        if block.first is not None:
            first = block.first.index
            self.keep(tally, quantity, elements.location(first), elements.judge(first)[quantity])
            if self.brief:
                raise _DivergenceFoundError

    def keep(
        self, tally: ComparisonTally, quantity: Quantity, location: _Location, judgement: Judgement
    ) -> None:
        """Keep a number beyond its bound if it is the first."""
        if tally.divergence is None and judgement.error_size is not None:
            reason = self._reason(quantity, location, judgement.error_size)
            found = divergence_of(quantity, reason, judgement, location, self.case)
            tally.divergence = replace(found, extra=self._worked(location))

    def _worked(self, location: _Location) -> Mapping[str, Any]:
        """The step of one number, worked out; empty in a brief comparison."""
        if self.brief or not self.observed:
            return {}
        t, number, element = location
        group, parameter = next((g, p) for index, g, p in self.case.indexed_parameters() if index == number)
        zeros = np.zeros(parameter.theta.shape)
        arrays = [(parameter.theta, zeros, zeros)]
        arrays += [_arrays_of(snapshot, number) for snapshot in self.observed[max(t - 2, 0) : t]]
        before, after = ([float(array[element]) for array in each] for each in arrays[-2:])
        before.append(float(parameter.gradients[t - 1][element]))
        return worked_step(before, after, group.at(t), t, self.error_model)

    def _reason(self, quantity: Quantity, location: _Location, size: ErrorSize) -> str:
        t, parameter, element = location
        where = f"{quantity.value} of parameter {parameter}, element {list(element)}, after step {t}"
        context = f"({self.mode}, case {self.case.name})"
        if math.isinf(size.over_bound):
            return f"{where} is not within any bound {context}"
        return (
            f"{where} is off by {size.in_ulp:.4g} ulp, {size.over_bound:.4g} times the proven bound {context}"
        )


def _arrays_of(snapshot: Snapshot, number: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Theta, m and u of a parameter."""
    if snapshot.m is None or snapshot.u is None:
        raise ValueError("lockstep needs m and u of the subject; judge its trajectory instead")
    return snapshot.theta[number], snapshot.m[number], snapshot.u[number]


_FEW: Final = 64
"""Up to so many elements, each is judged, whether or not it differs from the others."""


_BEYOND: Final = 1 + 2.0**-19
"""Covers what binary64 evaluates an error and a bound by, at most 2^-20 of themselves."""


_MANY: Final = 1 << 14
"""From so many different elements on, the vectorised oracle judges them."""


_HALF: Final = np.uint64(32)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: a product with it spreads the bits of a number."""


def _distinct_indices(*arrays: FloatArray) -> npt.NDArray[np.intp]:
    """The index of one element for each distinct tuple of values.

    A large periodic array so costs no more than its period.
    """
    if arrays[0].size <= _FEW:
        return np.arange(arrays[0].size)
    columns = [_flatten(a).view(np.uint64) for a in arrays]
    key = np.zeros(columns[0].size, np.uint64)
    for column in columns:
        key = (key ^ (key >> _HALF)) * _ODD + column
    _, first, tuples = np.unique(key, return_index=True, return_inverse=True)
    if all(np.array_equal(column, column[first[tuples]]) for column in columns):
        return np.sort(first)
    # Two tuples have the same key.
    _, first = np.unique(np.stack(columns, axis=1), axis=0, return_index=True)
    return np.sort(first)


def _flatten(array: FloatArray) -> FloatArray:
    return np.ascontiguousarray(array).reshape(-1)


def _unravel(index: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(index, shape))


def lockstep(
    case: Case,
    observed: Sequence[Snapshot],
    error_model: ErrorModel,
    tallies: ComparisonTallies,
    *,
    brief: bool = False,
) -> None:
    """Judge each step of a run from the subject's own state before it.

    Theta is judged from the subject's own m and u after the step.
    Elements whose state or gradient is not finite are left to the special values' checks.

    Args:
        case: what the subject was run on.
        observed: its state after each step, with m and u.
        error_model: what it is judged against.
        tallies: the tallies to add to; quantities that are missing in it are not judged.
        brief: whether to stop at the first error beyond its bound.
    """
    if not brief and all(quantity in tallies for quantity in QUANTITIES):
        rows = gather_rows(case, observed)
        if sum(each.indices.size for each in rows) < _MANY:
            _judge_whole_run(case, observed, WholeRun(rows, error_model), error_model, tallies)
            return
    _judge_each_step(case, observed, error_model, tallies, brief=brief)


def _judge_each_step(
    case: Case,
    observed: Sequence[Snapshot],
    error_model: ErrorModel,
    tallies: ComparisonTallies,
    *,
    brief: bool,
) -> None:
    """Judge a run step by step: an element at a time, or a long array at once."""
    ctx = mpmath_context(precision_for(case.steps))
    judge = _Judge(case, error_model, tallies, "lockstep", brief=brief, observed=observed)
    rule = error_model.rule
    with suppress(_DivergenceFoundError):
        for number, group, parameter in case.indexed_parameters():
            zeros = np.zeros(parameter.theta.shape)
            before = (parameter.theta, zeros, zeros)
            for t, snapshot in enumerate(observed, start=1):
                after = _arrays_of(snapshot, number)
                arrays = (*before, parameter.gradients[t - 1], *after)
                indices = _distinct_indices(*arrays)
                if len(indices) >= _MANY and all(quantity in tallies for quantity in QUANTITIES):
                    block = Block(*(_flatten(array)[indices] for array in arrays))
                    options = group.at(t)
                    exactly = partial(_judge_exactly, block, options, t, error_model)
                    elements = _DistinctElements(t, number, parameter.theta.shape, indices, exactly)
                    for quantity, tally in judge_block(block, options, t, error_model).items():
                        judge.add_block(quantity, elements, tally)
                    before = after
                    continue
                bounds = StepBounds(ctx, exact_scalars(ctx, group.at(t)), t, error_model)
                for index in indices:
                    element = _unravel(index, parameter.theta.shape)
                    location = _Location(t, number, element)
                    values = [float(array[element]) for array in (*before, parameter.gradients[t - 1])]
                    if not all(map(math.isfinite, values)):
                        continue
                    results = [float(array[element]) for array in after]
                    for quantity, exact, radius, actual in step_judgements(
                        ctx, bounds, rule, t, values, results, tallies
                    ):
                        judge.judge(quantity, location, exact, radius, actual)
                before = after


def gather_rows(case: Case, observed: Sequence[Snapshot]) -> list[StepRows]:
    """Every parameter and step of a run, with the elements that differ among them."""
    rows = []
    for number, group, parameter in case.indexed_parameters():
        zeros = np.zeros(parameter.theta.shape)
        before = (parameter.theta, zeros, zeros)
        for t, snapshot in enumerate(observed, start=1):
            after = _arrays_of(snapshot, number)
            arrays = (*before, parameter.gradients[t - 1], *after)
            indices = _distinct_indices(*arrays)
            theta, m, u, g, *now = (_flatten(array)[indices] for array in arrays)
            rows.append(StepRows(t, number, group.at(t), indices, (theta, m, u, g), (now[0], now[1], now[2])))
            before = after
    return rows


def _judge_whole_run(
    case: Case,
    observed: Sequence[Snapshot],
    run: WholeRun,
    error_model: ErrorModel,
    tallies: ComparisonTallies,
) -> None:
    """Add what was found of a whole run, as if its numbers were judged one by one."""
    judge = _Judge(case, error_model, tallies, "lockstep", brief=False, observed=observed)
    shapes = [parameter.theta.shape for _, _, parameter in case.indexed_parameters()]

    def locate(row: int) -> _Location:
        t, parameter, index = run.location(row)
        return _Location(t, parameter, _unravel(index, shapes[parameter]))

    undecided = [(row, run.exactly(row)) for row in run.undecided()]
    for quantity in QUANTITIES:
        tally, errors = tallies[quantity], run.errors(quantity)
        tally.judged += errors.judged
        tally.open += errors.open
        tally.exceeded += errors.exceeded
        tally.sixteenths.update(errors.sixteenths)
        for t, (in_ulp, bound_in_ulp) in errors.by_step.items():
            tally.at_step(t, in_ulp, bound_in_ulp)
        _measure_largest(tally, quantity, errors, run)
        first = errors.first_exceeded
        for row, judged in undecided:
            if first is not None and first < row:
                judge.keep(tally, quantity, locate(first), run.exactly(first)[quantity])
            if quantity in judged:
                judgement = judged[quantity]
                judge.judge(quantity, locate(row), judgement.exact, judgement.radius, judgement.actual)
        if first is not None:
            judge.keep(tally, quantity, locate(first), run.exactly(first)[quantity])


def _measure_largest(
    tally: ComparisonTally, quantity: Quantity, errors: QuantityErrors, run: WholeRun
) -> None:
    """Measure those rows exactly that may have the largest error so far."""
    for row, over, ulp in errors.worst:
        if over * _BEYOND <= tally.largest_over_bound and ulp * _BEYOND <= tally.largest_ulp:
            continue
        size = run.exactly(row)[quantity].error_size
        if size is not None:
            tally.largest_over_bound = max(tally.largest_over_bound, size.over_bound)
            tally.largest_ulp = max(tally.largest_ulp, size.in_ulp)


def trajectory(
    case: Case,
    observed: Sequence[Snapshot],
    error_model: ErrorModel,
    tallies: ComparisonTallies,
    *,
    brief: bool = False,
) -> None:
    """Judge the whole run from the start, with the radii carried from step to step.

    Args:
        case: what the subject was run on.
        observed: its state after each step; m and u are judged where they are seen.
        error_model: what it is judged against.
        tallies: the tallies to add to; quantities that are missing in it are not judged.
        brief: whether to stop at the first error beyond its bound.
    """
    shows = all(snapshot.m is not None and snapshot.u is not None for snapshot in observed)
    seen_whole = observed if shows else ()
    judge = _Judge(case, error_model, tallies, "trajectory", brief=brief, observed=seen_whole)
    with suppress(_DivergenceFoundError):
        for number, group, parameter in case.indexed_parameters():
            shown = [tuple(None if a is None else a[number] for a in (s.theta, s.m, s.u)) for s in observed]
            seen = [array for arrays in shown for array in arrays if array is not None]
            gradients = parameter.gradients[: len(observed)]
            indices = _distinct_indices(parameter.theta, *parameter.gradients, *seen)
            theta = _flatten(parameter.theta)[indices]
            steps = [
                RunStep(
                    group.at(t),
                    _flatten(g)[indices],
                    tuple(None if array is None else _flatten(array)[indices] for array in arrays),
                )
                for t, (g, arrays) in enumerate(zip(gradients, shown, strict=True), start=1)
            ]
            run = ExactRunJudge(theta, steps, error_model)
            if len(indices) >= _MANY:
                for t, found in enumerate(judge_trajectory(theta, steps, error_model), start=1):
                    after = partial(run.judge_after, t)
                    elements = _DistinctElements(t, number, parameter.theta.shape, indices, after)
                    for quantity, tally in found.items():
                        judge.add_block(quantity, elements, tally)
                continue
            for position, index in enumerate(indices):
                element = _unravel(index, parameter.theta.shape)
                for t, judged in run.judge(position):
                    location = _Location(t, number, element)
                    for quantity, judgement in judged.items():
                        judge.judge(quantity, location, judgement.exact, judgement.radius, judgement.actual)


def _judge_exactly(
    block: Block, options: Hyperparameters, t: int, error_model: ErrorModel, index: int
) -> Mapping[Quantity, Judgement]:
    return judge_element(block, index, options, t, error_model)
