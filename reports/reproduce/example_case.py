"""A run that shows another rule or a coarse scalar, and its exact numbers.

A verdict on the rule has no single number as evidence. Here is one run for it, of one element. The oracle knows
its theta, m and u after the last step, with the bound of every admissible evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...oracles.comparison import trajectory
from ...oracles.error_model import ErrorModel, EvaluationScheme, Form
from ...oracles.exact.trajectory import element_trajectory
from ...oracles.formats import Format
from ...oracles.identify.cases import rule_cases
from ...oracles.judgement import empty_tallies
from ...oracles.verdict import Quantity
from ...reference.case import Case, FloatArray, Group, Parameter
from ...reference.rules import DOCUMENTED, Rule

_QUANTITIES: Final = (Quantity.THETA, Quantity.M, Quantity.U)


@dataclass(frozen=True)
class ExpectedNumber:
    """One number after the last step.

    Attributes:
        quantity: theta, m or u.
        expected: the exact number by the documented rule, rounded once to the working format.
        bound: how far an admissible evaluation may be off.
    """

    quantity: Quantity
    expected: float
    bound: float


@dataclass(frozen=True)
class _NanState:
    """A state that is NaN, so that the comparison reports its bounds."""

    theta: Sequence[FloatArray]
    m: Sequence[FloatArray]
    u: Sequence[FloatArray]


def distinguishing_case(format_: Format, rule: Rule) -> Case:
    """The run of one element that shows a rule best, among those that identify it.

    Its theta is furthest from the documented one.
    For the documented rule itself, a run with beta1 near 1, where coarse scalars show.
    """
    *_, last = runs = [
        Case(case.name, (Group(group.hyperparameters, (_single_element(case.parameters[0], index),)),))
        for case in rule_cases(format_)
        for group in case.groups
        for index in range(case.parameters[0].theta.size)
    ]
    if rule == DOCUMENTED:
        return last
    return max(runs, key=lambda case: _distance(case, rule))


def documented_numbers(case: Case, format_: Format, form: Form) -> tuple[ExpectedNumber, ...]:
    """theta, m and u of a run's only element at its end, by the documented rule.

    Args:
        case: of one parameter without dimensions.
        format_: the working format.
        form: how the subject forms its first moment.
    """
    nan = (np.array(np.nan),)
    found = empty_tallies(*_QUANTITIES)
    scheme = EvaluationScheme(form).with_scalars(format_)
    unknown = [_NanState(nan, nan, nan)] * case.steps
    trajectory(case, unknown, ErrorModel(format_, scheme=scheme), found)
    *_, end = element_trajectory(case, 0, ())
    numbers = []
    for quantity in _QUANTITIES:
        expected = format_.round(getattr(end.state, quantity.value))
        _, bound_in_ulp = found[quantity].by_step[case.steps]
        numbers.append(ExpectedNumber(quantity, expected, bound_in_ulp * format_.ulp(expected)))
    return tuple(numbers)


def _single_element(parameter: Parameter, index: int) -> Parameter:
    return Parameter.of(parameter.theta[index], [g[index] for g in parameter.gradients])


def _distance(case: Case, rule: Rule) -> float:
    *_, ours = element_trajectory(case, 0, ())
    *_, theirs = element_trajectory(case, 0, (), rule)
    return float(abs(ours.state.theta - theirs.state.theta))
