"""`ztlearn.optimizers.Adamax`: one optimizer for each array."""

from collections.abc import Sequence
from typing import Any

import numpy as np

vars(np).setdefault("int", int)  # which it uses, and NumPy has no more
from ztlearn.optimizers import Adamax as Inner  # noqa: E402


class Adamax:
    """An optimizer for each array; each step is a batch of the first epoch."""

    package, dtypes, state_names = "ztlearn", ("float32", "float64"), ("m", "u")

    def __init__(
        self, params: Sequence[Any], lr: Any = 0.02, betas: Any = (0.9, 0.999), eps: Any = 1e-8
    ) -> None:
        options = {"lr": lr, "beta1": betas[0], "beta2": betas[1], "epsilon": eps}
        self.params = list(params)
        self.steps, self.inner = 0, [Inner(**options) for _ in self.params]

    def __call__(self, gradients: Sequence[Any]) -> None:
        self.steps += 1
        for inner, param, gradient in zip(self.inner, self.params, gradients, strict=True):
            inner.update(param, gradient, 1, self.steps, 1)

    m = property(lambda self: [inner.m for inner in self.inner])
    u = property(lambda self: [inner.u for inner in self.inner])
