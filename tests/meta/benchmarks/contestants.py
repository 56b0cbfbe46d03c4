"""The contestants: our step, PyTorch's, NumPy's, and loops over the same bytes.

All of them work on the same arrays of theta, gradient, m and u, so that the largest sizes fit in memory and
none has warmer caches than another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise

import numba
import numpy as np
import torch
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax.kernel_numba import _CONFIG

THREADS = _CONFIG.NUMBA_NUM_THREADS

Step = Callable[[], object]

OURS = "ours"
CEILING = "same bytes"
ROUNDINGS = "same roundings"
LOOP = "torch loop"
FOREACH = "torch foreach"
PLAIN = "plain NumPy"


def contestants(dtype: np.dtype, sizes: Sequence[int]) -> dict[str, Step]:
    """A step of each contestant over one-dimensional arrays of these sizes."""
    rng = np.random.default_rng(1)
    thetas = [rng.random(size, dtype) for size in sizes]
    gradients = tuple(rng.random(size, dtype) for size in sizes)
    for gradient in gradients:
        np.subtract(gradient, 0.5, out=gradient)
    optimizer = Adamax(thetas)
    state = (thetas, gradients, optimizer.exp_avg, optimizer.exp_inf)
    for array in optimizer.exp_avg + optimizer.exp_inf:
        array.fill(0)  # so that every page is there before anyone is measured
    return {
        OURS: lambda: optimizer(gradients),
        CEILING: same_bytes(*state),
        ROUNDINGS: same_roundings(*state),
        LOOP: pytorch(*state, foreach=False),
        FOREACH: pytorch(*state, foreach=True),
        PLAIN: plain(*state),
    }


def plain(thetas, gradients, moments, norms) -> Step:
    """The formula in NumPy, written for speed.

    In the arrays' own precision, in place, with one buffer.
    """
    buffer = np.empty(max(theta.size for theta in thetas), thetas[0].dtype)
    buffers = [buffer[: theta.size] for theta in thetas]
    counter = count(1)

    def step() -> None:
        rate = 2e-3 / (1 - 0.9 ** next(counter))
        for theta, g, m, u, x in zip(thetas, gradients, moments, norms, buffers, strict=True):
            np.multiply(m, 0.9, out=m)
            np.multiply(g, 1 - 0.9, out=x)
            np.add(m, x, out=m)
            np.multiply(u, 0.999, out=u)
            np.abs(g, out=x)
            np.add(x, 1e-8, out=x)
            np.maximum(u, x, out=u)
            np.divide(m, u, out=x)
            np.multiply(x, rate, out=x)
            np.subtract(theta, x, out=theta)

    return step


def pytorch(thetas, gradients, moments, norms, *, foreach: bool) -> Step:
    """torch.optim.Adamax over the memory of the arrays."""
    torch.set_num_threads(THREADS)
    parameters = [torch.nn.Parameter(torch.from_numpy(theta)) for theta in thetas]
    optimizer = torch.optim.Adamax(parameters, foreach=foreach)
    for parameter, g, m, u in zip(parameters, gradients, moments, norms, strict=True):
        parameter.grad = torch.from_numpy(g)
        optimizer.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.from_numpy(m),
            "exp_inf": torch.from_numpy(u),
        }
    return optimizer.step


@numba.njit(nogil=True)
def _move(theta, g, m, u, sign):
    for i in range(theta.size):
        x = sign * g[i]
        theta[i] += x
        m[i] += x
        u[i] += x


@numba.njit(nogil=True)
def _convert(theta, g, m, u, sign):
    nothing = sign - sign
    for i in range(theta.size):
        x = sign * g[i]
        m[i] = m[i] + x
        u[i] = u[i] + x
        theta[i] = theta[i] + x + (m[i] - u[i]) * nothing


def same_bytes(thetas, gradients, moments, norms) -> Step:
    """The ceiling of memory: read theta, g, m, u and write theta, m, u.

    Each is written with one addition.
    """
    return _loop(_move, thetas[0].dtype.type, thetas, gradients, moments, norms)


def same_roundings(thetas, gradients, moments, norms) -> Step:
    """The ceiling of arithmetic in binary64, rounded as documented.

    The same bytes, but each sum is formed in binary64 and rounded, and m and u are widened again for theta.
    """
    return _loop(_convert, np.float64, thetas, gradients, moments, norms)


def _loop(loop, number, thetas, gradients, moments, norms) -> Step:
    """A step of a loop.

    All threads take part. Many arrays are one here. The additions are taken back at every other step.
    """
    arrays = [
        group[0] if len(group) == 1 else np.concatenate(group)
        for group in (thetas, gradients, moments, norms)
    ]
    bounds = np.linspace(0, arrays[0].size, THREADS + 1, dtype=int)
    parts = [[a[i:j] for a in arrays] for i, j in pairwise(bounds)]
    pool = ThreadPoolExecutor(THREADS)
    sign = [number(1)]

    def step() -> None:
        sign[0] = -sign[0]
        if arrays[0].size < THREADS * 2**17:
            loop(*arrays, sign[0])
        else:
            list(pool.map(lambda part: loop(*part, sign[0]), parts))

    return step
