"""The kinds of bugs that lives are to catch, with the checks that ask for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adamax_conformance.tests.conformance.cases.lives import Theme

_DRAWN: Final = tuple(f"lives/drawn-{theme.value}" for theme in Theme)


def _contexts(*names: str) -> tuple[str, ...]:
    return tuple(f"lives/{name}" for name in names)


ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "shape": (*_contexts("sizes", "memory-orders", "0-d", "empty"), *_DRAWN),
    "size": (*_contexts("sizes", "empty", "precision"), "lives/drawn-memory", "lives/drawn-everything"),
    "number": (*_contexts("numbers", "sizes", "groups"), *_DRAWN),
    "memory": (
        *_contexts(
            "memory-orders",
            "broadcast-gradient",
            "shared-gradient",
            "aliased-gradient",
            "gradient-kept",
            "sizes",
        ),
        *_DRAWN,
    ),
    "identity": (*_contexts("neighbours", "groups", "numbers"), *_DRAWN),
    "input": (
        *_contexts(
            "generator",
            "params-kept",
            "mixed-dtypes",
            "dtypes",
            "gradient-dtype",
            "absent-gradient",
            "add-group",
        ),
        *_DRAWN,
    ),
    "counter": (*_contexts("counters", "absent-gradient", "refused-step", "add-group"), *_DRAWN),
    "option": (*_contexts("set-lr", "int-lr", "array-lr", "set-options", "numbers"), *_DRAWN),
    "domain": (*_contexts("counters", "precision"), *_DRAWN),
    "checkpoint": (
        *_contexts("checkpoint-kept", "load-fresh", "load-used", "deepcopy", "pickle", "refused-step"),
        *_DRAWN,
    ),
    "context": (*_contexts("nan", "infinity", "subnormal", "special"), *_DRAWN),
    "place": (*_contexts("precision", "sizes"), *_DRAWN),
    "hidden": (*_contexts("hidden", "set-lr", "numbers"), *_DRAWN),
}
"""For each kind, the checks of lives that have its context: probes, pinned lives, and drawn ones."""
