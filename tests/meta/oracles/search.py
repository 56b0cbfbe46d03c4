"""A search for errors beyond a bound, one changed number or decision at a time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from adamax_conformance.oracles.comparison import trajectory
from adamax_conformance.oracles.error_model import ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context, precision_for
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.formula import effective_gradient, first_moment, norm_branches, update
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.oracles.element_bounds import ElementBounds
from adamax_conformance.tests.meta.oracles.evaluations import (
    Decisions,
    Evaluation,
    OutOfRangeError,
    Setting,
    change_setting,
    draw_number,
    draw_setting,
)
from adamax_conformance.tests.meta.oracles.observation import State

QUANTITIES = (Quantity.M, Quantity.U, Quantity.THETA)
Fractions = dict[Quantity, float]

_CONTEXT = mpmath_context(precision_for(64))


def fraction_of(error: Any, radius: Any) -> float:
    """An error as a fraction of its bound; 0 where nothing is judged."""
    if radius == math.inf:
        return 0.0
    if not radius:
        return math.inf if error else 0.0
    return float(error / radius)


def one_step(setting: Setting, decisions: Decisions) -> Fractions:
    """The errors of one evaluation of one step, as fractions of the lockstep bound.

    Raises:
        Overflow: the evaluation leaves the format.
    """
    theta_after, m_after, u_after = Evaluation(setting, decisions).result()
    scalars = exact_scalars(_CONTEXT, setting.hyperparameters)
    scheme = EvaluationScheme(setting.form).with_scalars(setting.scalars)
    error_model = ErrorModel(setting.format_, scheme=scheme)
    bounds = ElementBounds(scalars, setting.t, error_model, _CONTEXT.mpf)
    theta, m, u, g = (_CONTEXT.mpf(x) for x in (setting.theta, setting.m, setting.u, setting.g))
    m_now, u_now = _CONTEXT.mpf(m_after), _CONTEXT.mpf(u_after)
    effective = effective_gradient(theta, g, scalars)
    m_error = abs(first_moment(m, effective, scalars) - m_now)
    u_error = abs(max(norm_branches(u, effective, scalars)) - u_now)
    m_radius = bounds.moment_radius(m, bounds.zero, g, theta, bounds.zero)
    u_radius = bounds.norm_radius(u, bounds.zero, g, theta, bounds.zero)
    radius = bounds.stored_theta_radius(theta, m_now, u_now, m_error + m_radius, u_error + u_radius)
    error = 0 if radius == math.inf else abs(update(theta, m_now, u_now, setting.t, scalars) - theta_after)
    return {
        Quantity.M: fraction_of(m_error, m_radius),
        Quantity.U: fraction_of(u_error, u_radius),
        Quantity.THETA: fraction_of(error, radius),
    }


@dataclass(frozen=True)
class Run:
    """A run of a few steps of one element."""

    format_: Format
    scalars: Format
    form: Form
    hyperparameters: Hyperparameters
    theta: float
    gradients: tuple[float, ...]

    def change_one(self, rng: random.Random) -> Run:
        """The same with one number changed."""
        at = rng.randrange(len(self.gradients))
        setting = self.setting(at + 1, self.theta, 0.0, 0.0)
        changed = change_setting(setting, rng)
        gradients = list(self.gradients)
        gradients[at] = changed.g
        return replace(
            self,
            theta=changed.theta,
            gradients=tuple(gradients),
            hyperparameters=changed.hyperparameters,
        )

    def setting(self, t: int, theta: float, m: float, u: float) -> Setting:
        """One of its steps."""
        return Setting(
            self.format_,
            self.scalars,
            self.form,
            self.hyperparameters,
            t,
            theta,
            m,
            u,
            self.gradients[t - 1],
        )


def draw_run(format_: Format, rng: random.Random, steps: int = 3) -> Run:
    """A run with numbers as of one step."""
    setting = draw_setting(format_, rng)
    gradients = tuple(draw_number(format_, rng, -1, 1) for _ in range(steps))
    return Run(format_, setting.scalars, setting.form, setting.hyperparameters, setting.theta, gradients)


def whole_run(run: Run, decisions: Decisions) -> Fractions:
    """The errors of a run whose steps decide alike, relative to the trajectory bound.

    Raises:
        Overflow: the evaluation leaves the format.
    """
    theta, m, u = run.theta, 0.0, 0.0
    states = []
    for t in range(1, len(run.gradients) + 1):
        theta, m, u = Evaluation(run.setting(t, theta, m, u), decisions).result()
        states.append(State(*([np.array(x)] for x in (theta, m, u))))
    parameter = Parameter.of(run.theta, run.gradients)
    case = Case("searched", (Group(run.hyperparameters, (parameter,)),))
    found = empty_tallies(*QUANTITIES)
    scheme = EvaluationScheme(run.form).with_scalars(run.scalars)
    trajectory(case, states, ErrorModel(run.format_, scheme=scheme), found)
    return {quantity: tally.largest_over_bound for quantity, tally in found.items()}


@dataclass(frozen=True)
class Worst:
    """The result of a search: the largest fraction of the bound, and its evaluation."""

    fraction: float
    how: Setting | Run | None = None
    decisions: Decisions | None = None


def climb(
    format_: Format, quantity: Quantity, rng: random.Random, turns: int, *, whole: bool = False
) -> Worst:
    """Change a drawn evaluation repeatedly; keep each change that increases the error.

    Args:
        format_: the working format.
        quantity: whose error is driven up.
        rng: what everything is drawn from.
        turns: how many.
        whole: whether a run is judged as a trajectory, rather than one step in lockstep.
    """
    judge: Any = whole_run if whole else one_step
    worst = Worst(-1.0)
    point: Any = (draw_run if whole else draw_setting)(format_, rng)
    decisions = Decisions(rng)
    for _ in range(turns):
        if worst.fraction < 0:
            point, decisions = (draw_run if whole else draw_setting)(format_, rng), Decisions(rng)
        tried, trying = point, Decisions(rng, dict(decisions.made))
        if rng.random() < 0.6:
            tried = point.change_one(rng) if whole else change_setting(point, rng)
        if rng.random() < 0.6:
            trying = decisions.change_one()
        try:
            fraction = judge(tried, trying)[quantity]
        except OutOfRangeError:
            continue
        if fraction >= worst.fraction:
            worst, point, decisions = Worst(fraction, tried, trying), tried, trying
    return worst
