"""The kernel with Numba: one step at the speed of memory.

One fused loop that reads theta, g, m, u and writes theta, m, u: 28 bytes an element in float32, 56 in
float64. It performs the operations of `kernel_numpy` in the same order, without fast-math and so without
contraction, and gives the same bits, whatever the split of the elements over threads.

The threads are Python's own (`workers`), and the loop releases the interpreter's lock: Numba's parallel loops take
seconds to compile, and some of its threading layers abort when two threads call them, or after a fork.

Importing this module imports Numba (the `fast` extra).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numba
import numpy as np

from .arrays import Array
from .kernel_numpy import Job
from .step_scalars import StepScalars
from .workers import run_in_threads

_THREADED: Final = 1 << 17
"""Elements of float32 from which threads share a step; for fewer, waking one takes longer than its part.

An element of float64 takes half as long, as long as the caches hold all: nothing is converted.
"""

_PIECE: Final = 1 << 15
"""The fewest elements of float32 of a piece that a thread takes."""

_PIECES: Final = 4
"""The most pieces, for each thread."""

_CONFIG: Final[Any] = numba.config

_COMPILER_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def run_jobs(jobs: Sequence[Job], threads: int = _CONFIG.NUMBA_NUM_THREADS) -> None:
    """Take one step of every job.

    Args:
        jobs: as for `kernel_numpy.run_jobs`.
        threads: how many to use at most; by default NUMBA_NUM_THREADS, or every core that the process may
            use.
    """
    work = 0
    for job in jobs:
        theta = job[0]
        work += theta.size if theta.itemsize == 4 else theta.size // 2
    if work < _THREADED or threads == 1:
        for theta, gradient, m, u, scalars in jobs:
            compile_loop(theta.dtype)(theta, gradient, m, u, *scalars)
        return
    for dtype in {job.theta.dtype for job in jobs}:
        compile_loop(dtype)  # here, so that no two threads compile the same
    parts = min(threads * _PIECES, work // _PIECE)
    run_in_threads(_run_share, _split_jobs(jobs, parts), threads)


def _split_jobs(jobs: Sequence[Job], parts: int) -> list[list[Job]]:
    """Split the jobs into lists of about equally many elements.

    A job is cut where a list is full.
    """
    shares: list[list[Job]] = [[] for _ in range(parts)]
    full = -(-sum(job.theta.size for job in jobs) // parts)
    position = 0
    for job in jobs:
        start = 0
        while start < job.theta.size:
            if start == 0 and job.theta.size <= full - position % full:  # whole, without new views
                shares[position // full].append(job)
                position += job.theta.size
                break
            stop = min(job.theta.size, start + full - position % full)
            cut = slice(start, stop)
            shares[position // full].append(
                Job(job.theta[cut], job.gradient[cut], job.m[cut], job.u[cut], job.scalars)
            )
            position += stop - start
            start = stop
    return shares


def _run_share(jobs: Sequence[Job]) -> None:
    for theta, gradient, m, u, scalars in jobs:
        compile_loop(theta.dtype)(theta, gradient, m, u, *scalars)


def _step(
    theta: Array,
    gradient: Array,
    m: Array,
    u: Array,
    beta1: float,
    complement: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    rate: float,
    floor: float,
    sign: float,
) -> None:
    """Take one step.

    Numba widens a float32 that meets a binary64, and rounds once to store it. The compiler makes a loop of its own
    where `plain` holds: there the multiplication by 1 and the comparison with 0 change nothing, since u > 0.
    """
    plain = sign == 1.0 and floor == 0.0
    for i in range(theta.size):
        x = theta[i]
        g = gradient[i] * 1.0 if plain else gradient[i] * sign
        if weight_decay != 0.0:
            g = g + x * weight_decay
        m[i] = m[i] * beta1 + g * complement
        decayed = u[i] * beta2
        size = abs(g) + eps
        # NaN in either wins, as in numpy.maximum.
        u[i] = size if size > decayed or size != size else decayed  # noqa: PLR0124
        norm = floor if not plain and u[i] < floor else u[i]  # a NaN stays
        theta[i] = x - m[i] / norm * rate


@cache
def compile_loop(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Compile the loop for arrays of `dtype`, or load it from Numba's cache.

    Without a usable cache (the folder is read-only, damaged or full) it is compiled for this process alone:
    a cache is never a reason to fail.
    """
    element = numba.from_dtype(dtype)
    array = numba.types.Array(element, 1, "C")
    read_only = numba.types.Array(element, 1, "C", readonly=True)
    signature = numba.void(array, read_only, array, array, *[numba.float64] * len(StepScalars._fields))
    loop: Callable[..., None]
    try:
        loop = numba.njit(signature, cache=True, **_COMPILER_OPTIONS)(_step)
    except Exception:  # noqa: BLE001 - any failure of the cache; a wrong loop raises again below
        loop = numba.njit(signature, **_COMPILER_OPTIONS)(_step)
    return loop
