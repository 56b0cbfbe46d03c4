"""The constants with which compiled loops form the exact values of a step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from ....reference.formula import Scalars, bias_correction
from ....reference.rules import Ascent, Decay, Epsilon, Rule


class FormulaConstants(NamedTuple):
    """One step of a rule as constants of sums and products that serve all rules.

        effective = after * (before * g + weight_decay * theta)
        m = beta1 * m + complement * effective
        u = max(beta2 * u + eps_on_decayed, |effective| + eps_in_norm, eps_as_floor)
        theta = (theta - share * theta) - rate * m / (u + eps_in_denominator)

    The constant of a part that the rule lacks is 0. A constant that is not a binary64 number has a high and a low part.

    Attributes:
        before: the sign of the gradient before the decay, 1 or -1.
        after: the sign of the sum, 1 or -1.
        weight_decay: where the decay is added to the gradient.
        beta1: decay of the first moment.
        complement: 1 - beta1.
        beta2: decay of the infinity norm.
        eps_in_norm: where the rule adds eps to the gradient's size.
        eps_on_decayed: where it adds it to the decayed norm.
        eps_as_floor: where u is at least eps.
        eps_in_denominator: where it adds it to u as a divisor.
        share: lr * weight_decay, where the decay is decoupled.
        rate: lr / (1 - beta1^t), or lr.
    """

    before: float
    after: float
    weight_decay: float
    beta1: float
    complement: tuple[float, float]
    beta2: float
    eps_in_norm: float
    eps_on_decayed: float
    eps_as_floor: float
    eps_in_denominator: float
    share: tuple[float, float]
    rate: tuple[float, float]


def _split(value: Any) -> tuple[float, float]:
    """The high and the low part of a number."""
    high = float(value)
    return high, float(value - high)


def formula_constants(scalars: Scalars[Any], t: int, rule: Rule) -> FormulaConstants:
    """The constants of a step of a rule.

    Args:
        scalars: the exact hyperparameters, as mpf.
        t: the number of the step, from 1.
        rule: the update formula.
    """
    return lasting_constants(scalars, rule)._replace(rate=rate_at(scalars, t, rule))


def rate_at(scalars: Scalars[Any], t: int, rule: Rule) -> tuple[float, float]:
    """The rate of step t."""
    return _split(scalars.lr / bias_correction(t, scalars, rule))


@lru_cache(maxsize=1 << 8)
def lasting_constants(scalars: Scalars[Any], rule: Rule) -> FormulaConstants:
    """The constants of a step without a bias correction: its number does not matter."""
    ascends = scalars.maximize and rule.ascent is not Ascent.NONE
    beta1, eps, decay = float(scalars.beta1), float(scalars.eps), float(scalars.weight_decay)
    complement = 1 - beta1
    late = ascends and rule.ascent is Ascent.NEGATE_AFTER_DECAY
    return FormulaConstants(
        before=-1.0 if ascends and not late else 1.0,
        after=-1.0 if late else 1.0,
        weight_decay=decay if rule.decay is Decay.L2 else 0.0,
        beta1=beta1,
        complement=(complement, (1 - complement) - beta1),  # beta1 < 1: exact, as after any sum of two
        beta2=float(scalars.beta2),
        eps_in_norm=eps if rule.epsilon is Epsilon.IN_NORM else 0.0,
        eps_on_decayed=eps if rule.epsilon is Epsilon.ON_DECAYED_NORM else 0.0,
        eps_as_floor=eps if rule.epsilon is Epsilon.FLOOR else 0.0,
        eps_in_denominator=eps if rule.epsilon is Epsilon.IN_DENOMINATOR else 0.0,
        share=_split(scalars.lr * scalars.weight_decay if rule.decay is Decay.DECOUPLED else scalars.lr * 0),
        rate=_split(scalars.lr),
    )
