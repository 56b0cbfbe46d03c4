"""The exact run of many elements and its radii, one step further, in a compiled loop; as `judgement.advance`.

Importing this module imports Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from ...bounds.radii import StepConstants
from . import double_double as dd
from .counts import DECIDED, DOUBTFUL, JUDGED, OPEN, UNUSUAL, Found, Layout, compiled, count, in_ulp
from .formula import moments, theta_after_step
from .lockstep import in_range, is_clear, moment, norm, theta_of
from .step_constants import StepValues

ENDED: Final = 3
"""An element's state: nothing of it can be compared any more."""

_CHUNK: Final = 1024


class Run(NamedTuple):
    """The exact state of each element between two steps, and how far a subject's may be from it.

    Attributes:
        theta: high and low parts, [2, n].
        m: likewise.
        u: likewise.
        theta_radius: [n].
        m_radius: [n].
        u_radius: [n].
        state: whether it goes on (DECIDED), is left to the exact oracle (DOUBTFUL), or has ENDED, [n].
        since: the first step that is left to the exact oracle, [n].
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
    def start(cls, theta: Any) -> Run:
        """Before the first step, from float64."""
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


@compiled
def _fits(a: float, b: float, c: float, d: float) -> bool:
    return in_range(a) and in_range(b) and in_range(c) and in_range(d)


@compiled
def _advance(k: StepConstants, x: StepValues, run: Run, i: int, g: float, radius: Any) -> Any:
    """Take the exact step of one element: whether binary64 does for its bounds, and theta, m and u after it."""
    theta = (run.theta[0, i], run.theta[1, i])
    m, u = (run.m[0, i], run.m[1, i]), (run.u[0, i], run.u[1, i])
    before = (run.theta_radius[i], run.m_radius[i], run.u_radius[i])
    effective, branches, m_after, u_after = moments(x, theta, m, u, g)
    fits = _fits(theta[0], m[0], u[0], g) and _fits(m_after[0], u_after[0], before[0], before[1])
    if not (fits and in_range(before[2])):
        return False, theta, m, u
    radius[1] = moment(k, m[0], before[1], g, effective, theta[0], before[0])
    radius[2] = norm(k, u[0], before[2], g, effective, branches, theta[0], before[0])
    radius[0] = math.inf
    if radius[1] < math.inf and radius[2] < math.inf:
        radius[0] = theta_of(k, theta[0], before[0], m_after[0], radius[1], u_after[0], radius[2])
    if radius[0] < math.inf:
        theta = theta_after_step(x, theta, m_after, u_after)
    return True, theta, m_after, u_after


@compiled
def _judge(layout: Layout, exact: Any, came: float, radius: float, row: Any) -> bool:
    """Judge one number: its error, bound and error in ulp into `row`; False where it is in doubt."""
    off = dd.distance(exact, came) if math.isfinite(came) else math.inf
    row[0], row[1], row[2] = off, radius, in_ulp(layout, exact[0], off)
    return is_clear(exact[0], off, radius)


@compiled
def _keep(run: Run, i: int, theta: Any, m: Any, u: Any, radius: Any) -> None:
    """Go on from the state after a step, unless nothing can be compared any more."""
    if not (radius[0] < math.inf and radius[1] < math.inf and radius[2] < math.inf):
        run.state[i] = ENDED
    run.theta[0, i], run.theta[1, i] = theta
    run.m[0, i], run.m[1, i] = m
    run.u[0, i], run.u[1, i] = u
    run.theta_radius[i], run.m_radius[i], run.u_radius[i] = radius[0], radius[1], radius[2]


@compiled
def _step_of(
    k: StepConstants,
    x: StepValues,
    layout: Layout,
    run: Run,
    i: int,
    g: float,
    came: tuple[float, float, float],
    sees: tuple[bool, bool, bool],
    radius: Any,
    rows: Any,
) -> bool:
    """Take one step of one element, and judge what is seen after it; False where anything of it is in doubt."""
    fits, theta, m, u = _advance(k, x, run, i, g, radius)
    if not fits:
        return False
    for q, exact in ((0, theta), (1, m), (2, u)):
        if sees[q] and radius[q] < math.inf and not _judge(layout, exact, came[q], radius[q], rows[q]):
            return False
    _keep(run, i, theta, m, u, radius)
    return True


def over_trajectory(digest: int) -> Callable[..., int]:
    """Make the loop that takes one step of the exact run and judges a subject's after it; see `kernel.Loop`."""

    def loop(
        k: StepConstants,
        x: StepValues,
        layout: Layout,
        run: Run,
        t: int,
        g: Any,
        seen: tuple[Any, Any, Any],
        sees: tuple[bool, bool, bool],
        found: Found,
    ) -> int:
        radius, rows, judged = np.zeros(3), np.zeros((3, 3)), np.empty((3, 3, _CHUNK))
        counted, counts = np.empty((3, _CHUNK), np.uint8), found.counts
        size, left = g.size, 0 * digest
        for first in range(0, size, _CHUNK):
            many = min(_CHUNK, size - first)
            counted[:] = UNUSUAL
            for j in range(many):
                i = first + j
                if run.state[i] != DECIDED:
                    continue
                if not math.isfinite(g[i]):
                    run.state[i] = ENDED
                    continue
                came = (seen[0][i], seen[1][i], seen[2][i])
                if not _step_of(k, x, layout, run, i, g[i], came, sees, radius, rows):
                    run.state[i], run.since[i] = DOUBTFUL, t
                    left += 1
                    continue
                for q in range(3):
                    opened = not radius[q] < math.inf
                    counts[q, JUDGED] += sees[q] and opened
                    counts[q, OPEN] += sees[q] and opened
                    counted[q, j] = DECIDED if sees[q] and not opened else UNUSUAL
                    judged[q, 0, j], judged[q, 1, j], judged[q, 2, j] = rows[q, 0], rows[q, 1], rows[q, 2]
            for q in range(3):
                count(found, q, first, counted[q, :many], judged[q, 0], judged[q, 1], judged[q, 2])
        return left

    return loop
