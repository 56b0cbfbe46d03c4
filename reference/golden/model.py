"""The model of a golden case: what a subject is run on, and why.

The oracle adds the values. A short list of gradients repeats: the gradient of step t is number (t - 1) modulo the
length. The same holds for learning rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final, Literal

from ..case import Case, Group, Parameter
from ..hyperparameters import Hyperparameters

Numbers = tuple[float, ...]
FormatName = Literal["binary16", "bfloat16", "binary32", "binary64"]

FORMATS: Final[tuple[FormatName, ...]] = ("binary16", "bfloat16", "binary32", "binary64")
"""Their names in IEEE 754, and bfloat16."""


@dataclass(frozen=True)
class GoldenParameter:
    """One parameter, of one dimension.

    Attributes:
        theta: its initial elements.
        gradients: as many numbers for each step; the list repeats.
    """

    theta: Numbers
    gradients: tuple[Numbers, ...]


@dataclass(frozen=True)
class GoldenGroup:
    """Parameters that share their hyperparameters.

    Attributes:
        hyperparameters: in force from the start.
        parameters: at least one.
        learning_rates: the learning rate in force at each step; the list repeats, and is empty for a constant rate.
    """

    hyperparameters: Hyperparameters
    parameters: tuple[GoldenParameter, ...]
    learning_rates: Numbers = ()


@dataclass(frozen=True)
class GoldenCase:
    """One case.

    Attributes:
        id: its family, a slash, and a name; it never changes.
        comment: its purpose.
        flags: the kinds of bug that it catches; each is described in `flags.FLAGS`.
        groups: the parameter groups of the optimizer.
        steps: the number of steps.
        shown: the steps after which the state is given; empty for all.
        formats: the formats that it is for, if they hold its numbers.
        room: what the specification leaves open here; empty where it leaves nothing open.
        acceptable: the acceptable results there, one phrase each.
    """

    id: str
    comment: str
    flags: tuple[str, ...]
    groups: tuple[GoldenGroup, ...]
    steps: int
    shown: tuple[int, ...] = ()
    formats: tuple[FormatName, ...] = FORMATS
    room: str = ""
    acceptable: tuple[str, ...] = field(default=())

    @property
    def family(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]

    @property
    def shown_steps(self) -> tuple[int, ...]:
        """The steps after which the state is given."""
        return self.shown or tuple(range(1, self.steps + 1))

    def run(self) -> Case:
        """The case that a subject is run on."""
        return Case(f"golden/{self.id}", tuple(self._group(group) for group in self.groups))

    def _group(self, group: GoldenGroup) -> Group:
        parameters = tuple(
            Parameter.of(p.theta, list(islice(cycle(p.gradients), self.steps))) for p in group.parameters
        )
        rates = tuple(islice(cycle(group.learning_rates), self.steps)) if group.learning_rates else None
        return Group(group.hyperparameters, parameters, rates)


def noise(seed: int, size: int, bits: int = 7) -> Numbers:
    """Numbers of either sign in [0.5, 2) with so many bits of fraction.

    They are the same on every machine, and each seed gives others.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014), the mixer of
    SplitMix64.
    """
    numbers = []
    for index in range(size):
        x = (seed * 0x10001 + index + 1) * 0x9E3779B97F4A7C15 % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        x ^= x >> 31
        size_ = 1 + (x >> 11) % 2**bits / 2**bits
        numbers.append((-1.0 if x & 1 else 1.0) * size_ * (0.5 if x & 2 else 1.0))
    return tuple(numbers)


def gradients(seed: int, steps: int, size: int, bits: int = 7) -> tuple[Numbers, ...]:
    """The gradients of some steps."""
    return tuple(noise(seed * 100 + t, size, bits) for t in range(1, steps + 1))


def single(
    hyperparameters: Hyperparameters,
    theta: Sequence[float],
    gradients_: Sequence[Sequence[float]],
    learning_rates: Numbers = (),
) -> tuple[GoldenGroup, ...]:
    """One group of one parameter."""
    parameter = GoldenParameter(tuple(theta), tuple(tuple(g) for g in gradients_))
    return (GoldenGroup(hyperparameters, (parameter,), learning_rates),)
