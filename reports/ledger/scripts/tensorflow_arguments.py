"""tf.raw_ops.ResourceApplyAdaMax takes any number as a hyperparameter."""

import sys

import tensorflow as tf

accepted = []
right = {"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
bad = [("lr", -1.0), ("epsilon", -1.0)]
bad += [(name, x) for name in ("beta1", "beta2") for x in (-1.0, 1.0, 1.5, float("inf"), float("nan"))]
for name, value in bad:
    var, m, v = (tf.Variable([1.0]) for _ in range(3))
    scalars = {k: tf.constant(x) for k, x in {**right, name: value}.items()}
    tf.raw_ops.ResourceApplyAdaMax(var=var.handle, m=m.handle, v=v.handle, grad=tf.constant([1.0]), **scalars)
    accepted.append(f"{name}={value}")
sys.exit(f"diverges: accepted are {', '.join(accepted)}")
