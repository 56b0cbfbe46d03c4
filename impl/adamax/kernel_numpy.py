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

_BLOCK: Final = 1 << 14
"""Elements: the four buffers of a block take 512 KiB, which a second-level cache holds."""


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
    with np.errstate(all="ignore"):  # special values follow IEEE 754 and need no warning
        for job in jobs:
            theta, gradient, m, u, scalars = job
            step = _step_binary64 if theta.itemsize == 8 else _step_binary32
            size = theta.size
            buffers = [np.empty(min(size, _BLOCK)) for _ in range(4)]
            if size <= _BLOCK:
                step(theta, gradient, m, u, scalars, *buffers)
                continue
            for start in range(0, size, _BLOCK):
                block = slice(start, start + _BLOCK)
                left = buffers if size - start >= _BLOCK else [buffer[: size - start] for buffer in buffers]
                step(theta[block], gradient[block], m[block], u[block], scalars, *left)


# What multiplies by 1 or compares with a floor of 0 changes nothing, since u > 0, and is left out.


def _step_binary64(
    theta: Array, gradient: Array, m: Array, u: Array, s: StepScalars, a: Array, b: Array, g: Array, _: Array
) -> None:
    """Take one step of one block of float64 with buffers a, b, g."""
    if s.sign != 1:
        gradient = np.multiply(gradient, s.sign, out=g)
    if s.weight_decay != 0:
        np.multiply(theta, s.weight_decay, out=a)
        gradient = np.add(gradient, a, out=g)
    np.multiply(m, s.beta1, out=m)
    np.multiply(gradient, s.complement, out=a)
    np.add(m, a, out=m)
    np.multiply(u, s.beta2, out=u)
    np.abs(gradient, out=b)
    np.add(b, s.eps, out=b)
    np.maximum(u, b, out=u)
    np.divide(m, u if s.floor == 0 else np.maximum(u, s.floor, out=b), out=a)
    np.multiply(a, s.rate, out=a)
    np.subtract(theta, a, out=theta)


def _step_binary32(
    theta: Array, gradient: Array, m: Array, u: Array, s: StepScalars, a: Array, b: Array, g: Array, x: Array
) -> None:
    """Take one step of one block of float32 with buffers a, b, g, x."""
    g[...] = gradient
    x[...] = theta
    if s.sign != 1:
        np.multiply(g, s.sign, out=g)
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
    if s.floor != 0:
        np.maximum(b, s.floor, out=b)
    np.divide(a, b, out=a)
    np.multiply(a, s.rate, out=a)
    np.subtract(x, a, out=x)
    theta[...] = x
