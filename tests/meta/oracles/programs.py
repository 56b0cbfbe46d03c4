"""Programs: evaluations of cases that decide alike in every step, as code does."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.tests.meta.oracles.evaluations import (
    Decisions,
    Evaluation,
    OutOfRangeError,
    Setting,
    draw_hyperparameters,
    draw_number,
    draw_setting,
    round_to_format,
)
from adamax_conformance.tests.meta.oracles.observation import State

NOTHING = (math.nan, math.nan, math.nan)
"""theta, m and u of an element whose numbers left the format."""


@dataclass(frozen=True)
class Program:
    """One way to evaluate the documented rule.

    Attributes:
        format_: the working format.
        scalars: the format in which the scalars are computed.
        form: the form of the moment.
        decisions: everything else.
        hidden: whether m and u are not shown.
    """

    format_: Format
    scalars: Format
    form: Form
    decisions: Decisions
    hidden: bool

    def states(self, case: Case) -> list[State]:
        """The state after every step of a case of one parameter."""
        (group,) = case.groups
        (parameter,) = group.parameters
        elements = [(x, 0.0, 0.0) for x in parameter.theta.ravel().tolist()]
        states = []
        for t, gradient in enumerate(parameter.gradients, start=1):
            numbers = zip(elements, gradient.ravel().tolist(), strict=True)
            elements = [
                self._step(Setting(self.format_, self.scalars, self.form, group.hyperparameters, t, *e, g))
                for e, g in numbers
            ]
            theta, m, u = ([np.array(column)] for column in zip(*elements, strict=True))
            states.append(State(theta, None, None) if self.hidden else State(theta, m, u))
        return states

    def _step(self, setting: Setting) -> tuple[float, float, float]:
        """theta, m and u after a step; NaN where it divides by zero or leaves the format."""
        if any(math.isnan(x) for x in (setting.theta, setting.m, setting.u)):
            return NOTHING
        evaluation = Evaluation(setting, self.decisions)
        try:
            return evaluation.result()
        except OutOfRangeError:
            pass
        try:
            m, u = (
                round_to_format(self.format_, exact) for exact in (evaluation.moment(), evaluation.norm())
            )
        except OutOfRangeError:
            return NOTHING
        return math.nan, float(m), float(u)


def draw_program(format_: Format, rng: random.Random) -> Program:
    """Any admissible program, with scalars of the working or of a finer format."""
    finer = [Format.BINARY32] if format_.precision < Format.BINARY32.precision else []
    scalars, form = rng.choice([Format.BINARY64, format_, *finer]), rng.choice(tuple(Form))
    return Program(format_, scalars, form, Decisions(rng), hidden=rng.random() < 0.2)


def draw_cases(format_: Format, rng: random.Random, count: int) -> Iterator[Case]:
    """Short runs of one element, with all sizes of beta1 and many gradients of 0."""
    for number in range(count):
        options = draw_hyperparameters(rng)
        if rng.random() < 0.5:
            size = rng.uniform(1.0, 2.0)
            tiny, small = size * 2.0 ** -rng.randint(3, 70), size * 2.0 ** -rng.randint(2, 52)
            options = replace(options, beta1=rng.choice((tiny, 1 - small)))
        # Nobody divides by a rate that is 0.
        options = replace(options, lr=options.lr or 0.1)
        reach = rng.choice((1, 1, 3, 6))
        gradients = [
            0.0 if rng.random() < 0.25 else draw_number(format_, rng, -reach, reach) for _ in range(3)
        ]
        parameter = Parameter.of([draw_setting(format_, rng).theta], [[g] for g in gradients])
        yield Case(f"drawn/{number}", (Group(options, (parameter,)),))
