"""How is a recording audited: identified, judged, and, where the rare elements say otherwise, judged again?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ...oracles.batch.lockstep import QUANTITIES
from ...oracles.error_model import CORRECTLY_ROUNDED, Arithmetic, Assumption
from ...oracles.formats import Format
from ...oracles.identify.result import Identification
from ...oracles.identify.search import identify_observed
from .element_reader import Looker
from .executors import Judge
from .manifest import Manifest
from .progress import Progress
from .sample import Sample, draw, identified, telling_steps
from .tallies import Place, Result, Seen, Tally, merge
from .work_items import Part, plan

_ROUNDS: Final = 3
"""How often a recording is judged at most: as identified at first, and as its rare elements had it seen."""


@dataclass(frozen=True)
class Found:
    """What one dtype of a recording was found to be.

    Attributes:
        identification: the rule and the habits.
        arithmetic: the declared one, or it with the flushing that was found.
    """

    identification: Identification
    arithmetic: Arithmetic

    @property
    def assumption(self) -> Assumption:
        """What its numbers are judged against."""
        found = self.identification
        return Assumption(found.computes_in, found.nearest, found.habits, self.arithmetic)


@dataclass(frozen=True)
class Audited:
    """What an audit found.

    Attributes:
        manifest: of the recording.
        found: by dtype.
        result: of all parts.
        declared: the declared arithmetic.
    """

    manifest: Manifest
    found: Mapping[str, Found]
    result: Result
    declared: Arithmetic


@dataclass
class Watcher:
    """Who is told how far the audit is; each function may do nothing.

    Attributes:
        begins: told how many bytes there are, and what each dtype was found to be.
        judged: told how many bytes more have been judged.
    """

    begins: Callable[[int, Mapping[str, Found]], None] = field(default=lambda _size, _found: None)
    judged: Callable[[int], None] = field(default=lambda _size: None)


def audit(
    manifest: Manifest,
    judge: Judge,
    progress: Progress,
    *,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    numbers: Sequence[int] | None = None,
    watcher: Watcher | None = None,
) -> Audited:
    """Audit a recording.

    Args:
        manifest: of the recording.
        judge: what judges its parts.
        progress: what was judged before.
        arithmetic: the declared arithmetic.
        numbers: the recorded steps to judge; all of them by default.
        watcher: who is told how far it is.
    """
    watcher = watcher or Watcher()
    looker = Looker(manifest)
    chosen = sorted(manifest.steps if numbers is None else set(numbers) & set(manifest.steps))
    samples = _samples(looker, telling_steps(chosen))
    found = {d: Found(identified(s, Format.of(d), arithmetic), arithmetic) for d, s in samples.items()}
    parts = plan(manifest, chosen)
    for round_ in range(_ROUNDS):
        watcher.begins(sum(part.size for part in parts), found)
        assumptions = {dtype: each.assumption for dtype, each in found.items()}
        result = _all_parts(parts, assumptions, judge, progress, watcher)
        again = {
            dtype: other
            for dtype, each in found.items()
            if (other := _reconsidered(looker, samples, dtype, each, result)) is not None
        }
        if not again or round_ == _ROUNDS - 1:
            break
        found = {**found, **again}
    damages = frozenset({*result.damages, *manifest.damages, *looker.reader.damages})
    return Audited(manifest, found, replace(result, damages=damages), arithmetic)


def _samples(looker: Looker, numbers: Sequence[int]) -> dict[str, Sample]:
    dtypes = sorted({unit.dtype for number in numbers for unit in looker.units(number)})
    return {d: Sample(parts) for d in dtypes if (parts := tuple(draw(looker, numbers, d)))}


def _all_parts(
    parts: Sequence[Part],
    assumptions: Mapping[str, Assumption],
    judge: Judge,
    progress: Progress,
    watcher: Watcher,
) -> Result:
    stamps = {part: progress.stamp(part, assumptions) for part in parts}
    results = {part: known for part in parts if (known := progress.known(stamps[part])) is not None}
    watcher.judged(sum(part.size for part in results))
    for part, result in judge([part for part in parts if part not in results], assumptions):
        results[part] = result
        progress.keep(stamps[part], result)
        watcher.judged(part.size)
    return merge(results[part] for part in parts)


def _reconsidered(
    looker: Looker, samples: dict[str, Sample], dtype: str, found: Found, result: Result
) -> Found | None:
    """What else explains the elements that are beyond their bounds; None where nothing does.

    The scalars of a step are the same for all of its elements, so ordinary elements of the steps at hand decide
    about their precision, and the rare ones about the rule, the form and flushing only: an error of a few elements
    is never put down to coarse scalars.
    """
    tallies = [result.tallies.get((dtype, quantity), Tally()) for quantity in QUANTITIES]
    places = {seen.place for t in tallies for seen in (*t.worst, *_maybe(t.first)) if seen.over_bound > 1}
    if not places:
        return None
    format_ = Format.of(dtype)
    steps = sorted({place.number for place in places})
    samples[dtype] = Sample((*samples[dtype].parts, *draw(looker, steps[:2], dtype))).without(places)
    ordinary = Found(identified(samples[dtype], format_, found.arithmetic), found.arithmetic)
    if ordinary.assumption != found.assumption:
        return ordinary
    rare = Sample((*samples[dtype].parts, *(e for p in _few(places) if (e := looker.element(p)) is not None)))
    for arithmetic in (found.arithmetic, replace(found.arithmetic, flush_to_zero=True)):
        # With nothing left out: what does not explain the rare ones is no reason to judge again.
        other = Found(identify_observed(rare, format_, arithmetic), arithmetic)
        whole = other.identification.rule is not None
        if whole and other.assumption != found.assumption and _as_precise(other, found):
            samples[dtype] = rare
            return other
    return None


def _as_precise(one: Found, other: Found) -> bool:
    """Whether the two differ in neither the format nor the scalars."""
    a, b = one.assumption, other.assumption
    return (a.format_, replace(a.habits, form=b.habits.form)) == (b.format_, b.habits)


def _few(places: Iterable[Place]) -> list[Place]:
    return sorted(places)[:_FEW]


_FEW: Final = 24


def _maybe(value: Seen | None) -> tuple[Seen, ...]:
    return () if value is None else (value,)
