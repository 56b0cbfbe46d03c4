"""Seven steps next to a slower path in one format, as PyTorch tests `foreach`.

`_test_derived_optimizers` of PyTorch's `test/test_optim.py` trains a small network with both paths, and compares the
parameters and the state after each step. The step that it takes without any gradient is left out, since this
interface always has one. The tolerances are the defaults of `torch.testing.assert_close`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.methods.reference import Array, ForLoop
from adamax_conformance.tests.meta.methods.running import CONFIGURATIONS, count_exceptions, describe, run

STEPS: Final = 7
TOLERANCES: Final = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
"""The default rtol and atol of `torch.testing.assert_close`."""
SHAPES: Final = ((3, 2), (3,), (1, 3), (1,))
"""The weights and biases of two layers."""


def draw_network(dtype: str) -> list[Array]:
    """Weights and biases, uniform within the root of one over the number of inputs."""
    random = np.random.default_rng(1)
    bounds = (2**-0.5, 2**-0.5, 3**-0.5, 3**-0.5)
    return [
        random.uniform(-bound, bound, shape).astype(dtype)
        for bound, shape in zip(bounds, SHAPES, strict=True)
    ]


def differentiate(params: Sequence[Array]) -> tuple[Array, ...]:
    """The gradient of the sum of outputs of two sigmoid layers on three inputs."""
    inner, inner_bias, outer, outer_bias = params
    inputs = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], inner.dtype)
    hidden = 1 / (1 + np.exp(-(inputs @ inner.T + inner_bias)))
    output = 1 / (1 + np.exp(-(hidden @ outer.T + outer_bias)))
    at_output = output * (1 - output)
    at_hidden = (at_output @ outer) * hidden * (1 - hidden)
    return at_hidden.T @ inputs, at_hidden.sum(0), at_output.T @ hidden, at_output.sum(0)


@count_exceptions
def judge(factory: type[Any], dtype: str) -> str | None:
    """Name the first step after which theta, m or u is off."""
    rtol, atol = TOLERANCES[dtype]
    thetas = draw_network(dtype)
    for options in CONFIGURATIONS:
        states = (
            run(each, thetas, lambda _, params: differentiate(params), STEPS, options)
            for each in (factory, ForLoop)
        )
        for step, (actual, wanted) in enumerate(zip(*states, strict=True), 1):
            pairs = [*zip(actual.theta, wanted.theta, strict=True)]
            pairs += zip(actual.m, wanted.m, strict=bool(actual.m))
            pairs += zip(actual.u, wanted.u, strict=bool(actual.u))
            if not all(np.allclose(mine, right, rtol, atol, equal_nan=True) for mine, right in pairs):
                return describe(step, options)
    return None


METHOD = Method(
    "seven-steps",
    "seven steps next to a slower path, `torch.testing.assert_close` (PyTorch)",
    "whether a faster path does the same as a slower one",
    judge,
)
