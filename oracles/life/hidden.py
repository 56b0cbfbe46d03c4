"""An optimizer that hides m and u: theta judged by what they must be.

Their exact values are carried from the first step, with their radii. Theta is seen before every step, so it is exact
there, and only the radii of m and u grow. An error of m or u therefore shows in theta as soon as it is larger than what
an admissible evaluation may have carried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ...reference.life import FloatArray, OptimizerState, Values
from ..batch.arrays import ArraySteps, CarriedState
from ..error_model import ErrorModel
from .findings import LifeFindings
from .model import OptimizerModel
from .steps import element_of

_WHOLE: Final = 4096
"""Arrays of up to so many elements are carried whole; of a longer one, its pattern."""

_SLACK: Final = 1 + 2.0**-19
"""A radius may be evaluated so much too small: BOUNDS.md, "Lives"."""

_DOUBLE_DOUBLE: Final = 2.0**-90
"""An exact value may be off by so much of itself: BOUNDS.md, "Lives"."""


@dataclass(frozen=True)
class HiddenError:
    """A theta that is wrong after a step.

    Attributes:
        parameter: its index.
        step: the number of the step.
        element: its index.
        actual: the number.
        exact: what it must be.
        rounded: the same in the working format.
        in_ulp: the error in ulp of the expected value.
        radius: the bound.
        over_bound: the error as a fraction of it.
    """

    parameter: int
    step: int
    element: tuple[int, ...]
    actual: float
    exact: float
    rounded: float
    in_ulp: float
    radius: float
    over_bound: float


@dataclass(frozen=True)
class _Carried:
    """The exact m and u of the first elements of one parameter.

    Attributes:
        state: of the first elements.
        others: indices of later elements that do not repeat them: some gradient was another there.
    """

    state: CarriedState
    others: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        """The number of elements that are carried."""
        return self.state.u_radius.size


class HiddenRun:
    """The exact m and u of an optimizer that shows neither.

    Args:
        error_model: what is judged against, by dtype.
        dtype: of the parameters that do not say otherwise.
        carried: m and u of each parameter, with their radii.
        saved: the same of each checkpoint.
    """

    def __init__(
        self,
        error_model: Callable[[str], ErrorModel],
        dtype: str,
        carried: Sequence[_Carried],
        saved: Mapping[int, tuple[_Carried, ...]] | None = None,
    ) -> None:
        self._error_model, self._dtype = error_model, dtype
        self._carried, self._saved = list(carried), dict(saved or {})

    @classmethod
    def start(cls, model: OptimizerModel, dtype: str, error_model: Callable[[str], ErrorModel]) -> HiddenRun:
        """Before the first step of an optimizer."""
        carried = [_carried_from_zero(parameter.spec.values) for parameter in model.parameters]
        return cls(error_model, dtype, carried)

    def copy(self) -> HiddenRun:
        """The same, to go its own way."""
        return HiddenRun(self._error_model, self._dtype, self._carried, self._saved)

    def save(self, checkpoint: int) -> None:
        """Keep the exact state under a checkpoint's number."""
        self._saved[checkpoint] = tuple(self._carried)

    def load(self, checkpoint: int) -> None:
        """Go on from a checkpoint."""
        if checkpoint in self._saved:
            self._carried = list(self._saved[checkpoint])

    def step(
        self,
        model: OptimizerModel,
        gradients: Sequence[Values | None],
        state: OptimizerState,
        found: LifeFindings,
    ) -> Iterator[HiddenError]:
        """Take the exact step of every parameter with a gradient, and judge theta.

        Args:
            model: the optimizer before the step.
            gradients: of each parameter.
            state: what is seen after the step.
            found: counts what is judged.

        Yields:
            The first wrong theta of each parameter.
        """
        for i, (parameter, gradient) in enumerate(zip(model.parameters, gradients, strict=True)):
            if gradient is None or i >= len(self._carried):
                continue
            t, theta = parameter.count + 1, model.state.theta[i]
            error_model = self._error_model(parameter.spec.dtype or self._dtype)
            steps = ArraySteps([(model.options[parameter.group], t)], error_model)
            carried = self._carried[i]
            own = np.arange(carried.count)
            after, exact, radius = steps.carry(carried.state, theta.take(own), gradient.take(own))
            self._carried[i] = carried = _Carried(
                after, carried.others | _later_exceptions(gradient, own.size)
            )
            judged = _judged_indices(state.theta[i], carried)
            yield from _judge_theta(steps, error_model, (i, t), state.theta[i], judged, exact, radius, found)


def _judge_theta(
    steps: ArraySteps,
    error_model: ErrorModel,
    parameter_and_step: tuple[int, int],
    after: Values,
    indices: npt.NDArray[np.intp],
    exact: tuple[FloatArray, FloatArray],
    radius: FloatArray,
    found: LifeFindings,
) -> Iterator[HiddenError]:
    base = indices % max(radius.size, 1)
    (high, low), radius, actual = (x[base] for x in exact), radius[base], after.take(indices)
    with np.errstate(all="ignore"):
        error = np.where(np.isfinite(actual), np.abs((high - actual) + low), math.inf)
    closed = np.isfinite(radius)
    sure = closed & (radius > 0) & np.isfinite(error)
    found.count(indices.size, int((~closed).sum()), float((error[sure] / radius[sure]).max(initial=0.0)))
    exceeds = np.flatnonzero(closed & (error > radius * _SLACK) & (error > _DOUBLE_DOUBLE * np.abs(high)))
    for k in exceeds[:1]:
        parameter, t = parameter_and_step
        yield HiddenError(
            parameter,
            t,
            element_of(int(indices[k]), after.shape),
            float(actual[k]),
            float(high[k]),
            error_model.format_.round_float(float(high[k])),
            float(steps.in_ulp(high[k : k + 1], error[k : k + 1])[0]),
            float(radius[k]),
            float(error[k] / radius[k]) if radius[k] else math.inf,
        )


def _carried_from_zero(values: Values) -> _Carried:
    count = values.size if values.size <= _WHOLE else min(len(values.pattern), values.size)
    return _Carried(CarriedState.start(count), _later_exceptions(values, count))


def _later_exceptions(values: Values, count: int) -> frozenset[int]:
    """The elements after the first `count` that need not repeat them."""
    if count % max(len(values.pattern), 1) and values.size > count:
        return frozenset(range(count, values.size))
    return frozenset(index for index, _ in values.exceptions if index >= count)


def _judged_indices(after: Values, carried: _Carried) -> npt.NDArray[np.intp]:
    """The elements that are compared: the carried ones, and those that differ.

    An element that repeats a carried one is right if that is.
    """
    count = carried.count
    if count % max(len(after.pattern), 1):
        later: Iterable[int] = range(count, after.size)
    else:
        later = (index for index, _ in after.exceptions if index >= count)
    return np.array([*range(count), *(index for index in later if index not in carried.others)], np.intp)
