"""Judge a block in compiled loops on every core.

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
from ..error_model import ErrorModel
from ..formats import Format
from .block import BFLOAT16_BITS, Array, Block
from .kernels.counts import SLOW_PATH, UNDECIDED, FormatParameters, KernelTally
from .kernels.formula_constants import formula_constants
from .kernels.lockstep import LoopMaker, compile_loop, make_general_loop, make_safe_range_loop
from .kernels.safe_range import NO_SAFE_RANGE, safe_ranges
from .tally import ElementError, QuantityTally, merge, of_block

_CONFIG: Final[Any] = numba.config

_SHARE: Final = 1 << 15
"""The fewest elements that a thread gets: waking it takes longer than judging fewer."""

_TURNS: Final = 4
"""The shares of a thread: a thread that is held up leaves the rest to the others."""

_MANY: Final = 1 << 12
"""From so many elements on, the loop over the safe range goes first."""

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
        error_model: what is judged against.
    """

    def __init__(self, scalars: Scalars[Any], t: int, error_model: ErrorModel) -> None:
        format_ = error_model.format_
        self._constants = step_constants(scalars, t, error_model, float)
        self._values = formula_constants(scalars, t, error_model.rule)
        self._format = FormatParameters.of(format_)
        self._ranges = safe_ranges(self._constants, format_.precision)
        # None instead of False: Numba then does not compile the branch for True.
        k = self._constants
        self._specialized = k._replace(
            decays_gradient=k.decays_gradient or None,
            weighted=k.weighted or None,
            unweighted=k.unweighted or None,
        )
        self._twice = True if format_ is Format.BINARY64 else None

    def judge(self, block: Block, start: int) -> tuple[list[QuantityTally[int]], npt.NDArray[np.intp]]:
        """Judge the elements of a block that can be judged in compiled loops.

        Args:
            block: the step.
            start: the index of the block's first element.

        Returns:
            The tallies of m, u and theta, and the indices in the block of the elements that are left to the exact
            oracle; the tallies count none of these.
        """
        if block.theta.dtype in _SMALL_NUMBERS:
            block = block.widen(np.float32)
        threads = max(1, min(int(_CONFIG.NUMBA_NUM_THREADS), block.size // _SHARE))
        parts = threads * _TURNS if threads > 1 else 1
        cuts = [block.size * i // parts for i in range(parts + 1)]
        state = np.zeros(block.size, np.uint8)
        shares = list(pairwise(cuts))

        def judge_share(share: tuple[int, int]) -> list[QuantityTally[int]]:
            return self._judge_share(block.cut(*share), start + share[0], state[slice(*share)])

        found = [judge_share(shares[0])] if threads == 1 else list(_pool(threads).map(judge_share, shares))
        tallies = found[0]
        for each in found[1:]:
            tallies = [merge(a, b) for a, b in zip(tallies, each, strict=True)]
        return tallies, np.flatnonzero(state == UNDECIDED)

    def _judge_share(
        self, block: Block, start: int, state: npt.NDArray[np.uint8]
    ) -> list[QuantityTally[int]]:
        found = KernelTally.empty()
        if self._ranges is NO_SAFE_RANGE or state.size < _MANY:
            state[:] = SLOW_PATH
        else:
            self.run(make_safe_range_loop, block, start, state, found)
        if state.any():
            self.run(make_general_loop, block, start, state, found)
        return tallies_of(found)

    def run(
        self, make: LoopMaker, block: Block, start: int, state: npt.NDArray[np.uint8], found: KernelTally
    ) -> None:
        """Run one of the loops over a block of float32 or float64."""
        k = self._specialized if make is make_safe_range_loop else self._constants
        arrays = tuple(_read_only(array) for _, array in block.arrays())
        arguments = (self._twice, k, self._values, self._format, self._ranges, arrays, start, state, found)
        # The types of the arguments depend on no more than this.
        key = (make, self._twice, k.decays_gradient, k.weighted, k.unweighted, block.theta.dtype)
        compiled = _COMPILED.get(key)
        if compiled is None:
            typeof: Any = numba.typeof
            compiled = compile_loop(make, tuple(typeof(argument) for argument in arguments))
            _COMPILED[key] = compiled
        compiled(*arguments)


_COMPILED: Final[dict[Any, Callable[..., int]]] = {}


def _read_only(array: Array) -> Array:
    """A read-only view, so that one compiled loop serves all arrays."""
    view = np.require(array, requirements="A").view()
    view.flags.writeable = False
    return view


def tallies_of(found: KernelTally) -> list[QuantityTally[int]]:
    """Convert the tally of the loops; the quantities keep their order."""
    result = []
    for q in range(3):
        judged, opened, exceeded, skipped = (int(n) for n in found.counts[q])
        worst = tuple(one for row in found.worst[q] if (one := _indexed_error(row)) is not None)
        sixteenths = found.sixteenths[q].tolist()
        result.append(
            QuantityTally(
                judged=judged,
                open=opened,
                exceeded=exceeded,
                skipped=skipped,
                worst=worst,
                first=_indexed_error(found.first[q]),
                by_step=of_block(_indexed_error(found.largest[q])),
                sixteenths={number: count for number, count in enumerate(sixteenths) if count},
            )
        )
    return result


def _indexed_error(row: npt.NDArray[np.float64]) -> ElementError[int] | None:
    index, over_bound, in_ulp = (float(x) for x in row)
    return None if index < 0 else ElementError(int(index), over_bound, in_ulp)
