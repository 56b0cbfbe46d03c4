"""Advance many exact runs and their radii in a compiled loop.

A step is that of `judgement.advance`.

Importing this module imports Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from ...bounds.radii import StepConstants
from . import double_double as dd
from .counts import (
    DECIDED,
    JUDGED,
    OPEN,
    SLOW_PATH,
    UNDECIDED,
    FormatParameters,
    KernelTally,
    count,
    error_in_ulp,
    jit,
)
from .formula import moments, theta_after_step
from .formula_constants import FormulaConstants
from .lockstep import in_range, is_clear, moment_radius, norm_radius, theta_radius

ENDED: Final = 3
"""An element's state: no later step of it can be compared."""

_CHUNK: Final = 1024


class TrajectoryState(NamedTuple):
    """The exact state of each element between two steps, and its radii.

    Attributes:
        theta: high and low parts of each number, [2, n].
        m: likewise.
        u: likewise.
        theta_radius: [n].
        m_radius: [n].
        u_radius: [n].
        state: DECIDED while the loop goes on with an element; UNDECIDED where the exact oracle has to; or ENDED, [n].
        since: the first step that the exact oracle has to judge, [n].
    """

    theta: Any
    m: Any
    u: Any
    theta_radius: Any
    m_radius: Any
    u_radius: Any
    state: Any
    since: Any

    @classmethod
    def start(cls, theta: Any) -> TrajectoryState:
        """The state before the first step, from theta in float64."""
        n = theta.size
        return cls(
            np.stack([theta, np.zeros(n)]),
            np.zeros((2, n)),
            np.zeros((2, n)),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n, np.uint8),
            np.zeros(n, np.int64),
        )


@jit
def _all_in_range(a: float, b: float, c: float, d: float) -> bool:
    return in_range(a) and in_range(b) and in_range(c) and in_range(d)


@jit
def _advance(
    k: StepConstants, x: FormulaConstants, run: TrajectoryState, i: int, g: float, radius: Any
) -> Any:
    """Take the exact step of one element.

    Returns:
        Whether binary64 is enough for its bounds; theta, m and u after the step.
    """
    theta = (run.theta[0, i], run.theta[1, i])
    m, u = (run.m[0, i], run.m[1, i]), (run.u[0, i], run.u[1, i])
    before = (run.theta_radius[i], run.m_radius[i], run.u_radius[i])
    effective, branches, m_after, u_after = moments(x, theta, m, u, g)
    fits = _all_in_range(theta[0], m[0], u[0], g) and _all_in_range(
        m_after[0], u_after[0], before[0], before[1]
    )
    if not (fits and in_range(before[2])):
        return False, theta, m, u
    radius[1] = moment_radius(k, m[0], before[1], g, effective, theta[0], before[0])
    radius[2] = norm_radius(k, u[0], before[2], g, effective, branches, theta[0], before[0])
    radius[0] = math.inf
    if radius[1] < math.inf and radius[2] < math.inf:
        radius[0] = theta_radius(k, theta[0], before[0], m_after[0], radius[1], u_after[0], radius[2])
    if radius[0] < math.inf:
        theta = theta_after_step(x, theta, m_after, u_after)
    return True, theta, m_after, u_after


@jit
def _judge_number(format_: FormatParameters, exact: Any, actual: float, radius: float, row: Any) -> bool:
    """Write error, bound and error in ulp to `row`; return False if undecided."""
    off = dd.distance(exact, actual) if math.isfinite(actual) else math.inf
    row[0], row[1], row[2] = off, radius, error_in_ulp(format_, exact[0], off)
    return is_clear(exact[0], off, radius)


@jit
def _store_state(run: TrajectoryState, i: int, theta: Any, m: Any, u: Any, radius: Any) -> None:
    """Store the state after a step; end the run if no later step can be compared."""
    if not (radius[0] < math.inf and radius[1] < math.inf and radius[2] < math.inf):
        run.state[i] = ENDED
    run.theta[0, i], run.theta[1, i] = theta
    run.m[0, i], run.m[1, i] = m
    run.u[0, i], run.u[1, i] = u
    run.theta_radius[i], run.m_radius[i], run.u_radius[i] = radius[0], radius[1], radius[2]


@jit
def _step_element(
    k: StepConstants,
    x: FormulaConstants,
    format_: FormatParameters,
    run: TrajectoryState,
    i: int,
    g: float,
    actual: tuple[float, float, float],
    visible: tuple[bool, bool, bool],
    radius: Any,
    rows: Any,
) -> bool:
    """Take one step of one element and judge what is seen; return False if undecided."""
    fits, theta, m, u = _advance(k, x, run, i, g, radius)
    if not fits:
        return False
    for q, exact in ((0, theta), (1, m), (2, u)):
        if (
            visible[q]
            and radius[q] < math.inf
            and not _judge_number(format_, exact, actual[q], radius[q], rows[q])
        ):
            return False
    _store_state(run, i, theta, m, u, radius)
    return True


def make_trajectory_loop(digest: int) -> Callable[..., int]:
    """Make the loop over one step of runs that judges a subject's state after it.

    See `lockstep.LoopMaker`.
    """

    def loop(
        k: StepConstants,
        x: FormulaConstants,
        format_: FormatParameters,
        run: TrajectoryState,
        t: int,
        g: Any,
        observed: tuple[Any, Any, Any],
        visible: tuple[bool, bool, bool],
        found: KernelTally,
    ) -> int:
        radius, rows, judged = np.zeros(3), np.zeros((3, 3)), np.empty((3, 3, _CHUNK))
        counted, counts = np.empty((3, _CHUNK), np.uint8), found.counts
        size, left = g.size, 0 * digest
        for first in range(0, size, _CHUNK):
            many = min(_CHUNK, size - first)
            counted[:] = SLOW_PATH
            for j in range(many):
                i = first + j
                if run.state[i] != DECIDED:
                    continue
                if not math.isfinite(g[i]):
                    run.state[i] = ENDED
                    continue
                actual = (observed[0][i], observed[1][i], observed[2][i])
                if not _step_element(k, x, format_, run, i, g[i], actual, visible, radius, rows):
                    run.state[i], run.since[i] = UNDECIDED, t
                    left += 1
                    continue
                for q in range(3):
                    opened = not radius[q] < math.inf
                    counts[q, JUDGED] += visible[q] and opened
                    counts[q, OPEN] += visible[q] and opened
                    counted[q, j] = DECIDED if visible[q] and not opened else SLOW_PATH
                    judged[q, 0, j], judged[q, 1, j], judged[q, 2, j] = rows[q, 0], rows[q, 1], rows[q, 2]
            for q in range(3):
                count(found, q, first, counted[q, :many], judged[q, 0], judged[q, 1], judged[q, 2])
        return left

    return loop
