"""A life cut down to one parameter, and to the numbers of one of its elements.

The formula is element by element. So a cut life shows the same wrong number, unless that depends on other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ...reference.life import (
    Action,
    AddGroup,
    Construct,
    GradientSpec,
    GroupSpec,
    Life,
    Run,
    SetLr,
    SetOption,
    Step,
)
from ...reference.values import Values


def only_parameter(life: Life, index: int) -> Life | None:
    """The life of one parameter alone; None if it cannot do without the others.

    Args:
        life: that constructs optimizers of the same parameters.
        index: of the parameter.
    """
    constructed = [action for action in life.actions if isinstance(action, Construct)]
    if len(constructed) != 1:
        return None
    cutter = _Cutter(index)
    try:
        actions = tuple(kept for action in life.actions for kept in cutter.cut(action))
    except _NeedsOthersError:
        return None
    return replace(life, actions=actions) if cutter.group is not None else None


def repeat_element(life: Life, element: int) -> Life:
    """The life of one parameter whose every element has the numbers of one of them.

    Args:
        life: of one parameter.
        element: its index in row-major order.
    """
    return replace(life, actions=tuple(_repeated(action, element) for action in life.actions))


class _NeedsOthersError(Exception):
    """The parameter's gradient is the memory of another one."""


@dataclass
class _Cutter:
    """Leaves out everything but one parameter.

    Attributes:
        index: of the parameter among all.
        parameters: how many there are so far.
        groups: how many there are so far.
        group: of the parameter, if it is there already.
    """

    index: int
    parameters: int = 0
    groups: int = 0
    group: int | None = field(default=None)

    def cut(self, action: Action) -> Iterator[Action]:
        """The action without the other parameters; none if nothing of it is left."""
        match action:
            case Construct():
                groups = tuple(kept for group in action.groups if (kept := self._kept(group)) is not None)
                yield replace(action, groups=groups)
            case AddGroup():
                kept = self._kept(action.group)
                if kept is not None:
                    yield replace(action, group=kept)
            case SetLr() | SetOption():
                if action.group == self.group:
                    yield replace(action, group=0)
            case Step():
                yield replace(action, gradients=(self._gradient(action),))
            case Run():
                yield replace(
                    action, gradients=tuple((gradients[self.index],) for gradients in action.gradients)
                )
            case _:
                yield action

    def _kept(self, group: GroupSpec) -> GroupSpec | None:
        own = self.index - self.parameters
        self.parameters += len(group.parameters)
        self.groups += 1
        if not 0 <= own < len(group.parameters):
            return None
        self.group = self.groups - 1
        return replace(group, parameters=(group.parameters[own],))

    def _gradient(self, action: Step) -> GradientSpec:
        if self.group is None:
            raise _NeedsOthersError
        spec = action.gradients[self.index]
        while spec.same_as is not None:
            spec = action.gradients[spec.same_as]
        if spec.parameter is not None:
            raise _NeedsOthersError
        return spec


def _repeated(action: Action, element: int) -> Action:
    def cut(values: Values) -> Values:
        return Values(values.shape, tuple(values.take(np.array([element])).tolist()))

    def cut_group(group: GroupSpec) -> GroupSpec:
        return replace(
            group, parameters=tuple(replace(spec, values=cut(spec.values)) for spec in group.parameters)
        )

    match action:
        case Construct():
            return replace(action, groups=tuple(map(cut_group, action.groups)))
        case AddGroup():
            return replace(action, group=cut_group(action.group))
        case Step():
            gradients = (
                spec if spec.values is None else replace(spec, values=cut(spec.values))
                for spec in action.gradients
            )
            return replace(action, gradients=tuple(gradients))
        case Run():
            runs = tuple(tuple(map(cut, gradients)) for gradients in action.gradients)
            return replace(action, gradients=runs)
    return action
