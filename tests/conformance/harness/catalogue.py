"""Every check of the suite, read from the tests that decide them."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Final

from adamax_conformance.tests import conformance
from adamax_conformance.tests.conformance.harness.check import calls_of

LAYERS: Final = (
    "contract",
    "rule",
    "value",
    "relations",
    "bookkeeping",
    "schedulers",
    "special",
    "lives",
    "framework",
    "golden",
)
"""The first parts of the ids, in the order in which the checks run: a divergence that one layer reports, the next
does not report again. The tests of a layer are in the module `test_<layer>`."""

SOONEST: Final = (
    "contract",
    "rule",
    "special",
    "relations",
    "bookkeeping",
    "lives",
    "framework",
    "value",
    "schedulers",
    "golden",
)
"""The same, the fastest first, for a run that ends at the first divergence."""

_MODULES: Final = {m.name for m in pkgutil.iter_modules(conformance.__path__) if m.name.startswith("test_")}
assert sorted(SOONEST) == sorted(LAYERS)
assert {f"test_{layer}" for layer in LAYERS} == _MODULES, "every test_*.py of the suite needs a layer"


def tests_of(layer: str) -> Iterator[Callable[..., None]]:
    """The tests of a layer, in the order of their module."""
    module = import_module(f"{conformance.__name__}.test_{layer}")
    for name, test in vars(module).items():
        if name.startswith("test_"):
            yield test


_ALL: Final = [
    (layer, check)
    for layer in LAYERS
    for test in tests_of(layer)
    for call in calls_of(test)
    for check in call.checks
]
CHECKS: Final = {check.id: check for _, check in _ALL}
"""Each check by its id."""
assert len(CHECKS) == len(_ALL)
assert all(check.layer == layer for layer, check in _ALL)
