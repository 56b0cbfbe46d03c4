"""The rows of a trace: each is one step of one parameter, as it was observed."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ...reference.causes.machine import Inputs, Machine, SavedBooks, Source
from ...reference.life import Life

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass
class Row:
    """One step of one parameter.

    Attributes:
        life: the index of the life.
        action: the index of the action.
        optimizer: its number.
        parameter: its index in the optimizer.
        others: of each parameter of the optimizer with a gradient, its row.
        theta: before the step; of the elements that are judged, as are all arrays here.
        m: as it was seen before; None where it is hidden.
        u: likewise.
        g: the gradient.
        after: theta, m and u as they were seen after.
        norm: the Euclidean norm of the gradient's whole array.
        old: the gradient, theta and weight_decay of the parameter's step before, if it had one.
        last: the row that left m and u, where they are hidden; -1 before the first step, None where it is not known.
        indices: of the elements in the array.
        features: what is special about the step, by name.
    """

    life: int
    action: int
    optimizer: int
    parameter: int
    others: dict[int, int]
    theta: Array
    m: Array | None
    u: Array | None
    g: Array
    after: tuple[Array, Array | None, Array | None]
    norm: float
    old: tuple[Array, Array, float] | None
    last: int | None
    indices: npt.NDArray[np.intp]
    shape: tuple[int, ...]
    features: dict[str, Any] = field(default_factory=dict)


@dataclass
class Check:
    """A moment as it was seen after an action that is not a step.

    Or a theta that has moved there.

    Attributes:
        equals: whether it is what a source says.
    """

    life: int
    action: int
    optimizer: int
    parameter: int
    moment: str
    equals: Callable[[Source], bool]


Event: TypeAlias = Callable[["Books"], None]
"""The effect of an action on the machines of a life."""


class Books:
    """The machines of one life, and their answers for each row and check.

    Args:
        kind: of machine.
        process: what lives as long as the process.
    """

    def __init__(self, kind: type[Machine], process: MutableMapping[str, Any]) -> None:
        self.kind, self.process = kind, process
        self.machines: dict[int, Machine] = {}
        self.made: dict[int, tuple[Any, Any]] = {}
        self.saved: dict[int, SavedBooks] = {}
        self.inputs: list[Inputs] = []
        self.wrong: list[Check] = []


@dataclass
class LifeTrace:
    """A life as it was observed.

    Attributes:
        life: what was done.
        rows: of all steps.
        events: what each action does to the machines, in order.
        refused: what a legitimate action raised, if one did: the life ends there.
    """

    life: Life
    rows: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refused: str = ""
    unsupported: str = ""

    def books(self, kind: type[Machine], process: MutableMapping[str, Any]) -> Books:
        """Let a kind of machine live the life."""
        books = Books(kind, process)
        for event in self.events:
            event(books)
        return books
