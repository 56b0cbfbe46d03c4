"""What does another rule do to training: its trajectory on a small problem, against the documented one's?"""

from __future__ import annotations

from typing import Any, Final

from ...reference.formula import Scalars, State, step
from ...reference.rules import DOCUMENTED, Ascent, Rule, all_rules

_RULES: Final = {rule.name: rule for rule in all_rules()}
_STEPS: Final = 60


def rule_named(name: object) -> Rule | None:
    """The rule of a name as a verdict's measured facts have it; None where there is none."""
    return _RULES.get(name) if isinstance(name, str) else None


def trajectories(rule: Rule) -> dict[str, Any]:
    """Theta after each step, by the documented rule and by another, on f(theta) = theta^2 / 2 from theta = 2.

    Where the rules differ in what maximize does, -f is maximized instead, so that both should end in 0.
    The hyperparameters are such that every part of a rule shows.

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
