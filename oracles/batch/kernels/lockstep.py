"""One step of many elements in lockstep, judged in compiled loops.

The bounds are those of `oracles.bounds.radii`, compiled as they stand. Exact values are formed in binary64 for the
narrower formats, and in twice its precision for binary64 and wherever something may underflow; what that cannot decide
is left to the exact oracle (BOUNDS.md, "The compiled oracle").

The loop over ordinary elements has no branches, so the compiler makes vector instructions of it. No sum is reordered
and no product fused: every machine finds the same bits.

Importing this module imports Numba.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import numba
import numpy as np

from ...bounds import radii
from ...bounds.radii import StepConstants
from ...judgement import BEYOND, EDGE
from . import safe_range
from .counts import (
    DECIDED,
    DOUBTFUL,
    FAR,
    JUDGED,
    OPEN,
    OPTIONS,
    SKIPPED,
    UNUSUAL,
    Found,
    Layout,
    compiled,
    count,
    count_usual,
    in_ulp,
    inlined,
    inverse_ulp,
)
from .formula import in_binary64, in_twice_binary64
from .safe_range import Ranges
from .step_constants import StepValues

Arrays = tuple[Any, Any, Any, Any, Any, Any, Any]
"""Theta, m and u before the step, the gradient, theta, m and u after it."""

DOUBT: Final = 2.0**-20
"""Nearer than this to its bound, as a fraction of it, an error is left to the exact oracle."""

_CHUNK: Final = 1024
"""Elements whose results lie in the nearest cache while they are counted."""


def _bounds(**options: Any) -> tuple[Any, Any, Any, Any]:
    """Compile the functions of `oracles.bounds.radii` for m, u, and theta from any and from stored m and u."""
    names: dict[str, Any] = dict(vars(radii))
    for name, function in vars(radii).items():
        if inspect.isfunction(function) and function.__module__ == radii.__name__:
            names[name] = numba.njit(**options, **OPTIONS)(FunctionType(function.__code__, names, name))
    return names["moment"], names["norm"], names["theta"], names["stored_theta"]


moment, norm, theta_of, stored_theta = _bounds()
# Of ordinary elements, all of whose sizes are finite: the compiler may leave out what is multiplied by 0.
_ordinary_moment, _ordinary_norm, _, _ordinary_theta = _bounds(
    forceinline=True, fastmath={"nnan", "ninf", "nsz"}
)
_ordinary: Final[Callable[[StepConstants], StepConstants]] = inlined(safe_range.ordinary)


@inlined
def in_doubt(error: float, radius: float) -> bool:
    """Whether the exact oracle has to decide."""
    return (abs(error - radius) <= DOUBT * radius) & (radius > 0.0)


@inlined
def _within(size: float, low: float, high: float) -> bool:
    return (size >= low) & (size <= high)


def _at_once(values: Any) -> Any:
    """The loop without branches, with exact values formed in a certain way."""

    @inlined
    def at_once(
        k: StepConstants,
        x: StepValues,
        layout: Layout,
        ranges: Ranges,
        arrays: Arrays,
        first: int,
        error: Any,
        radius: Any,
        ulp: Any,
        sixteenths: Any,
        state: Any,
    ) -> None:
        o = _ordinary(k)
        low, high = ranges.m_low, ranges.m_high
        u_low, u_high, theta_high = ranges.u_low, ranges.u_high, ranges.theta_high
        for i in range(state.size):
            at = first + i
            theta, m, u, g = (
                float(arrays[0][at]),
                float(arrays[1][at]),
                float(arrays[2][at]),
                float(arrays[3][at]),
            )
            theta_after, m_after, u_after = (
                float(arrays[4][at]),
                float(arrays[5][at]),
                float(arrays[6][at]),
            )
            # m stays 0, for certain, where there is no gradient and no decay.
            still = (m == 0.0) & (g == 0.0) & ((x.weight_decay == 0.0) | (theta == 0.0)) & (m_after == 0.0)
            fits = (
                ((m == 0.0) | _within(abs(m), low, high))
                & ((g == 0.0) | _within(abs(g), low, high))
                & ((theta == 0.0) | _within(abs(theta), ranges.theta_low, theta_high))
                & ((u == 0.0) | _within(u, u_low, u_high))
                & (_within(abs(m_after), low, high) | still)
                & _within(u_after, u_low, u_high)
                & (abs(theta_after) <= theta_high)
            )
            # Others are replaced before anything is computed of them.
            theta, m, u = theta if fits else 1.0, m if fits else 1.0, u if fits else 1.0
            g = g if fits else 1.0
            theta_after, m_after = theta_after if fits else 1.0, m_after if fits else 1.0
            u_after = u_after if fits else 1.0
            effective, branches, m_found, u_found, theta_found = values(
                x, theta, m, u, g, theta_after, m_after, u_after
            )
            m_radius = _ordinary_moment(o, m, 0.0, g, effective, theta, 0.0)
            u_radius = _ordinary_norm(o, u, 0.0, g, effective, branches, theta, 0.0)
            theta_radius = _ordinary_theta(
                o, theta, m_after, u_after, m_found[1] + m_radius, u_found[1] + u_radius
            )
            m_ulp = m_found[1] * inverse_ulp(layout, m_found[0])
            u_ulp = u_found[1] * inverse_ulp(layout, u_found[0])
            theta_ulp = theta_found[1] * inverse_ulp(layout, theta_found[0])
            error[0, i], error[1, i], error[2, i] = m_found[1], u_found[1], theta_found[1]
            radius[0, i], radius[1, i], radius[2, i] = m_radius, u_radius, theta_radius
            ulp[0, i], ulp[1, i], ulp[2, i] = m_ulp, u_ulp, theta_ulp
            sixteenths[0, i] = np.int32(min(m_ulp * 16.0 + EDGE, BEYOND))
            sixteenths[1, i] = np.int32(min(u_ulp * 16.0 + EDGE, BEYOND))
            sixteenths[2, i] = np.int32(min(theta_ulp * 16.0 + EDGE, BEYOND))
            doubt = (
                in_doubt(m_found[1], m_radius)
                | in_doubt(u_found[1], u_radius)
                | in_doubt(theta_found[1], theta_radius)
            )
            near = (m_ulp < FAR) & (u_ulp < FAR) & (theta_ulp < FAR)
            state[i] = DECIDED if fits & near & (not doubt) else UNUSUAL

    return at_once


_at_once_in_binary64: Final = _at_once(in_binary64)
_at_once_in_twice_binary64: Final = _at_once(in_twice_binary64)


@compiled
def in_range(a: float) -> bool:
    """Whether a bound over this number may be evaluated in binary64 (`exact.wide_range`), or none is."""
    return a == 0.0 or (2.0**-200 < abs(a) < 2.0**200) or not math.isfinite(a)


@compiled
def is_clear(exact: float, error: float, radius: float) -> bool:
    """Whether it is certain on which side of its bound an error is.

    Where one number alone is right, what is off by less than the exact value may be is not known to be wrong.
    """
    certain = radius > 0.0 or error == 0.0 or error > 2.0**-90 * abs(exact)
    return certain and not in_doubt(error, radius)


@compiled
def _all_finite(a: float, b: float, c: float, d: float) -> bool:
    return math.isfinite(a) and math.isfinite(b) and math.isfinite(c) and math.isfinite(d)


@compiled
def _judge_any(
    k: StepConstants,
    x: StepValues,
    layout: Layout,
    values: tuple[float, float, float, float, float, float, float],
    errors: Any,
    radii_: Any,
    ulp: Any,
    status: Any,
) -> bool:
    """Judge one element, whatever it is: what is found of it by quantity; False where it is in doubt."""
    theta, m, u, g, theta_after, m_after, u_after = values
    if not (in_range(theta) and in_range(m) and in_range(u) and in_range(g)):
        return False
    if not (in_range(m_after) and in_range(u_after)):
        return False
    effective, branches, m_found, u_found, theta_found = in_twice_binary64(
        x, theta, m, u, g, theta_after, m_after, u_after
    )
    m_radius = moment(k, m, 0.0, g, effective, theta, 0.0)
    u_radius = norm(k, u, 0.0, g, effective, branches, theta, 0.0)
    theta_radius = math.inf
    status[:] = JUDGED
    if math.isfinite(m_after) and math.isfinite(u_after):
        theta_radius = stored_theta(k, theta, m_after, u_after, m_found[1] + m_radius, u_found[1] + u_radius)
    else:
        status[2] = SKIPPED
    clear = True
    for q, came, radius, one in (
        (0, m_after, m_radius, m_found),
        (1, u_after, u_radius, u_found),
        (2, theta_after, theta_radius, theta_found),
    ):
        if radius == math.inf:
            if status[q] == JUDGED:
                status[q] = OPEN
            continue
        error = one[1] if math.isfinite(came) else math.inf
        errors[q], radii_[q], ulp[q] = error, radius, in_ulp(layout, one[0], error)
        clear = clear and is_clear(one[0], error, radius)
    return clear


Loop = Callable[[int], Callable[..., int]]
"""What makes a loop, not yet compiled, that encloses a digest of all that it is made of: Numba's cache knows a function
by its own file and by what it encloses, and not by what it calls.

The two over a block are called with True to form exact values in twice the precision of binary64, or None; the constants
for the bounds and for the exact values, the layout, the ranges of ordinary elements, the seven arrays, the index of the
first element, the state of each, and what was found so far. They update the last two, and return how many elements are
not decided.
"""


def over_ordinary(digest: int) -> Callable[..., int]:
    """Make the loop over ordinary elements."""

    def loop(
        twice: bool | None,  # noqa: FBT001 - one or the other is compiled
        k: StepConstants,
        x: StepValues,
        layout: Layout,
        ranges: Ranges,
        arrays: Arrays,
        start: int,
        state: Any,
        found: Found,
    ) -> int:
        undecided = 0 * digest
        error, radius, ulp = np.empty((3, _CHUNK)), np.empty((3, _CHUNK)), np.empty((3, _CHUNK))
        sixteenths = np.empty((3, _CHUNK), np.int32)
        for first in range(0, state.size, _CHUNK):
            now = state[first : first + _CHUNK]
            if twice is None:
                _at_once_in_binary64(k, x, layout, ranges, arrays, first, error, radius, ulp, sixteenths, now)
            else:
                _at_once_in_twice_binary64(
                    k, x, layout, ranges, arrays, first, error, radius, ulp, sixteenths, now
                )
            undecided += _counted(found, start + first, now, error, radius, ulp, sixteenths)
        return undecided

    return loop


def over_any(digest: int) -> Callable[..., int]:
    """Make the loop over the others."""

    def loop(
        _: bool | None,  # noqa: FBT001 - always twice
        k: StepConstants,
        x: StepValues,
        layout: Layout,
        _ranges: Ranges,
        arrays: Arrays,
        start: int,
        state: Any,
        found: Found,
    ) -> int:
        undecided = 0 * digest
        one_error, one_radius, one_ulp = np.zeros(3), np.zeros(3), np.zeros(3)
        error, radius, ulp = np.empty((3, _CHUNK)), np.empty((3, _CHUNK)), np.empty((3, _CHUNK))
        status = np.zeros(3, np.int64)
        counted, counts = np.empty((3, _CHUNK), np.uint8), found.counts
        for first in range(0, state.size, _CHUNK):
            many = min(_CHUNK, state.size - first)
            counted[:] = UNUSUAL
            for i in range(many):
                at = first + i
                if state[at] != UNUSUAL:
                    continue
                before = (
                    float(arrays[0][at]),
                    float(arrays[1][at]),
                    float(arrays[2][at]),
                    float(arrays[3][at]),
                )
                after = (float(arrays[4][at]), float(arrays[5][at]), float(arrays[6][at]))
                if not _all_finite(*before):
                    state[at] = DECIDED
                    counts[:, SKIPPED] += 1
                elif _judge_any(k, x, layout, (*before, *after), one_error, one_radius, one_ulp, status):
                    state[at] = DECIDED
                    for q in range(3):
                        if status[q] == JUDGED:
                            error[q, i], radius[q, i] = one_error[q], one_radius[q]
                            ulp[q, i], counted[q, i] = one_ulp[q], DECIDED
                        else:
                            counts[q, status[q]] += 1
                            counts[q, JUDGED] += status[q] == OPEN
                else:
                    state[at] = DOUBTFUL
                    undecided += 1
            for q in range(3):
                count(found, q, start + first, counted[q, :many], error[q], radius[q], ulp[q])
        return undecided

    return loop


@compiled
def _counted(found: Found, start: int, state: Any, error: Any, radius: Any, ulp: Any, sixteenths: Any) -> int:
    """Count the elements of a chunk that are decided; how many are not."""
    undecided, many = 0, state.size
    for i in range(many):
        undecided += state[i]
    for q in range(3):
        if undecided or not count_usual(
            found, q, error[q, :many], radius[q, :many], ulp[q, :many], sixteenths[q, :many]
        ):
            count(found, q, start, state, error[q], radius[q], ulp[q])
    return undecided


@cache
def digest(folder: Path = Path(__file__).parents[2]) -> int:
    """A digest of the sources below a folder: by default of `oracles`, which has all that the loops are made of."""
    together = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        together.update(file.read_bytes())
    return int.from_bytes(together.digest()[:6])


@cache
def compiled_loop(make: Loop, signature: Any) -> Callable[..., int]:
    """A loop for arguments of some types: from Numba's cache, or compiled and cached.

    Where the cache cannot be used (no folder that can be written, a damaged or full one), it is compiled for this
    process alone: a cache is never a reason to fail.

    Args:
        make: what makes the loop that encloses a digest.
        signature: the types of its arguments, as `numba.typeof` says them.
    """
    function = make(digest())
    try:
        made = numba.njit(signature, cache=True, nogil=True, **OPTIONS)(function)
    except Exception:  # noqa: BLE001 - whatever is wrong with the cache; a wrong loop raises again below
        made = numba.njit(signature, nogil=True, **OPTIONS)(function)
    result: Callable[..., int] = made
    return result
