"""Is every element of a large array within its bound? The lockstep comparison over whole arrays.

    judge_block(block, hyperparameters, t, assumption) -> what was found of m, u and theta
    judge_exactly(block, ...)                          -> the same from the exact oracle alone
    merge(a, b)                                        -> what was found of two parts together
    judge_element(block, place, ...)                   -> one element again, exactly, for the record

The verdicts are those of `comparison.lockstep`, element by element. Where Numba is installed (the extra `audit`),
compiled loops judge all elements but those too near to their bounds to be sure of (BOUNDS.md, "The compiled oracle");
these, and without Numba all of them, go to the exact oracle.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.formula import Scalars
from ...reference.hyperparameters import Hyperparameters
from ..error_model import Assumption
from ..exact.trajectory import context, exact_scalars, precision_for, wide_range
from ..judgement import GroupBounds, Judgement, measured, sixteenth, step_judgements
from ..verdict import Quantity
from .block import Block
from .tally import KEPT, BlockTally, Found, by_bound, by_ulp, merge

if TYPE_CHECKING:
    from .compiled_lockstep import CompiledStep

__all__ = [
    "QUANTITIES",
    "Block",
    "BlockTally",
    "Found",
    "judge_block",
    "judge_element",
    "judge_exactly",
    "merge",
]

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
    """One element of a block, judged by the mpmath oracle: for `judgement.divergence_of`.

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
    compiled = _compiled_step(hyperparameters, t, assumption)
    if compiled is None:
        return judge_exactly(block, hyperparameters, t, assumption, start=start)
    found, left = compiled.judge(block, start)
    tallies = dict(zip(QUANTITIES, found, strict=True))
    if not left.size:
        return tallies
    exact = ExactStep(hyperparameters, t, assumption)
    for first in range(0, left.size, _AT_ONCE):
        places = left[first : first + _AT_ONCE]
        _add(tallies, _exactly(exact, block.taken(places).widened(), start + places))
    return tallies


def judge_exactly(
    block: Block,
    hyperparameters: Hyperparameters,
    t: int,
    assumption: Assumption,
    *,
    start: int = 0,
) -> dict[Quantity, BlockTally]:
    """The same, every element judged by the exact oracle: some thousand a second.

    Args:
        block: the step.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        assumption: what is judged against.
        start: the index of the block's first element.
    """
    exact = ExactStep(hyperparameters, t, assumption)
    tallies = dict.fromkeys(QUANTITIES, BlockTally())
    for first in range(0, block.size, _AT_ONCE):
        part = block.cut(first, min(block.size, first + _AT_ONCE)).widened()
        _add(tallies, _exactly(exact, part, np.arange(start + first, start + first + part.size)))
    return tallies


def _add(tallies: dict[Quantity, BlockTally], found: dict[Quantity, BlockTally]) -> None:
    for quantity in QUANTITIES:
        tallies[quantity] = merge(tallies[quantity], found[quantity])


@lru_cache(maxsize=64)
def _compiled_step(hyperparameters: Hyperparameters, t: int, assumption: Assumption) -> CompiledStep | None:
    """The step for compiled loops; None where there are none, or where bounds may not be evaluated in binary64."""
    scalars = exact_scalars(context(precision_for(t)), hyperparameters)
    if not compiles(scalars):
        return None
    from .compiled_lockstep import CompiledStep  # noqa: PLC0415 - it needs Numba

    return CompiledStep(scalars, t, assumption)


def compiles(scalars: Scalars[Any]) -> bool:
    """Whether there are compiled loops, and these hyperparameters let bounds be evaluated in binary64."""
    sizes = (scalars.lr, scalars.beta1, scalars.beta2, scalars.eps, scalars.weight_decay)
    return _has_numba() and not wide_range(float(x) for x in sizes)


@cache
def _has_numba() -> bool:
    """Whether Numba is installed, and not told to compile nothing."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


_AT_ONCE: Final = 1 << 12
"""Elements whose judgements are in memory at once."""


def _exactly(exact: ExactStep, block: Block, places: npt.NDArray[np.intp]) -> dict[Quantity, BlockTally]:
    """Judge every element of a block of float64 by the mpmath oracle."""
    judgements = [(int(place), exact.judge(*block.element(i))) for i, place in enumerate(places)]
    return {
        quantity: tally([(place, judged.get(quantity)) for place, judged in judgements])
        for quantity in QUANTITIES
    }


def tally(judgements: list[tuple[int, Judgement | None]]) -> BlockTally:
    """What the exact oracle found of one quantity: each element's judgement, or None where it is not judged."""
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
