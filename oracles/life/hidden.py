"""An optimizer that hides m and u: theta judged by what they must be.

Their exact values are carried from the first step, with their radii. Theta is seen before every step, so it is exact
there, and only the radii of m and u grow. An error of m or u therefore shows in theta as soon as it is larger than what
an admissible evaluation may have carried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ...reference.life import OptimizerState
from ...reference.values import FloatArray, Values
from ..batch.arrays import ArraySteps, CarriedState
from ..error_model import ErrorModel
from .findings import LifeFindings
from .model import OptimizerModel
from .steps import element_of

_WHOLE: Final = 4096
"""Arrays of up to so many elements are carried whole; of a longer one, its pattern, twice."""

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

    Of a long one these are its pattern, in which some elements may be special, and its first repetition. The elements
    after them repeat the latter.

    Attributes:
        state: of the first elements.
        others: indices of later elements that repeat none: some gradient was another there.
        period: of the later elements; 0 if there are none.
        is_pierced: whether some of the first `period` elements are not as those that repeat them.
    """

    state: CarriedState
    others: frozenset[int] = frozenset()
    period: int = 0
    is_pierced: bool = False

    @classmethod
    def from_zero(cls, values: Values) -> _Carried:
        """Before the first step."""
        period = 0 if values.size <= _WHOLE else len(values.pattern)
        count = min(2 * period, values.size) if period else values.size
        return cls(CarriedState.start(count), period=period if count < values.size else 0).joined(values)

    def joined(self, values: Values) -> _Carried:
        """The same, with the elements noted at which an array does not repeat itself."""
        if not self.period:
            return self
        if self.period % max(len(values.pattern), 1):
            return replace(self, others=frozenset(range(self.count, values.size)))
        others = set(self.others)
        for index, _ in values.exceptions:
            if index >= self.count:
                others.add(index)
            elif index >= self.period:
                others.update(range(index + self.period, values.size, self.period))
        early = any(index < self.period for index, _ in values.exceptions)
        return replace(self, others=frozenset(others), is_pierced=self.is_pierced or early)

    def sources(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """The carried element that each one is, or repeats."""
        return np.where(indices < self.count, indices, self.period + indices % max(self.period, 1))

    def compared(self, after: Values) -> npt.NDArray[np.intp]:
        """The elements that are compared: the carried ones, and those that differ.

        A later element that repeats a carried one is right if that is.
        """
        later: Iterable[int] = ()
        if self.period and (self.is_pierced or self.period % max(len(after.pattern), 1)):
            later = range(self.count, after.size)
        elif self.period:
            later = (index for index, _ in after.exceptions if index >= self.count)
        return np.array([*range(self.count), *(i for i in later if i not in self.others)], np.intp)

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
        carried = [_Carried.from_zero(parameter.spec.values) for parameter in model.parameters]
        return cls(error_model, dtype, carried)

    def copy(self) -> HiddenRun:
        """The same, to go its own way."""
        return HiddenRun(self._error_model, self._dtype, self._carried, self._saved)

    def save(self, checkpoint: int) -> None:
        """Keep the exact state under a checkpoint's number."""
        self._saved[checkpoint] = tuple(self._carried)

    def load(self, checkpoint: int, steps: int) -> bool:
        """Go on from a checkpoint, and tell whether what it holds is known.

        Theta stays, and with it what special gradients have made of it since.

        Args:
            checkpoint: its number.
            steps: that it counts. Before the first, m and u are 0, also if it was not kept.
        """
        if checkpoint in self._saved:
            kept = self._saved[checkpoint]
        elif steps == 0:
            kept = tuple(replace(now, state=CarriedState.start(now.count)) for now in self._carried)
        else:
            return False
        self._carried = [
            replace(then, others=then.others | now.others, is_pierced=then.is_pierced or now.is_pierced)
            for then, now in zip(kept, self._carried, strict=False)
        ]
        return True

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
            self._carried[i] = carried = replace(carried, state=after).joined(gradient)
            yield from _judge_theta(steps, error_model, (i, t), state.theta[i], carried, exact, radius, found)


def _judge_theta(
    steps: ArraySteps,
    error_model: ErrorModel,
    parameter_and_step: tuple[int, int],
    after: Values,
    carried: _Carried,
    exact: tuple[FloatArray, FloatArray],
    radius: FloatArray,
    found: LifeFindings,
) -> Iterator[HiddenError]:
    indices = carried.compared(after)
    base = carried.sources(indices)
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
