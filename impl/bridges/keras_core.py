"""`keras_core.optimizers.Adamax`: the preview of Keras 3, over TensorFlow."""

from collections.abc import Sequence
from typing import Any

import keras_core


class Adamax:
    """An optimizer of Keras variables."""

    package, dtypes, state_names = "keras-core", ("float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 1e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-7,
        weight_decay: Any = None,
    ) -> None:
        self.params = list(params)
        self.variables = [keras_core.Variable(p, dtype=p.dtype.name) for p in self.params]
        self.inner = keras_core.optimizers.Adamax(lr, *betas, eps, weight_decay=weight_decay)
        self.inner.build(self.variables)

    def __call__(self, gradients: Sequence[Any]) -> None:
        self.inner.apply(list(map(keras_core.ops.convert_to_tensor, gradients)))
        for param, variable in zip(self.params, self.variables, strict=True):
            param[...] = variable.numpy()

    m = property(lambda self: [each.numpy() for each in self.inner._m])
    u = property(lambda self: [each.numpy() for each in self.inner._u])
