"""Tallies of many steps: those of parts add up to that of the whole, to the bit.

The order of the parts does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ...oracles.batch.tally import ElementError, QuantityTally, merge
from ...oracles.verdict import Quantity
from .manifest import Damage
from .tensors import Rate, RateKey, TensorErrors, TensorKey, merge_by_key, merge_errors


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


RecordedTally = QuantityTally[ElementIndex]
"""The findings of an audit on one quantity."""
RecordedError = ElementError[ElementIndex]


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


class Event(Enum):
    """A kind of change of a parameter besides the documented step."""

    CHANGED = "changed"
    """It was changed since the step before, by something other than a step."""
    MOVED = "moved"
    """A step changed it, though it has no gradient."""
    COUNTED = "counted"
    """The optimizer's count did not go up by 1 in a step."""
    NOT_ROUNDED = "not rounded"
    """A step left it as another number than its finer copy, rounded."""


@dataclass(frozen=True)
class Occurrence:
    """The number of times that an event happened, and the first and last of them.

    Attributes:
        count: in how many recorded steps.
        first: the number of the first of them.
        last: of the last.
        name: of the parameter; may be empty.
        what: the numbers of the first, where it has some.
    """

    count: int
    first: int
    last: int
    name: str
    what: str = ""


EventKey = tuple[Event, str, int]
"""What happened, to which of theta, m, u and t, and the parameter's index."""


@dataclass(frozen=True)
class AuditResult:
    """The findings of an audit on a part of a recording.

    Attributes:
        tallies: by dtype and quantity.
        non_finite: by dtype.
        damages: what could not be read.
        unjudged: what was read and cannot be judged, and why.
        events: what happened besides documented steps.
        counted: the steps of parameters in which the optimizer's own count was seen.
        idle: the steps of parameters that have no gradient.
        tensors: the largest errors of each tensor in each column of steps.
        rates: the learning rate of each group in the first step of each column.
    """

    tallies: Mapping[tuple[str, Quantity], RecordedTally] = field(default_factory=dict)
    non_finite: Mapping[str, NonFinite] = field(default_factory=dict)
    damages: frozenset[Damage] = frozenset()
    unjudged: frozenset[Damage] = frozenset()
    events: Mapping[EventKey, Occurrence] = field(default_factory=dict)
    counted: int = 0
    idle: int = 0
    tensors: Mapping[TensorKey, TensorErrors] = field(default_factory=dict)
    rates: Mapping[RateKey, Rate] = field(default_factory=dict)


def _merge_occurrences(a: Occurrence, b: Occurrence) -> Occurrence:
    early = min(a, b, key=lambda each: each.first)
    return Occurrence(a.count + b.count, early.first, max(a.last, b.last), early.name, early.what)


def _merge_non_finite(a: NonFinite, b: NonFinite) -> NonFinite:
    return NonFinite(
        count=a.count + b.count,
        first=_earliest(a.first, b.first),
        wrong=a.wrong + b.wrong,
        first_wrong=_earliest(a.first_wrong, b.first_wrong),
    )


def _earliest(a: ElementIndex | None, b: ElementIndex | None) -> ElementIndex | None:
    return min((index for index in (a, b) if index is not None), default=None)


def merge_results(results: Iterable[AuditResult]) -> AuditResult:
    """Add the results of all parts."""
    tallies: dict[tuple[str, Quantity], RecordedTally] = {}
    non_finite: dict[str, NonFinite] = {}
    damages: set[Damage] = set()
    unjudged: set[Damage] = set()
    events: dict[EventKey, Occurrence] = {}
    counted = idle = 0
    tensors: dict[TensorKey, TensorErrors] = {}
    rates: dict[RateKey, Rate] = {}
    for result in results:
        tallies = merge_by_key(tallies, result.tallies, merge)
        non_finite = merge_by_key(non_finite, result.non_finite, _merge_non_finite)
        damages |= result.damages
        unjudged |= result.unjudged
        events = merge_by_key(events, result.events, _merge_occurrences)
        counted, idle = counted + result.counted, idle + result.idle
        # These are many: they are not copied for each part.
        for key, errors in result.tensors.items():
            tensors[key] = merge_errors(tensors[key], errors) if key in tensors else errors
        for place, rate in result.rates.items():
            rates[place] = min(rates.get(place, rate), rate)
    return AuditResult(
        tallies,
        non_finite,
        frozenset(damages),
        frozenset(unjudged),
        events,
        counted,
        idle,
        tensors,
        rates,
    )
