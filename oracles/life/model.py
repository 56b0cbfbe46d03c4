"""The optimizers and checkpoints of a life as they must be, after each action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ...reference.life import GradientSpec, GroupSpec, OptimizerState, Options, ParameterSpec
from ...reference.values import FloatArray, Values


@dataclass(frozen=True)
class ParameterModel:
    """The facts about a parameter that no observation shows.

    Attributes:
        spec: as it was constructed.
        group: the index of its group.
        count: how many steps it took.
        others: further counts that are admissible: of a parameter that joined later.
    """

    spec: ParameterSpec
    group: int
    count: int = 0
    others: tuple[int, ...] = ()

    def advanced(self, steps: int = 1) -> ParameterModel:
        """After some steps more."""
        return replace(self, count=self.count + steps, others=tuple(n + steps for n in self.others))


@dataclass(frozen=True)
class CheckpointModel:
    """Everything that a checkpoint must bring back.

    Attributes:
        parameters: with their counts.
        options: of each group.
        state: as it was seen when it was saved.
    """

    parameters: tuple[ParameterModel, ...]
    options: tuple[Hyperparameters, ...]
    state: OptimizerState

    def with_count(self, count: int) -> CheckpointModel:
        """The same, after another number of steps."""
        return replace(self, parameters=tuple(p.advanced(count - p.count) for p in self.parameters))


@dataclass
class OptimizerModel:
    """An optimizer as it must be.

    Attributes:
        parameters: in the order of the groups.
        options: in force, of each group.
        state: as it was last seen.
        steps: how many it took.
    """

    parameters: list[ParameterModel]
    options: list[Hyperparameters]
    state: OptimizerState
    steps: int = 0

    @classmethod
    def constructed(cls, groups: Sequence[GroupSpec], keywords: Options) -> OptimizerModel:
        """Before the first step."""
        parameters = [
            ParameterModel(spec, index) for index, group in enumerate(groups) for spec in group.parameters
        ]
        options = [options_in_force(group.options, keywords) for group in groups]
        return cls(parameters, options, initial_state([p.spec for p in parameters]))

    def add_group(self, group: GroupSpec, keywords: Options) -> None:
        """Add a group, whose first step is step 1 or the optimizer's own next one."""
        index = len(self.options)
        others = (self.steps,) if self.steps else ()
        self.parameters += [ParameterModel(spec, index, 0, others) for spec in group.parameters]
        self.options.append(options_in_force(group.options, keywords))
        added = initial_state(group.parameters)
        self.state = replace(self.state, theta=(*self.state.theta, *added.theta))

    def set_option(self, group: int, name: str, value: Any) -> None:
        """Set an option of a group, from the next step on."""
        options = self.options[group].options()
        self.options[group] = Hyperparameters.from_options({**options, name: value})

    def checkpoint(self) -> CheckpointModel:
        """The checkpoint that is saved now."""
        return CheckpointModel(tuple(self.parameters), tuple(self.options), self.state)

    def load(self, checkpoint: CheckpointModel) -> None:
        """Go on from a checkpoint, with theta as it is."""
        self.parameters = list(checkpoint.parameters)
        self.options = list(checkpoint.options)
        self.steps = max((p.count for p in checkpoint.parameters), default=0)

    def copy(self) -> OptimizerModel:
        """The same, to go its own way."""
        return OptimizerModel(list(self.parameters), list(self.options), self.state, self.steps)


def initial_state(specs: Sequence[ParameterSpec]) -> OptimizerState:
    """The state before the first step: theta as given, and zeros."""
    zeros = tuple(zeros_like(spec.values) for spec in specs)
    return OptimizerState(tuple(spec.values for spec in specs), zeros, zeros)


def zeros_like(values: Values) -> Values:
    """Zeros of the shape of an array."""
    return Values(values.shape, (0.0,) * len(values.pattern))


def options_in_force(own: Options, keywords: Options) -> Hyperparameters:
    """A group's options: its own, the constructor's, or the documented defaults."""
    passed: dict[str, Any] = {**DEFAULTS.options(), **keywords.passed(), **own.passed()}
    lr = passed["lr"]
    return Hyperparameters.from_options({**passed, "lr": float(getattr(lr, "value", lr))})


def gradient_values(specs: Sequence[GradientSpec], theta: Sequence[Values]) -> list[Values | None]:
    """The numbers of each gradient at the moment of the call.

    Args:
        specs: of each parameter.
        theta: of each parameter, before the call.

    Returns:
        None for a parameter without a gradient.
    """
    found: list[Values | None] = []
    for index, spec in enumerate(specs):
        if spec.same_as is not None:
            found.append(found[spec.same_as])
        elif spec.parameter is not None:
            other = theta[spec.parameter]
            found.append(replace(other, shape=theta[index].shape))
        else:
            found.append(spec.values)
    return found


def first_difference(a: Values, b: Values) -> int | None:
    """The first element whose bits differ, in row-major order; any NaN is any other."""
    if a is b or (a.shape == b.shape and a.pattern == b.pattern and a.exceptions == b.exceptions):
        return None
    if a.shape != b.shape:
        return 0
    different = np.flatnonzero(_bits(a.expand()) != _bits(b.expand()))
    return int(different[0]) if different.size else None


def _bits(array: FloatArray) -> Any:
    return np.where(np.isnan(array), np.nan, array).view(np.int64)


@dataclass
class World:
    """All optimizers and checkpoints of a life."""

    optimizers: dict[int, OptimizerModel] = field(default_factory=dict)
    checkpoints: dict[int, CheckpointModel] = field(default_factory=dict)
    keywords: dict[int, Options] = field(default_factory=dict)
