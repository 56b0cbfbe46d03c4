"""The float64 state of mlx.optimizers.Adamax cannot be saved as documented."""

import sys

import mlx.core as mx
from mlx import optimizers
from mlx.utils import tree_flatten

mx.set_default_device(mx.cpu)
optimizer = optimizers.Adamax(0.1)
one = mx.array([1.0], dtype=mx.float64)
optimizer.apply_gradients({"theta": one}, {"theta": one})
try:
    mx.save_safetensors("optimizer.safetensors", dict(tree_flatten(optimizer.state)))
except RuntimeError as error:
    sys.exit(f"diverges: {error}")
