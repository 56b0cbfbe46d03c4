"""JAX on the CPU flushes subnormal numbers: m is 0 instead of 2^-127."""

import sys

import jax.numpy as jnp
import optax

theta = jnp.zeros(1, dtype=jnp.float32)
optimizer = optax.adamax(0.1, b1=0.5)
_, (state, _) = optimizer.update(jnp.full(1, 2.0**-126, dtype=jnp.float32), optimizer.init(theta), theta)
m = state.mu.tolist()[0]
print(f"m = {m!r}, should be {2.0**-127!r}")
if m != 2.0**-127:
    sys.exit("diverges: half of the smallest normal number is a number of float32, and came out as 0")
