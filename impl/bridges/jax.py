"""`jax.example_libraries.optimizers.adamax`, which is three functions."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.example_libraries import optimizers

jax.config.update("jax_enable_x64", True)  # for float64


class Adamax:
    """The three functions as a class; the default lr is the page's, for there is none."""

    package, dtypes, state_names = "jax", ("float32", "float64"), ("m", "u")

    def __init__(
        self, params: Sequence[Any], lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: Any = 1e-8
    ) -> None:
        make, self.update, _ = optimizers.adamax(lr, *betas, eps)
        self.params = list(params)
        self.steps, self.state = 0, make([jnp.array(p) for p in self.params])

    def __call__(self, gradients: Sequence[Any]) -> None:
        self.state = self.update(
            jnp.array(self.steps),
            [jnp.reshape(g, p.shape) for g, p in zip(gradients, self.params, strict=True)],
            self.state,
        )
        self.steps += 1
        for param, (theta, _, _) in zip(self.params, self.state.packed_state, strict=True):
            param[...] = theta

    m = property(lambda self: [np.array(m) for _, m, _ in self.state.packed_state])
    u = property(lambda self: [np.array(u) for _, _, u in self.state.packed_state])
