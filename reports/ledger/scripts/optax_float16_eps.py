"""optax.adamax: eps=1e-8 is 0 in float16, and 0/0 is NaN."""

import sys

import jax.numpy as jnp
import optax

theta = jnp.full(1, 1.5, dtype=jnp.float16)
optimizer = optax.adamax(0.1)
updates, _ = optimizer.update(0 * theta, optimizer.init(theta), theta)
after = float(optax.apply_updates(theta, updates)[0])
print(f"theta = {after}")
if after != 1.5:
    sys.exit("diverges: a zero gradient from a zero state must leave theta alone")
