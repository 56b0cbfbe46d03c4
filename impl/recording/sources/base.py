"""What does the recorder ask of an optimizer, whatever its framework?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ....reference.hyperparameters import Hyperparameters
from ..step_file import Raw


@dataclass(frozen=True)
class Facts:
    """What is recorded.

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
class Place:
    """A parameter among all.

    Attributes:
        name: as the framework knows it; empty where it knows none.
        group: the place of its group.
    """

    name: str
    group: int


State = tuple[Raw, Raw | None, Raw | None]
"""theta, m and u of one parameter; m and u are None where they are not made yet."""


class Source(Protocol):
    """An optimizer that is recorded."""

    @property
    def facts(self) -> Facts:
        """What it is."""

    def places(self) -> Sequence[Place]:
        """Its parameters, group by group: the order in which they are numbered."""

    def options(self) -> Sequence[Hyperparameters]:
        """The hyperparameters of each group that are in force at the next step."""

    def steps_taken(self) -> Sequence[int]:
        """How many steps each parameter has taken, as the optimizer counts them."""

    def gradients(self) -> Sequence[Raw | None]:
        """The gradient of each parameter; None for one that takes no part in the step. While a step is taken."""

    def state(self, place: int) -> State:
        """theta, m and u of a parameter as they are."""

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        """Have functions called before and after each step; returns what ends that."""
