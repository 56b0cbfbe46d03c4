"""`pyensmallen.AdaMax`: ensmallen's C++, over one vector of float64."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyensmallen


class Adamax:
    """An optimizer that runs for one iteration in each step, and hides its state."""

    package, dtypes = "pyensmallen", ("float64",)

    def __init__(
        self, params: Sequence[Any], lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: Any = 1e-8
    ) -> None:
        self.params = list(params)
        self.inner = pyensmallen.AdaMax(lr, 1, *betas, eps, 1, -1.0, False, False, False)

    def __call__(self, gradients: Sequence[Any]) -> None:
        gradient = np.concatenate([g.ravel() for g in gradients])

        def objective(_: Any, into: Any) -> float:
            into[...] = gradient
            return 0.0

        theta = self.inner.optimize(objective, np.concatenate([p.ravel() for p in self.params]))
        stops = np.cumsum([p.size for p in self.params])[:-1]
        for param, part in zip(self.params, np.split(theta, stops), strict=True):
            param[...] = part.reshape(param.shape)
