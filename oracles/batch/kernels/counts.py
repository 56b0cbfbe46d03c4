"""The size of an error and the tally of many, for compiled loops.

Importing this module imports Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import numba
import numpy as np

from ...formats import Format
from ...judgement import EDGE_SHIFT, LAST_SIXTEENTH
from ..tally import KEPT

DECIDED: Final = 0
"""An element's state: it is judged, or rightly skipped."""
SLOW_PATH: Final = 1
"""An element's state: the loop over any element has to judge it."""
UNDECIDED: Final = 2
"""An element's state: the exact oracle has to judge it."""

JUDGED, OPEN, EXCEEDED, SKIPPED = range(4)

FAR: Final = 2.0**16
"""An error of so many ulp is left to the loop over any element: 1/ulp may be beyond binary64's range."""

OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy"}
_F = TypeVar("_F", bound=Callable[..., Any])


def jit(function: _F) -> _F:
    """Compile a function with Numba."""
    result: _F = numba.njit(**OPTIONS)(function)
    return result


def jit_inline(function: _F) -> _F:
    """Compile a function into its callers, so that their loops have no calls."""
    result: _F = numba.njit(forceinline=True, **OPTIONS)(function)
    return result


class KernelTally(NamedTuple):
    """The tally of some elements as arrays, whose first axis is m, u, theta.

    Attributes:
        counts: judged, open, exceeded and skipped elements, [3, 4].
        first: index, error over bound and in ulp of the first beyond its bound; index -1 where there is none.
        largest: the same of the largest error in ulp.
        worst: the same of the largest fractions of the bound, [3, KEPT, 3].
        sixteenths: how many finite errors there are for each sixteenth of an ulp, [3, LAST_SIXTEENTH + 1].
    """

    counts: Any
    first: Any
    largest: Any
    worst: Any
    sixteenths: Any

    @classmethod
    def empty(cls) -> KernelTally:
        """The tally of no element."""
        return cls(
            np.zeros((3, 4), np.int64),
            np.full((3, 3), -1.0),
            np.full((3, 3), -1.0),
            np.full((3, KEPT, 3), -1.0),
            np.zeros((3, LAST_SIXTEENTH + 1), np.int64),
        )


class FormatParameters(NamedTuple):
    """The parameters of the working format that give the size of an ulp.

    Attributes:
        precision: in bits.
        emin: the exponent of the smallest normal number.
        emax: of the largest number.
    """

    precision: int
    emin: int
    emax: int

    @classmethod
    def of(cls, format_: Format) -> FormatParameters:
        """The parameters of a format."""
        return cls(format_.precision, format_.emin, format_.emax)


@jit_inline
def ulp_exponent(format_: FormatParameters, exact: float) -> int:
    """Find the biased exponent of an ulp of a number after rounding to the format.

    The bias is that of binary64.

    A number carries into the next exponent where half of its last place, added to its bits, does: that is the ulp
    of the rounded number, ties included, without rounding it.
    """
    bits: Any = np.float64(exact).view(np.int64) & 0x7FFFFFFFFFFFFFFF
    exponent: int = (bits + ((1 << (53 - format_.precision)) >> 1)) >> 52
    return max(exponent, format_.emin + 1023) - format_.precision + 1


@jit_inline
def inverse_ulp(format_: FormatParameters, exact: float) -> float:
    """Return 1/ulp of the rounded number; 2^1023 where it is more."""
    bits: Any = np.int64(min(2046 - ulp_exponent(format_, exact), 2046) << 52)
    result: float = bits.view(np.float64)
    return result


@jit
def error_in_ulp(format_: FormatParameters, exact: float, error: float) -> float:
    """Return an error in ulp of the rounded number.

    As in `judgement.error_size`, a finite error is 0 ulp where the rounded number is infinite.
    """
    exponent = ulp_exponent(format_, exact)
    if exponent + format_.precision - 1 > format_.emax + 1023:
        return 0.0 if error < math.inf else math.inf
    return math.ldexp(error, 1023 - exponent)


@jit
def _over_bound(error: float, radius: float) -> float:
    """Return an error as a fraction of its bound; infinite where only the bound is 0."""
    return error / radius if radius > 0.0 else (math.inf if error > 0.0 else 0.0)


@jit
def count(found: KernelTally, q: int, start: int, state: Any, error: Any, radius: Any, ulp: Any) -> None:
    """Count those elements of a quantity that are decided.

    Args:
        found: the tally so far; updated.
        q: the quantity.
        start: the index of the first element.
        state: of the elements.
        error: their errors.
        radius: their bounds.
        ulp: their errors in ulp.
    """
    counts, first, largest = found.counts[q], found.first[q], found.largest[q]
    worst, sixteenths = found.worst[q], found.sixteenths[q]
    judged, exceeded = 0, 0
    most, least = largest[2], worst[KEPT - 1, 1]
    for i in range(state.size):
        if state[i] != DECIDED:
            continue
        judged += 1
        over = _over_bound(error[i], radius[i])
        if over > 1.0:
            exceeded += 1
            if first[0] < 0.0 or start + i < first[0]:
                _write_row(first, start + i, over, ulp[i])
        if ulp[i] < math.inf:
            sixteenths[int(min(ulp[i] * 16.0 + EDGE_SHIFT, LAST_SIXTEENTH))] += 1
        if ulp[i] >= most and (ulp[i] > most or start + i < largest[0]):
            _write_row(largest, start + i, over, ulp[i])
            most = ulp[i]
        if over >= least:
            _insert_worst(worst, start + i, over, ulp[i])
            least = worst[KEPT - 1, 1]
    counts[JUDGED] += judged
    counts[EXCEEDED] += exceeded


@jit
def count_unremarkable(
    found: KernelTally, q: int, error: Any, radius: Any, ulp: Any, sixteenths: Any
) -> bool:
    """Count elements unless one is remarkable; return whether they were counted.

    All of them are decided, and larger in index than all before. An element is remarkable if it may be beyond its
    bound, or if its error is larger than one that the tally names. No error is divided by its bound here.
    """
    most, least = found.largest[q, 2], found.worst[q, KEPT - 1, 1]
    if least < 0.0:
        return False
    least = min(least, 1.0) * (1.0 - 2.0**-50)
    remarkable = 0
    for i in range(error.size):
        remarkable += (error[i] > least * radius[i]) | (ulp[i] > most)
    if remarkable:
        return False
    counts = found.sixteenths[q]
    for i in range(sixteenths.size):
        counts[sixteenths[i]] += 1
    found.counts[q, JUDGED] += sixteenths.size
    return True


@jit
def _write_row(row: Any, index: int, over: float, ulp: float) -> None:
    row[0], row[1], row[2] = index, over, ulp


@jit
def _insert_worst(worst: Any, index: int, over: float, ulp: float) -> None:
    """Insert an element among the worst: largest fraction first, then smallest index."""
    at = KEPT
    while at > 0 and (worst[at - 1, 1] < over or (worst[at - 1, 1] == over and index < worst[at - 1, 0])):
        at -= 1
    if at == KEPT:
        return
    for i in range(KEPT - 1, at, -1):
        worst[i] = worst[i - 1]
    _write_row(worst[at], index, over, ulp)
