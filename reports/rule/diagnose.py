"""The diagnosis of a subject, by the lives of the causes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

from ...impl.protocol.errors import SkippedError
from ...impl.subject.client import Subject
from ...oracles.causes.diagnosis import Diagnosis, diagnose
from ...oracles.causes.lives import cause_lives
from ...oracles.formats import Format
from ...reference.life import (
    Action,
    AddGroup,
    Construct,
    Life,
    Observation,
    Options,
    Run,
    SetOption,
    Step,
)

_OPTIONS: Final = frozenset(each.name for each in fields(Options))
_LONGEST: Final = 20.0
"""Seconds that a single life may be expected to take."""
_WIDEST_FIRST: Final = ("float64", "float32", "float16", "bfloat16")


def diagnose_subject(subject: Subject, dtype: str, budget: float = 4.0, seconds: float = 120.0) -> Diagnosis:
    """Find why a subject diverges.

    Args:
        subject: newly opened, so that the first of the lives has the first optimizer of its process.
        dtype: one of its dtypes.
        budget: seconds for the search for two causes at once.
        seconds: the time after which no further life is performed.

    Raises:
        SubjectError: it performs no lives, or gave no answer.
    """
    if subject.info.has.get("lives") is not True:
        raise SkippedError("the subject does not perform lives (PROTOCOL.md, `live`)")
    format_ = Format.of(dtype)
    observed: list[tuple[Life, Sequence[Observation]]] = []
    begin, performed = time.monotonic(), 0
    for life in cause_lives(format_):
        known = restricted(life, subject.info.arguments)
        if known is None:
            continue
        elapsed, steps = time.monotonic() - begin, _steps(known)
        if elapsed > seconds:
            break
        # A subject whose steps are slow is spared the lives of thousands of them.
        if performed and steps * elapsed / performed > min(_LONGEST, seconds):
            continue
        observed.append((known, subject.live(known)))
        performed += steps
    return diagnose(observed, format_, budget)


def lacking_options(subject: Subject) -> tuple[str, ...]:
    """The documented options that a subject has no argument for."""
    return tuple(each.name for each in fields(Options) if each.name not in subject.info.arguments)


def diagnose_dtypes(subject: Subject, budget: float = 4.0) -> Diagnosis:
    """Diagnose the dtypes, until one shows a divergence with its cause.

    The widest comes first: only there nothing narrower is left unseen.
    """
    known: Sequence[str] = subject.info.dtypes
    dtypes = [each for each in _WIDEST_FIRST if each in known] or list(known[:1])
    found = [diagnose_subject(subject, dtypes[0], budget)]
    for dtype in dtypes[1:]:
        if found[-1].causes:
            break
        found.append(diagnose_subject(subject, dtype, budget))
    wrong = [each for each in found if each.is_wrong]
    if not wrong:
        return found[0]
    best = next((each for each in wrong if each.causes), wrong[0])
    if best.conditions and len(found) > 1 and len(wrong) == 1:
        return replace(best, conditions=f"{best.conditions}, only in {best.dtype}")
    return best


def _steps(life: Life) -> int:
    """The number of steps of a life, and one for what takes none."""
    return 1 + sum(
        action.steps if isinstance(action, Run) else isinstance(action, Step) for action in life.actions
    )


def restricted(life: Life, arguments: Sequence[str]) -> Life | None:
    """The life without options that the subject lacks; None if it is about one."""
    if set(arguments) >= _OPTIONS:
        return life

    def fewer(options: Options) -> Options:
        return replace(options, **dict.fromkeys(_OPTIONS - set(arguments)))

    actions: list[Action] = []
    for action in life.actions:
        match action:
            case Construct():
                groups = tuple(replace(group, options=fewer(group.options)) for group in action.groups)
                actions.append(replace(action, groups=groups, options=fewer(action.options)))
            case AddGroup():
                group = replace(action.group, options=fewer(action.group.options))
                actions.append(replace(action, group=group))
            case SetOption() if action.name not in arguments:
                return None
            case _:
                actions.append(action)
    return replace(life, actions=tuple(actions))
