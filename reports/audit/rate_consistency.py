"""Do the elements of a step agree on its rate?

Coarse scalars move every element of a step by the same factor: theta' = theta - (1 + d)*step, with one d for all. An
element within the bound of coarse scalars that needs another d than the others is not explained by them.

With the radius R of exact scalars, an element allows the d for which |theta' - theta + (1 + d)*step| <= (1 + e)^4 * R,
where e is how far coarse scalars may be off: R is a sum of products in which no more than four factors are the rate's.
Elements that are off by less than the roundings of two others may still agree: nothing proves that they are wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ...oracles.bounds.step import step_constants
from ...oracles.error_model import Assumption
from ...oracles.exact.trajectory import context, exact_scalars, precision_for
from ...oracles.formats import Format
from ...oracles.verdict import Quantity
from ...reference.formula import retained
from .element_reader import Sampled, judged_exactly

Interval = tuple[Any, Any]


def strays(part: Sampled, assumption: Assumption) -> set[int]:
    """The elements, by their indices in a part, that do not agree with most others on the rate of its step.

    Args:
        part: elements of one step of one group.
        assumption: what explains each of them alone.
    """
    exact = replace(assumption, habits=replace(assumption.habits, theta=Format.BINARY64))
    ctx = context(precision_for(part.unit.t))
    scalars = exact_scalars(ctx, part.unit.options)
    a = assumption
    errors = step_constants(scalars, part.unit.t, a.format_, a.rule, a.habits, a.arithmetic, ctx.mpf).step
    widened = (1 + errors.lr + errors.correction) ** 4
    allowed: dict[int, Interval] = {}
    for index in range(len(part.places)):
        judgement = judged_exactly(part, index, exact).get(Quantity.THETA)
        if judgement is None or judgement.measured is None:
            continue
        kept = retained(ctx.mpf(part.block.element(index)[0][0]), scalars, a.rule)
        step, moved = kept - judgement.exact, kept - judgement.actual
        if step:
            ends = [(moved + sign * widened * judgement.radius) / step for sign in (-1, 1)]
            allowed[index] = (min(ends), max(ends))
    agreed = _shared(allowed.values())
    return {index for index, (low, high) in allowed.items() if not low <= agreed <= high}


def _shared(intervals: Collection[Interval]) -> Any:  # noqa: ANN401 - mpf
    """A number that lies in as many of the intervals as any."""
    ends = sorted([(low, 0) for low, _ in intervals] + [(high, 1) for _, high in intervals])
    best, inside, most = 1, 0, 0
    for end, closes in ends:
        inside += -1 if closes else 1
        if inside > most:
            best, most = end, inside
    return best
