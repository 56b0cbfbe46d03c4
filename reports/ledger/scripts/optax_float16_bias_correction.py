"""Optax in float16 on the CPU divides by 0 where 1 - beta1^t is a subnormal."""

import sys

import jax.numpy as jnp
import optax

theta = jnp.full(24, 4312.0, dtype=jnp.float16)
optimizer = optax.adamax(0.002, b1=1 - 2.0**-20, b2=0.7, eps=0.001)
updates, _ = optimizer.update(jnp.full(24, 8.0, dtype=jnp.float16), optimizer.init(theta), theta)
moved = updates.tolist()[0]
print(f"theta moves by {moved!r}, should be -0.002")
if not -0.0021 < moved < -0.0019:
    sys.exit("diverges: m over 1 - beta1 is the gradient, and came out infinite")
