"""The interface between the recorder and an optimizer of any framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    """

    subject: str
    framework: str
    version: str
    optimizer: str
    device: str


@dataclass(frozen=True)
class ParameterInfo:
    """A parameter's name and group.

    Attributes:
        name: in the framework; empty if it has none.
        group: the index of its group.
    """

    name: str
    group: int


ParameterState = tuple[RawTensor, RawTensor | None, RawTensor | None]
"""theta, m and u of one parameter; m and u are None before the optimizer makes them."""


class Source(Protocol):
    """A recorded optimizer."""

    @property
    def facts(self) -> OptimizerFacts:
        """The facts about it."""

    def parameters(self) -> Sequence[ParameterInfo]:
        """Its parameters, group by group, which is the order of their indices."""

    def options(self) -> Sequence[Hyperparameters]:
        """The hyperparameters of each group that are in force at the next step."""

    def steps_taken(self) -> Sequence[int]:
        """The number of steps that each parameter has taken, by the optimizer's count."""

    def gradients(self) -> Sequence[RawTensor | None]:
        """The gradients of the step in progress; None for a parameter without one."""

    def state(self, index: int) -> ParameterState:
        """The present theta, m and u of a parameter."""

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        """Call functions before and after each step, and return a function that ends it."""
