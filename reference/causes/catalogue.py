"""The catalogue of causes: every known deviation, and how two compose."""

from __future__ import annotations

from typing import Final

from .books import BOOKS
from .formula import FORMULA
from .gradient import GRADIENT
from .machine import Machine

CATALOGUE: Final[tuple[type[Machine], ...]] = tuple(
    kind for kind in (*FORMULA, *BOOKS, *GRADIENT) if kind.slug
)
"""Every deviation. Two with one slug are the same cause, evaluated differently."""


def composed(first: type[Machine], second: type[Machine]) -> type[Machine]:
    """Both deviations at once; where both change one part, the first wins."""
    attributes = {
        "slug": f"{first.slug}+{second.slug}",
        "sentence": f"{first.sentence}; and {second.sentence}",
        "documented": first.documented
        if first.documented == second.documented
        else f"{first.documented}; {second.documented}",
        "line": f"{first.line}; {second.line}",
        "computes_in": first.computes_in or second.computes_in,
        "needs_process": first.needs_process or second.needs_process,
        "moves_refused": first.moves_refused or second.moves_refused,
        "narrows": first.narrows or second.narrows,
    }
    return type(f"{first.__name__}And{second.__name__}", (first, second), attributes)
