"""The tally of one quantity over many elements.

The tallies of parts add up to that of the whole, to the bit, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

KEPT: Final = 16
"""The number of worst elements that a tally names."""

_Index = TypeVar("_Index")
_Other = TypeVar("_Other")
_Step = TypeVar("_Step")


@dataclass(frozen=True)
class ElementError(Generic[_Index]):
    """The error of an element, with the element's index.

    Attributes:
        index: of the element: in a block an int, in a recording an `ElementIndex`.
        over_bound: its error as a fraction of the bound.
        in_ulp: its error in ulp of the expected value.
    """

    index: _Index
    over_bound: float
    in_ulp: float


@dataclass(frozen=True)
class QuantityTally(Generic[_Index]):
    """The counts and the largest errors of one quantity, in a block or in a recording.

    Every verdict (`exceeded`, `first`) is the exact oracle's. The sizes of errors are within 2^-20 of themselves; a
    caller who puts one on record judges that element again (`lockstep.judge_element`). Of elements that are equally
    far off, the one with the smallest index counts.

    Attributes:
        judged: elements compared, the open ones included.
        open: those whose bound is infinite, since an admissible evaluation overflows or divides by zero; in an audit
            theta's too in a step whose learning rate is 0.
        exceeded: those with an error above the bound.
        skipped: those left to the special values' checks. Their state or gradient is not finite before the step, or,
            for theta, their own m or u after it.
        worst: the up to `KEPT` elements with the largest fractions of the bound, the largest first.
        first: the one with the smallest index whose error is above its bound.
        by_step: for each step, by its number, the largest error in ulp; a block is of one step, without a number.
        sixteenths: how many finite errors there are for each whole number of sixteenths of an ulp, as in
            `judgement.ComparisonTally`.
        nearest: in a recording, for each step, the error that is the largest fraction of its bound.
    """

    judged: int = 0
    open: int = 0
    exceeded: int = 0
    skipped: int = 0
    worst: tuple[ElementError[_Index], ...] = ()
    first: ElementError[_Index] | None = None
    by_step: Mapping[int | None, ElementError[_Index]] = field(default_factory=dict)
    sixteenths: Mapping[int, int] = field(default_factory=dict)
    nearest: Mapping[int, ElementError[_Index]] = field(default_factory=dict)

    @property
    def largest_over_bound(self) -> ElementError[_Index] | None:
        """The largest error as a fraction of its bound; None where nothing was compared."""
        return self.worst[0] if self.worst else None

    @property
    def largest_ulp(self) -> ElementError[_Index] | None:
        """The largest error in ulp; None where nothing was compared."""
        return min(self.by_step.values(), key=by_ulp, default=None)

    def at(self, step: int, lookup: Callable[[_Index], _Other]) -> QuantityTally[_Other]:
        """The tally of a block, as that of a step of a recording.

        Args:
            step: the number of the step.
            lookup: gives the index in the recording for each index in the block.
        """

        def error(one: ElementError[_Index]) -> ElementError[_Other]:
            return ElementError(lookup(one.index), one.over_bound, one.in_ulp)

        return QuantityTally(
            self.judged,
            self.open,
            self.exceeded,
            self.skipped,
            tuple(map(error, self.worst)),
            None if self.first is None else error(self.first),
            {} if self.largest_ulp is None else {step: error(self.largest_ulp)},
            self.sixteenths,
            {step: error(self.worst[0])} if self.worst else {},
        )


def of_block(largest: ElementError[_Index] | None) -> dict[int | None, ElementError[_Index]]:
    """The largest error of a block, which is of one step."""
    return {} if largest is None else {None: largest}


def by_bound(error: ElementError[Any]) -> tuple[float, Any]:
    """A sort key: the largest fraction of the bound first, then the smallest index."""
    return -error.over_bound, error.index


def by_ulp(error: ElementError[Any]) -> tuple[float, Any]:
    """A sort key: the largest error in ulp first, then the smallest index."""
    return -error.in_ulp, error.index


def merge(a: QuantityTally[_Index], b: QuantityTally[_Index]) -> QuantityTally[_Index]:
    """Merge the tallies of two parts: associative and commutative, without rounding.

    The indices of both count from the same start (`judge_block`'s `start`).
    """
    firsts: list[Any] = [x for x in (a.first, b.first) if x is not None]
    return replace(
        a,
        judged=a.judged + b.judged,
        open=a.open + b.open,
        exceeded=a.exceeded + b.exceeded,
        skipped=a.skipped + b.skipped,
        worst=tuple(sorted((*a.worst, *b.worst), key=by_bound)[:KEPT]),
        first=min(firsts, key=lambda error: error.index, default=None),
        by_step=_largest(a.by_step, b.by_step, by_ulp),
        sixteenths=_add_counts(a.sixteenths, b.sixteenths),
        nearest=_largest(a.nearest, b.nearest, by_bound),
    )


def _largest(
    a: Mapping[_Step, ElementError[_Index]],
    b: Mapping[_Step, ElementError[_Index]],
    key: Callable[[ElementError[Any]], tuple[float, Any]],
) -> dict[_Step, ElementError[_Index]]:
    """The larger error of two for each step."""
    return {**a, **{step: min(a.get(step, error), error, key=key) for step, error in b.items()}}


def _add_counts(a: Mapping[int, int], b: Mapping[int, int]) -> dict[int, int]:
    return {number: a.get(number, 0) + b.get(number, 0) for number in sorted({*a, *b})}
