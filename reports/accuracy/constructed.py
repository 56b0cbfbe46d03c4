"""Inputs that are constructed: carries into the next power of two, and near-ties.

What is drawn rarely meets them. A result that rounding carries over a power of two is rounded where the numbers are
twice as far apart. At a near-tie the exact result is almost the middle of two numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from ...impl.subject.client import Subject
from ...oracles.batch.exact_step import ExactStepJudge
from ...oracles.formats import Format
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters
from .measure import Model, Start, take_steps

NEAR: Final = Fraction(1, 2**10)
"""The largest distance of a near-tie from the middle of two numbers, in ulp."""

INPUTS: Final = 64
_TRIES: Final = 8


@dataclass(frozen=True)
class NearTies:
    """The counts of a theta that is rounded correctly, at near-ties and elsewhere.

    Attributes:
        inputs: how many near-ties; of each there is an ordinary input that differs in lr alone.
        correct: how many near-ties are rounded correctly.
        ordinary: how many of the ordinary inputs are.
        distance: the largest distance from the middle of two numbers, in ulp.
        error: the largest error at a near-tie, in ulp.
    """

    inputs: int
    correct: int
    ordinary: int
    distance: float
    error: float


def carried_moment(format_: Format) -> Start:
    """A start whose second step rounds m of the weighted form up to a power of two.

    In units of the ulp below 2: 1 - beta1 lies in the middle of two numbers and is rounded up, which adds an ulp to
    its product with a gradient a little below 4. The product is rounded up by half an ulp. beta1*m is such that the
    sum of both is a little more than 2 and an ulp, and is rounded to 2 and two ulp.
    """
    p = format_.precision
    unit = Fraction(1, 2 ** (p - 1))
    j = 2 ** max(2, p // 2 - 2)
    beta1 = Fraction(1, 2) - (2 * j - 1) * unit / 4
    delta = Fraction(1, j) * (1 - Fraction(1, 64))
    gradient = 4 - math.ceil(delta / (2 * unit)) * 2 * unit
    product = gradient / 2 + 2 * j * unit
    moment = (2 + unit * (1 + Fraction(1, 32)) - product) / beta1
    first = format_.round_float(float(moment / (Fraction(1, 2) + j * unit / 2)))
    options = Hyperparameters(0.125, float(beta1), 0.5, 2.0**-10)
    return Start(options, 1.0, (first, float(gradient)))


def carried_theta(subject: Subject, model: Model, start: Start) -> Start | None:
    """The start with another theta, whose step is rounded up to a power of two.

    Args:
        subject: shows m and u.
        model: what it is measured by.
        start: of any theta; its step is what errs.

    Returns:
        None if theta before the last step cannot be chosen.

    Raises:
        SubjectError: the subject failed.
        HiddenStateError: it does not show m and u.
    """
    before, exact, _ = _last_step(subject, model, start)
    distance = _fraction(before) - exact
    if not distance:
        return None
    power = Fraction(2) ** _exponent(distance)
    unit = power / 2**model.error.format_.precision
    size = math.ceil((abs(distance) - power) / unit) * unit
    wanted = float(math.copysign(size, distance))
    for _ in range(_TRIES):
        if before == wanted:
            return start
        start = replace(start, theta=model.error.format_.round_float(start.theta + (wanted - before)))
        before, _, _ = _last_step(subject, model, start)
    return None


def find_near_ties(
    subject: Subject,
    model: Model,
    seed: int = 0,
    inputs: int = INPUTS,
    restrict: Callable[[Hyperparameters], Hyperparameters] = lambda options: options,
) -> NearTies:
    """Construct near-ties of theta, and count how many are rounded correctly.

    The first step of one element is taken, from its own m and u: theta - lr*x for some x. lr is then changed so that
    this lies within 2^-10 ulp of the middle of two numbers of the dtype. It is itself such a number, as some subjects
    keep it in that, and the step is 2^6 to 2^12 ulp of theta, so that lr is fine enough.

    Args:
        subject: shows m and u.
        model: what it is measured by.
        seed: of what is drawn.
        inputs: how many.
        restrict: leaves out the options that the subject has no argument for.

    Raises:
        SubjectError: the subject failed.
        HiddenStateError: it does not show m and u.
        ValueError: the subject's m and u depend on lr, so that there are none.
    """
    rng = np.random.default_rng([20150110, seed])
    format_ = Format.of(model.dtype)
    correct = ordinary = 0
    largest_distance = largest_error = Fraction(0)
    found = 0
    for _ in range(_TRIES * inputs):
        if found == inputs:
            break
        start = _draw_small_step(rng, format_)
        start = replace(start, options=restrict(start.options))
        before, exact, actual = _last_step(subject, model, start)
        middle = _nearest_middle(format_, exact)
        rate = start.options.lr * float((_fraction(before) - middle) / (_fraction(before) - exact))
        near = replace(start, options=replace(start.options, lr=format_.round_float(rate)))
        _, exact_near, actual_near = _last_step(subject, model, near)
        unit = _fraction(format_.ulp(float(exact_near)))
        distance = abs(_nearest_middle(format_, exact_near) - exact_near) / unit
        if distance > NEAR:
            continue
        found += 1
        correct += _is_correct(format_, exact_near, actual_near)
        ordinary += _is_correct(format_, exact, actual)
        largest_distance = max(largest_distance, distance)
        largest_error = max(largest_error, abs(_fraction(actual_near) - exact_near) / unit)
    if found < inputs:
        raise ValueError(f"{found} of {inputs} near-ties could be constructed")
    return NearTies(found, correct, ordinary, float(largest_distance), float(largest_error))


def _draw_small_step(rng: np.random.Generator, format_: Format) -> Start:
    lr = format_.round_float(float(2.0 ** rng.uniform(-12, 0)))
    beta1, beta2 = (float(rng.uniform(0.05, 0.95)) for _ in range(2))
    options = Hyperparameters(lr, beta1, beta2, float(2.0 ** -rng.uniform(2, 30)))
    gradient = rng.choice([-1, 1]) * 2.0 ** rng.uniform(-6, 6)
    share = abs(gradient) / (abs(gradient) + options.eps)
    theta = rng.choice([-1, 1]) * lr * share * 2.0 ** (format_.precision - rng.uniform(7, 12))
    return Start(options, format_.round_float(float(theta)), (format_.round_float(float(gradient)),))


def _last_step(subject: Subject, model: Model, start: Start) -> tuple[float, Fraction, float]:
    """Theta before the last step, and after it: the exact one, and the subject's."""
    gradients = np.array(start.gradients)[:, None]
    states = take_steps(subject, model.dtype, start.options, np.array([start.theta]), gradients)
    row = [float(x[0]) for x in (*states[-2], gradients[-1], *states[-1])]
    judge = ExactStepJudge(start.options, len(start.gradients), model.error)
    judged = judge.judge(row[:4], row[4:], (Quantity.THETA,))[Quantity.THETA]
    return row[0], _fraction(judged.exact), row[4]


def _fraction(value: Any) -> Fraction:
    """A float or an mpf, exactly."""
    if isinstance(value, float):
        return Fraction(value)
    sign, mantissa, exponent, _ = value._mpf_
    size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -size if sign else size


def _exponent(value: Fraction) -> int:
    """The exponent of the largest power of 2 that is not above the size of a value."""
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= size else exponent - 1


def _nearest_middle(format_: Format, value: Fraction) -> Fraction:
    unit = Fraction(2) ** (_exponent(value) - format_.precision + 1)
    return (math.floor(value / unit) + Fraction(1, 2)) * unit


def _is_correct(format_: Format, exact: Fraction, actual: float) -> bool:
    """Whether a number is the nearest of its format."""
    unit = Fraction(2) ** (_exponent(exact) - format_.precision + 1)
    return abs(_fraction(actual) - exact) <= unit / 2
