"""Is a whole run of a large array within its bounds, from the start? The trajectory comparison over whole arrays.

The verdicts are those of `comparison.trajectory`, element by element. As in `vectorized`, compiled loops judge all that
they can be sure of, and the exact oracle the rest, or everything where Numba is not installed.
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
from ..error_model import Assumption
from ..exact.trajectory import context, exact_scalars, precision_for
from ..judgement import GroupBounds, Judgement, advance, measured
from ..verdict import Quantity
from .lockstep import compiles, tally
from .tally import BlockTally, merge

Numbers = npt.NDArray[np.float64]

ORDER: Final = (Quantity.THETA, Quantity.M, Quantity.U)


@dataclass(frozen=True, eq=False)
class RunStep:
    """One step of some elements, as it was run; arrays are one-dimensional, of float64.

    Attributes:
        hyperparameters: in force.
        gradient: as passed.
        seen: theta, m and u of the subject after it, in the order of `ORDER`; None for what is hidden.
    """

    hyperparameters: Hyperparameters
    gradient: Numbers
    seen: tuple[Numbers | None, ...]


Tallies = dict[Quantity, BlockTally]


def judge_trajectory(theta: Numbers, steps: Sequence[RunStep], assumption: Assumption) -> list[Tallies]:
    """Judge a run from the start.

    Args:
        theta: before the first step, one-dimensional.
        steps: as they were taken, from t = 1.
        assumption: what is judged against.

    Returns:
        What was found after each step of theta, and of m and u where they are seen.
    """
    ctx = context(precision_for(len(steps)))
    scalars = [exact_scalars(ctx, step.hyperparameters) for step in steps]
    found: list[Tallies] = [{} for _ in steps]
    left = dict.fromkeys(range(theta.size), 1)
    if all(compiles(each) for each in scalars):
        from .compiled_trajectory import CompiledTrajectory  # noqa: PLC0415 - it needs Numba

        run = CompiledTrajectory(theta, assumption)
        for t, (each, step) in enumerate(zip(scalars, steps, strict=True), start=1):
            tallies = run.step(each, t, step.gradient, step.seen)
            found[t - 1] = {q: x for q, x, s in zip(ORDER, tallies, step.seen, strict=True) if s is not None}
        left = run.left
    exact = ExactRun(theta, steps, assumption, scalars)
    for place, since in left.items():
        for t, judged in exact.judge(place):
            if t >= since:
                for quantity, judgement in judged.items():
                    more = tally([(place, judgement)])
                    found[t - 1][quantity] = merge(found[t - 1].get(quantity, BlockTally()), more)
    return found


class ExactRun:
    """A run, judged an element at a time by the exact oracle.

    Args:
        theta: before the first step.
        steps: as they were taken.
        assumption: what is judged against.
        scalars: the exact hyperparameters of each step, as mpf; formed where they are not given.
    """

    def __init__(
        self,
        theta: Numbers,
        steps: Sequence[RunStep],
        assumption: Assumption,
        scalars: Sequence[Scalars[Any]] | None = None,
    ) -> None:
        self._ctx = context(precision_for(len(steps)))
        self._theta, self._steps, self._assumption = theta, steps, assumption
        each = scalars or [exact_scalars(self._ctx, step.hyperparameters) for step in steps]
        self._bounds = [GroupBounds(self._ctx, x, t, assumption) for t, x in enumerate(each, start=1)]

    def after(self, t: int, place: int) -> Mapping[Quantity, Judgement]:
        """One element after one step that can be compared."""
        return next(judged for step, judged in self.judge(place) if step == t)

    def judge(self, place: int) -> Iterator[tuple[int, Mapping[Quantity, Judgement]]]:
        """One element: after each step that can be compared, what there is to say of each quantity that is seen."""
        ctx, rule = self._ctx, self._assumption.rule
        zero = ctx.mpf(0)
        state: State[Any] = State(ctx.mpf(float(self._theta[place])), zero, zero)
        radii: State[Any] = State(0.0, 0.0, 0.0)
        for t, (step, bounds) in enumerate(zip(self._steps, self._bounds, strict=True), start=1):
            g = float(step.gradient[place])
            if not math.isfinite(g):
                break
            state, radii = advance(ctx, bounds, rule, state, radii, g, t)
            numbers = zip(
                ORDER,
                (state.theta, state.m, state.u),
                (radii.theta, radii.m, radii.u),
                step.seen,
                strict=True,
            )
            yield t, {q: self._judged(x, r, s, place) for q, x, r, s in numbers if s is not None}
            if math.inf in (radii.theta, radii.m, radii.u):
                break

    def _judged(self, exact: Any, radius: Any, seen: Numbers, place: int) -> Judgement:
        actual = float(seen[place])
        found = None if radius == math.inf else measured(self._assumption.format_, exact, radius, actual)
        return Judgement(exact, radius, actual, found)
