"""A whole run of a case, gathered so that one call judges all steps in lockstep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ..error_model import ErrorModel
from ..judgement import EDGE_SHIFT, LAST_SIXTEENTH, Judgement
from ..verdict import Quantity
from .arrays import ArraySteps
from .lockstep import QUANTITIES

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class StepRows:
    """Some elements of one parameter in one step.

    Attributes:
        t: the number of the step, from 1.
        parameter: the index of the parameter.
        options: in force.
        indices: of the elements, in row-major order.
        before: theta, m, u and the gradient before the step, one number for each element.
        after: theta, m and u after it.
    """

    t: int
    parameter: int
    options: Hyperparameters
    indices: Indices
    before: tuple[Numbers, Numbers, Numbers, Numbers]
    after: tuple[Numbers, Numbers, Numbers]


@dataclass(frozen=True, eq=False)
class QuantityErrors:
    """The errors of one quantity in a whole run.

    Rows are in the order in which they were gathered.

    Attributes:
        judged: how many numbers are compared.
        open: how many of them have an infinite bound.
        exceeded: how many are beyond their bound.
        sixteenths: how many finite errors there are for each sixteenth of an ulp.
        first_exceeded: the first row beyond its bound.
        worst: the rows with the largest fraction of the bound, and with the largest error in ulp: row, fraction and
            error, as closely as binary64 evaluates them (2^-20 of themselves).
        by_step: for each step the error and the bound in ulp of its worst row.
    """

    judged: int
    open: int
    exceeded: int
    sixteenths: dict[int, int]
    first_exceeded: int | None
    worst: tuple[tuple[int, float, float], ...]
    by_step: dict[int, tuple[float, float]]


class WholeRun:
    """The steps of a run, judged together.

    Args:
        rows: of every parameter and step.
        error_model: what is judged against.
    """

    def __init__(self, rows: Sequence[StepRows], error_model: ErrorModel) -> None:
        self._rows = rows
        known: dict[tuple[Hyperparameters, int], int] = {}
        step = [known.setdefault((each.options, each.t), len(known)) for each in rows]
        self._sizes = np.array([each.indices.size for each in rows], np.intp)
        self._which = np.repeat(np.array(step, np.intp), self._sizes)
        self._owner = np.repeat(np.arange(len(rows)), self._sizes)
        self._t = np.repeat(np.array([each.t for each in rows], np.intp), self._sizes)
        self._before = tuple(np.concatenate([each.before[k] for each in rows]) for k in range(4))
        self._after = tuple(np.concatenate([each.after[k] for each in rows]) for k in range(3))
        self._judge = ArraySteps(list(known), error_model)
        before: Any = self._before
        after: Any = self._after
        self._found = self._judge.judge(self._which, before, after)

    def location(self, row: int) -> tuple[int, int, int]:
        """The step, the parameter and the row-major index of a row's element."""
        rows = self._rows[int(self._owner[row])]
        start = int(self._sizes[: self._owner[row]].sum())
        return rows.t, rows.parameter, int(rows.indices[row - start])

    def exactly(self, row: int) -> dict[Quantity, Judgement]:
        """A row, judged by the exact oracle."""
        before = [float(x[row]) for x in self._before]
        after = [float(x[row]) for x in self._after]
        return self._judge.exactly(int(self._which[row]), before, after)

    def undecided(self) -> Iterator[int]:
        """The rows that only the exact oracle can decide, in order."""
        found = self._found
        yield from map(int, np.flatnonzero((found.judged & ~found.decided).any(axis=0)))

    def exceeds(self, quantity: Quantity) -> bool:
        """Whether a number of a quantity is beyond its bound."""
        q, found = _INDEX[quantity], self._found
        if (found.exceeds[q]).any():
            return True
        sizes = (
            self.exactly(int(row))[quantity].error_size
            for row in np.flatnonzero(found.judged[q] & ~found.decided[q])
        )
        return any(size is not None and size.over_bound > 1 for size in sizes)

    def errors(self, quantity: Quantity) -> QuantityErrors:
        """The errors of a quantity in all rows that are decided."""
        q, found = _INDEX[quantity], self._found
        clear = found.judged[q] & ~(found.judged & ~found.decided).any(axis=0)
        closed = clear & (found.radius[q] < math.inf)
        rows = np.flatnonzero(closed)
        error, radius, ulp = found.error[q, rows], found.radius[q, rows], found.ulp[q, rows]
        with np.errstate(all="ignore"):
            over = np.where(radius > 0, error / radius, np.where(error > 0, math.inf, 0.0))
        finite = ulp < math.inf
        counted = np.minimum(ulp[finite] * 16 + EDGE_SHIFT, LAST_SIXTEENTH).astype(np.int64)
        places, counts = np.unique(counted, return_counts=True)
        exceeded = np.flatnonzero(over > 1)
        worst: tuple[tuple[int, float, float], ...] = ()
        if rows.size:
            most = dict.fromkeys((int(np.argmax(over)), int(np.argmax(ulp))))
            worst = tuple((int(rows[k]), float(over[k]), float(ulp[k])) for k in most)
        return QuantityErrors(
            judged=int(clear.sum()),
            open=int(clear.sum() - closed.sum()),
            exceeded=int(exceeded.size),
            sixteenths=dict(zip(places.tolist(), counts.tolist(), strict=True)),
            first_exceeded=int(rows[exceeded[0]]) if exceeded.size else None,
            worst=worst,
            by_step=self._worst_by_step(q, rows, over, ulp),
        )

    def _worst_by_step(
        self, q: int, rows: Indices, over: Numbers, ulp: Numbers
    ) -> dict[int, tuple[float, float]]:
        steps = self._t[rows]
        order = np.lexsort((ulp, over, steps))
        last = order[np.append(np.diff(steps[order]) != 0, True)] if order.size else order
        bounds = self._judge.in_ulp(self._found.exact[q, rows[last]], self._found.radius[q, rows[last]])
        return {
            int(t): (float(x), float(bound))
            for t, x, bound in zip(steps[last], ulp[last], bounds, strict=True)
        }


_INDEX: Final = {quantity: q for q, quantity in enumerate(QUANTITIES)}
