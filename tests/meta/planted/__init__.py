"""Planted bugs, which the suite must catch, and faithful variants.

The suite must not accuse a faithful variant.

Each is a class with the factory interface of a subject, over the plain right `Adamax` of `base`.
"""

from __future__ import annotations

from typing import Final

from adamax_conformance.tests.meta.planted import (
    bugs_bookkeeping,
    bugs_contract,
    bugs_formula,
    bugs_layout,
    bugs_lives,
    bugs_places,
    bugs_precision,
    bugs_scale,
    bugs_side_effects,
    bugs_special,
    faithful,
)
from adamax_conformance.tests.meta.planted.base import Adamax

BUGS: Final[tuple[type[Adamax], ...]] = (
    *bugs_formula.BUGS,
    *bugs_precision.BUGS,
    *bugs_special.BUGS,
    *bugs_bookkeeping.BUGS,
    *bugs_layout.BUGS,
    *bugs_side_effects.BUGS,
    *bugs_contract.BUGS,
    *bugs_scale.BUGS,
    *bugs_lives.BUGS,
    *bugs_places.BUGS,
)

FAITHFUL: Final = faithful.FAITHFUL
