"""The kernel with NumPy alone.

It computes blocks that stay in the cache, every operation in binary64 with `out=`. float32 is widened first and
rounded once for each of m, u and theta, so m and u are correctly rounded except for a double rounding, and
so is theta from the stored m and u.

This, and its twin in `kernel_numba`, is the one deliberate second copy of the formula in `reference.formula`;
the two perform the same operations in the same order and give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from .arrays import Array
from .step_scalars import StepScalars

_BLOCK: Final = 8192
"""Elements: the four buffers of a block take 256 KiB, which a second-level cache holds."""


class Job(NamedTuple):
    """One stretch of elements that share their scalars.

    A step updates theta, m and u in place.

    Attributes:
        theta: the parameter, 1-d, contiguous, aligned, float32 or float64.
        gradient: likewise, read-only; it shares no memory with the others.
        m: the first moment, likewise.
        u: the infinity norm, likewise.
        scalars: of this step.
    """

    theta: Array
    gradient: Array
    m: Array
    u: Array
    scalars: StepScalars


def run_jobs(jobs: Sequence[Job]) -> None:
    """Take one step of every job."""
    buffers = np.empty((4, min(_BLOCK, max((job.theta.size for job in jobs), default=0))))
    with np.errstate(all="ignore"):  # special values follow IEEE 754 and need no warning
        for theta, gradient, m, u, scalars in jobs:
            for start in range(0, theta.size, _BLOCK):
                block = slice(start, start + _BLOCK)
                _step(Job(theta[block], gradient[block], m[block], u[block], scalars), buffers)


def _step(job: Job, buffers: Array) -> None:
    """Take one step of one block."""
    theta, gradient, m, u, s = job
    x, g, a, b = buffers[:, : theta.size]
    x[...] = theta
    np.multiply(gradient, s.sign, out=g, dtype=np.float64)
    if s.weight_decay != 0:
        np.multiply(x, s.weight_decay, out=a)
        np.add(g, a, out=g)

    a[...] = m
    np.multiply(a, s.beta1, out=a)
    np.multiply(g, s.complement, out=b)
    np.add(a, b, out=a)
    m[...] = a

    b[...] = u
    np.multiply(b, s.beta2, out=b)
    np.abs(g, out=g)
    np.add(g, s.eps, out=g)
    np.maximum(b, g, out=b)
    u[...] = b

    a[...] = m
    b[...] = u
    np.maximum(b, s.floor, out=b)
    np.divide(a, b, out=a)
    np.multiply(a, s.rate, out=a)
    np.subtract(x, a, out=x)
    theta[...] = x
