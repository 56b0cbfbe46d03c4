"""The lockstep comparison over whole arrays.

    judge_block(block, hyperparameters, t, error_model) -> the tallies of m, u and theta
    judge_exactly(block, ...)                          -> the same from the exact oracle alone
    merge(a, b)                                        -> the tally of two parts together
    judge_element(block, index, ...)                   -> one element again, exactly, for the record

The verdicts are those of `comparison.lockstep`, element by element. Where Numba is installed (the extra `audit`),
compiled loops judge the elements. Those too near to their bounds to be sure of go to the exact oracle (BOUNDS.md,
"The compiled oracle"). Without Numba, all elements do.
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
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, needs_wide_range, precision_for
from ..judgement import Judgement, sixteenth
from ..verdict import Quantity
from .block import Block
from .exact_step import QUANTITIES, ExactStepJudge
from .tally import KEPT, ElementError, QuantityTally, by_bound, by_ulp, merge, of_block

if TYPE_CHECKING:
    from .compiled_lockstep import CompiledStep
    from .numpy_lockstep import NumPyStep

__all__ = [
    "QUANTITIES",
    "Block",
    "ElementError",
    "QuantityTally",
    "judge_block",
    "judge_element",
    "judge_exactly",
    "merge",
]


def judge_element(
    block: Block, index: int, hyperparameters: Hyperparameters, t: int, error_model: ErrorModel
) -> dict[Quantity, Judgement]:
    """Judge one element of a block by the exact oracle, for `judgement.divergence_of`.

    Args:
        block: the step.
        index: the element's index in the block.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: what is judged against.
    """
    return ExactStepJudge(hyperparameters, t, error_model).judge(*block.element(index))


def judge_block(
    block: Block,
    hyperparameters: Hyperparameters,
    t: int,
    error_model: ErrorModel,
    *,
    start: int = 0,
) -> dict[Quantity, QuantityTally[int]]:
    """Judge one step of every element in lockstep.

    Each is judged from its own state before the step, and theta from its own m and u after it.

    Args:
        block: the step.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: what is judged against.
        start: the index of the block's first element.

    Returns:
        The tallies of m, u and theta.
    """
    step = _fast_step(hyperparameters, t, error_model)
    found, undecided = step.judge(block, start)
    tallies = dict(zip(QUANTITIES, found, strict=True))
    if not undecided.size:
        return tallies
    exact = ExactStepJudge(hyperparameters, t, error_model)
    for first in range(0, undecided.size, _CHUNK):
        indices = undecided[first : first + _CHUNK]
        _merge_into(tallies, _judge_chunk(exact, block.take(indices).widen(), start + indices))
    return tallies


def judge_exactly(
    block: Block,
    hyperparameters: Hyperparameters,
    t: int,
    error_model: ErrorModel,
    *,
    start: int = 0,
) -> dict[Quantity, QuantityTally[int]]:
    """Judge every element of a block by the exact oracle: some thousand a second.

    Args:
        block: the step.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: what is judged against.
        start: the index of the block's first element.
    """
    exact = ExactStepJudge(hyperparameters, t, error_model)
    tallies: dict[Quantity, QuantityTally[int]] = dict.fromkeys(QUANTITIES, QuantityTally())
    for first in range(0, block.size, _CHUNK):
        part = block.cut(first, min(block.size, first + _CHUNK)).widen()
        _merge_into(tallies, _judge_chunk(exact, part, np.arange(start + first, start + first + part.size)))
    return tallies


def _merge_into(
    tallies: dict[Quantity, QuantityTally[int]], more: dict[Quantity, QuantityTally[int]]
) -> None:
    for quantity in QUANTITIES:
        tallies[quantity] = merge(tallies[quantity], more[quantity])


@lru_cache(maxsize=64)
def _fast_step(hyperparameters: Hyperparameters, t: int, error_model: ErrorModel) -> CompiledStep | NumPyStep:
    """The step for compiled loops, or for NumPy where there are none."""
    scalars = exact_scalars(mpmath_context(precision_for(t)), hyperparameters)
    if can_compile(scalars):
        from .compiled_lockstep import CompiledStep

        return CompiledStep(scalars, t, error_model)
    from .numpy_lockstep import NumPyStep

    return NumPyStep(hyperparameters, t, error_model)


def can_compile(scalars: Scalars[Any]) -> bool:
    """Check for compiled loops, and that binary64 is enough for these scalars."""
    sizes = (scalars.lr, scalars.beta1, scalars.beta2, scalars.eps, scalars.weight_decay)
    return _has_numba() and not needs_wide_range(float(x) for x in sizes)


@cache
def _has_numba() -> bool:
    """Check whether Numba is installed and its compiler is not switched off."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


_CHUNK: Final = 1 << 12
"""The number of elements whose judgements are in memory at once."""


def _judge_chunk(
    exact: ExactStepJudge, block: Block, indices: npt.NDArray[np.intp]
) -> dict[Quantity, QuantityTally[int]]:
    """Judge every element of a block of float64 by the exact oracle."""
    judgements = [(int(index), exact.judge(*block.element(i))) for i, index in enumerate(indices)]
    return {
        quantity: tally_judgements([(index, judged.get(quantity)) for index, judged in judgements])
        for quantity in QUANTITIES
    }


def tally_judgements(judgements: list[tuple[int, Judgement | None]]) -> QuantityTally[int]:
    """Tally the exact oracle's judgements of one quantity.

    Args:
        judgements: index and judgement of each element; None where it is not judged.
    """
    made = [(index, judgement) for index, judgement in judgements if judgement is not None]
    errors = [
        ElementError(index, judgement.error_size.over_bound, judgement.error_size.in_ulp)
        for index, judgement in made
        if judgement.error_size is not None
    ]
    exceeded = [x for x in errors if x.over_bound > 1]
    worst = tuple(sorted(errors, key=by_bound)[:KEPT])
    sizes = Counter(sixteenth(x.in_ulp) for x in errors if math.isfinite(x.in_ulp))
    return QuantityTally(
        judged=len(made),
        open=len(made) - len(errors),
        exceeded=len(exceeded),
        skipped=len(judgements) - len(made),
        worst=worst,
        first=exceeded[0] if exceeded else None,
        by_step=of_block(min(errors, key=by_ulp, default=None)),
        sixteenths=dict(sorted(sizes.items())),
    )
