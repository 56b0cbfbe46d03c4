"""Demonstrate what another rule does to training, against the documented one."""

from __future__ import annotations

from typing import Any, Final

from ...reference.formula import Scalars, State, step
from ...reference.rules import DOCUMENTED, Ascent, Rule, all_rules

_RULES: Final = {rule.name: rule for rule in all_rules()}
_STEPS: Final = 60


def rule_named(name: object) -> Rule | None:
    """The rule that a verdict's measured facts name; None if there is none."""
    return _RULES.get(name) if isinstance(name, str) else None


def trajectories(rule: Rule) -> dict[str, Any]:
    """The trajectories of theta by the documented rule and another one.

    The problem is f(theta) = theta^2 / 2 from theta = 2. If the rules differ in what maximize does, -f is maximized
    instead, so that both should end in 0. The hyperparameters let every part of a rule show.

    Returns:
        `documented` and the rule's name with their trajectories, and `problem`: the above in words.
    """
    maximize = rule.ascent is not Ascent.NEGATE_GRADIENT
    scalars = Scalars(lr=0.2, beta1=0.9, beta2=0.95, eps=2.0, weight_decay=0.2, maximize=maximize)
    verb, sign = ("Maximizing −θ²/2", -1.0) if maximize else ("Minimizing θ²/2", 1.0)
    problem = f"{verb} from θ = 2 with lr=0.2, betas=(0.9, 0.95), eps=2.0, weight_decay=0.2"
    return {
        "documented": _run(DOCUMENTED, scalars, sign),
        rule.name: _run(rule, scalars, sign),
        "problem": problem,
    }


def _run(rule: Rule, scalars: Scalars[float], sign: float) -> list[float]:
    state = State(2.0, 0.0, 0.0)
    thetas = []
    for t in range(1, _STEPS + 1):
        state = step(state, sign * state.theta, t, scalars, rule)
        thetas.append(state.theta)
    return thetas
