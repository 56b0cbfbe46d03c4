"""Until 0.32.0, the state of an empty parameter of MLX cannot be saved."""

import sys

import mlx.core as mx
from mlx import optimizers
from mlx.utils import tree_flatten

optimizer = optimizers.Adamax(0.1)
empty = mx.zeros((0,))
optimizer.apply_gradients({"theta": empty}, {"theta": empty})
try:
    mx.save_safetensors("optimizer.safetensors", dict(tree_flatten(optimizer.state)))
except ValueError as error:
    sys.exit(f"diverges: {error}")
