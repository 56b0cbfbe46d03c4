"""Find elements of a step that do not agree with the others on its rate.

Coarse scalars move every element of a step by the same factor: theta' = theta - (1 + d)*step, with one d for all. An
element within the bound of coarse scalars that needs another d than the others is not explained by them.

With the radius R of exact scalars, an element allows the d for which |theta' - theta + (1 + d)*step| <= (1 + e)^4 * R,
where e is how far coarse scalars may be off. R is a sum of products with no more than four factors of the rate.
Elements that are off by less than the roundings of two others may still agree: nothing proves that they are wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ...oracles.bounds.step import step_constants
from ...oracles.error_model import ErrorModel
from ...oracles.exact.trajectory import exact_scalars, mpmath_context, precision_for
from ...oracles.formats import Format
from ...oracles.verdict import Quantity
from ...reference.formula import theta_after_decay
from .element_reader import ElementSample, judge_exactly

Interval = tuple[Any, Any]


def stray_elements(sample: ElementSample, error_model: ErrorModel) -> set[int]:
    """The indices of the elements that disagree with most on their step's rate.

    Args:
        sample: elements of one step of one group.
        error_model: that explains each of them alone.
    """
    exact = replace(error_model, scheme=replace(error_model.scheme, theta=Format.BINARY64))
    ctx = mpmath_context(precision_for(sample.batch.t))
    scalars = exact_scalars(ctx, sample.batch.options)
    errors = step_constants(scalars, sample.batch.t, error_model, ctx.mpf).theta_errors
    widened = (1 + errors.lr + errors.correction) ** 4
    allowed: dict[int, Interval] = {}
    for index in range(len(sample.elements)):
        judgement = judge_exactly(sample, index, exact).get(Quantity.THETA)
        if judgement is None or judgement.error_size is None:
            continue
        decayed = theta_after_decay(ctx.mpf(sample.block.element(index)[0][0]), scalars, error_model.rule)
        step, moved = decayed - judgement.exact, decayed - judgement.actual
        if step:
            ends = [(moved + sign * widened * judgement.radius) / step for sign in (-1, 1)]
            allowed[index] = (min(ends), max(ends))
    agreed = _most_shared(allowed.values())
    return {index for index, (low, high) in allowed.items() if not low <= agreed <= high}


def _most_shared(intervals: Collection[Interval]) -> Any:
    """A number that lies in the largest number of the intervals."""
    ends = sorted([(low, 0) for low, _ in intervals] + [(high, 1) for _, high in intervals])
    best, inside, most = 1, 0, 0
    for end, closes in ends:
        inside += -1 if closes else 1
        if inside > most:
            best, most = end, inside
    return best
