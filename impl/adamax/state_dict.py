"""A check that a saved state fits an optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import options
from .arrays import Array, check_like

_KEYS: Final = ("t", "param_groups", "exp_avg", "exp_inf")


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """An optimizer's state besides its parameters, in canonical types.

    Attributes:
        t: the number of steps taken.
        groups: the options of each group.
        group_steps: the number of steps of each group.
        exp_avg: m of each parameter.
        exp_inf: u of each parameter.
    """

    t: int
    groups: tuple[dict[str, Any], ...]
    group_steps: tuple[int, ...]
    exp_avg: tuple[Array, ...]
    exp_inf: tuple[Array, ...]


def check_state(state: object, parameters: Sequence[Array], members: Sequence[list[int]]) -> OptimizerState:
    """Check that a state fits an optimizer.

    Args:
        state: the result of `Adamax.state_dict`.
        parameters: of the optimizer.
        members: the indices of each group's parameters.

    Returns:
        A copy: it shares no memory with `state`.

    Raises:
        ValueError: a part is missing, or of other groups, shapes or dtypes, or outside its domain.
        TypeError: a part has a wrong type.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state is of type {type(state).__name__}; it must be the result of state_dict")
    if set(state) != set(_KEYS):
        raise ValueError(f"state has the keys {list(state)}; it must have {list(_KEYS)}")
    groups = state["param_groups"]
    if not isinstance(groups, Sequence) or not all(isinstance(group, Mapping) for group in groups):
        raise TypeError("state: param_groups must be a list of dicts")
    theirs = [group.get("params") for group in groups]
    if theirs != list(members):
        raise ValueError(f"state has groups of the parameters {theirs}; this optimizer has {list(members)}")
    return OptimizerState(
        t=_check_count(state["t"], "state: t"),
        groups=tuple(_check_options(group, f"state: group {i}: ") for i, group in enumerate(groups)),
        group_steps=tuple(
            _check_count(group.get("t"), f"state: group {i}: t") for i, group in enumerate(groups)
        ),
        exp_avg=_check_arrays(state["exp_avg"], "exp_avg", parameters),
        exp_inf=_check_arrays(state["exp_inf"], "exp_inf", parameters),
    )


def _check_count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r}; it must be an int of at least 0")
    return value


def _check_options(group: Mapping[str, Any], where: str) -> dict[str, Any]:
    return options.check_options({key: group[key] for key in group if key not in {"params", "t"}}, where)


def _check_arrays(values: object, name: str, parameters: Sequence[Array]) -> tuple[Array, ...]:
    if not isinstance(values, Sequence):
        raise TypeError(f"state: {name} is of type {type(values).__name__}; it must be a list of arrays")
    if len(values) != len(parameters):
        raise ValueError(f"state: {name} has {len(values)} arrays for {len(parameters)} parameters")
    return tuple(
        check_like(value, theta, f"state: {name} {i}").copy()
        for i, (value, theta) in enumerate(zip(values, parameters, strict=True))
    )
