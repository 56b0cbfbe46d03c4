"""The exact run of many elements, step by step in a compiled loop.

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
from ..error_model import Assumption
from .compiled_lockstep import tallies_of
from .kernels.counts import DOUBTFUL, Found, Layout
from .kernels.lockstep import compiled_loop
from .kernels.step_constants import step_values
from .kernels.trajectory import Run, over_trajectory
from .tally import BlockTally

Numbers = npt.NDArray[np.float64]


class CompiledTrajectory:
    """A run from the start.

    Args:
        theta: before the first step, one-dimensional.
        assumption: what is judged against.
    """

    def __init__(self, theta: Numbers, assumption: Assumption) -> None:
        self._assumption = assumption
        self._run = Run.start(theta)

    def step(
        self, scalars: Scalars[Any], t: int, gradient: Numbers, seen: tuple[Numbers | None, ...]
    ) -> list[BlockTally]:
        """Take a step, and judge a subject's state after it.

        Args:
            scalars: the exact hyperparameters, as mpf, all within the range in which bounds may be evaluated in
                binary64.
            t: the number of the step, from 1.
            gradient: as passed.
            seen: its theta, m and u after the step; None for what is hidden.

        Returns:
            What was found of theta, m and u.
        """
        a = self._assumption
        found = Found.nothing()
        arguments = (
            step_constants(scalars, t, a.format_, a.rule, a.habits, a.arithmetic, float),
            step_values(scalars, t, a.rule),
            Layout.of(a.format_),
            self._run,
            t,
            np.ascontiguousarray(gradient, np.float64),
            tuple(np.ascontiguousarray(gradient if x is None else x, np.float64) for x in seen),
            tuple(x is not None for x in seen),
            found,
        )
        _loop(arguments)(*arguments)
        return tallies_of(found)

    @property
    def left(self) -> dict[int, int]:
        """The elements that are left to the exact oracle, each from a step on."""
        places = np.flatnonzero(self._run.state == DOUBTFUL)
        return {int(i): int(self._run.since[i]) for i in places}


_COMPILED: Final[list[Callable[..., int]]] = []


def _loop(arguments: tuple[Any, ...]) -> Callable[..., int]:
    """The loop, compiled for the types of its arguments, which are always the same."""
    if not _COMPILED:
        typeof: Any = numba.typeof
        _COMPILED.append(compiled_loop(over_trajectory, tuple(typeof(argument) for argument in arguments)))
    return _COMPILED[0]
