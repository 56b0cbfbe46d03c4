"""A hundred steps against a reference in double precision, by `numpy.allclose`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.methods.reference import ForLoop
from adamax_conformance.tests.meta.methods.running import (
    CONFIGURATIONS,
    count_exceptions,
    describe,
    draw,
    run,
)

STEPS: Final = 100


@count_exceptions
def judge(factory: type[Any], dtype: str) -> str | None:
    """Name the first configuration in which theta is off at the end."""
    thetas, gradients = draw(dtype, STEPS)
    exact = [theta.astype(np.float64) for theta in thetas]
    for options in CONFIGURATIONS:
        *_, actual = run(factory, thetas, lambda step, _: gradients[step], STEPS, options)
        *_, wanted = run(ForLoop, exact, lambda step, _: gradients[step], STEPS, options)
        if not all(map(np.allclose, actual.theta, wanted.theta)):
            return describe(STEPS, options)
    return None


METHOD = Method(
    "hundred-steps",
    "a hundred steps, `numpy.allclose`",
    "whether a training run ends where it should, nearly",
    judge,
)
