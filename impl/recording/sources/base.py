"""The interface between the recorder and an optimizer of any framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor


@dataclass(frozen=True)
class OptimizerFacts:
    """The facts about a recorded optimizer.

    Attributes:
        subject: as on the command line: `torch`, `torch[foreach]`, `mindspore`, `numpy`, `torch:package.Class`.
        framework: its name.
        version: of the framework.
        optimizer: the class, with its module.
        device: `cpu`, `cuda`, ...
        rank: of this process, where several train together; None otherwise.
    """

    subject: str
    framework: str
    version: str
    optimizer: str
    device: str
    rank: int | None = None


@dataclass(frozen=True, eq=False)
class ParameterInfo:
    """A parameter's name and group, as they are at present.

    Attributes:
        name: in the framework; empty if it has none.
        group: the index of its group.
        index: among the optimizer's present parameters.
        key: the framework's object, the same one at another index.
    """

    name: str
    group: int
    index: int
    key: Any


ParameterState = tuple[RawTensor, RawTensor | None, RawTensor | None]
"""theta, m and u of one parameter; m and u are None before the optimizer makes them."""


class Source(Protocol):
    """A recorded optimizer."""

    @property
    def facts(self) -> OptimizerFacts:
        """The facts about it."""

    def parameters(self) -> Sequence[ParameterInfo]:
        """Its present parameters, group by group."""

    def options(self) -> Sequence[Hyperparameters]:
        """The hyperparameters of each group that are in force at the next step."""

    def count(self, parameter: ParameterInfo) -> int | None:
        """The optimizer's own count of a parameter's steps; None if it shows none."""

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        """A parameter's gradient in the step in progress; None if it has none."""

    def state(self, parameter: ParameterInfo) -> ParameterState:
        """The present theta, m and u of a parameter.

        theta is the optimizer's own finer copy of it, where it has one (master weights).
        """

    def is_rounded(self, parameter: ParameterInfo) -> bool | None:
        """Check that a parameter is its finer copy, rounded; None where it has no copy."""

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        """Call functions next to each step, and return a function that ends it.

        `before` is called again where a closure makes the gradients: the last call counts. What is called before the
        step by others comes before it, and what is called after the step by others comes after it.
        """
