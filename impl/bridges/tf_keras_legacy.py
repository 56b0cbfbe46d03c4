"""`tf_keras.optimizers.legacy.Adamax`: Keras before 2.11."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras


class Adamax:
    """An optimizer of TensorFlow's variables."""

    package, dtypes, state_names = "tf_keras", ("float32", "float64"), ("m", "u")

    def __init__(
        self, params: Sequence[Any], lr: Any = 1e-3, betas: Any = (0.9, 0.999), eps: Any = 1e-7
    ) -> None:
        self.params = list(params)
        self.m: Any = None  # until a step is taken
        self.u: Any = None
        self.variables = [tf.Variable(p) for p in self.params]
        self.inner = tf_keras.optimizers.legacy.Adamax(lr, *betas, eps)

    def __call__(self, gradients: Sequence[Any]) -> None:
        self.inner.apply_gradients(
            [(tf.constant(g), v) for g, v in zip(gradients, self.variables, strict=True)]
        )
        for param, variable in zip(self.params, self.variables, strict=True):
            param[...] = variable.numpy()
        self.m = [self.inner.get_slot(v, "m").numpy() for v in self.variables]
        self.u = [self.inner.get_slot(v, "v").numpy() for v in self.variables]
