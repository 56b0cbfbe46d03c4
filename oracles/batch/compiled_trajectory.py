"""Judge the run of many elements from the start, step by step in a compiled loop.

Importing this module imports Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from ...reference.formula import Scalars
from ..bounds.step import step_constants
from ..error_model import ErrorModel
from .compiled_lockstep import tallies_of
from .kernels.counts import UNDECIDED, FormatParameters, KernelTally
from .kernels.formula_constants import formula_constants
from .kernels.lockstep import compile_loop
from .kernels.trajectory import TrajectoryState, make_trajectory_loop
from .tally import QuantityTally

Numbers = npt.NDArray[np.float64]


class CompiledTrajectory:
    """A run of some elements, judged from the start.

    Args:
        theta: before the first step, one-dimensional.
        error_model: what is judged against.
    """

    def __init__(self, theta: Numbers, error_model: ErrorModel) -> None:
        self._error_model = error_model
        self._run = TrajectoryState.start(theta)

    def step(
        self, scalars: Scalars[Any], t: int, gradient: Numbers, observed: tuple[Numbers | None, ...]
    ) -> list[QuantityTally[int]]:
        """Take a step and judge a subject's state after it.

        Args:
            scalars: the exact hyperparameters, as mpf, all within the range in which bounds may be evaluated in
                binary64.
            t: the number of the step, from 1.
            gradient: as passed.
            observed: the subject's theta, m and u after the step; None for what is hidden.

        Returns:
            The tallies of theta, m and u.
        """
        found = KernelTally.empty()
        arguments = (
            step_constants(scalars, t, self._error_model, float),
            formula_constants(scalars, t, self._error_model.rule),
            FormatParameters.of(self._error_model.format_),
            self._run,
            t,
            np.ascontiguousarray(gradient, np.float64),
            tuple(np.ascontiguousarray(gradient if x is None else x, np.float64) for x in observed),
            tuple(x is not None for x in observed),
            found,
        )
        _loop(arguments)(*arguments)
        return tallies_of(found)

    @property
    def undecided(self) -> dict[int, int]:
        """The first undecided step of each element that is left to the exact oracle."""
        indices = np.flatnonzero(self._run.state == UNDECIDED)
        return {int(i): int(self._run.since[i]) for i in indices}


_COMPILED: Final[list[Callable[..., int]]] = []


def _loop(arguments: tuple[Any, ...]) -> Callable[..., int]:
    """The loop, compiled for the types of its arguments: they never change."""
    if not _COMPILED:
        typeof: Any = numba.typeof
        _COMPILED.append(
            compile_loop(make_trajectory_loop, tuple(typeof(argument) for argument in arguments))
        )
    return _COMPILED[0]
