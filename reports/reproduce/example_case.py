"""On which run does another rule, or a coarse scalar, show, and what are the exact numbers after it?

A verdict on the rule has no single number as evidence. Here is one run for it, of one element, whose theta, m
and u after the last step the oracle knows, with the bound of every honest evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...oracles.comparison import trajectory
from ...oracles.error_model import Assumption, Form, Habits
from ...oracles.exact.trajectory import element_trajectory
from ...oracles.formats import Format
from ...oracles.identify.cases import rule_cases
from ...oracles.judgement import findings
from ...oracles.verdict import Quantity
from ...reference.case import Case, FloatArray, Group, Parameter
from ...reference.rules import DOCUMENTED, Rule

_QUANTITIES: Final = (Quantity.THETA, Quantity.M, Quantity.U)


@dataclass(frozen=True)
class Number:
    """One number after the last step.

    Attributes:
        quantity: theta, m or u.
        expected: the exact number by the documented rule, rounded once to the working format.
        bound: how far an honest evaluation may be off.
    """

    quantity: Quantity
    expected: float
    bound: float


@dataclass(frozen=True)
class _Unknown:
    """A subject's state that is NaN, so that the comparison says its bounds."""

    theta: Sequence[FloatArray]
    m: Sequence[FloatArray]
    u: Sequence[FloatArray]


def telling_case(format_: Format, rule: Rule) -> Case:
    """The run of one element, among those that identify a rule, whose theta is furthest from the documented.

    For the documented rule itself, a run with beta1 near 1, where coarse scalars show.
    """
    *_, last = runs = [
        Case(case.name, (Group(group.hyperparameters, (_element(case.parameters[0], place),)),))
        for case in rule_cases(format_)
        for group in case.groups
        for place in range(case.parameters[0].theta.size)
    ]
    if rule == DOCUMENTED:
        return last
    return max(runs, key=lambda case: _distance(case, rule))


def documented_numbers(case: Case, format_: Format, form: Form) -> tuple[Number, ...]:
    """theta, m and u of a run's only element after its last step, by the documented rule.

    Args:
        case: of one parameter without dimensions.
        format_: the working format.
        form: how the subject forms its first moment.
    """
    nan = (np.array(np.nan),)
    found = findings(*_QUANTITIES)
    habits = Habits(form).with_scalars(format_)
    unknown = [_Unknown(nan, nan, nan)] * case.steps
    trajectory(case, unknown, Assumption(format_, habits=habits), found)
    *_, end = element_trajectory(case, 0, ())
    numbers = []
    for quantity in _QUANTITIES:
        expected = format_.round(getattr(end.state, quantity.value))
        _, bound_in_ulp = found[quantity].by_step[case.steps]
        numbers.append(Number(quantity, expected, bound_in_ulp * format_.ulp(expected)))
    return tuple(numbers)


def _element(parameter: Parameter, place: int) -> Parameter:
    return Parameter.of(parameter.theta[place], [g[place] for g in parameter.gradients])


def _distance(case: Case, rule: Rule) -> float:
    *_, ours = element_trajectory(case, 0, ())
    *_, theirs = element_trajectory(case, 0, (), rule)
    return float(abs(ours.state.theta - theirs.state.theta))
