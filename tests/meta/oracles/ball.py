"""A second oracle of exact trajectories, in rigorous ball arithmetic.

It has nothing in common with the first but the case.

The formula is written here once more, from the page and in another shape: with s the sum of beta1^(t-i)*g_i,
the moment is (1 - beta1)*s, the correction (1 - beta1)*(1 + beta1 + ... + beta1^(t-1)), and the step needs
neither difference. A double becomes a number by another way, too, so that no mistake of `reference.formula`
or `oracles.exact.trajectory` can be repeated here. Every value comes with a radius that FLINT proves.

Needs python-flint 0.9 or later; earlier releases negate an `arb` wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import flint
from adamax_conformance.reference.case import Case

Ball: TypeAlias = Any
"""A real number, enclosed: a midpoint and a radius, as FLINT keeps them."""


@dataclass(frozen=True)
class BallStep:
    """One element after one step, enclosed.

    Attributes:
        theta: the parameter.
        m: the first moment.
        u: the infinity norm.
    """

    theta: Ball
    m: Ball
    u: Ball


def to_ball(value: float) -> Ball:
    """A double as a ball of radius 0."""
    fraction, exponent = math.frexp(value)
    return flint.arb((int(math.ldexp(fraction, 53)), exponent - 53))


def ball_trajectory(case: Case, parameter: int, element: tuple[int, ...], bits: int) -> Sequence[BallStep]:
    """The documented trajectory of one element, enclosed, after each step.

    Args:
        case: the run.
        parameter: the parameter's index in `case.parameters`.
        element: its index in the parameter.
        bits: the precision of the midpoints.
    """
    with flint.ctx.workprec(bits):
        return tuple(_steps(case, parameter, element))


def _steps(case: Case, parameter: int, element: tuple[int, ...]) -> list[BallStep]:
    group = next(group for index, group, _ in case.indexed_parameters() if index == parameter)
    given = case.parameters[parameter]
    theta = to_ball(given.theta[element])
    weighted = weights = u = flint.arb(0)
    steps = []
    for t in range(1, case.steps + 1):
        h = group.at(t)
        beta1, beta2, eps = to_ball(h.beta1), to_ball(h.beta2), to_ball(h.eps)
        sign = -1 if h.maximize else 1
        g = sign * to_ball(given.gradients[t - 1][element]) + to_ball(h.weight_decay) * theta
        weighted, weights = g + beta1 * weighted, 1 + beta1 * weights
        u = (abs(g) + eps).max(beta2 * u)
        theta = theta - to_ball(h.lr) * weighted / (weights * u)
        steps.append(BallStep(theta, (1 - beta1) * weighted, u))
    return steps
