"""tf.raw_ops.ResourceApplyAdaMax adds epsilon to v, as documented, not to |g|."""

import sys

import tensorflow as tf

var, m, v = (tf.Variable([0.0]) for _ in range(3))
scalars = {"beta1_power": 0.5, "lr": 1.0, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0}
for power, grad in ((0.5, 4.0), (0.25, 2.0)):
    tf.raw_ops.ResourceApplyAdaMax(
        var=var.handle,
        m=m.handle,
        v=v.handle,
        grad=tf.constant([grad]),
        **{k: tf.constant(x) for k, x in {**scalars, "beta1_power": power}.items()},
    )
print(f"v = {v.numpy()[0]}; with eps added to |g| it is max(0.5*5, 2 + 1) = 3, and without 2")
if v.numpy()[0] != 3:
    sys.exit("diverges: v has no epsilon in it")
