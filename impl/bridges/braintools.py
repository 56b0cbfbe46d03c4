"""`braintools.optim.Adamax`: Optax's transformation over states of brainstate."""

from collections.abc import Sequence
from typing import Any

import brainstate
import braintools
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)  # for float64


class Adamax:
    """An optimizer whose states are named by the parameter's number."""

    package, dtypes, state_names = "braintools", ("float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 2e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0.0,
    ) -> None:
        self.params = list(params)
        self.m: Any = None  # until a step is taken
        self.u: Any = None
        self.inner = braintools.optim.Adamax(lr, betas, eps, weight_decay)
        self.states = {str(i): brainstate.ParamState(jnp.array(p)) for i, p in enumerate(self.params)}
        self.inner.register_trainable_weights(self.states)

    def __call__(self, gradients: Sequence[Any]) -> None:
        pairs = zip(gradients, self.params, strict=True)
        self.inner.update({str(i): jnp.reshape(g, p.shape) for i, (g, p) in enumerate(pairs)})
        for i, param in enumerate(self.params):
            param[...] = self.states[str(i)].value
        found = next(each for each in self.inner.opt_state.value if hasattr(each, "nu"))
        self.m = [np.array(found.mu[str(i)]) for i in range(len(self.params))]
        self.u = [np.array(found.nu[str(i)]) for i in range(len(self.params))]
