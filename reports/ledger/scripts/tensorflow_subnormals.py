"""TensorFlow on the CPU flushes subnormal numbers: m is 0 instead of 2^-127."""

import sys

import tensorflow as tf

var, m, v = (tf.Variable([0.0]) for _ in range(3))
scalars = dict.fromkeys(("beta1_power", "lr", "beta1", "beta2", "epsilon"), tf.constant(0.5))
handles = {"var": var.handle, "m": m.handle, "v": v.handle}
tf.raw_ops.ResourceApplyAdaMax(**handles, **scalars, grad=tf.constant([2.0**-126]))
value = float(m.numpy()[0])
print(f"m = {value!r}, should be {2.0**-127!r}")
if value != 2.0**-127:
    sys.exit("diverges: half of the smallest normal number is a number of float32, and came out as 0")
