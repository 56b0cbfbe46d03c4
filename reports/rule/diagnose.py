"""The diagnosis of a subject, by the lives of the causes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

from ...impl.protocol.errors import SkippedError
from ...impl.subject.capabilities import restrict_life
from ...impl.subject.client import Subject
from ...oracles.causes.diagnosis import Diagnosis, diagnose
from ...oracles.causes.lives import cause_lives
from ...oracles.formats import Format
from ...reference.life import Life, Observation, Options, Run, Step

_LONGEST: Final = 20.0
"""Seconds that a single life may be expected to take."""
_WIDEST_FIRST: Final = ("float64", "float32", "float16", "bfloat16")


def diagnose_subject(
    subject: Subject, dtype: str, budget: float = 4.0, seconds: float = 120.0, *, groups: bool = True
) -> Diagnosis:
    """Find why a subject diverges.

    Args:
        subject: newly opened, so that the first of the lives has the first optimizer of its process.
        dtype: one of its dtypes.
        budget: seconds for the search for two causes at once.
        seconds: the time after which no further life is performed.
        groups: whether it has parameter groups.

    Raises:
        SubjectError: it performs no lives, or gave no answer.
    """
    if subject.info.has.get("lives") is not True:
        raise SkippedError("the subject does not perform lives (PROTOCOL.md, `live`)")
    format_ = Format.of(dtype)
    observed: list[tuple[Life, Sequence[Observation]]] = []
    begin, performed = time.monotonic(), 0
    for life in cause_lives(format_):
        known = restrict_life(
            life,
            subject.info.arguments,
            groups=groups,
            group_options=subject.info.group_options,
            defaults=subject.info.defaults,
        )
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


def diagnose_dtypes(subject: Subject, budget: float = 4.0, *, groups: bool = True) -> Diagnosis:
    """Diagnose the dtypes, until one shows a divergence with its cause.

    The widest comes first: only there nothing narrower is left unseen.
    """
    known: Sequence[str] = subject.info.dtypes
    dtypes = [each for each in _WIDEST_FIRST if each in known] or list(known[:1])
    found = [diagnose_subject(subject, dtypes[0], budget, groups=groups)]
    for dtype in dtypes[1:]:
        if found[-1].causes:
            break
        found.append(diagnose_subject(subject, dtype, budget, groups=groups))
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
