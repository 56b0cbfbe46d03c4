"""A check that every action of a life has what it refers to.

A life that was shortened may be performed only if it is whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatchmethod

from adamax_conformance.reference.life import (
    AddGroup,
    Construct,
    Copy,
    Drop,
    EditCheckpoint,
    Life,
    Load,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)


def is_whole(life: Life) -> bool:
    """Whether every action of a life has what it refers to."""
    present = _Present()
    return all(present.admits(action) for action in life.actions)


@dataclass
class _Present:
    """Everything that is there before an action.

    Attributes:
        parameters: how many each optimizer has.
        groups: likewise.
        saved: the optimizer of each checkpoint, and how many parameters it had.
    """

    parameters: dict[int, int] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=dict)
    saved: dict[int, tuple[int, int]] = field(default_factory=dict)

    @singledispatchmethod
    def admits(self, action: object) -> bool:
        """Whether an action may follow, which is then taken to have happened."""
        return getattr(action, "optimizer", None) in self.parameters

    @admits.register
    def _(self, action: Construct) -> bool:
        self.parameters[action.optimizer] = sum(len(group.parameters) for group in action.groups)
        self.groups[action.optimizer] = len(action.groups)
        return True

    @admits.register
    def _(self, action: Step) -> bool:
        return self.parameters.get(action.optimizer) == len(action.gradients)

    @admits.register
    def _(self, action: SetLr) -> bool:
        return action.group < self.groups.get(action.optimizer, 0)

    @admits.register
    def _(self, action: SetOption) -> bool:
        return action.group < self.groups.get(action.optimizer, 0)

    @admits.register
    def _(self, action: AddGroup) -> bool:
        if action.optimizer not in self.parameters:
            return False
        self.parameters[action.optimizer] += len(action.group.parameters)
        self.groups[action.optimizer] += 1
        return True

    @admits.register
    def _(self, action: Save) -> bool:
        if action.optimizer not in self.parameters:
            return False
        self.saved[action.checkpoint] = (action.optimizer, self.parameters[action.optimizer])
        return True

    @admits.register
    def _(self, action: Load) -> bool:
        own = (action.optimizer, self.parameters.get(action.optimizer))
        return self.saved.get(action.checkpoint) == own

    @admits.register
    def _(self, action: SetCount) -> bool:
        return action.checkpoint in self.saved

    @admits.register
    def _(self, action: EditCheckpoint) -> bool:
        return action.checkpoint in self.saved

    @admits.register
    def _(self, action: Copy) -> bool:
        if action.optimizer not in self.parameters:
            return False
        self.parameters[action.copy] = self.parameters[action.optimizer]
        self.groups[action.copy] = self.groups[action.optimizer]
        return True

    @admits.register
    def _(self, action: Drop) -> bool:
        return self.parameters.pop(action.optimizer, None) is not None
