"""One step against a reference in double precision, to within rtol=5e-3."""

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

RTOL: Final = 5e-3


@count_exceptions
def judge(factory: type[Any], dtype: str) -> str | None:
    """Name the first configuration in which theta is off."""
    thetas, gradients = draw(dtype, 1)
    exact = [theta.astype(np.float64) for theta in thetas]
    for options in CONFIGURATIONS:
        (actual,) = run(factory, thetas, lambda step, _: gradients[step], 1, options)
        (wanted,) = run(ForLoop, exact, lambda step, _: gradients[step], 1, options)
        try:
            for mine, right in zip(actual.theta, wanted.theta, strict=True):
                np.testing.assert_allclose(mine, right, rtol=RTOL)
        except AssertionError:
            return describe(1, options)
    return None


METHOD = Method(
    "one-step",
    "one step, `numpy.testing.assert_allclose(rtol=5e-3)`",
    "whether it runs, and steps in the right direction",
    judge,
)
