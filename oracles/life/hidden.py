"""An optimizer whose m and u are hidden: their exact values carried from its first step, theta judged after each.

Theta is seen before every step, so it is exact there: only the radii of m and u grow. An error of m or u therefore
shows in theta as soon as it is larger than what an admissible evaluation may have carried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.life import OptimizerState, Values
from ..batch.arrays import ArraySteps, CarriedState
from ..error_model import ErrorModel
from ..verdict import Divergence, Quantity
from .model import OptimizerModel

_WHOLE: Final = 4096
"""Arrays of up to so many elements are carried whole; of a longer one, its pattern."""


@dataclass(frozen=True)
class HiddenFinding:
    """What was found of theta after one step of one parameter."""

    quantity: Quantity | None
    judged: int = 0
    open: int = 0
    divergence: Divergence | None = None


class HiddenRun:
    """Carries the exact m and u of an optimizer that shows neither.

    Args:
        model: the optimizer before its first step.
        dtype: of the parameters that do not say otherwise.
        error_model: what is judged against, by dtype.
    """

    def __init__(self, model: OptimizerModel, dtype: str, error_model: Callable[[str], ErrorModel]) -> None:
        self._dtype, self._error_model = dtype, error_model
        self._carried = [CarriedState.start(_count(p.spec.values)) for p in model.parameters]
        self._saved: dict[int, list[CarriedState]] = {}

    def copy(self) -> HiddenRun:
        """The same, to go its own way."""
        other = object.__new__(HiddenRun)
        other._dtype, other._error_model = self._dtype, self._error_model
        other._carried, other._saved = list(self._carried), dict(self._saved)
        return other

    def save(self, checkpoint: int) -> None:
        """Keep the exact state under a checkpoint's number."""
        self._saved[checkpoint] = list(self._carried)

    def load(self, checkpoint: int) -> None:
        """Go on from a checkpoint."""
        if checkpoint in self._saved:
            self._carried = list(self._saved[checkpoint])

    def step(
        self, model: OptimizerModel, gradients: Sequence[Values | None], state: OptimizerState
    ) -> Iterator[HiddenFinding]:
        """Take the exact step of every parameter that has a gradient, and judge theta after it."""
        for i, (parameter, gradient) in enumerate(zip(model.parameters, gradients, strict=True)):
            if gradient is None or i >= len(self._carried):
                continue
            before, after = model.state.theta[i], state.theta[i]
            indices = np.arange(_count(before))
            dtype = parameter.spec.dtype or self._dtype
            options, t = model.options[parameter.group], parameter.count + 1
            steps = ArraySteps([(options, t)], self._error_model(dtype))
            theta, g = before.take(indices), gradient.take(indices)
            self._carried[i], exact, radius = steps.carry(self._carried[i], theta, g)
            yield self._judged(steps, i, t, after, indices, exact, radius)

    def _judged(
        self,
        steps: ArraySteps,
        i: int,
        t: int,
        after: Values,
        indices: npt.NDArray[np.intp],
        exact: tuple[Any, Any],
        radius: npt.NDArray[np.float64],
    ) -> HiddenFinding:
        came = after.take(indices)
        # Of an array that is carried by its pattern, what differs from it is held against the same exact number.
        more = np.array([k for k, _ in after.exceptions if k >= indices.size], np.intp)
        if more.size:
            base = more % max(indices.size, 1)
            came = np.concatenate([came, after.take(more)])
            exact = (np.concatenate([exact[0], exact[0][base]]), np.concatenate([exact[1], exact[1][base]]))
            radius = np.concatenate([radius, radius[base]])
            indices = np.concatenate([indices, more])
        with np.errstate(all="ignore"):
            error = np.abs((exact[0] - came) + exact[1])
        error = np.where(np.isfinite(came), error, math.inf)
        closed = np.isfinite(radius)
        exceeds = closed & (error > radius * (1 + 2.0**-19)) & (error > 2.0**-90 * np.abs(exact[0]))
        opened = int((~closed).sum())
        if not exceeds.any():
            return HiddenFinding(Quantity.THETA, indices.size, opened)
        k = int(np.flatnonzero(exceeds)[0])
        ulp = float(steps.in_ulp(exact[0][k : k + 1], error[k : k + 1])[0])
        over = float(error[k] / radius[k]) if radius[k] else math.inf
        shape = after.shape
        element = tuple(int(x) for x in np.unravel_index(int(indices[k]), shape)) if shape else ()
        divergence = Divergence(
            quantity=Quantity.THETA,
            reason=(
                f"theta of element {list(element)}, parameter {i}, after step {t} is off by {ulp:.4g} ulp, "
                f"{over:.4g} times the proven bound (m and u are hidden)"
            ),
            expected=repr(float(exact[0][k])),
            actual=repr(float(came[k])),
            expected_hex=float(exact[0][k]).hex(),
            actual_hex=float(came[k]).hex(),
            error_ulp=ulp,
            error_over_bound=over,
            bound=repr(float(radius[k])),
            step=t,
            parameter=i,
            element=element,
        )
        return HiddenFinding(Quantity.THETA, indices.size, opened, divergence)


def _count(values: Values) -> int:
    return values.size if values.size <= _WHOLE else min(len(values.pattern), values.size)
