"""tf.raw_ops.ResourceApplyAdaMax: epsilon=1e-8 is 0 in float16, 0/0 is NaN."""

import sys

import tensorflow as tf

var, m, v = (tf.Variable(tf.constant([x], tf.float16)) for x in (1.5, 0.0, 0.0))
scalars = {"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
tf.raw_ops.ResourceApplyAdaMax(
    var=var.handle,
    m=m.handle,
    v=v.handle,
    grad=tf.constant([0.0], tf.float16),
    **{name: tf.constant(value, tf.float16) for name, value in scalars.items()},
)
print(f"var = {var.numpy()}")
if var.numpy()[0] != 1.5:
    sys.exit("diverges: a zero gradient from a zero state must leave var alone")
