"""One step of many elements judged in NumPy, for a machine without a compiler.

The tallies are those of the compiled oracle.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ..error_model import ErrorModel
from ..judgement import EDGE_SHIFT, LAST_SIXTEENTH
from .arrays import ArraySteps, StepErrors
from .block import Block
from .tally import KEPT, ElementError, QuantityTally, by_bound, merge, of_block

Indices = npt.NDArray[np.intp]

_CHUNK: Final = 1 << 14
"""The elements that are judged at once: their numbers stay in the cache."""


class NumPyStep:
    """One step of one group, for whole arrays.

    Args:
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: what is judged against.
    """

    def __init__(self, hyperparameters: Hyperparameters, t: int, error_model: ErrorModel) -> None:
        self._steps = ArraySteps([(hyperparameters, t)], error_model)

    def judge(self, block: Block, start: int) -> tuple[list[QuantityTally[int]], Indices]:
        """Judge the elements of a block that binary64 can judge.

        Args:
            block: the step.
            start: the index of the block's first element.

        Returns:
            The tallies of m, u and theta, and the indices in the block of the elements that are left to the exact
            oracle; no tally counts these.
        """
        tallies: list[QuantityTally[int]] = [QuantityTally()] * 3
        undecided: list[Indices] = []
        for first in range(0, block.size, _CHUNK):
            part = block.cut(first, min(block.size, first + _CHUNK)).widen()
            theta, m, u, g, *after = (array for _, array in part.arrays())
            which = np.zeros(part.size, np.intp)
            errors = self._steps.judge(which, (theta, m, u, g), (after[0], after[1], after[2]))
            left = np.asarray((errors.judged & ~errors.decided).any(axis=0), bool)
            undecided.append(first + np.flatnonzero(left))
            more = [_tally(errors, q, ~left, start + first) for q in range(3)]
            tallies = [merge(a, b) for a, b in zip(tallies, more, strict=True)]
        return tallies, np.concatenate(undecided) if undecided else np.zeros(0, np.intp)


def _tally(errors: StepErrors, q: int, counted: npt.NDArray[np.bool_], start: int) -> QuantityTally[int]:
    """Tally a quantity of the elements that are decided."""
    judged = counted & errors.judged[q]
    rows = np.flatnonzero(judged & (errors.radius[q] < math.inf))
    error, radius, ulp = errors.error[q, rows], errors.radius[q, rows], errors.ulp[q, rows]
    with np.errstate(all="ignore"):
        over = np.where(radius > 0, error / radius, np.where(error > 0, math.inf, 0.0))

    def at(k: int) -> ElementError[int]:
        return ElementError(start + int(rows[k]), float(over[k]), float(ulp[k]))

    exceeded = np.flatnonzero(over > 1)
    finite = ulp[ulp < math.inf]
    places, counts = np.unique(
        np.minimum(finite * 16 + EDGE_SHIFT, LAST_SIXTEENTH).astype(np.int64), return_counts=True
    )
    worst: tuple[ElementError[int], ...] = ()
    if rows.size:
        # All that are as far off as the last one kept, so that of equal ones the first indices are kept.
        least = np.partition(over, max(0, over.size - KEPT))[max(0, over.size - KEPT)]
        candidates = np.flatnonzero(over >= least)[: 1 << 12]
        worst = tuple(sorted((at(int(k)) for k in candidates), key=by_bound)[:KEPT])
    return QuantityTally(
        judged=int(judged.sum()),
        open=int(judged.sum()) - rows.size,
        exceeded=int(exceeded.size),
        skipped=int(counted.sum() - judged.sum()),
        worst=worst,
        first=at(int(exceeded[0])) if exceeded.size else None,
        by_step=of_block(at(int(np.argmax(ulp))) if rows.size else None),
        sixteenths=dict(zip(places.tolist(), counts.tolist(), strict=True)),
    )
