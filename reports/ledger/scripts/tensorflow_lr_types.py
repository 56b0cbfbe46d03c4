"""tf.raw_ops.ResourceApplyAdaMax raises TypeError for what is not a tensor."""

import sys

import tensorflow as tf

wrong = []
for lr in ("a", [1e-3], 1e-3 + 0j, tf.constant(1e-3, dtype=tf.float64)):
    one = [tf.Variable([1.0]) for _ in range(3)]
    try:
        scalars = {k: tf.constant(0.5) for k in ("beta1_power", "beta1", "beta2", "epsilon")}
        handles = dict(zip(("var", "m", "v"), (x.handle for x in one), strict=True))
        tf.raw_ops.ResourceApplyAdaMax(**handles, lr=tf.constant(lr, tf.float32), **scalars, grad=tf.ones(1))
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        wrong.append(f"{lr!r}: {type(error).__name__}")
        print(wrong[-1], str(error).splitlines()[0])
sys.exit(f"diverges: {wrong}")
