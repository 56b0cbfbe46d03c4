"""The actions of a life, in words: for the reason of a divergence."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ...reference.features import Call
from ...reference.life import (
    AddGroup,
    Ask,
    Construct,
    Copy,
    Drop,
    EditCheckpoint,
    Life,
    Load,
    NumberKind,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)


@singledispatch
def describe(action: Any) -> str:
    """An action as part of a sentence."""
    raise TypeError(f"{action!r} is not an action of a life")


@describe.register
def _(action: Construct) -> str:
    return f"constructing optimizer {action.optimizer} from a {action.container.value}"


@describe.register
def _(action: Step) -> str:
    call = "" if action.call == Call() else f" by {action.call}"
    return f"a step of optimizer {action.optimizer}{call}"


@describe.register
def _(action: Run) -> str:
    return f"{action.steps} steps of optimizer {action.optimizer}"


@describe.register
def _(action: SetLr) -> str:
    of = f"lr of group {action.group} of optimizer {action.optimizer}"
    value = int(action.lr.value) if action.lr.kind is NumberKind.INT else action.lr.value
    return f"setting {of} to {value!r} ({action.lr.kind.value})"


@describe.register
def _(action: SetOption) -> str:
    of = f"{action.name} of group {action.group} of optimizer {action.optimizer}"
    return f"setting {of} to {action.value!r}"


@describe.register
def _(action: AddGroup) -> str:
    return f"adding a group to optimizer {action.optimizer}"


@describe.register
def _(action: Save) -> str:
    return f"saving optimizer {action.optimizer} as checkpoint {action.checkpoint}"


@describe.register
def _(action: SetCount) -> str:
    return f"setting the number of steps in checkpoint {action.checkpoint} to {action.count}"


@describe.register
def _(action: Load) -> str:
    into = "a new optimizer" if action.fresh else f"optimizer {action.optimizer} in use"
    return f"loading checkpoint {action.checkpoint} into {into}"


@describe.register
def _(action: Copy) -> str:
    return f"copying optimizer {action.optimizer} by {action.method.value} as optimizer {action.copy}"


@describe.register
def _(action: Refuse) -> str:
    return f"a call of optimizer {action.optimizer} that has to be refused ({action.refusal.value})"


@describe.register
def _(action: EditCheckpoint) -> str:
    return f"rewriting checkpoint {action.checkpoint} {action.edit.value}"


@describe.register
def _(action: Ask) -> str:
    return f"asking optimizer {action.optimizer} for {action.question.value}"


@describe.register
def _(action: Drop) -> str:
    return f"dropping optimizer {action.optimizer}"


def locate(life: Life, index: int) -> str:
    """An action's number in its life, the action, and the one right before a step.

    A step is often wrong because of what was done to the optimizer before it.
    """
    action = life.actions[index]
    words = f"action {index + 1}, {describe(action)}"
    before = life.actions[index - 1] if index else None
    if (
        isinstance(action, Step | Run)
        and before is not None
        and not isinstance(before, Step | Run | Construct)
    ):
        words += f" right after {describe(before)}"
    return words
