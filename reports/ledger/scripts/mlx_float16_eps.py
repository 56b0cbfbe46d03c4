"""mlx.optimizers.Adamax: eps=1e-8 is 0 in float16, and 0/0 is NaN."""

import sys

import mlx.core as mx
from mlx import optimizers

theta = mx.array([1.5], dtype=mx.float16)
after = optimizers.Adamax(2e-3).apply_gradients({"theta": 0 * theta}, {"theta": theta})["theta"]
print(after)
if after.item() != 1.5:
    sys.exit("diverges: a zero gradient from a zero state must leave theta alone")
