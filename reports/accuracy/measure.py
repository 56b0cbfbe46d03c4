"""The errors of a few steps of many elements, in ulp of the largest number.

An error of u is measured in ulp of its exact value. m and theta are differences of numbers, which may be as small as
one likes. So an error of m is measured in ulp of the largest of m and its two terms, one of theta in ulp of the
larger of theta before and after the step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...impl.subject.capabilities import restrict_case
from ...impl.subject.client import Subject
from ...oracles.batch.arrays import ArraySteps
from ...oracles.batch.exact_step import QUANTITIES, ExactStepJudge
from ...oracles.batch.trajectory import ExactRunJudge, RunStep
from ...oracles.error_model import ErrorModel
from ...oracles.formats import Format
from ...oracles.identify.result import Identification
from ...oracles.verdict import Quantity
from ...reference.case import Case, Group, Parameter
from ...reference.hyperparameters import Hyperparameters

Numbers = npt.NDArray[np.float64]

COPIES: Final = 64
"""An input is measured as so many equal elements: what a vector computes and what a tail does may differ."""


OWN_BINARY64: Final[Mapping[Quantity, float]] = {
    Quantity.M: 2.5,
    Quantity.U: 0.5,
    Quantity.THETA: 5 * (1 + 2.0**-50),
}
"""The bounds of our own optimizer in binary64 for every input, in ulp; BOUNDS.md, "Our own, in ulp", proves them."""


class HiddenStateError(ValueError):
    """The subject does not show m and u, so the error of one step cannot be measured."""


@dataclass(frozen=True)
class Start:
    """The start of an element, and the gradients that it gets.

    Attributes:
        options: of the optimizer.
        theta: at first.
        gradients: of each step.
    """

    options: Hyperparameters
    theta: float
    gradients: tuple[float, ...]


@dataclass(frozen=True)
class KnownError:
    """The error of a number after the last step of a start.

    Attributes:
        quantity: m, u or theta.
        start: shows it.
        error: in ulp, as the module says.
        bound: the proven bound of this input, in the same unit.
        largest_bound: that of any input of the search; infinite where there was none.
        is_for_all: whether it is the bound of every other input, too: of an optimizer that rounds once.
        is_run: whether it is the error of the whole run, and not of its last step alone.
    """

    quantity: Quantity
    start: Start
    error: float
    bound: float
    largest_bound: float = math.inf
    is_for_all: bool = False
    is_run: bool = False

    @property
    def is_proved(self) -> bool:
        """Whether no input may have an error that is a tenth larger."""
        return self.is_for_all and self.error >= 0.9 * self.largest_bound


@dataclass(frozen=True)
class Model:
    """The models that an optimizer is measured by.

    Attributes:
        dtype: of its parameters, which may be finer than what it computes in.
        error: of the format that it computes in, and of what it was identified as.
        wide: of binary64, for an optimizer that is known to compute in it and to round each result once.
        everywhere: the proven bounds of a step for every input, in ulp, of an optimizer whose operations are known.
    """

    dtype: str
    error: ErrorModel
    wide: ErrorModel | None = None
    everywhere: Mapping[Quantity, float] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Identification, *, is_own: bool = False) -> Model:
        """The models of an optimizer that was identified.

        Args:
            found: what it implements.
            is_own: whether it is `impl.Adamax`, which computes in binary64 and rounds once; no number shows that.
        """
        error = ErrorModel(found.computes_in, found.nearest, found.scheme)
        if not is_own:
            return cls(found.format_.dtype, error)
        if found.computes_in is Format.BINARY64:
            return cls(found.format_.dtype, error, everywhere=OWN_BINARY64)
        return cls(found.format_.dtype, error, replace(error, format_=Format.BINARY64))


@dataclass(frozen=True, eq=False)
class StepErrors:
    """The errors of all elements after each step, in ulp.

    The axes are step, quantity (m, u, theta) and element.

    Attributes:
        error: of the numbers.
        bound: infinite where nothing is judged.
        too_far: of theta after the first step, by element: the error if the step was too long, else 0.
    """

    error: Numbers
    bound: Numbers
    too_far: Numbers


def measure(
    subject: Subject, model: Model, options: Hyperparameters, theta: Numbers, gradients: Numbers
) -> StepErrors:
    """Take steps of an optimizer, and measure the errors of every element.

    Args:
        subject: shows m and u.
        model: what is judged against.
        options: all that the subject has no argument for are the documented defaults.
        theta: one-dimensional.
        gradients: a row for each step.

    Raises:
        SubjectError: the subject failed.
        HiddenStateError: it does not show m and u.
    """
    states = take_steps(subject, model.dtype, options, theta, gradients)
    steps, count = gradients.shape
    each = [(options, t) for t in range(1, steps + 1)]
    judge = ArraySteps(each, model.error)
    before = [np.concatenate([state[q] for state in states[:-1]]) for q in range(3)]
    after = [np.concatenate([state[q] for state in states[1:]]) for q in range(3)]
    g = gradients.reshape(-1)
    which = np.repeat(np.arange(steps), count)
    found = judge.judge(which, (before[0], before[1], before[2], g), (after[0], after[1], after[2]))
    units = (
        np.maximum.reduce(
            [abs(found.exact[0]), options.beta1 * abs(before[1]), (1 - options.beta1) * abs(g)]
        ),
        found.exact[1],
        np.maximum(abs(found.exact[2]), abs(before[0])),
    )
    known = found.judged & found.decided & (found.radius < np.inf)
    error = np.stack([judge.in_ulp(unit, e) for unit, e in zip(units, found.error, strict=True)])
    radius, once = found.radius, 0.0
    if model.wide is not None:  # the error of its binary64, and half an ulp for the one rounding
        wide = ArraySteps(each, model.wide).judge(
            which, (before[0], before[1], before[2], g), (after[0], after[1], after[2])
        )
        radius, once = wide.radius, 0.5
    bound = np.stack(
        [
            np.minimum(judge.in_ulp(unit, r) + once, model.everywhere.get(quantity, np.inf))
            for quantity, unit, r in zip(QUANTITIES, units, radius, strict=True)
        ]
    )
    shape = (3, steps, count)
    error = np.where(known, error, 0.0)
    is_too_far = (found.exact[2] - after[0]) * (before[0] - found.exact[2]) > 0
    return StepErrors(
        error.reshape(shape).swapaxes(0, 1),
        np.where(known, bound, np.inf).reshape(shape).swapaxes(0, 1),
        np.where(is_too_far, error[2], 0.0)[:count],
    )


def measure_exactly(
    subject: Subject, model: Model, quantity: Quantity, start: Start, copies: int = COPIES
) -> KnownError:
    """Measure one input by the exact oracle: the largest of some equal elements.

    Raises:
        SubjectError: the subject failed.
        ValueError: nothing can be judged of this input.
    """
    theta = np.full(copies, start.theta)
    gradients = np.repeat(np.array(start.gradients)[:, None], copies, axis=1)
    states = take_steps(subject, model.dtype, start.options, theta, gradients)
    judge = ExactStepJudge(start.options, len(start.gradients), model.error)
    wide = None if model.wide is None else ExactStepJudge(start.options, len(start.gradients), model.wide)
    largest: KnownError | None = None
    rows = {tuple(float(x) for x in row) for row in zip(*states[-2], gradients[-1], *states[-1], strict=True)}
    for row in rows:
        judged = judge.judge(row[:4], row[4:]).get(quantity)
        if judged is None or judged.error_size is None:
            continue
        unit = model.error.format_.ulp(_unit(quantity, start.options, row, _toward_zero(judged.exact)))
        bound = float(judged.radius) / unit
        if wide is not None:
            bound = float(wide.judge(row[:4], row[4:])[quantity].radius) / unit + 0.5
        bound = min(bound, model.everywhere.get(quantity, math.inf))
        known = KnownError(quantity, start, float(abs(judged.exact - judged.actual)) / unit, bound)
        largest = known if largest is None or known.error > largest.error else largest
    if largest is None:
        raise ValueError(f"nothing can be judged of {quantity.value} from this input")
    return largest


def measure_runs(
    subject: Subject, model: Model, options: Hyperparameters, theta: Numbers, gradients: Numbers
) -> list[KnownError]:
    """Measure theta after the last step, against the exact run.

    The unit is an ulp of the largest theta of the run. An element without a bound is left out.

    Args:
        subject: may hide m and u.
        model: what is judged against.
        options: all that the subject has no argument for are the documented defaults.
        theta: one-dimensional.
        gradients: a row for each step.

    Raises:
        SubjectError: the subject failed.
    """
    parameter = Parameter.of(theta.tolist(), gradients.tolist())
    case = Case("accuracy", (Group(options, (parameter,)),))
    shown = [result.theta[0] for result in subject.observe(case, model.dtype)]
    steps = [RunStep(options, g, (seen, None, None)) for g, seen in zip(gradients, shown, strict=True)]
    largest = np.maximum.reduce([abs(theta), *map(abs, shown)])
    run = ExactRunJudge(theta, steps, model.error)
    found = []
    for index in range(theta.size):
        *_, (t, judged) = run.judge(index)
        one = judged[Quantity.THETA]
        if t == len(steps) and one.error_size is not None:
            unit = model.error.format_.ulp(float(largest[index]))
            start = Start(options, float(theta[index]), tuple(gradients[:, index].tolist()))
            error, bound = float(abs(one.exact - one.actual)) / unit, float(one.radius) / unit
            found.append(KnownError(Quantity.THETA, start, error, bound, is_run=True))
    return found


def _toward_zero(exact: Any) -> float:
    """An mpf as a float that is not larger, with the same power of two."""
    value = float(exact)
    return math.nextafter(value, 0.0) if abs(value) > abs(exact) else value


def _unit(quantity: Quantity, options: Hyperparameters, row: Sequence[float], exact: float) -> float:
    theta, m, _, g = row[:4]
    match quantity:
        case Quantity.M:
            return max(abs(exact), options.beta1 * abs(m), (1 - options.beta1) * abs(g))
        case Quantity.THETA:
            return max(abs(exact), abs(theta))
    return exact


def restrict_options(subject: Subject, options: Hyperparameters) -> Hyperparameters:
    """The options without those that the subject has no argument for."""
    case = Case("accuracy", (Group(options, (Parameter.of([0.0], [[0.0]]),)),))
    return restrict_case(case, subject.info).groups[0].hyperparameters


def take_steps(
    subject: Subject, dtype: str, options: Hyperparameters, theta: Numbers, gradients: Numbers
) -> list[tuple[Any, Any, Any]]:
    """Take steps; theta, m and u before the first step, and after each.

    Raises:
        SubjectError: the subject failed.
        HiddenStateError: it does not show m and u.
    """
    zeros = np.zeros_like(theta)
    states: list[tuple[Any, Any, Any]] = [(theta, zeros, zeros)]
    parameter = Parameter.of(theta.tolist(), gradients.tolist())
    case = Case("accuracy", (Group(options, (parameter,)),))
    for result in subject.observe(case, dtype):
        if result.m is None or result.u is None:
            raise HiddenStateError("m and u of the subject cannot be seen; the error of one step needs them")
        states.append((result.theta[0], result.m[0], result.u[0]))
    return states
