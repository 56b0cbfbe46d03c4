"""A check that the observations of a life fit its actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np

from ...reference.life import (
    AddGroup,
    Construct,
    Copy,
    Drop,
    Life,
    Load,
    Observation,
    OptimizerState,
    Outcome,
    ParameterSpec,
    Refuse,
    Save,
)
from ...reference.values import Values
from ..protocol.representable import first_unrepresentable

Specs = tuple[ParameterSpec, ...]


def find_misfit(life: Life, observations: Sequence[Observation]) -> str | None:
    """Find what does not fit the actions of a life; None if everything does."""
    world = _World(life.dtype)
    for index, seen in enumerate(observations):
        if index == len(life.actions):
            return f"there are {len(observations)} observations of {len(life.actions)} actions"
        action = life.actions[index]
        if seen.outcome is Outcome.DONE:
            world.follow(action)
        if misfit := world.misfit(seen):
            return f"observation {index} does not fit: {misfit}"
        ends = seen.outcome is Outcome.UNSUPPORTED or (
            seen.outcome is Outcome.REFUSED and not isinstance(action, Refuse)
        )
        if ends and index + 1 < len(observations):
            return f"observation {index} is {seen.outcome.value!r} and ends the life; others follow"
        if ends:
            return None
    if len(observations) < len(life.actions):
        return f"there are {len(observations)} observations of {len(life.actions)} actions"
    return None


@dataclass
class _World:
    """The parameters of all optimizers and checkpoints, and the last fitting theta."""

    dtype: str
    optimizers: dict[int, Specs] = field(default_factory=dict)
    checkpoints: dict[int, Specs] = field(default_factory=dict)
    fitting: dict[tuple[int, int], Values] = field(default_factory=dict)

    @singledispatchmethod
    def follow(self, action: Any) -> None:
        """Take an action as done; most make no optimizer and no parameter."""

    @follow.register
    def _(self, action: Construct) -> None:
        self.optimizers[action.optimizer] = tuple(p for group in action.groups for p in group.parameters)

    @follow.register
    def _(self, action: AddGroup) -> None:
        self.optimizers[action.optimizer] += action.group.parameters

    @follow.register
    def _(self, action: Copy) -> None:
        self.optimizers[action.copy] = self.optimizers[action.optimizer]

    @follow.register
    def _(self, action: Save) -> None:
        self.checkpoints[action.checkpoint] = self.optimizers[action.optimizer]

    @follow.register
    def _(self, action: Load) -> None:
        if action.fresh:
            count = len(self.checkpoints[action.checkpoint])
            self.optimizers[action.optimizer] = self.optimizers[action.optimizer][:count]

    @follow.register
    def _(self, action: Drop) -> None:
        del self.optimizers[action.optimizer]

    def misfit(self, seen: Observation) -> str | None:
        """The first thing that does not fit what there is.

        After an action that is refused, an optimizer whose state cannot be read is left out.
        """
        if seen.outcome is Outcome.REFUSED and not seen.optimizers:
            return None
        if seen.optimizers.keys() != self.optimizers.keys():
            return f"it has the optimizers {sorted(seen.optimizers)}; there are {sorted(self.optimizers)}"
        for number, state in seen.optimizers.items():
            if misfit := self._state_misfit(number, state):
                return f"of optimizer {number}, {misfit}"
        return None

    def _state_misfit(self, number: int, state: OptimizerState) -> str | None:
        specs = self.optimizers[number]
        for name, arrays in (("theta", state.theta), ("m", state.m), ("u", state.u)):
            if arrays is None:
                continue
            shapes = [None if each is None else each.shape for each in arrays]
            expected = [spec.values.shape for spec in specs]
            fits = len(shapes) == len(expected) and all(
                a is None or a == b for a, b in zip(shapes, expected, strict=True)
            )
            if not fits:
                return f"{name} has the shapes {shapes}; the parameters have {expected}"
        for i, (spec, theta) in enumerate(zip(specs, state.theta, strict=True)):
            dtype = spec.dtype or self.dtype
            if self.fitting.get((number, i)) is theta:
                continue
            if (element := first_unrepresentable(_distinct(theta), dtype)) is not None:
                return f"theta {i} has the element {element.hex()}, which is not a {dtype}"
            self.fitting[number, i] = theta
        return None


def _distinct(values: Values) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Every number of an array, once or more often."""
    return np.array([*values.pattern, *(value for _, value in values.exceptions)], np.float64)
