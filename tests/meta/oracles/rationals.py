"""The third oracle, for short cases: the trajectory in rational arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Rule
from adamax_conformance.tests.meta.oracles.plain import Numbers, plain_step

Exact = tuple[Fraction, Fraction, Fraction]
"""theta, m and u."""


def fraction(value) -> Fraction:
    """An mpf as the rational number that it is."""
    sign, mantissa, exponent, _ = value._mpf_
    return (-1 if sign else 1) * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def exact_state(state) -> Exact:
    """theta, m and u of a state of mpf."""
    return fraction(state.theta), fraction(state.m), fraction(state.u)


def numbers(group: Group, t: int, correction: Fraction | None = None) -> Numbers:
    """The exact scalars of a step; 1 - beta1^t unless a correction is given."""
    h = group.at(t)
    beta1 = Fraction(h.beta1)
    return Numbers(
        lr=Fraction(h.lr),
        beta1=beta1,
        complement=1 - beta1,
        beta2=Fraction(h.beta2),
        eps=Fraction(h.eps),
        weight_decay=Fraction(h.weight_decay),
        correction=1 - beta1**t if correction is None else correction,
        maximize=h.maximize,
    )


def rational(group: Group, parameter: Parameter, element, rule: Rule = DOCUMENTED) -> Iterator[Exact]:
    """The state after each step."""
    state = (Fraction(parameter.theta[element]), Fraction(0), Fraction(0))
    for t, g in enumerate(parameter.gradients, start=1):
        state = plain_step(state, Fraction(g[element]), numbers(group, t), rule)
        yield state


def elements(case: Case):
    """Each element of a case: its parameter's number, group, parameter, and its index."""
    for number, group, parameter in case.indexed_parameters():
        for element in np.ndindex(parameter.theta.shape):
            yield number, group, parameter, element


def distinguishing_cases() -> tuple[Case, ...]:
    """Short cases that show every operator and constant of every rule."""
    settings = (
        {"weight_decay": 0.0},
        {"weight_decay": 0.3},
        {"weight_decay": 1.0},
        {"weight_decay": 0.3, "maximize": True},
        {"weight_decay": 0.0, "maximize": True},
        {"weight_decay": 0.3, "lr": 0.0},
        {"weight_decay": 0.0, "eps": 0.5},
    )
    # The gradient fades, so that the decayed norm wins at the end, or an eps that is a floor.
    parameter = Parameter.of([0.7], [[0.9], [-0.4], [2.0**-7]])
    return tuple(
        Case(
            "telling",
            (
                Group(
                    Hyperparameters(**{"lr": 0.3, "beta1": 0.6, "beta2": 0.7, "eps": 0.2} | setting),
                    (parameter,),
                ),
            ),
        )
        for setting in settings
    )
