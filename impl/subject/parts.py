"""The optional parts of a subject that does not say which it has, each tried once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from ...reference.hyperparameters import DEFAULTS
from ..protocol.errors import RejectedError, SkippedError, SubjectBrokenError, UnavailableError
from .capabilities import select_options
from .client import Subject

_THETA: Final = np.zeros(2)
_GRADIENT: Final = np.ones(2)
_STEPS: Final = 2

STILL: Final = (
    "theta never moves: after {steps} steps with gradients of 1 the arrays of params are as they were; a step "
    "changes the arrays that it was given (theta[...] = ...), and does not return or keep new ones"
)


def find_parts(subject: Subject, dtype: str) -> Mapping[str, bool]:
    """Find out which parts a subject has.

    What it says itself holds. Otherwise it has `groups` if it shows any or takes dicts, `set_lr` if it shows
    groups, and `save` if a checkpoint of it can be saved and loaded. A subject that does not even take a plain step is
    left to the checks: no part of it is found missing.

    Args:
        subject: the subject.
        dtype: one of its dtypes.
    """
    said = {part: has for part, has in subject.info.has.items() if has is not None}
    if {"groups", "set_lr", "save"} <= said.keys():
        return said
    try:
        handle = subject.construct([({}, [_THETA])], dtype)
        subject.step(handle, [_GRADIENT])
        shows_groups = subject.read(handle).groups is not None
        found = {
            "set_lr": shows_groups,
            "groups": shows_groups or _takes_dicts(subject, dtype),
            "save": _saves(subject, dtype),
        }
    except (RejectedError, SkippedError, UnavailableError, SubjectBrokenError):
        return said
    return {**found, **said}


def _takes_dicts(subject: Subject, dtype: str) -> bool:
    """Whether two groups are taken as dicts, and a step of them does not raise."""
    try:
        handle = subject.construct([({}, [_THETA]), ({}, [_THETA])], dtype)
        subject.step(handle, [_GRADIENT, _GRADIENT])
        subject.release(handle)
    except (RejectedError, SkippedError):
        return False
    return True


def _saves(subject: Subject, dtype: str) -> bool:
    """Whether the subject saves and loads, be it with an error."""
    try:
        handle = subject.construct([({}, [_THETA])], dtype)
        subject.load(handle, subject.save(handle))
    except SkippedError:
        return False
    except RejectedError:
        return True
    return True


def find_obstacle(subject: Subject, dtype: str) -> str:
    """The reason why no optimizer can be made at all; empty if one can.

    It is tried with the parameters alone, and with the documented defaults.
    """
    reasons = []
    for options in ({}, select_options(DEFAULTS, subject.info)):
        try:
            subject.release(subject.construct([(options, [_THETA])], dtype))
        except RejectedError as error:
            reasons.append(str(error))
        except (SkippedError, UnavailableError, SubjectBrokenError):
            return ""
        else:
            return ""
    wanted = f"factory(params, {', '.join(f'{name}=...' for name in DEFAULTS.options())})"
    return f"{reasons[0]}; it is called as {wanted}, and every argument but params may be left out"


def find_stillness(subject: Subject, dtype: str) -> str:
    """The sentence that theta never moves; empty if it moves, or a step raises."""
    try:
        handle = subject.construct([({}, [_THETA])], dtype)
        states = [subject.step(handle, [_GRADIENT]) for _ in range(_STEPS)]
        subject.release(handle)
    except (RejectedError, SkippedError, UnavailableError, SubjectBrokenError):
        return ""
    is_still = all(np.array_equal(state.theta[0], _THETA) for state in states)
    return STILL.format(steps=_STEPS) if is_still else ""
