"""Identify a recorded optimizer from a sample of its elements.

The identification is that of `oracles.identify.search`, on elements of some recorded steps instead of made cases.
The sample has the elements with the smallest and the largest gradients, and those with the smallest norms, where
the position of eps shows. It has those whose steps imply the smallest and the largest rate, and ordinary ones. A
few elements that no rule explains do not prevent the identification: the lockstep verdict then names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...oracles.batch.block import widen
from ...oracles.batch.lockstep import QUANTITIES, Block
from ...oracles.error_model import Arithmetic, ErrorModel, EvaluationScheme, Form
from ...oracles.formats import Format
from ...oracles.identify.reconstruction import ObservedStep
from ...oracles.identify.result import Identification
from ...oracles.identify.search import identify_observed, observed_step
from ...oracles.judgement import divergence_of
from ...oracles.verdict import Divergence, Quantity
from .dtypes import judge_step
from .element_reader import ElementReader, ElementSample, judge_exactly
from .rate_consistency import stray_elements
from .tallies import ElementIndex

_ELEMENTS: Final = 1 << 8
"""Elements of a batch that are sampled."""
_BATCHES: Final = 4
"""Batches of a step that are sampled."""
_OUTLIERS: Final = 16
_SHARE: Final = 100
"""So many elements, and one of so many, may be left to the lockstep verdict."""


def steps_to_sample(numbers: Sequence[int]) -> list[int]:
    """The steps that are sampled: the first three, some on the way, and the last."""
    count = len(numbers)
    chosen = {0, 1, 2, count // 4, count // 2, count - 1}
    return [numbers[index] for index in sorted(chosen) if 0 <= index < count]


def draw_elements(reader: ElementReader, numbers: Iterable[int], dtype: str) -> list[ElementSample]:
    """Draw distinguishing elements from some recorded steps."""
    found = []
    for number in numbers:
        batches = [batch for batch in reader.batches(number) if batch.dtype == dtype]
        chosen = sorted({len(batches) * k // _BATCHES for k in range(_BATCHES)}) if batches else []
        for index in chosen:
            sampled = reader.sample(number, batches[index], _choose_elements)
            if sampled is not None and sampled.elements:
                found.append(sampled)
    return found


def _choose_elements(block: Block) -> npt.NDArray[np.intp]:
    """The indices of distinguishing finite elements, the best first."""
    g, u = (np.abs(widen(a, np.promote_types(a.dtype, np.float32))) for a in (block.gradient, block.u))
    share = min(_ELEMENTS // 4, block.size)
    parts = [
        np.argpartition(g, share - 1)[:share],
        np.argpartition(g, block.size - share)[block.size - share :],
        np.argpartition(u, share - 1)[:share],
        np.linspace(0, block.size - 1, share).astype(np.intp),
    ]
    # One of each kind in turn, so that the first few have all kinds.
    chosen = list(dict.fromkeys([*_extreme_rates(block, share), *np.stack(parts, axis=1).ravel().tolist()]))
    finite = np.isfinite(g)
    return np.array([i for i in chosen if finite[i]], np.intp)


def _extreme_rates(block: Block, share: int) -> list[int]:
    """The indices where the rate lr/(1 - beta1^t) seems smallest and largest.

    The rate is the same for all. Scalars of the working precision change every step by the same factor, but this
    exceeds the bound of better scalars only where roundings add to it. A step is seen in full where theta is not
    larger.
    """
    theta, after, m, u = (
        widen(a, np.dtype(np.float64)) for a in (block.theta, block.theta_after, block.m_after, block.u_after)
    )
    with np.errstate(all="ignore"):
        moved = theta - after
        rate = moved * u / m
        shown = np.isfinite(rate) & (np.abs(moved) >= np.maximum(np.abs(theta), np.abs(after)))
    indices = np.flatnonzero(shown)
    half = min(share // 2, indices.size // 2)
    if not half:
        return []
    order = np.argpartition(rate[indices], (half - 1, indices.size - half))
    pairs = zip(indices[order[:half]], indices[order[-half:]], strict=True)
    return [int(i) for pair in pairs for i in pair]


@dataclass(frozen=True, eq=False)
class RecordingSample:
    """Elements of some recorded steps, as `oracles.identify.search` takes them."""

    parts: tuple[ElementSample, ...]
    hidden = False
    _in_turn: list[ElementSample] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_in_turn", list(self.parts))

    @property
    def extent(self) -> str:
        """The size of the sample in words."""
        steps = {element.number for part in self.parts for element in part.elements}
        return f"{self.size} elements of {len(steps)} recorded steps"

    @property
    def size(self) -> int:
        """The number of its elements."""
        return sum(len(part.elements) for part in self.parts)

    @property
    def maximizes(self) -> bool:
        """Whether any step is one with `maximize`."""
        return any(part.batch.options.maximize for part in self.parts)

    def mismatch(self, quantity: Quantity, error_model: ErrorModel) -> Divergence | None:
        """The first error of a quantity beyond its bound; None where all are within."""
        for part in self.parts:
            found = _judge_sample(part, error_model)[quantity].first
            if found is not None:
                return element_evidence(part, found.index, quantity, error_model)
        return None

    def fits(self, quantity: Quantity, error_model: ErrorModel) -> bool:
        """Whether all numbers of a quantity are within their bounds."""
        for place, part in enumerate(self._in_turn):
            if _judge_sample(part, error_model)[quantity].exceeded:
                # What excludes one model is likely to exclude the next.
                self._in_turn.insert(0, self._in_turn.pop(place))
                return False
        return True

    def steps(self) -> Iterator[ObservedStep]:
        """The steps, with their finite elements."""
        for part in self.parts:
            b = part.block.widen()
            before, after = (b.theta, b.m, b.u, b.gradient), (b.theta_after, b.m_after, b.u_after)
            yield observed_step(part.batch.options, part.batch.t, before, after)

    def follows_copy(self, _: ErrorModel) -> bool:
        """Always False: single steps do not show it."""
        return False

    def held_by(self, quantity: Quantity, format_: Format) -> bool:
        """Check that every number of a quantity after a step is one of a format."""
        arrays = (getattr(part.block.widen(), f"{quantity.value}_after") for part in self.parts)
        return all(format_.holds(x) for array in arrays for x in array.tolist())

    def exceeding(self, quantity: Quantity, error_model: ErrorModel, most: int) -> set[ElementIndex] | None:
        """The elements with a quantity beyond its bound; None if more than `most`."""
        elements: set[ElementIndex] = set()
        for part in self.parts:
            tally = _judge_sample(part, error_model)[quantity]
            if len(elements) + tally.exceeded > most:
                return None
            elements |= {part.elements[found.index] for found in tally.worst if found.over_bound > 1}
        return elements

    def without(self, elements: Iterable[ElementIndex]) -> RecordingSample:
        """The sample without some elements."""
        left_out = set(elements)
        parts = (
            p.select(i for i, element in enumerate(p.elements) if element not in left_out) for p in self.parts
        )
        return RecordingSample(tuple(part for part in parts if part.elements))


def _judge_sample(part: ElementSample, error_model: ErrorModel) -> Any:
    return judge_step(part.block, part.batch.dtype, part.batch.options, part.batch.t, error_model)


def element_evidence(
    part: ElementSample, index: int, quantity: Quantity, error_model: ErrorModel
) -> Divergence | None:
    """The exact oracle's evidence on one element.

    It is None if the bound is infinite, or the element is not judged.
    """
    judgement = judge_exactly(part, index, error_model).get(quantity)
    if judgement is None or judgement.error_size is None:
        return None
    at = part.elements[index]
    chunk = next(c for c in part.batch.chunks if c.parameter.index == at.parameter)
    element = tuple(int(i) for i in np.unravel_index(at.flat_index, chunk.shape))
    name = f" ({chunk.parameter.name})" if chunk.parameter.name else ""
    found = judgement.error_size
    where = f"{quantity.value} of parameter {at.parameter}{name}, element {list(element)}, after step {part.batch.t}"
    how = (
        f"is off by {found.in_ulp:.4g} ulp, {found.over_bound:.4g} times the proven bound"
        if np.isfinite(found.over_bound)
        else "is not within any bound"
    )
    reason = f"{where} {how} (lockstep, recorded step {at.number})"
    return divergence_of(quantity, reason, judgement, (part.batch.t, at.parameter, element), None)


def identify_sample(sample: RecordingSample, format_: Format, arithmetic: Arithmetic) -> Identification:
    """Identify what explains a sample, except for a few elements.

    The scalars of a step are the same for all its elements. So the lockstep verdict gets a few elements that alone
    imply coarser scalars than the others, scalars below the working precision, or no rule at all.
    """
    found = identify_observed(sample, format_, arithmetic)
    if found.rule is not None and found.admissible:
        return _without_strays(sample, found, format_, arithmetic)
    most = min(_OUTLIERS, max(1, sample.size // _SHARE))
    outliers: set[ElementIndex] = set()
    for quantity in QUANTITIES:
        schemes = (
            EvaluationScheme(form).with_scalars(scalars)
            for form in Form
            for scalars in (Format.BINARY64, format_)
        )
        tried = (
            sample.exceeding(quantity, ErrorModel(format_, found.nearest, scheme, arithmetic), most)
            for scheme in schemes
        )
        few = [elements for elements in tried if elements is not None]
        if not few:
            return found
        outliers |= min(few, key=len)
    other = identify_observed(sample.without(outliers), format_, arithmetic)
    return other if other.rule is not None and other.admissible else found


def _without_strays(
    sample: RecordingSample, found: Identification, format_: Format, arithmetic: Arithmetic
) -> Identification:
    """Identify a sample without the elements that disagree on their step's rate."""
    if found.scheme.theta is Format.BINARY64:
        return found
    error_model = ErrorModel(found.computes_in, found.nearest, found.scheme, arithmetic)
    out = {part.elements[index] for part in sample.parts for index in stray_elements(part, error_model)}
    if not out:
        return found
    other = identify_observed(sample.without(out), format_, arithmetic)
    return other if other.rule is not None and other.admissible else found
