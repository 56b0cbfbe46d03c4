"""optax.adamax takes any learning rate, betas and eps: it raises nothing."""

import sys

import numpy as np
import optax

accepted = []
for lr, b1, b2, eps in [
    *((lr, 0.9, 0.999, 1e-8) for lr in ("a", None, [1e-3], 1e-3 + 0j, -1.0, -np.inf)),
    *((1e-3, b1, 0.999, 1e-8) for b1 in (-0.1, 1.0, 1.5, np.inf, np.nan)),
    *((1e-3, 0.9, b2, 1e-8) for b2 in (-0.1, 1.0, 1.5, np.inf, np.nan)),
    *((1e-3, 0.9, 0.999, eps) for eps in (-1.0, -1e-8, -np.inf)),
]:
    optax.adamax(lr, b1, b2, eps)
    accepted.append((lr, b1, b2, eps))
sys.exit(f"diverges: accepted are {accepted}")
