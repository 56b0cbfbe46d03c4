"""The tally of one quantity over many elements.

The tallies of parts add up to that of the whole, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 16
"""The number of worst elements that a tally names."""


@dataclass(frozen=True)
class IndexedError:
    """The error of an element, with the element's index.

    Attributes:
        index: of the element.
        over_bound: its error as a fraction of the bound.
        in_ulp: its error in ulp of the expected value.
    """

    index: int
    over_bound: float
    in_ulp: float


@dataclass(frozen=True)
class BlockTally:
    """The counts and the largest errors of one quantity in a block.

    Every verdict (`exceeded`, `first_exceeded`) is the exact oracle's. The sizes of errors are within 2^-20 of
    themselves; a caller who puts one on record judges that element again (`lockstep.judge_element`). Of
    elements that are equally far off, the one with the smallest index counts.

    Attributes:
        judged: elements compared, the open ones included.
        open: those whose bound is infinite, since an admissible evaluation overflows or divides by zero.
        exceeded: those with an error above the bound.
        skipped: those left to the special values' checks. Their state or gradient is not finite before the step, or,
            for theta, their own m or u after it.
        largest_over_bound: the largest error as a fraction of its bound; None where nothing was compared.
        largest_ulp: the largest error in ulp; likewise.
        first_exceeded: the one with the smallest index whose error is above its bound.
        worst: the up to `KEPT` elements with the largest fractions of the bound, the largest first.
        sixteenths: how many finite errors there are for each whole number of sixteenths of an ulp, as in
            `judgement.ComparisonTally`.
    """

    judged: int = 0
    open: int = 0
    exceeded: int = 0
    skipped: int = 0
    largest_over_bound: IndexedError | None = None
    largest_ulp: IndexedError | None = None
    first_exceeded: IndexedError | None = None
    worst: tuple[IndexedError, ...] = ()
    sixteenths: Mapping[int, int] = field(default_factory=dict)


def by_bound(error: IndexedError) -> tuple[float, int]:
    """A sort key: the largest fraction of the bound first, then the smallest index."""
    return -error.over_bound, error.index


def by_ulp(error: IndexedError) -> tuple[float, int]:
    """A sort key: the largest error in ulp first, then the smallest index."""
    return -error.in_ulp, error.index


def merge(a: BlockTally, b: BlockTally) -> BlockTally:
    """Merge the tallies of two parts: associative and commutative, without rounding.

    The indices of both count from the same start (`judge_block`'s `start`).
    """
    ulps = [x for x in (a.largest_ulp, b.largest_ulp) if x is not None]
    firsts = [x for x in (a.first_exceeded, b.first_exceeded) if x is not None]
    worst = tuple(sorted((*a.worst, *b.worst), key=by_bound)[:KEPT])
    return BlockTally(
        judged=a.judged + b.judged,
        open=a.open + b.open,
        exceeded=a.exceeded + b.exceeded,
        skipped=a.skipped + b.skipped,
        largest_over_bound=worst[0] if worst else None,
        largest_ulp=min(ulps, key=by_ulp, default=None),
        first_exceeded=min(firsts, key=lambda error: error.index, default=None),
        worst=worst,
        sixteenths=_add_counts(a.sixteenths, b.sixteenths),
    )


def _add_counts(a: Mapping[int, int], b: Mapping[int, int]) -> dict[int, int]:
    return {number: a.get(number, 0) + b.get(number, 0) for number in sorted({*a, *b})}
