"""One step of many elements in lockstep, judged in compiled loops.

The bounds are those of `oracles.bounds.radii`, compiled as they stand. Exact values are formed in binary64 for the
narrower formats, and in twice its precision for binary64 and wherever something may underflow. What the loops cannot
decide is left to the exact oracle (BOUNDS.md, "The compiled oracle").

The loop over the safe range has no branches, so the compiler makes vector instructions of it. No sum is reordered and no
product fused: every machine finds the same bits.

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
from ...judgement import EDGE_SHIFT, LAST_SIXTEENTH
from . import safe_range
from .counts import (
    DECIDED,
    FAR,
    JUDGED,
    OPEN,
    OPTIONS,
    SKIPPED,
    SLOW_PATH,
    UNDECIDED,
    FormatParameters,
    KernelTally,
    count,
    count_unremarkable,
    error_in_ulp,
    inverse_ulp,
    jit,
    jit_inline,
)
from .formula import evaluate_in_binary64, evaluate_in_double_double
from .formula_constants import FormulaConstants
from .safe_range import SafeRanges

Arrays = tuple[Any, Any, Any, Any, Any, Any, Any]
"""Theta, m and u before the step, the gradient, theta, m and u after it."""

UNDECIDED_MARGIN: Final = 2.0**-20
"""The distance from its bound, as a fraction of it, below which an error goes to the exact oracle."""

_CHUNK: Final = 1024
"""The number of elements whose results fit in the nearest cache while they are counted."""


def _bounds(**options: Any) -> tuple[Any, Any, Any, Any]:
    """Compile the radii of m, of u, and of theta from any and from stored m and u."""
    names: dict[str, Any] = dict(vars(radii))
    for name, function in vars(radii).items():
        if inspect.isfunction(function) and function.__module__ == radii.__name__:
            names[name] = numba.njit(**options, **OPTIONS)(FunctionType(function.__code__, names, name))
    return (
        names["moment_radius"],
        names["norm_radius"],
        names["theta_radius"],
        names["stored_theta_radius"],
    )


moment_radius, norm_radius, theta_radius, stored_theta_radius = _bounds()
# In the safe range all sizes are finite, so the compiler may leave out products with 0.
_safe_moment_radius, _safe_norm_radius, _, _safe_stored_theta_radius = _bounds(
    forceinline=True, fastmath={"nnan", "ninf", "nsz"}
)
_safe_constants: Final[Callable[[StepConstants], StepConstants]] = jit_inline(safe_range.safe_range_constants)


@jit_inline
def is_undecided(error: float, radius: float) -> bool:
    """Check whether an error is too near to its bound for any but the exact oracle."""
    return (abs(error - radius) <= UNDECIDED_MARGIN * radius) & (radius > 0.0)


@jit_inline
def _within(size: float, low: float, high: float) -> bool:
    return (size >= low) & (size <= high)


def _make_safe_loop_body(evaluate: Any) -> Any:
    """Make the body of the loop over the safe range: it has no branches.

    Args:
        evaluate: forms the exact values of one element.
    """

    @jit_inline
    def body(
        k: StepConstants,
        x: FormulaConstants,
        format_: FormatParameters,
        ranges: SafeRanges,
        arrays: Arrays,
        first: int,
        error: Any,
        radius: Any,
        ulp: Any,
        sixteenths: Any,
        state: Any,
    ) -> None:
        o = _safe_constants(k)
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
            # m stays 0 where there is neither gradient nor decay.
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
            # The numbers of other elements are replaced before anything is computed from them.
            theta, m, u = theta if fits else 1.0, m if fits else 1.0, u if fits else 1.0
            g = g if fits else 1.0
            theta_after, m_after = theta_after if fits else 1.0, m_after if fits else 1.0
            u_after = u_after if fits else 1.0
            effective, branches, m_value, u_value, theta_value = evaluate(
                x, theta, m, u, g, theta_after, m_after, u_after
            )
            m_radius = _safe_moment_radius(o, m, 0.0, g, effective, theta, 0.0)
            u_radius = _safe_norm_radius(o, u, 0.0, g, effective, branches, theta, 0.0)
            theta_radius = _safe_stored_theta_radius(
                o, theta, m_after, u_after, m_value[1] + m_radius, u_value[1] + u_radius
            )
            m_ulp = m_value[1] * inverse_ulp(format_, m_value[0])
            u_ulp = u_value[1] * inverse_ulp(format_, u_value[0])
            theta_ulp = theta_value[1] * inverse_ulp(format_, theta_value[0])
            error[0, i], error[1, i], error[2, i] = m_value[1], u_value[1], theta_value[1]
            radius[0, i], radius[1, i], radius[2, i] = m_radius, u_radius, theta_radius
            ulp[0, i], ulp[1, i], ulp[2, i] = m_ulp, u_ulp, theta_ulp
            sixteenths[0, i] = np.int32(min(m_ulp * 16.0 + EDGE_SHIFT, LAST_SIXTEENTH))
            sixteenths[1, i] = np.int32(min(u_ulp * 16.0 + EDGE_SHIFT, LAST_SIXTEENTH))
            sixteenths[2, i] = np.int32(min(theta_ulp * 16.0 + EDGE_SHIFT, LAST_SIXTEENTH))
            doubt = (
                is_undecided(m_value[1], m_radius)
                | is_undecided(u_value[1], u_radius)
                | is_undecided(theta_value[1], theta_radius)
            )
            near = (m_ulp < FAR) & (u_ulp < FAR) & (theta_ulp < FAR)
            state[i] = DECIDED if fits & near & (not doubt) else SLOW_PATH

    return body


_safe_loop_in_binary64: Final = _make_safe_loop_body(evaluate_in_binary64)
_safe_loop_in_double_double: Final = _make_safe_loop_body(evaluate_in_double_double)


@jit
def in_range(a: float) -> bool:
    """Check whether binary64 is enough for a bound over this number.

    It is the negation of `needs_wide_range`. A number that is not finite has no bound, and so is in range.
    """
    return a == 0.0 or (2.0**-200 < abs(a) < 2.0**200) or not math.isfinite(a)


@jit
def is_clear(exact: float, error: float, radius: float) -> bool:
    """Check whether it is certain on which side of its bound an error is.

    Where the bound is 0, a number that is off by less than the error of the exact value is not known to be wrong.
    """
    certain = radius > 0.0 or error == 0.0 or error > 2.0**-90 * abs(exact)
    return certain and not is_undecided(error, radius)


@jit
def _all_finite(a: float, b: float, c: float, d: float) -> bool:
    return math.isfinite(a) and math.isfinite(b) and math.isfinite(c) and math.isfinite(d)


@jit
def _judge_any(
    k: StepConstants,
    x: FormulaConstants,
    format_: FormatParameters,
    values: tuple[float, float, float, float, float, float, float],
    errors: Any,
    radii_: Any,
    ulp: Any,
    status: Any,
) -> bool:
    """Judge one element of any size; return False where the exact oracle has to.

    Args:
        k: the constants of the bounds.
        x: the constants of the formula.
        format_: the working format.
        values: theta, m, u and the gradient before the step; theta, m and u after it.
        errors: the errors of m, u and theta; updated.
        radii_: their bounds; updated.
        ulp: the errors in ulp; updated.
        status: of each, JUDGED, OPEN or SKIPPED; updated.
    """
    theta, m, u, g, theta_after, m_after, u_after = values
    if not (in_range(theta) and in_range(m) and in_range(u) and in_range(g)):
        return False
    if not (in_range(m_after) and in_range(u_after)):
        return False
    effective, branches, m_value, u_value, theta_value = evaluate_in_double_double(
        x, theta, m, u, g, theta_after, m_after, u_after
    )
    m_radius = moment_radius(k, m, 0.0, g, effective, theta, 0.0)
    u_radius = norm_radius(k, u, 0.0, g, effective, branches, theta, 0.0)
    theta_radius = math.inf
    status[:] = JUDGED
    if math.isfinite(m_after) and math.isfinite(u_after):
        theta_radius = stored_theta_radius(
            k, theta, m_after, u_after, m_value[1] + m_radius, u_value[1] + u_radius
        )
    else:
        status[2] = SKIPPED
    clear = True
    for q, actual, radius, one in (
        (0, m_after, m_radius, m_value),
        (1, u_after, u_radius, u_value),
        (2, theta_after, theta_radius, theta_value),
    ):
        if radius == math.inf:
            if status[q] == JUDGED:
                status[q] = OPEN
            continue
        error = one[1] if math.isfinite(actual) else math.inf
        errors[q], radii_[q], ulp[q] = error, radius, error_in_ulp(format_, one[0], error)
        clear = clear and is_clear(one[0], error, radius)
    return clear


LoopMaker = Callable[[int], Callable[..., int]]
"""Makes a loop, not yet compiled, that encloses a digest of all that it is made of.

Numba's cache knows a function by its own file and by what it encloses, but not by what it calls.

The two loops over a block take: True to form exact values in twice the precision of binary64, or None; the constants for
the bounds and for the formula; the format; the safe ranges; the seven arrays; the index of the first element; the state
of each; and the tally. They update the last two, and return the number of elements that are not decided.
"""


def make_safe_range_loop(digest: int) -> Callable[..., int]:
    """Make the loop over the elements in the safe range."""

    def loop(
        twice: bool | None,  # noqa: FBT001 - one or the other is compiled
        k: StepConstants,
        x: FormulaConstants,
        format_: FormatParameters,
        ranges: SafeRanges,
        arrays: Arrays,
        start: int,
        state: Any,
        found: KernelTally,
    ) -> int:
        undecided = 0 * digest
        error, radius, ulp = np.empty((3, _CHUNK)), np.empty((3, _CHUNK)), np.empty((3, _CHUNK))
        sixteenths = np.empty((3, _CHUNK), np.int32)
        for first in range(0, state.size, _CHUNK):
            now = state[first : first + _CHUNK]
            if twice is None:
                _safe_loop_in_binary64(
                    k, x, format_, ranges, arrays, first, error, radius, ulp, sixteenths, now
                )
            else:
                _safe_loop_in_double_double(
                    k, x, format_, ranges, arrays, first, error, radius, ulp, sixteenths, now
                )
            undecided += _count_chunk(found, start + first, now, error, radius, ulp, sixteenths)
        return undecided

    return loop


def make_general_loop(digest: int) -> Callable[..., int]:
    """Make the loop over the elements on the slow path."""

    def loop(
        _: bool | None,  # noqa: FBT001 - always twice
        k: StepConstants,
        x: FormulaConstants,
        format_: FormatParameters,
        _ranges: SafeRanges,
        arrays: Arrays,
        start: int,
        state: Any,
        found: KernelTally,
    ) -> int:
        undecided = 0 * digest
        one_error, one_radius, one_ulp = np.zeros(3), np.zeros(3), np.zeros(3)
        error, radius, ulp = np.empty((3, _CHUNK)), np.empty((3, _CHUNK)), np.empty((3, _CHUNK))
        status = np.zeros(3, np.int64)
        counted, counts = np.empty((3, _CHUNK), np.uint8), found.counts
        for first in range(0, state.size, _CHUNK):
            many = min(_CHUNK, state.size - first)
            counted[:] = SLOW_PATH
            for i in range(many):
                at = first + i
                if state[at] != SLOW_PATH:
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
                elif _judge_any(k, x, format_, (*before, *after), one_error, one_radius, one_ulp, status):
                    state[at] = DECIDED
                    for q in range(3):
                        if status[q] == JUDGED:
                            error[q, i], radius[q, i] = one_error[q], one_radius[q]
                            ulp[q, i], counted[q, i] = one_ulp[q], DECIDED
                        else:
                            counts[q, status[q]] += 1
                            counts[q, JUDGED] += status[q] == OPEN
                else:
                    state[at] = UNDECIDED
                    undecided += 1
            for q in range(3):
                count(found, q, start + first, counted[q, :many], error[q], radius[q], ulp[q])
        return undecided

    return loop


@jit
def _count_chunk(
    found: KernelTally, start: int, state: Any, error: Any, radius: Any, ulp: Any, sixteenths: Any
) -> int:
    """Count the decided elements of a chunk; return the number of the others."""
    undecided, many = 0, state.size
    for i in range(many):
        undecided += state[i]
    for q in range(3):
        if undecided or not count_unremarkable(
            found, q, error[q, :many], radius[q, :many], ulp[q, :many], sixteenths[q, :many]
        ):
            count(found, q, start, state, error[q], radius[q], ulp[q])
    return undecided


@cache
def digest(folder: Path = Path(__file__).parents[2]) -> int:
    """Hash the sources below a folder.

    The default is `oracles`, which has all that the loops are made of.
    """
    together = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        together.update(file.read_bytes())
    return int.from_bytes(together.digest()[:6])


@cache
def compile_loop(make: LoopMaker, signature: Any) -> Callable[..., int]:
    """Take a loop from Numba's cache, or compile and cache it.

    Where the cache cannot be used (its folder is read-only, damaged or full), the loop is compiled for this process
    alone: a cache is never a reason to fail.

    Args:
        make: makes the loop that encloses a digest.
        signature: the types of its arguments, as `numba.typeof` returns them.
    """
    function = make(digest())
    try:
        made = numba.njit(signature, cache=True, nogil=True, **OPTIONS)(function)
    except Exception:  # noqa: BLE001 - whatever is wrong with the cache; a wrong loop raises again below
        made = numba.njit(signature, nogil=True, **OPTIONS)(function)
    result: Callable[..., int] = made
    return result
