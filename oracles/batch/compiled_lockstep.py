"""How is a block judged in compiled loops, on every core: prepared, shared out, and added up?

Importing this module imports Numba.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from ...reference.formula import Scalars
from ..bounds.step import step_constants
from ..error_model import Assumption
from ..formats import Format
from . import tally
from .block import BFLOAT16_BITS, Array, Block
from .kernels.counts import DOUBTFUL, UNUSUAL, Found, Layout
from .kernels.lockstep import Loop, compiled_loop, over_any, over_ordinary
from .kernels.safe_range import NOWHERE, ranges
from .kernels.step_constants import step_values
from .tally import BlockTally, merge

_CONFIG: Final[Any] = numba.config

_SHARE: Final = 1 << 15
"""Elements that a thread gets at least: below, waking it takes longer than judging them."""

_TURNS: Final = 4
"""Shares of a thread: one that is held up leaves the rest to the others."""

_MANY: Final = 1 << 12
"""From so many elements on it is looked which of them are ordinary."""

_SMALL_NUMBERS: Final = (np.dtype(np.float16), BFLOAT16_BITS)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="oracle")


if hasattr(os, "register_at_fork"):  # a child of a fork has the pool but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


class CompiledStep:
    """One step of one group, for compiled loops.

    Args:
        scalars: the exact hyperparameters, as mpf, all within the range in which bounds may be evaluated in
            binary64.
        t: the number of the step, from 1.
        assumption: what is judged against.
    """

    def __init__(self, scalars: Scalars[Any], t: int, assumption: Assumption) -> None:
        format_, rule = assumption.format_, assumption.rule
        self._constants = step_constants(
            scalars, t, format_, rule, assumption.habits, assumption.arithmetic, float
        )
        self._values = step_values(scalars, t, rule)
        self._layout = Layout.of(format_)
        self._ranges = ranges(self._constants, format_.precision)
        # None for False: Numba leaves out what is done where it is True, and so does not compile it.
        k = self._constants
        self._specialized = k._replace(
            decays_gradient=k.decays_gradient or None, interpolated=k.interpolated or None
        )
        self._twice = True if format_ is Format.BINARY64 else None

    def judge(self, block: Block, start: int) -> tuple[list[BlockTally], npt.NDArray[np.intp]]:
        """Judge the elements of a block that can be judged in compiled loops.

        Args:
            block: the step.
            start: the index of the block's first element.

        Returns:
            What was found of m, u and theta, and the places in the block of the elements that are left to the
            exact oracle, none of which is counted.
        """
        if block.theta.dtype in _SMALL_NUMBERS:
            block = block.widened(np.float32)
        threads = max(1, min(int(_CONFIG.NUMBA_NUM_THREADS), block.size // _SHARE))
        parts = threads * _TURNS if threads > 1 else 1
        cuts = [block.size * i // parts for i in range(parts + 1)]
        state = np.zeros(block.size, np.uint8)
        shares = list(pairwise(cuts))

        def judged(share: tuple[int, int]) -> list[BlockTally]:
            return self._judged(block.cut(*share), start + share[0], state[slice(*share)])

        found = [judged(shares[0])] if threads == 1 else list(_pool(threads).map(judged, shares))
        tallies = found[0]
        for each in found[1:]:
            tallies = [merge(a, b) for a, b in zip(tallies, each, strict=True)]
        return tallies, np.flatnonzero(state == DOUBTFUL)

    def _judged(self, block: Block, start: int, state: npt.NDArray[np.uint8]) -> list[BlockTally]:
        found = Found.nothing()
        if self._ranges is NOWHERE or state.size < _MANY:
            state[:] = UNUSUAL
        else:
            self.run(over_ordinary, block, start, state, found)
        if state.any():
            self.run(over_any, block, start, state, found)
        return tallies_of(found)

    def run(self, loop: Loop, block: Block, start: int, state: npt.NDArray[np.uint8], found: Found) -> None:
        """Run one of the loops over a block of float32 or float64."""
        k = self._specialized if loop is over_ordinary else self._constants
        arrays = tuple(_read_only(array) for _, array in block.arrays())
        arguments = (self._twice, k, self._values, self._layout, self._ranges, arrays, start, state, found)
        # All that their types depend on.
        key = (loop, self._twice, k.decays_gradient, k.interpolated, block.theta.dtype)
        compiled = _COMPILED.get(key)
        if compiled is None:
            typeof: Any = numba.typeof
            compiled = compiled_loop(loop, tuple(typeof(argument) for argument in arguments))
            _COMPILED[key] = compiled
        compiled(*arguments)


_COMPILED: Final[dict[Any, Callable[..., int]]] = {}


def _read_only(array: Array) -> Array:
    """The same numbers, so that there is one compiled loop for what may be written to and what may not."""
    view = np.require(array, requirements="A").view()
    view.flags.writeable = False
    return view


def tallies_of(found: Found) -> list[BlockTally]:
    """Return what the loops found as tallies, in their order of the quantities."""
    result = []
    for q in range(3):
        judged, opened, exceeded, skipped = (int(n) for n in found.counts[q])
        worst = tuple(one for row in found.worst[q] if (one := _found(row)) is not None)
        sixteenths = found.sixteenths[q].tolist()
        result.append(
            BlockTally(
                judged=judged,
                open=opened,
                exceeded=exceeded,
                skipped=skipped,
                largest_over_bound=worst[0] if worst else None,
                largest_ulp=_found(found.largest[q]),
                first_exceeded=_found(found.first[q]),
                worst=worst,
                sixteenths={place: count for place, count in enumerate(sixteenths) if count},
            )
        )
    return result


def _found(row: npt.NDArray[np.float64]) -> tally.Found | None:
    place, over_bound, in_ulp = (float(x) for x in row)
    return None if place < 0 else tally.Found(int(place), over_bound, in_ulp)
