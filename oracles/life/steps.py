"""The numbers after all steps of lives whose m and u are seen, judged in one call.

Each step is judged on its own, from the numbers that were seen before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ...reference.values import FloatArray, Values
from ..batch.arrays import ArraySteps, StepErrors
from ..batch.exact_step import QUANTITIES
from ..error_model import ErrorModel
from ..judgement import Judgement
from ..verdict import Quantity
from .findings import LifeFindings
from .special import NAN, special_errors

_AFTER: Final = {Quantity.THETA: 0, Quantity.M: 1, Quantity.U: 2}
"""The index of each quantity among the arrays after a step."""

_THETA: Final = QUANTITIES.index(Quantity.THETA)

_NEARLY: Final = 1 - 2.0**-20
"""What is less than this part of the largest error is not the largest, as closely as binary64 evaluates it."""

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SteppedParameter:
    """One parameter in one step.

    Attributes:
        action: the index of the step's action.
        optimizer: its number.
        parameter: the parameter's index.
        options: in force.
        counts: the numbers that the step may have; the first is usual.
        before: theta, m, u and the gradient.
        after: theta, m and u.
        dtype: of the parameter.
        life: its number, where several are judged at once.
    """

    action: int
    optimizer: int
    parameter: int
    options: Hyperparameters
    counts: tuple[int, ...]
    before: tuple[Values, Values, Values, Values]
    after: tuple[Values, Values, Values]
    dtype: str
    life: int = 0

    @property
    def rows(self) -> int:
        """The number of elements to judge; what long arrays repeat is judged once."""
        return min(self.before[0].size, max(len(each.pattern) for each in (*self.before, *self.after)))


@dataclass(frozen=True)
class NumberError:
    """A number that is wrong after a step.

    Attributes:
        stepped: the parameter and the step.
        quantity: theta, m or u.
        element: its index.
        before: theta, m, u and the gradient before the step.
        actual: the number.
        expected: what it must be, in words; for a number that is not finite, or should not be.
        judgement: its distance from the exact number; None for one with `expected`.
        after: theta, m and u after the step.
    """

    stepped: SteppedParameter
    quantity: Quantity
    element: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    actual: float
    expected: str = ""
    judgement: Judgement | None = None


@dataclass(frozen=True)
class _Rows:
    """The elements of several parameters, one after the other.

    Attributes:
        stepped: the parameters.
        indices: of the elements of each that are not repetitions of others; None for all of them.
        starts: the first row of each parameter, and the number of rows.
        steps: the options and number of each step.
        which: the index of each element's step.
        before: theta, m, u and the gradient of each element.
        after: theta, m and u.
    """

    stepped: Sequence[SteppedParameter]
    indices: Sequence[Indices | None]
    steps: list[tuple[Hyperparameters, int]]
    starts: Indices
    which: Indices
    before: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    after: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(cls, stepped: Sequence[SteppedParameter]) -> _Rows:
        indices = [_distinct(*each.before, *each.after) for each in stepped]
        numbers: dict[tuple[Hyperparameters, int], int] = {}
        for each in stepped:
            for count in each.counts:
                numbers.setdefault((each.options, count), len(numbers))

        def column(of: Callable[[SteppedParameter], Values]) -> FloatArray:
            numbers: list[float] = []
            for each, i in zip(stepped, indices, strict=True):
                values = of(each)
                numbers += values.pattern if i is None else values.take(i).tolist()
            return np.array(numbers, np.float64)

        sizes = [
            each.before[0].size if i is None else i.size for each, i in zip(stepped, indices, strict=True)
        ]

        return cls(
            stepped,
            indices,
            list(numbers),
            np.cumsum([0, *sizes], dtype=np.intp),
            np.repeat([numbers[each.options, each.counts[0]] for each in stepped], sizes),
            (
                column(lambda each: each.before[0]),
                column(lambda each: each.before[1]),
                column(lambda each: each.before[2]),
                column(lambda each: each.before[3]),
            ),
            (
                column(lambda each: each.after[0]),
                column(lambda each: each.after[1]),
                column(lambda each: each.after[2]),
            ),
        )

    def error(
        self,
        row: int,
        quantity: Quantity,
        actual: float,
        expected: str = "",
        judgement: Judgement | None = None,
    ) -> NumberError:
        """The error of a row."""
        before, after = (tuple(float(x[row]) for x in arrays) for arrays in (self.before, self.after))
        return NumberError(
            self.owner(row), quantity, self.element(row), before, after, actual, expected, judgement
        )

    def owner(self, row: int) -> SteppedParameter:
        """The parameter of a row."""
        return self.stepped[self._owner(row)]

    def element(self, row: int) -> tuple[int, ...]:
        """The index of a row's element in its parameter."""
        owner = self._owner(row)
        index, indices = row - int(self.starts[owner]), self.indices[owner]
        index = index if indices is None else int(indices[index])
        return element_of(index, self.stepped[owner].after[0].shape)

    def _owner(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1


def judge_steps(
    stepped: Sequence[SteppedParameter],
    error_model: Callable[[str], ErrorModel],
    found: LifeFindings,
    *,
    nan_spreads: bool = True,
) -> Iterator[NumberError]:
    """Judge the numbers of all steps, and count them.

    Args:
        stepped: each parameter in each step, of one life or of several.
        error_model: what is judged against, by dtype.
        found: counts what is judged.
        nan_spreads: whether a NaN must show in what it enters.

    Yields:
        The first wrong number of each quantity in each action of a life.
    """
    for dtype in dict.fromkeys(each.dtype for each in stepped):
        rows = _Rows.of([each for each in stepped if each.dtype == dtype])
        if rows.which.size:
            yield from _judge_rows(rows, error_model(dtype), found, nan_spreads=nan_spreads)


def _judge_rows(
    rows: _Rows, error_model: ErrorModel, found: LifeFindings, *, nan_spreads: bool
) -> Iterator[NumberError]:
    judge = ArraySteps(rows.steps, error_model)
    errors = judge.judge(rows.which, rows.before, rows.after)
    fits = judge.fits(rows.which)
    _count(errors, fits, found)
    for row, quantity, expected in special_errors(
        rows.steps, rows.which, rows.before, rows.after, error_model
    ):
        if expected == NAN and not nan_spreads:
            continue
        actual = float(rows.after[_AFTER[quantity]][row])
        yield rows.error(row, quantity, actual, expected)
    suspect = errors.judged & (~errors.decided | (errors.error > errors.radius))
    # Where lr is beyond the range of binary64's bounds, an error of m or u that may be the largest is measured exactly.
    suspect |= errors.judged & ~fits & (errors.error > found.largest_over_bound * _NEARLY * errors.radius)
    unmoved = judge.unmoved(rows.which, rows.before, rows.after)
    suspect[_THETA] &= ~(unmoved < min(1.0, found.largest_over_bound))
    reported: set[tuple[int, int, Quantity]] = set()
    for row in map(int, np.flatnonzero(suspect.any(axis=0))):
        stepped = rows.owner(row)
        of_row = [
            quantity for quantity, is_suspect in zip(QUANTITIES, suspect[:, row], strict=True) if is_suspect
        ]
        action = (stepped.life, stepped.action)
        if reported.issuperset((*action, quantity) for quantity in of_row):
            continue
        for quantity, judgement in _judge_exactly(judge, rows, row, of_row).items():
            over = judgement.error_size.over_bound if judgement.error_size else 0.0
            found.count(0, 0, over)
            if over > 1 and (*action, quantity) not in reported:
                reported.add((*action, quantity))
                actual = float(rows.after[_AFTER[quantity]][row])
                yield rows.error(row, quantity, actual, judgement=judgement)


def _judge_exactly(
    judge: ArraySteps, rows: _Rows, row: int, quantities: Sequence[Quantity]
) -> Mapping[Quantity, Judgement]:
    """Quantities of an element by the exact oracle, as the nearest admissible step."""
    before, after = [float(x[row]) for x in rows.before], [float(x[row]) for x in rows.after]
    stepped = rows.owner(row)
    steps = [rows.steps.index((stepped.options, count)) for count in stepped.counts]

    def worst(answer: Mapping[Quantity, Judgement]) -> float:
        return max((j.error_size.over_bound for j in answer.values() if j.error_size), default=0.0)

    return min((judge.exactly(step, before, after, quantities) for step in steps), key=worst)


def _count(errors: StepErrors, fits: Mask, found: LifeFindings) -> None:
    opened = errors.judged & (errors.radius == math.inf) & fits
    sure = errors.judged & errors.decided & fits & ~opened & (errors.radius > 0)
    largest = float((errors.error[sure] / errors.radius[sure]).max()) if sure.any() else 0.0
    found.count(int(errors.judged.sum()), int(opened.sum()), largest)


def element_of(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of an element in each dimension, from its index in row-major order."""
    return tuple(int(i) for i in np.unravel_index(index, shape)) if shape else ()


def _distinct(*arrays: Values) -> Indices | None:
    """The elements that the others repeat, by period or as exceptions; None for all."""
    if all(a.is_whole for a in arrays):
        return None
    size = arrays[0].size
    period = max((len(a.pattern) for a in arrays), default=0)
    if any(period % max(len(a.pattern), 1) for a in arrays):
        return np.arange(size)
    exceptions = [index for a in arrays for index, _ in a.exceptions]
    return np.unique(np.concatenate([np.arange(min(period, size)), np.array(exceptions, np.intp)]))
