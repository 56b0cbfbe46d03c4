"""Which hyperparameters are accepted?

What the page promises a ValueError for gets one; so does every number outside its domain, NaN and infinity
included, and eps=0 (the page: "must be greater than 0"). A wrong type is a TypeError, except of lr, for which
the page promises ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    """Whether `value` is an int, a float or NumPy's scalar of one; bool is none."""
    return isinstance(value, _REAL) and not isinstance(value, bool)


def _finite(name: str, value: Real, domain: str) -> float:
    """A number as binary64, or the error that says why it is none."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}; it must be a finite number {domain}")
    return number


def _at_least_zero(name: str, value: Real) -> float:
    number = _finite(name, value, "of at least 0")
    if number < 0:
        raise ValueError(f"{name} is {value!r}; it must be at least 0")
    return number


def _real(name: str, value: object) -> Real:
    if not _is_real(value):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); it must be a float")
    return value


def learning_rate(value: object) -> float:
    """The learning rate as binary64.

    Args:
        value: an int, a float, or a 0-d array of one.

    Raises:
        ValueError: for anything else, below 0, or not finite.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not _is_real(value):
        raise ValueError(
            f"lr is {value!r} ({type(value).__name__}); it must be an int, a float or a 0-d array"
        )
    return _at_least_zero("lr", value)


def _betas(value: object) -> tuple[float, float]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"betas is {value!r} ({type(value).__name__}); it must be a tuple of two floats")
    if len(value) != 2:
        raise ValueError(f"betas is {value!r}; it must hold two floats")
    first, second = (
        _finite(f"betas[{i}]", _real(f"betas[{i}]", beta), "in [0, 1)") for i, beta in enumerate(value)
    )
    for i, beta in enumerate((first, second)):
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{i}] is {value[i]!r}; it must be in [0, 1)")
    return first, second


def _eps(value: object) -> float:
    number = _finite("eps", _real("eps", value), "greater than 0")
    if number <= 0:
        raise ValueError(f"eps is {value!r}; it must be greater than 0")
    return number


def _maximize(value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"maximize is {value!r} ({type(value).__name__}); it must be a bool")
    return bool(value)


def _lr_or_schedule(value: object) -> float | Schedule:
    return value if callable(value) else learning_rate(value)


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "lr": _lr_or_schedule,
    "betas": _betas,
    "eps": _eps,
    "weight_decay": lambda value: _at_least_zero("weight_decay", _real("weight_decay", value)),
    "maximize": _maximize,
}


def checked(options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """All options of a group, each in its canonical type; a callable lr stays as it is.

    Args:
        options: one value for each of `NAMES`; other keys are an error.
        where: put before the message, to say which group it is about.

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


def in_force(options: Mapping[str, Any], t: int, where: str = "") -> Hyperparameters:
    """The hyperparameters of step t: checked, and a callable lr called with t.

    Args:
        options: as for `checked`.
        t: the number of the step, from 1.
        where: as for `checked`.

    Raises:
        ValueError: as for `checked`, also for what the callable returned.
        TypeError: as for `checked`.
    """
    values = checked(options, where)
    if callable(values["lr"]):
        try:
            values["lr"] = learning_rate(values["lr"](t))
        except ValueError as error:
            raise ValueError(f"{where}the schedule at step {t}: {error}") from error
    return Hyperparameters.from_options(values)
