"""optax.adamaxw takes the decay from theta, and takes a negative one, too."""

import sys

import numpy as np
import optax

theta = np.array([1.0], dtype=np.float32)
optax.adamaxw(0.5, weight_decay=-1.0)  # raises nothing
optimizer = optax.adamaxw(0.5, weight_decay=0.5)
updates, _ = optimizer.update(0 * theta + 1, optimizer.init(theta), theta)
after = float(optax.apply_updates(theta, updates)[0])
print(f"theta = {after}; with the decay added to the gradient 0.5, and apart from it 0.25")
if after < 0.4:
    sys.exit("diverges: lr*weight_decay*theta is taken from theta, apart from the gradient")
