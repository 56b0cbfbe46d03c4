"""`npnet.optimizers.AdaMax`: NumPy arrays in dicts of layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from npnet.optimizers import AdaMax


class Adamax:
    """An optimizer of one layer."""

    package, dtypes, state_names = "npnet", ("float16", "float32", "float64"), ("m", "u")

    def __init__(
        self, params: Sequence[Any], lr: Any = 0.01, betas: Any = (0.9, 0.999), eps: Any = 1e-8
    ) -> None:
        params = list(params)
        layer = {
            "vars": dict(enumerate(params)),
            "grads": {i: np.zeros_like(p) for i, p in enumerate(params)},
        }
        self.inner = AdaMax({"layer": layer}, lr, betas, eps)

    def __call__(self, gradients: Sequence[Any]) -> None:
        for own, gradient in zip(self.inner.grads, gradients, strict=True):
            own[...] = gradient
        self.inner.step()

    m = property(lambda self: self.inner._m)
    u = property(lambda self: self.inner._v)
