"""Fifty steps against another framework's result, as optax compares Adam to JAX.

`equivalence_test.py` of optax takes fifty steps of constant gradients with `lr=0.01`, and compares the parameters at
the end with rtol=1e-4. The other framework is `jax.example_libraries.optimizers`: its Adamax has neither decay nor
`maximize`, and divides by u + eps.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.methods.reference import Jax
from adamax_conformance.tests.meta.methods.running import count_exceptions, describe, run

STEPS: Final = 50
RTOL: Final = 1e-4
OPTIONS: Final = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-8}


@count_exceptions
def judge(factory: type[Any], dtype: str) -> str | None:
    """Say whether theta is off at the end."""
    thetas = [np.array(theta, dtype) for theta in ([1.0, 2.0], [3.0, 4.0, 5.0])]
    gradients = [np.array(g, dtype) for g in ([500.0, 5.0], [300.0, 3.0, 1.0])]
    *_, actual = run(factory, thetas, lambda *_: gradients, STEPS, OPTIONS)
    *_, wanted = run(Jax, thetas, lambda *_: gradients, STEPS, OPTIONS)
    pairs = zip(actual.theta, wanted.theta, strict=True)
    if all(np.allclose(mine, theirs, RTOL, 0) for mine, theirs in pairs):
        return None
    return describe(STEPS, OPTIONS)


METHOD = Method(
    "other-framework",
    "fifty steps against another framework's result, `rtol=1e-4` (optax)",
    "whether two frameworks agree on a run",
    judge,
)
