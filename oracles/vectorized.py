"""Is every element of a large array within its bound? The lockstep comparison over whole arrays.

    judge_block(block, hyperparameters, t, assumption) -> what was found of m, u and theta
    merge(a, b)                                        -> what was found of two parts together
    judge_element(block, place, ...)                   -> one element again, exactly, for the record

The verdicts are those of `comparison.lockstep`, element by element.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from ..reference.hyperparameters import Hyperparameters
from .block import Block
from .block_tally import KEPT, BlockTally, Found, by_bound, by_ulp, merge
from .comparison import Assumption, GroupBounds, Judgement, measured, sixteenth, step_judgements
from .exact import context, exact_scalars, precision_for
from .verdict import Quantity

__all__ = ["QUANTITIES", "Block", "BlockTally", "Found", "judge_block", "judge_element", "merge"]

QUANTITIES: Final = (Quantity.M, Quantity.U, Quantity.THETA)
"""What is judged, in the order in which a cause shows."""


class ExactStep:
    """One step of one group, judged an element at a time by the mpmath oracle.

    Args:
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        assumption: what is judged against.
    """

    def __init__(self, hyperparameters: Hyperparameters, t: int, assumption: Assumption) -> None:
        self._ctx = context(precision_for(t))
        self._t = t
        self._assumption = assumption
        self._bounds = GroupBounds(self._ctx, exact_scalars(self._ctx, hyperparameters), t, assumption)

    def judge(self, before: list[float], after: list[float]) -> dict[Quantity, Judgement]:
        """One element.

        Args:
            before: theta, m, u and the gradient before the step.
            after: theta, m and u after it.

        Returns:
            Each quantity's judgement: none of an element that is not finite before the step, and none of
            theta where m or u after it is not.
        """
        if not all(map(math.isfinite, before)):
            return {}
        rule, format_ = self._assumption.rule, self._assumption.format_
        return {
            quantity: Judgement(
                exact,
                radius,
                actual,
                None if radius == math.inf else measured(format_, exact, radius, actual),
            )
            for quantity, exact, radius, actual in step_judgements(
                self._ctx, self._bounds, rule, self._t, before, after, QUANTITIES
            )
        }


def judge_element(
    block: Block, place: int, hyperparameters: Hyperparameters, t: int, assumption: Assumption
) -> dict[Quantity, Judgement]:
    """One element of a block, judged by the mpmath oracle: for `comparison.divergence_of`.

    Args:
        block: the step.
        place: the element's index in the block.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        assumption: what is judged against.
    """
    return ExactStep(hyperparameters, t, assumption).judge(*block.element(place))


def judge_block(
    block: Block,
    hyperparameters: Hyperparameters,
    t: int,
    assumption: Assumption,
    *,
    start: int = 0,
) -> dict[Quantity, BlockTally]:
    """Judge one step of every element in lockstep: from its own state before, theta from its own m and u after.

    Args:
        block: the step.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        assumption: what is judged against.
        start: the index of the block's first element.

    Returns:
        What was found of m, u and theta.
    """
    exact = ExactStep(hyperparameters, t, assumption)
    tallies = dict.fromkeys(QUANTITIES, BlockTally())
    for first in range(0, block.size, _AT_ONCE):
        part = block.cut(first, min(block.size, first + _AT_ONCE)).widened()
        found = _exactly(exact, part, range(start + first, start + first + part.size))
        tallies = {quantity: merge(tallies[quantity], found[quantity]) for quantity in QUANTITIES}
    return tallies


_AT_ONCE: Final = 1 << 12
"""Elements whose judgements are in memory at once."""


def _exactly(exact: ExactStep, block: Block, places: range) -> dict[Quantity, BlockTally]:
    """Judge every element of a block of float64 by the mpmath oracle."""
    judgements = [
        (place, exact.judge(*block.element(i))) for i, place in zip(range(block.size), places, strict=True)
    ]
    return {
        quantity: _tally([(place, judged.get(quantity)) for place, judged in judgements])
        for quantity in QUANTITIES
    }


def _tally(judgements: list[tuple[int, Judgement | None]]) -> BlockTally:
    made = [(place, judgement) for place, judgement in judgements if judgement is not None]
    found = [
        Found(place, judgement.measured.over, judgement.measured.in_ulp)
        for place, judgement in made
        if judgement.measured is not None
    ]
    exceeded = [x for x in found if x.over_bound > 1]
    worst = tuple(sorted(found, key=by_bound)[:KEPT])
    sizes = Counter(sixteenth(x.in_ulp) for x in found if math.isfinite(x.in_ulp))
    return BlockTally(
        judged=len(made),
        open=len(made) - len(found),
        exceeded=len(exceeded),
        skipped=len(judgements) - len(made),
        largest_over_bound=worst[0] if worst else None,
        largest_ulp=min(found, key=by_ulp, default=None),
        first_exceeded=exceeded[0] if exceeded else None,
        worst=worst,
        sixteenths=dict(sorted(sizes.items())),
    )
