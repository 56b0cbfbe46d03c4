"""How large is an error, and what is kept of many of them? For compiled loops.

Importing this module imports Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import numba
import numpy as np

from ...formats import Format
from ...judgement import BEYOND, EDGE
from ..tally import KEPT

DECIDED: Final = 0
"""An element's state: it is judged, or rightly not judged."""
UNUSUAL: Final = 1
"""Not ordinary: left to the loop for any element."""
DOUBTFUL: Final = 2
"""Left to the exact oracle."""

JUDGED, OPEN, EXCEEDED, SKIPPED = range(4)

FAR: Final = 2.0**16
"""An error of so many ulp is left to the loop for any element: 1/ulp may be beyond binary64's range."""

OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy"}
_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function."""
    result: _F = numba.njit(**OPTIONS)(function)
    return result


def inlined(function: _F) -> _F:
    """Compile a function into those that call it, so that their loops have no calls."""
    result: _F = numba.njit(forceinline=True, **OPTIONS)(function)
    return result


class Found(NamedTuple):
    """What is found of some elements; the first axis is m, u, theta.

    Attributes:
        counts: judged, open, exceeded and skipped elements, [3, 4].
        first: index, error over bound and in ulp of the first beyond its bound; index -1 where there is none.
        largest: the same of the largest error in ulp.
        worst: the same of the largest fractions of the bound, [3, KEPT, 3].
        sixteenths: how many finite errors there are for each sixteenth of an ulp, [3, BEYOND + 1].
    """

    counts: Any
    first: Any
    largest: Any
    worst: Any
    sixteenths: Any

    @classmethod
    def nothing(cls) -> Found:
        """Before the first element."""
        return cls(
            np.zeros((3, 4), np.int64),
            np.full((3, 3), -1.0),
            np.full((3, 3), -1.0),
            np.full((3, KEPT, 3), -1.0),
            np.zeros((3, BEYOND + 1), np.int64),
        )


class Layout(NamedTuple):
    """The working format, for the size of an ulp.

    Attributes:
        precision: in bits.
        emin: the exponent of the smallest normal number.
        emax: of the largest number.
    """

    precision: int
    emin: int
    emax: int

    @classmethod
    def of(cls, format_: Format) -> Layout:
        """That of a format."""
        return cls(format_.precision, format_.emin, format_.emax)


@inlined
def last_place(layout: Layout, exact: float) -> int:
    """Find the exponent of an ulp of a number that is rounded to the format, biased as binary64's.

    A number carries into the next exponent where half of its last place, added to its bits, does: that is the ulp
    of the rounded number, ties included, without rounding it.
    """
    bits: Any = np.float64(exact).view(np.int64) & 0x7FFFFFFFFFFFFFFF
    exponent: int = (bits + ((1 << (53 - layout.precision)) >> 1)) >> 52
    return max(exponent, layout.emin + 1023) - layout.precision + 1


@inlined
def inverse_ulp(layout: Layout, exact: float) -> float:
    """Return 1/ulp of the rounded number; 2^1023 where it is more."""
    bits: Any = np.int64(min(2046 - last_place(layout, exact), 2046) << 52)
    result: float = bits.view(np.float64)
    return result


@compiled
def in_ulp(layout: Layout, exact: float, error: float) -> float:
    """Return an error in ulp of the rounded number; as `judgement.measured`, none where that is infinite."""
    place = last_place(layout, exact)
    if place + layout.precision - 1 > layout.emax + 1023:
        return 0.0 if error < math.inf else math.inf
    return math.ldexp(error, 1023 - place)


@compiled
def _over_bound(error: float, radius: float) -> float:
    """Return an error as a fraction of its bound; any beyond a bound of 0 is infinitely wrong."""
    return error / radius if radius > 0.0 else (math.inf if error > 0.0 else 0.0)


@compiled
def count(found: Found, q: int, start: int, state: Any, error: Any, radius: Any, ulp: Any) -> None:
    """Count those elements of a quantity that are decided.

    Args:
        found: what was found so far; updated.
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
                _note(first, start + i, over, ulp[i])
        if ulp[i] < math.inf:
            sixteenths[int(min(ulp[i] * 16.0 + EDGE, BEYOND))] += 1
        if ulp[i] >= most and (ulp[i] > most or start + i < largest[0]):
            _note(largest, start + i, over, ulp[i])
            most = ulp[i]
        if over >= least:
            _keep(worst, start + i, over, ulp[i])
            least = worst[KEPT - 1, 1]
    counts[JUDGED] += judged
    counts[EXCEEDED] += exceeded


@compiled
def count_usual(found: Found, q: int, error: Any, radius: Any, ulp: Any, sixteenths: Any) -> bool:
    """Count elements that are all decided, and larger in index than all before, unless one of them is notable.

    One is that may be beyond its bound, or whose error is larger than one of those that are kept. Then nothing is
    counted, and the answer is False. No error is divided by its bound here.
    """
    most, least = found.largest[q, 2], found.worst[q, KEPT - 1, 1]
    if least < 0.0:
        return False
    least = min(least, 1.0) * (1.0 - 2.0**-50)
    notable = 0
    for i in range(error.size):
        notable += (error[i] > least * radius[i]) | (ulp[i] > most)
    if notable:
        return False
    counts = found.sixteenths[q]
    for i in range(sixteenths.size):
        counts[sixteenths[i]] += 1
    found.counts[q, JUDGED] += sixteenths.size
    return True


@compiled
def _note(where: Any, place: int, over: float, ulp: float) -> None:
    where[0], where[1], where[2] = place, over, ulp


@compiled
def _keep(worst: Any, place: int, over: float, ulp: float) -> None:
    """Insert an element among the worst: the largest fraction first, then the smallest index."""
    at = KEPT
    while at > 0 and (worst[at - 1, 1] < over or (worst[at - 1, 1] == over and place < worst[at - 1, 0])):
        at -= 1
    if at == KEPT:
        return
    for i in range(KEPT - 1, at, -1):
        worst[i] = worst[i - 1]
    _note(worst[at], place, over, ulp)
