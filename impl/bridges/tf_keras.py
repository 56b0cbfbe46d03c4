"""`tf_keras.optimizers.Adamax`: Keras 2, from 2.11 on."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras


class Adamax:
    """An optimizer of TensorFlow's variables."""

    package, dtypes, state_names = "tf_keras", ("float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 1e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-7,
        weight_decay: Any = None,
    ) -> None:
        self.params = list(params)
        self.variables = [tf.Variable(p) for p in self.params]
        self.inner = tf_keras.optimizers.Adamax(lr, *betas, eps, weight_decay=weight_decay)

    def __call__(self, gradients: Sequence[Any]) -> None:
        self.inner.apply_gradients(
            [(tf.constant(g), v) for g, v in zip(gradients, self.variables, strict=True)]
        )
        for param, variable in zip(self.params, self.variables, strict=True):
            param[...] = variable.numpy()

    m = property(lambda self: [each.numpy() for each in self.inner._m])
    u = property(lambda self: [each.numpy() for each in self.inner._u])
