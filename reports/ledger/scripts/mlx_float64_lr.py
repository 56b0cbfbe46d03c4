"""mlx.optimizers.Adamax keeps lr in float32, for float64 parameters, too."""

import sys

import mlx.core as mx
from mlx import optimizers

mx.set_default_device(mx.cpu)
optimizer = optimizers.Adamax(0.1, betas=(0.0, 0.0), eps=0.0)
one = mx.array([1.0], dtype=mx.float64)
theta = optimizer.apply_gradients({"theta": one}, {"theta": 0 * one})["theta"].item()
print(f"theta = {theta!r}, should be -0.1")
if theta != -0.1:
    sys.exit("diverges: the step is 0.1 rounded to float32")
