"""Checks of the hyperparameters.

A ValueError comes wherever the specification promises one, and for every number outside its domain: NaN, infinity
and eps=0 (the specification: "must be greater than 0"). A wrong type is a TypeError, except of lr, for which the
specification promises ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any, Final, TypeGuard

import numpy as np

from ...reference.hyperparameters import DEFAULTS, Hyperparameters

NAMES: Final = tuple(DEFAULTS.options())
"""The options of a parameter group, in the order of the documented signature."""

Real = int | float | np.integer[Any] | np.floating[Any]

_REAL: Final = (int, float, np.integer, np.floating)

Schedule = Callable[[int], Any]
"""A learning rate as a function of the number of the step, from 1."""


def _is_real(value: object) -> TypeGuard[Real]:
    """Accept an int, a float or a NumPy scalar of one, and refuse a bool."""
    return isinstance(value, _REAL) and not isinstance(value, bool)


def _check_finite(name: str, value: Real, domain: str) -> float:
    """Convert a finite number to binary64."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}; it must be a finite number {domain}")
    return number


def _check_not_negative(name: str, value: Real) -> float:
    number = _check_finite(name, value, "of at least 0")
    if number < 0:
        raise ValueError(f"{name} is {value!r}; it must be at least 0")
    return number


def _check_real(name: str, value: object) -> Real:
    if not _is_real(value):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); it must be a float")
    return value


def check_learning_rate(value: object) -> float:
    """Check a learning rate, and convert it to binary64.

    Args:
        value: an int, a float, or a 0-d array of one.

    Raises:
        ValueError: it is anything else, below 0, or not finite.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not _is_real(value):
        raise ValueError(
            f"lr is {value!r} ({type(value).__name__}); it must be an int, a float or a 0-d array"
        )
    return _check_not_negative("lr", value)


def _check_betas(value: object) -> tuple[float, float]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"betas is {value!r} ({type(value).__name__}); it must be a tuple of two floats")
    if len(value) != 2:
        raise ValueError(f"betas is {value!r}; it must hold two floats")
    first, second = (
        _check_finite(f"betas[{i}]", _check_real(f"betas[{i}]", beta), "in [0, 1)")
        for i, beta in enumerate(value)
    )
    for i, beta in enumerate((first, second)):
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{i}] is {value[i]!r}; it must be in [0, 1)")
    return first, second


def _check_eps(value: object) -> float:
    number = _check_finite("eps", _check_real("eps", value), "greater than 0")
    if number <= 0:
        raise ValueError(f"eps is {value!r}; it must be greater than 0")
    return number


def _check_maximize(value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"maximize is {value!r} ({type(value).__name__}); it must be a bool")
    return bool(value)


def _check_lr(value: object) -> float | Schedule:
    return value if callable(value) else check_learning_rate(value)


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "lr": _check_lr,
    "betas": _check_betas,
    "eps": _check_eps,
    "weight_decay": lambda value: _check_not_negative("weight_decay", _check_real("weight_decay", value)),
    "maximize": _check_maximize,
}


def check_options(options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Check all options of a group, and convert each to its canonical type.

    A callable lr stays as it is.

    Args:
        options: one value for each of `NAMES`; other keys are an error.
        where: the start of error messages, which names the group.

    Raises:
        ValueError: a value outside its domain, a missing or an unknown option, anything wrong with lr.
        TypeError: a wrong type of another option.
    """
    if missing := [name for name in NAMES if name not in options]:
        raise ValueError(f"{where}the options {missing} are missing")
    if unknown := [name for name in options if name not in NAMES]:
        raise ValueError(f"{where}the options {unknown} are unknown; known are {list(NAMES)}")
    try:
        return {name: _CHECKS[name](options[name]) for name in NAMES}
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}{error}") from None


def hyperparameters_at(options: Mapping[str, Any], t: int, where: str = "") -> Hyperparameters:
    """The hyperparameters of step t: check the options, and call a callable lr with t.

    Args:
        options: as for `check_options`.
        t: the number of the step, from 1.
        where: as for `check_options`.

    Raises:
        ValueError: as for `check_options`, also for the callable's result.
        TypeError: as for `check_options`.
    """
    values = check_options(options, where)
    if callable(values["lr"]):
        try:
            values["lr"] = check_learning_rate(values["lr"](t))
        except ValueError as error:
            raise ValueError(f"{where}the schedule at step {t}: {error}") from error
    return Hyperparameters.from_options(values)


class CheckedOptions:
    """The hyperparameters of a group, checked again where an option may have changed."""

    def __init__(self, where: str) -> None:
        """Take the start of error messages, as for `check_options`."""
        self._where = where
        self._values: tuple[Any, ...] = ()
        self._checked: Hyperparameters | None = None

    def at(self, group: Mapping[str, Any], t: int) -> Hyperparameters:
        """The hyperparameters of step t.

        Args:
            group: the options, and `params`.
            t: the number of the step, from 1.

        Raises:
            ValueError: as `hyperparameters_at`.
            TypeError: as `hyperparameters_at`.
        """
        if (
            self._checked is not None
            and type(group) is dict
            and len(group) == len(NAMES) + 1
            and "params" in group
            and all(map(is_, map(group.get, NAMES), self._values))
        ):
            return self._checked
        own = {key: group[key] for key in group if key != "params"}
        found = hyperparameters_at(own, t, self._where)
        self._values = tuple(own[name] for name in NAMES)
        self._checked = found if all(map(_cannot_change, self._values)) else None
        return found


def _cannot_change(value: object) -> bool:
    """Whether an option stays the same number for as long as it is the same object."""
    if type(value) is tuple:
        return all(map(_cannot_change, value))
    return type(value) in {int, float, bool}
