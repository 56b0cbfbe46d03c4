"""Tallies of many steps: those of parts add up to that of the whole, to the bit.

The order of the parts does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ...oracles.batch.lockstep import BlockTally, IndexedError
from ...oracles.verdict import Quantity
from .manifest import Damage

WORST_KEPT: Final = 16
"""How many of the worst elements a tally names."""


@dataclass(frozen=True, order=True)
class ElementIndex:
    """The index of an element in a recording, ordered as the steps were taken.

    Attributes:
        number: of the recorded step, from 1.
        parameter: among all parameters, from 0.
        flat_index: in the parameter, in row-major order.
    """

    number: int
    parameter: int
    flat_index: int


@dataclass(frozen=True)
class ElementError:
    """An element, and how far it is off.

    Attributes:
        index: of the element.
        over_bound: its error as a fraction of the bound.
        in_ulp: its error in ulp.
    """

    index: ElementIndex
    over_bound: float
    in_ulp: float


@dataclass(frozen=True)
class QuantityTally:
    """The findings of an audit on one quantity; see `oracles.batch.tally.BlockTally`.

    Attributes:
        judged: elements compared, over all steps; the open ones included.
        open: those whose bound is infinite; theta's too in a step whose learning rate is 0.
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
    worst: tuple[ElementError, ...] = ()
    first: ElementError | None = None
    by_step: Mapping[int, ElementError] = field(default_factory=dict)
    sixteenths: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class NonFinite:
    """Elements whose state or gradient is NaN or infinite before a step.

    Attributes:
        count: how many there are, over all steps.
        first: index of the first.
        wrong: how many did not become NaN or infinite, as they must.
        first_wrong: index of the first of those.
    """

    count: int = 0
    first: ElementIndex | None = None
    wrong: int = 0
    first_wrong: ElementIndex | None = None


@dataclass(frozen=True)
class AuditResult:
    """The findings of an audit on a part of a recording.

    Attributes:
        tallies: by dtype and quantity.
        non_finite: by dtype.
        damages: what could not be read.
        unjudged: what was read and cannot be judged, and why.
    """

    tallies: Mapping[tuple[str, Quantity], QuantityTally] = field(default_factory=dict)
    non_finite: Mapping[str, NonFinite] = field(default_factory=dict)
    damages: frozenset[Damage] = frozenset()
    unjudged: frozenset[Damage] = frozenset()


def tally_of(found: BlockTally, lookup: Callable[[int], ElementIndex]) -> QuantityTally:
    """The tally of one block.

    Args:
        found: by the vectorised oracle.
        lookup: gives the index in the recording for each index in the block.
    """

    def error(one: IndexedError) -> ElementError:
        return ElementError(lookup(one.index), one.over_bound, one.in_ulp)

    largest = [] if found.largest_ulp is None else [error(found.largest_ulp)]
    return QuantityTally(
        judged=found.judged,
        open=found.open,
        exceeded=found.exceeded,
        skipped=found.skipped,
        worst=tuple(error(one) for one in found.worst[:WORST_KEPT]),
        first=None if found.first_exceeded is None else error(found.first_exceeded),
        by_step={one.index.number: one for one in largest},
        sixteenths=dict(found.sixteenths),
    )


def by_bound(error: ElementError) -> tuple[float, ElementIndex]:
    """Sort key: the largest fraction of the bound first, then the first index."""
    return -error.over_bound, error.index


def _by_ulp(error: ElementError) -> tuple[float, ElementIndex]:
    return -error.in_ulp, error.index


def merge_tallies(a: QuantityTally, b: QuantityTally) -> QuantityTally:
    """Add the tallies of two parts: associative and commutative, with no rounding."""
    firsts = [error for error in (a.first, b.first) if error is not None]
    by_step = dict(a.by_step)
    for number, error in b.by_step.items():
        by_step[number] = min(by_step.get(number, error), error, key=_by_ulp)
    return QuantityTally(
        judged=a.judged + b.judged,
        open=a.open + b.open,
        exceeded=a.exceeded + b.exceeded,
        skipped=a.skipped + b.skipped,
        worst=tuple(sorted((*a.worst, *b.worst), key=by_bound)[:WORST_KEPT]),
        first=min(firsts, key=lambda error: error.index, default=None),
        by_step=by_step,
        sixteenths={
            n: a.sixteenths.get(n, 0) + b.sixteenths.get(n, 0) for n in {*a.sixteenths, *b.sixteenths}
        },
    )


def _merge_non_finite(a: NonFinite, b: NonFinite) -> NonFinite:
    return NonFinite(
        count=a.count + b.count,
        first=_earliest(a.first, b.first),
        wrong=a.wrong + b.wrong,
        first_wrong=_earliest(a.first_wrong, b.first_wrong),
    )


def _earliest(a: ElementIndex | None, b: ElementIndex | None) -> ElementIndex | None:
    return min((index for index in (a, b) if index is not None), default=None)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _merge_by_key(a: Mapping[_K, _V], b: Mapping[_K, _V], merge: Callable[[_V, _V], _V]) -> dict[_K, _V]:
    return {**a, **{key: merge(a[key], value) if key in a else value for key, value in b.items()}}


def merge_results(results: Iterable[AuditResult]) -> AuditResult:
    """Add the results of all parts."""
    tallies: dict[tuple[str, Quantity], QuantityTally] = {}
    non_finite: dict[str, NonFinite] = {}
    damages: set[Damage] = set()
    unjudged: set[Damage] = set()
    for result in results:
        tallies = _merge_by_key(tallies, result.tallies, merge_tallies)
        non_finite = _merge_by_key(non_finite, result.non_finite, _merge_non_finite)
        damages |= result.damages
        unjudged |= result.unjudged
    return AuditResult(tallies, non_finite, frozenset(damages), frozenset(unjudged))
