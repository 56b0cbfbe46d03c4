"""The trajectory comparison over whole arrays.

The verdicts are those of `comparison.trajectory`, element by element. As in `lockstep`, compiled loops judge all that
they can be sure of; the exact oracle judges the rest, or everything where Numba is not installed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.formula import Scalars, State
from ...reference.hyperparameters import Hyperparameters
from ..bounds.step import StepBounds
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, precision_for
from ..judgement import Judgement, advance, error_size
from ..verdict import Quantity
from .lockstep import can_compile, tally_judgements
from .tally import QuantityTally, merge

Numbers = npt.NDArray[np.float64]

ORDER: Final = (Quantity.THETA, Quantity.M, Quantity.U)


@dataclass(frozen=True, eq=False)
class RunStep:
    """One step of some elements, as it was run.

    Arrays are one-dimensional, of float64.

    Attributes:
        hyperparameters: in force.
        gradient: as passed.
        observed: theta, m and u of the subject after it, in the order of `ORDER`; None for what is hidden.
    """

    hyperparameters: Hyperparameters
    gradient: Numbers
    observed: tuple[Numbers | None, ...]


BlockTallies = dict[Quantity, QuantityTally[int]]


def judge_trajectory(theta: Numbers, steps: Sequence[RunStep], error_model: ErrorModel) -> list[BlockTallies]:
    """Judge a run from the start.

    Args:
        theta: before the first step, one-dimensional.
        steps: as they were taken, from t = 1.
        error_model: what is judged against.

    Returns:
        The tallies after each step: of theta, and of m and u where they are seen.
    """
    ctx = mpmath_context(precision_for(len(steps)))
    scalars = [exact_scalars(ctx, step.hyperparameters) for step in steps]
    found: list[BlockTallies] = [{} for _ in steps]
    undecided = dict.fromkeys(range(theta.size), 1)
    if all(can_compile(each) for each in scalars):
        from .compiled_trajectory import CompiledTrajectory

        run = CompiledTrajectory(theta, error_model)
        for t, (each, step) in enumerate(zip(scalars, steps, strict=True), start=1):
            tallies = run.step(each, t, step.gradient, step.observed)
            found[t - 1] = {
                q: x for q, x, s in zip(ORDER, tallies, step.observed, strict=True) if s is not None
            }
        undecided = run.undecided
    exact = ExactRunJudge(theta, steps, error_model, scalars)
    for index, since in undecided.items():
        for t, judged in exact.judge(index):
            if t >= since:
                for quantity, judgement in judged.items():
                    more = tally_judgements([(index, judgement)])
                    found[t - 1][quantity] = merge(found[t - 1].get(quantity, QuantityTally()), more)
    return found


class ExactRunJudge:
    """Judges a run by the exact oracle, an element at a time.

    Args:
        theta: before the first step.
        steps: as they were taken.
        error_model: what is judged against.
        scalars: the exact hyperparameters of each step, as mpf; formed where they are not given.
    """

    def __init__(
        self,
        theta: Numbers,
        steps: Sequence[RunStep],
        error_model: ErrorModel,
        scalars: Sequence[Scalars[Any]] | None = None,
    ) -> None:
        self._ctx = mpmath_context(precision_for(len(steps)))
        self._theta, self._steps, self._error_model = theta, steps, error_model
        each = scalars or [exact_scalars(self._ctx, step.hyperparameters) for step in steps]
        self._bounds = [StepBounds(self._ctx, x, t, error_model) for t, x in enumerate(each, start=1)]

    def judge_after(self, t: int, index: int) -> Mapping[Quantity, Judgement]:
        """Judge one element after one step that can be compared."""
        return next(judged for step, judged in self.judge(index) if step == t)

    def judge(self, index: int) -> Iterator[tuple[int, Mapping[Quantity, Judgement]]]:
        """Judge the seen quantities of one element after each step that can be compared."""
        ctx, rule = self._ctx, self._error_model.rule
        zero = ctx.mpf(0)
        state: State[Any] = State(ctx.mpf(float(self._theta[index])), zero, zero)
        radii: State[Any] = State(0.0, 0.0, 0.0)
        for t, (step, bounds) in enumerate(zip(self._steps, self._bounds, strict=True), start=1):
            g = float(step.gradient[index])
            if not math.isfinite(g):
                break
            state, radii = advance(ctx, bounds, rule, state, radii, g, t)
            numbers = zip(
                ORDER,
                (state.theta, state.m, state.u),
                (radii.theta, radii.m, radii.u),
                step.observed,
                strict=True,
            )
            yield t, {q: self._judgement(x, r, s, index) for q, x, r, s in numbers if s is not None}
            if math.inf in (radii.theta, radii.m, radii.u):
                break

    def _judgement(self, exact: Any, radius: Any, observed: Numbers, index: int) -> Judgement:
        actual = float(observed[index])
        size = None if radius == math.inf else error_size(self._error_model.format_, exact, radius, actual)
        return Judgement(exact, radius, actual, size)
