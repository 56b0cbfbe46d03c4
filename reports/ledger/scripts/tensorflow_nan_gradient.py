"""tf.raw_ops.ResourceApplyAdaMax drops a NaN gradient from v."""

import sys

import tensorflow as tf

var, m, v = (tf.Variable([0.5]) for _ in range(3))
scalars = dict.fromkeys(("beta1_power", "lr", "beta1", "beta2", "epsilon"), tf.constant(0.5))
handles = {"var": var.handle, "m": m.handle, "v": v.handle}
tf.raw_ops.ResourceApplyAdaMax(**handles, **scalars, grad=tf.constant([float("nan")]))
print(f"var = {var.numpy()}, m = {m.numpy()}, v = {v.numpy()}")
if v.numpy()[0] == v.numpy()[0]:
    sys.exit("diverges: max(beta2*v, |NaN|) is NaN")
