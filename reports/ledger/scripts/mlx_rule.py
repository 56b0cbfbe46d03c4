"""mlx.optimizers.Adamax corrects no bias, adds eps to u, as documented."""

import sys

import mlx.core as mx
from mlx import optimizers

optimizer = optimizers.Adamax(1.0, betas=(0.5, 0.5), eps=1.0)
theta = optimizer.apply_gradients({"theta": mx.array([1.0])}, {"theta": mx.array([0.0])})["theta"].item()
print(f"theta = {theta}; m / ((1 - beta1) * (|g| + eps)) = 0.5 / (0.5 * 2) makes it -0.5")
if theta != -0.5:
    sys.exit("diverges: it is m / (|g| + eps), without bias correction")
