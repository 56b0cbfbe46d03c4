"""What was found of many steps: tallies of parts add up to that of the whole, to the bit, in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ...oracles.batch.lockstep import BlockTally, Found
from ...oracles.verdict import Quantity
from .manifest import Damage

KEPT: Final = 16
"""How many of the worst elements are named."""


@dataclass(frozen=True, order=True)
class Place:
    """Where an element is; places are ordered as the steps were taken.

    Attributes:
        number: of the recorded step, from 1.
        parameter: among all parameters, from 0.
        index: in the parameter, in row-major order.
    """

    number: int
    parameter: int
    index: int


@dataclass(frozen=True)
class Seen:
    """An element, and how far it is off.

    Attributes:
        place: where it is.
        over_bound: its error as a fraction of the bound.
        in_ulp: its error in ulp.
    """

    place: Place
    over_bound: float
    in_ulp: float


@dataclass(frozen=True)
class Tally:
    """What was found of one quantity; see `oracles.batch.tally.BlockTally`.

    Attributes:
        judged: elements compared, over all steps; the open ones included.
        open: those whose bound is infinite.
        exceeded: those with an error above the bound.
        skipped: those that are not finite.
        worst: the up to `KEPT` elements with the largest fractions of the bound, the largest first.
        first: the first whose error is above its bound.
        by_step: for each recorded step, the element with the largest error in ulp.
        sixteenths: how many errors there are for each whole number of sixteenths of an ulp.
    """

    judged: int = 0
    open: int = 0
    exceeded: int = 0
    skipped: int = 0
    worst: tuple[Seen, ...] = ()
    first: Seen | None = None
    by_step: Mapping[int, Seen] = field(default_factory=dict)
    sixteenths: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class NonFinite:
    """What was found of elements whose state or gradient is NaN or infinite before a step.

    Attributes:
        count: how many there are, over all steps.
        first: where the first is.
        wrong: how many did not become NaN, or not infinite, as they must.
        first_wrong: where the first of those is.
    """

    count: int = 0
    first: Place | None = None
    wrong: int = 0
    first_wrong: Place | None = None


@dataclass(frozen=True)
class Result:
    """What was found of a part of a recording.

    Attributes:
        tallies: by dtype and quantity.
        non_finite: by dtype.
        damages: what could not be read.
        unjudged: what was read and cannot be judged, and why.
    """

    tallies: Mapping[tuple[str, Quantity], Tally] = field(default_factory=dict)
    non_finite: Mapping[str, NonFinite] = field(default_factory=dict)
    damages: frozenset[Damage] = frozenset()
    unjudged: frozenset[Damage] = frozenset()


def tally_of(found: BlockTally, places: Callable[[int], Place]) -> Tally:
    """The tally of one block.

    Args:
        found: by the vectorised oracle.
        places: the place of each index of the block.
    """

    def seen(one: Found) -> Seen:
        return Seen(places(one.place), one.over_bound, one.in_ulp)

    largest = [] if found.largest_ulp is None else [seen(found.largest_ulp)]
    return Tally(
        judged=found.judged,
        open=found.open,
        exceeded=found.exceeded,
        skipped=found.skipped,
        worst=tuple(seen(one) for one in found.worst[:KEPT]),
        first=None if found.first_exceeded is None else seen(found.first_exceeded),
        by_step={one.place.number: one for one in largest},
        sixteenths=dict(found.sixteenths),
    )


def by_bound(seen: Seen) -> tuple[float, Place]:
    """Sorts the largest fraction of the bound first, then the first place."""
    return -seen.over_bound, seen.place


def _by_ulp(seen: Seen) -> tuple[float, Place]:
    return -seen.in_ulp, seen.place


def merge_tallies(a: Tally, b: Tally) -> Tally:
    """The tally of two parts together: associative and commutative, with no rounding."""
    firsts = [seen for seen in (a.first, b.first) if seen is not None]
    by_step = dict(a.by_step)
    for number, seen in b.by_step.items():
        by_step[number] = min(by_step.get(number, seen), seen, key=_by_ulp)
    return Tally(
        judged=a.judged + b.judged,
        open=a.open + b.open,
        exceeded=a.exceeded + b.exceeded,
        skipped=a.skipped + b.skipped,
        worst=tuple(sorted((*a.worst, *b.worst), key=by_bound)[:KEPT]),
        first=min(firsts, key=lambda seen: seen.place, default=None),
        by_step=by_step,
        sixteenths={
            n: a.sixteenths.get(n, 0) + b.sixteenths.get(n, 0) for n in {*a.sixteenths, *b.sixteenths}
        },
    )


def _merge_non_finite(a: NonFinite, b: NonFinite) -> NonFinite:
    return NonFinite(
        count=a.count + b.count,
        first=_earlier(a.first, b.first),
        wrong=a.wrong + b.wrong,
        first_wrong=_earlier(a.first_wrong, b.first_wrong),
    )


def _earlier(a: Place | None, b: Place | None) -> Place | None:
    return min((place for place in (a, b) if place is not None), default=None)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _merged(a: Mapping[_K, _V], b: Mapping[_K, _V], merge: Callable[[_V, _V], _V]) -> dict[_K, _V]:
    return {**a, **{key: merge(a[key], value) if key in a else value for key, value in b.items()}}


def merge(results: Iterable[Result]) -> Result:
    """What was found of all parts together."""
    tallies: dict[tuple[str, Quantity], Tally] = {}
    non_finite: dict[str, NonFinite] = {}
    damages: set[Damage] = set()
    unjudged: set[Damage] = set()
    for result in results:
        tallies = _merged(tallies, result.tallies, merge_tallies)
        non_finite = _merged(non_finite, result.non_finite, _merge_non_finite)
        damages |= result.damages
        unjudged |= result.unjudged
    return Result(tallies, non_finite, frozenset(damages), frozenset(unjudged))
