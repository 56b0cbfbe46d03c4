"""The contestants: our step, PyTorch's, NumPy's, and a loop over the same bytes.

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
        LOOP: pytorch(*state, foreach=False),
        FOREACH: pytorch(*state, foreach=True),
        PLAIN: plain(*state),
    }


def plain(thetas, gradients, moments, norms) -> Step:
    """The formula as one writes it in NumPy, one expression after the other."""
    counter = count(1)

    def step() -> None:
        rate = 2e-3 / (1 - 0.9 ** next(counter))
        for theta, g, m, u in zip(thetas, gradients, moments, norms, strict=True):
            m[...] = 0.9 * m + (1 - 0.9) * g
            u[...] = np.maximum(0.999 * u, np.abs(g) + 1e-8)
            theta[...] = theta - rate * m / u

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


def same_bytes(thetas, gradients, moments, norms) -> Step:
    """The ceiling: read theta, g, m, u and write theta, m, u, with one addition each.

    All threads take part. Many arrays are one here. The additions are taken back at every other step.
    """
    arrays = [
        group[0] if len(group) == 1 else np.concatenate(group)
        for group in (thetas, gradients, moments, norms)
    ]
    bounds = np.linspace(0, arrays[0].size, THREADS + 1, dtype=int)
    parts = [[a[i:j] for a in arrays] for i, j in pairwise(bounds)]
    pool = ThreadPoolExecutor(THREADS)
    sign = [arrays[0].dtype.type(1)]

    def step() -> None:
        sign[0] = -sign[0]
        if arrays[0].size < THREADS * 2**17:
            _move(*arrays, sign[0])
        else:
            list(pool.map(lambda part: _move(*part, sign[0]), parts))

    return step
