"""The kernel with Numba: one step at the speed of memory.

One fused loop that reads theta, g, m, u and writes theta, m, u: 28 bytes an element in float32, 56 in
float64. It performs the operations of `kernel_numpy` in the same order, without fast-math and so without
contraction, and gives the same bits, whatever the split of the elements over threads.

The threads are Python's own, and the loop releases the interpreter's lock: Numba's parallel loops take
seconds to compile, and some of its threading layers abort when two threads call them, or after a fork.

Importing this module imports Numba (the `fast` extra).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final

import numba
import numpy as np

from .arrays import Array
from .kernel_numpy import Job
from .step_scalars import StepScalars

_SHARE: Final = 1 << 16
"""The fewest elements of a thread; for fewer, waking it takes longer than their arithmetic."""

_CONFIG: Final[Any] = numba.config

_COMPILER_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def run_jobs(jobs: Sequence[Job], threads: int = _CONFIG.NUMBA_NUM_THREADS) -> None:
    """Take one step of every job.

    Args:
        jobs: as for `kernel_numpy.run_jobs`.
        threads: how many to use at most; by default NUMBA_NUM_THREADS, or every core that the process may
            use.
    """
    elements = 0
    for job in jobs:
        elements += job[0].size
    if elements < 2 * _SHARE or threads == 1:
        for theta, gradient, m, u, scalars in jobs:
            compile_loop(theta.dtype)(theta, gradient, m, u, *scalars)
        return
    for dtype in {job.theta.dtype for job in jobs}:
        compile_loop(dtype)  # here, so that no two threads compile the same
    own, *others = _split_jobs(jobs, min(threads, elements // _SHARE))
    _start_workers(threads - 1)
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    for share in others:
        _shares.put((share, done))
    try:
        _run_share(own)
    finally:
        errors = [done.get() for _ in others]
    for error in errors:
        if error is not None:
            raise error


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


_shares: SimpleQueue[tuple[Sequence[Job], SimpleQueue[BaseException | None]]] = SimpleQueue()
"""Shares for the workers, each with the queue that gets its error, or None."""

_workers: list[Thread] = []

_workers_lock = Lock()


def _start_workers(number: int) -> None:
    """Start workers until there are so many; they live as long as the process.

    A thread pool's futures take twice as long to hand a share over.
    """
    if len(_workers) < number:
        with _workers_lock:
            while len(_workers) < number:
                worker = Thread(target=_work, args=(_shares,), name=f"adamax-{len(_workers)}", daemon=True)
                worker.start()
                _workers.append(worker)


def _work(shares: SimpleQueue[tuple[Sequence[Job], SimpleQueue[BaseException | None]]]) -> None:
    while True:
        share, done = shares.get()
        try:
            _run_share(share)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            done.put(error)
        else:
            done.put(None)
        del share, done  # while it waits, it holds no array


def _forget_workers() -> None:
    """Begin again in the child of a fork, which has none of the threads."""
    global _shares, _workers_lock
    _shares, _workers_lock = SimpleQueue(), Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


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
