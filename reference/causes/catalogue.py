"""The catalogue of causes: every known deviation, and how two compose."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

from ..rules import Ascent, BiasCorrection, Decay, Epsilon, Rule, all_rules
from .books import BOOKS
from .formula import (
    FORMULA,
    CorrectionMissing,
    DecayDecoupled,
    DecayMissing,
    EpsAsMaximum,
    EpsAtDivision,
    EpsMissing,
    EpsOnDecayedNorm,
    MaximizeIgnored,
    MaximizeNegatesDecay,
)
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
        if second.documented in first.documented
        else f"{first.documented}; {second.documented}",
        "line": f"{first.line}; {second.line}",
        "computes_in": first.computes_in or second.computes_in,
        "needs_process": first.needs_process or second.needs_process,
        "moves_refused": first.moves_refused or second.moves_refused,
        "narrows": first.narrows or second.narrows,
    }
    return type(f"{first.__name__}And{second.__name__}", (first, second), attributes)


_OF_PART: Final[dict[Any, type[Machine]]] = {
    Epsilon.IN_DENOMINATOR: EpsAtDivision,
    Epsilon.ON_DECAYED_NORM: EpsOnDecayedNorm,
    Epsilon.FLOOR: EpsAsMaximum,
    Epsilon.NONE: EpsMissing,
    BiasCorrection.NONE: CorrectionMissing,
    Decay.DECOUPLED: DecayDecoupled,
    Decay.NONE: DecayMissing,
    Ascent.NEGATE_AFTER_DECAY: MaximizeNegatesDecay,
    Ascent.NONE: MaximizeIgnored,
}


def of_rule(rule: Rule) -> type[Machine]:
    """The deviations of a rule at once; `Machine` for the documented one."""
    parts = (rule.epsilon, rule.bias_correction, rule.decay, rule.ascent)
    kinds = [_OF_PART[part] for part in parts if part in _OF_PART]
    return reduce(composed, kinds) if kinds else Machine


RULES: Final = tuple(of_rule(rule) for rule in all_rules() if len(rule.deviations) > 1)
"""The rules that real optimizers follow and that differ in several parts, in the order of their number."""
