"""`river.optim.AdaMax`: a dict of Python numbers, so each element is a key."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import river.optim


class Adamax:
    """An optimizer whose keys are the numbers of the elements of all parameters."""

    package, dtypes, state_names = "river", ("float64",), ("m", "u")

    def __init__(
        self, params: Sequence[Any], lr: Any = 0.1, betas: Any = (0.9, 0.999), eps: Any = 1e-8
    ) -> None:
        self.params = list(params)
        self.inner = river.optim.AdaMax(lr, *betas, eps)

    def __call__(self, gradients: Sequence[Any]) -> None:
        pairs = list(zip(self.params, gradients, strict=True))
        theta, gradient = (
            dict(enumerate(np.concatenate([pair[which].ravel() for pair in pairs]).tolist()))
            for which in (0, 1)
        )
        self.inner.step(theta, gradient)
        for param, values in zip(self.params, self.arrays(theta), strict=True):
            param[...] = values

    def arrays(self, state: Any) -> list[Any]:
        """The elements of all keys as arrays."""
        stops = np.cumsum([p.size for p in self.params])
        parts = np.split(np.array([state[key] for key in range(stops[-1])]), stops[:-1])
        return [part.reshape(p.shape) for part, p in zip(parts, self.params, strict=True)]

    m = property(lambda self: self.arrays(self.inner.m))
    u = property(lambda self: self.arrays(self.inner.u))
