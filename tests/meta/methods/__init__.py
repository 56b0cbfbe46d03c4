"""Methods to test an optimizer, each as it is published."""

from __future__ import annotations

from typing import Final

from adamax_conformance.tests.meta.methods import (
    dual_delta,
    hundred_steps,
    one_step,
    other_framework,
    seven_steps,
    suite,
)
from adamax_conformance.tests.meta.methods.method import Method

METHODS: Final[tuple[Method, ...]] = (
    one_step.METHOD,
    seven_steps.METHOD,
    hundred_steps.METHOD,
    other_framework.METHOD,
    dual_delta.METHOD,
    suite.METHOD,
)
