"""A life in words: one line for each action."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any, Final

from ...reference.life import (
    Action,
    Construct,
    GradientSpec,
    Life,
    Load,
    Options,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)
from ...reference.values import Values

_SHOWN: Final = 6
"""The numbers of an array that are shown."""


def life_lines(life: Life) -> Iterator[str]:
    """A life as a reader writes it."""
    for action in life.actions:
        yield _line(action)


@singledispatch
def _line(action: Action) -> str:
    return type(action).__name__


@_line.register
def _(action: Construct) -> str:
    groups = [
        f"{{params: [{', '.join(_array(p.values) for p in group.parameters)}]{_options(group.options)}}}"
        for group in action.groups
    ]
    return f"{_name(action.optimizer)} = Adamax([{', '.join(groups)}]{_options(action.options)})"


@_line.register
def _(action: Step) -> str:
    return f"{_name(action.optimizer)}([{', '.join(map(_gradient, action.gradients))}])"


@_line.register
def _(action: Run) -> str:
    return f"{action.steps} steps of {_name(action.optimizer)}"


@_line.register
def _(action: SetLr) -> str:
    return f"{_name(action.optimizer)}.param_groups[{action.group}]['lr'] = {action.lr.value!r}"


@_line.register
def _(action: SetOption) -> str:
    return f"{_name(action.optimizer)}.param_groups[{action.group}][{action.name!r}] = {action.value!r}"


@_line.register
def _(action: Save) -> str:
    return f"checkpoint = {_name(action.optimizer)}.state_dict()"


@_line.register
def _(action: SetCount) -> str:
    return f"the checkpoint's number of steps = {action.count}"


@_line.register
def _(action: Load) -> str:
    into = "a new optimizer over the same parameters" if action.fresh else _name(action.optimizer)
    return f"{into}.load_state_dict(checkpoint)"


@_line.register
def _(action: Refuse) -> str:
    return f"a call that must be refused: {action.refusal.value}"


def _name(optimizer: int) -> str:
    return f"optimizer{optimizer + 1 if optimizer else ''}"


def _gradient(spec: GradientSpec) -> str:
    if spec.values is not None:
        return _array(spec.values)
    return "None" if spec.is_absent else "the same"


def _array(values: Values) -> str:
    if not values.shape:
        return repr(float(values.expand()))
    shown = [repr(float(x)) for x in values.expand().reshape(-1)[:_SHOWN]]
    more = ", ..." if values.size > _SHOWN else ""
    shape = f" as {'x'.join(map(str, values.shape))}" if len(values.shape) > 1 or more else ""
    return f"[{', '.join(shown)}{more}]{shape}"


def _options(options: Options) -> str:
    passed: dict[str, Any] = {name: getattr(x, "value", x) for name, x in options.passed().items()}
    return "".join(f", {name}={value!r}" for name, value in passed.items())
