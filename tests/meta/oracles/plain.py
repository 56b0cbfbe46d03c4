"""Every rule once more, written plainly, to be compared with `reference.formula`.

It shares no code with the formula: only the names of a rule's parts. Fractions make it exact; NumPy arrays
make it an optimizer that follows the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adamax_conformance.reference.rules import Ascent, BiasCorrection, Decay, Epsilon, Rule


@dataclass(frozen=True)
class Numbers:
    """The scalars of one step, of whatever type; `correction` is 1 - beta1^t."""

    lr: Any
    beta1: Any
    complement: Any
    beta2: Any
    eps: Any
    weight_decay: Any
    correction: Any
    maximize: bool


def plain_step(state, g, numbers: Numbers, rule: Rule, maximum=max):
    """theta, m and u after one step, from those before it."""
    theta, m, u = state
    n = numbers
    if n.maximize and rule.ascent is Ascent.NEGATE_GRADIENT:
        g = -g
    if rule.decay is Decay.L2:
        g = g + n.weight_decay * theta
    if n.maximize and rule.ascent is Ascent.NEGATE_AFTER_DECAY:
        g = -g
    m = n.beta1 * m + n.complement * g
    inside = n.eps if rule.epsilon is Epsilon.IN_NORM else 0
    decayed = n.eps if rule.epsilon is Epsilon.ON_DECAYED_NORM else 0
    outside = n.eps if rule.epsilon is Epsilon.IN_DENOMINATOR else 0
    u = maximum(n.beta2 * u + decayed, abs(g) + inside)
    if rule.epsilon is Epsilon.FLOOR:
        u = maximum(u, n.eps)
    step = n.lr * m
    if rule.bias_correction is BiasCorrection.FIRST_MOMENT:
        step = step / n.correction
    kept = theta
    if rule.decay is Decay.DECOUPLED:
        kept = theta - n.lr * n.weight_decay * theta
    return kept - step / (u + outside), m, u
