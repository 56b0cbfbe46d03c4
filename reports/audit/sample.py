"""Which rule, form and scalar precision does a recorded optimizer follow, as far as its training shows it?

The identification of `oracles.identify.search`, on elements of some recorded steps instead of made cases: those
with the smallest and the largest gradients, those with the smallest norms, where the place of eps shows, those whose
steps speak for the smallest and the largest rate, and ordinary ones. A few elements that no rule explains do not
keep the rule from being found: they are left to the lockstep verdict, which then names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...oracles.batch.block import widened
from ...oracles.batch.lockstep import QUANTITIES, Block, judge_block
from ...oracles.error_model import Arithmetic, Assumption, Form, Habits
from ...oracles.formats import Format
from ...oracles.identify.result import Identification
from ...oracles.identify.search import identify_observed
from ...oracles.judgement import divergence_of
from ...oracles.verdict import Divergence, Quantity
from .element_reader import Looker, Sampled, judged_exactly
from .rate_consistency import strays
from .tallies import Place

_ELEMENTS: Final = 1 << 8
"""Elements of a unit that are looked at."""
_UNITS: Final = 4
"""Units of a step that are looked at."""
_BRIEF: Final = 8
"""Elements of each unit that are tried first: most rules are excluded by the first of them."""
_OUTLIERS: Final = 16
_SHARE: Final = 100
"""So many elements, and one of so many, may be left to the lockstep verdict."""


def telling_steps(numbers: Sequence[int]) -> list[int]:
    """The recorded steps that are looked at: the first three, some on the way, and the last."""
    count = len(numbers)
    places = {0, 1, 2, count // 4, count // 2, count - 1}
    return [numbers[place] for place in sorted(places) if 0 <= place < count]


def draw(looker: Looker, numbers: Iterable[int], dtype: str) -> list[Sampled]:
    """Telling elements of some recorded steps."""
    found = []
    for number in numbers:
        units = [unit for unit in looker.units(number) if unit.dtype == dtype]
        chosen = sorted({len(units) * k // _UNITS for k in range(_UNITS)}) if units else []
        for place in chosen:
            sampled = looker.sample(number, units[place], _choose)
            if sampled is not None and sampled.places:
                found.append(sampled)
    return found


def _choose(block: Block) -> npt.NDArray[np.intp]:
    """The indices of telling elements, the most telling first; those that are not finite are left out."""
    g, u = (np.abs(widened(a, np.promote_types(a.dtype, np.float32))) for a in (block.gradient, block.u))
    share = min(_ELEMENTS // 4, block.size)
    parts = [
        np.argpartition(g, share - 1)[:share],
        np.argpartition(g, block.size - share)[block.size - share :],
        np.argpartition(u, share - 1)[:share],
        np.linspace(0, block.size - 1, share).astype(np.intp),
    ]
    # One of each kind in turn, so that the first few have all kinds.
    chosen = list(dict.fromkeys([*_rates(block, share), *np.stack(parts, axis=1).ravel().tolist()]))
    finite = np.isfinite(g)
    return np.array([i for i in chosen if finite[i]], np.intp)


def _rates(block: Block, share: int) -> list[int]:
    """Where the rate lr/(1 - beta1^t), the same for all, seems smallest and largest, by turns.

    Scalars of the working precision move every step alike, but only where roundings add to that is it beyond the
    bound of better ones. The step is seen in full where theta is not larger.
    """
    theta, after, m, u = (
        widened(a, np.dtype(np.float64))
        for a in (block.theta, block.theta_after, block.m_after, block.u_after)
    )
    with np.errstate(all="ignore"):
        moved = theta - after
        rate = moved * u / m
        shown = np.isfinite(rate) & (np.abs(moved) >= np.maximum(np.abs(theta), np.abs(after)))
    places = np.flatnonzero(shown)
    half = min(share // 2, places.size // 2)
    if not half:
        return []
    order = np.argpartition(rate[places], (half - 1, places.size - half))
    pairs = zip(places[order[:half]], places[order[-half:]], strict=True)
    return [int(i) for pair in pairs for i in pair]


@dataclass(frozen=True, eq=False)
class Sample:
    """Elements of some recorded steps, as `oracles.identify.search` asks for them."""

    parts: tuple[Sampled, ...]
    hidden = False

    @property
    def extent(self) -> str:
        """How much was looked at."""
        steps = {place.number for part in self.parts for place in part.places}
        return f"{self.size} elements of {len(steps)} recorded steps"

    @property
    def size(self) -> int:
        """How many elements it has."""
        return sum(len(part.places) for part in self.parts)

    def misfit(self, quantity: Quantity, assumption: Assumption) -> Divergence | None:
        """The first error of a quantity beyond its bound; None where all are within."""
        for part in (*(p.only(range(min(_BRIEF, len(p.places)))) for p in self.parts), *self.parts):
            found = _judge(part, assumption)[quantity].first_exceeded
            if found is not None:
                return evidence(part, found.place, quantity, assumption)
        return None

    def exceeding(self, quantity: Quantity, assumption: Assumption, most: int) -> set[Place] | None:
        """Where a quantity is beyond its bound; None where that is in more than some elements."""
        places: set[Place] = set()
        for part in self.parts:
            tally = _judge(part, assumption)[quantity]
            if len(places) + tally.exceeded > most:
                return None
            places |= {part.places[found.place] for found in tally.worst if found.over_bound > 1}
        return places

    def without(self, places: Iterable[Place]) -> Sample:
        """The sample without some elements."""
        left_out = set(places)
        parts = (p.only(i for i, place in enumerate(p.places) if place not in left_out) for p in self.parts)
        return Sample(tuple(part for part in parts if part.places))


def _judge(part: Sampled, assumption: Assumption) -> Any:  # noqa: ANN401 - by quantity
    return judge_block(part.block, part.unit.options, part.unit.t, assumption)


def evidence(part: Sampled, index: int, quantity: Quantity, assumption: Assumption) -> Divergence | None:
    """The exact oracle's evidence on one element; None where its bound is infinite, or it is not judged."""
    judgement = judged_exactly(part, index, assumption).get(quantity)
    if judgement is None or judgement.measured is None:
        return None
    place = part.places[index]
    piece = next(p for p in part.unit.pieces if p.parameter.place == place.parameter)
    element = tuple(int(i) for i in np.unravel_index(place.index, piece.shape))
    name = f" ({piece.parameter.name})" if piece.parameter.name else ""
    found = judgement.measured
    where = f"{quantity.value} of parameter {place.parameter}{name}, element {list(element)}, after step {part.unit.t}"
    how = (
        f"is off by {found.in_ulp:.4g} ulp, {found.over:.4g} times the proven bound"
        if np.isfinite(found.over)
        else "is not within any bound"
    )
    reason = f"{where} {how} (lockstep, recorded step {place.number})"
    return divergence_of(quantity, reason, judgement, (part.unit.t, place.parameter, element), None)


def identified(sample: Sample, format_: Format, arithmetic: Arithmetic) -> Identification:
    """What explains a sample, but for a few elements that no admissible evaluation explains.

    The scalars of a step are the same for all its elements. So where a few elements alone speak for coarser scalars
    than the others, for scalars below the working precision, or for no rule at all, they are left to the lockstep
    verdict.
    """
    found = identify_observed(sample, format_, arithmetic)
    if found.rule is not None and found.admissible:
        return _agreed(sample, found, format_, arithmetic)
    most = min(_OUTLIERS, max(1, sample.size // _SHARE))
    outliers: set[Place] = set()
    for quantity in QUANTITIES:
        habits = (
            Habits(form).with_scalars(scalars) for form in Form for scalars in (Format.BINARY64, format_)
        )
        tried = (
            sample.exceeding(quantity, Assumption(format_, found.nearest, habit, arithmetic), most)
            for habit in habits
        )
        few = [places for places in tried if places is not None]
        if not few:
            return found
        outliers |= min(few, key=len)
    other = identify_observed(sample.without(outliers), format_, arithmetic)
    return other if other.rule is not None and other.admissible else found


def _agreed(sample: Sample, found: Identification, format_: Format, arithmetic: Arithmetic) -> Identification:
    """What explains a sample without the elements that do not agree with the others on the rate of their step."""
    if found.habits.theta is Format.BINARY64:
        return found
    assumption = Assumption(found.computes_in, found.nearest, found.habits, arithmetic)
    out = {part.places[index] for part in sample.parts for index in strays(part, assumption)}
    if not out:
        return found
    other = identify_observed(sample.without(out), format_, arithmetic)
    return other if other.rule is not None and other.admissible else found
