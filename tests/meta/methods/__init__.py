"""Methods to test an optimizer, each as it is published."""

from __future__ import annotations

from typing import Final

from adamax_conformance.tests.meta.methods import suite
from adamax_conformance.tests.meta.methods.method import Method

METHODS: Final[tuple[Method, ...]] = (suite.METHOD,)
