"""Small training runs that are recorded, for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record


def gradients(rng, shapes, dtype):
    """Gradients, a tenth of them exactly 0, as dead units have them."""
    return tuple((rng.standard_normal(shape) * (rng.random(shape) > 0.1)).astype(dtype) for shape in shapes)


def ours(
    folder: Path,
    *,
    steps: int = 4,
    shapes=((7, 5), (3,), ()),
    dtype=np.float32,
    every: int = 1,
    between=lambda _t, _thetas: None,
    **options,
):
    """Record a run of our Adamax with a schedule and two groups; return the thetas."""
    rng = np.random.default_rng(8)
    thetas = [np.array(rng.standard_normal(shape), dtype) for shape in shapes]
    groups = [{"params": thetas[:1], "weight_decay": 0.01}, {"params": thetas[1:]}]
    optimizer = Adamax(groups, **{"lr": lambda t: 0.1 / t, **options})
    with record(optimizer, folder, every):
        for t in range(1, steps + 1):
            optimizer(gradients(rng, shapes, dtype))
            between(t, thetas)
    return thetas
