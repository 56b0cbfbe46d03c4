"""The choice among several causes that fit, by a case that separates them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import count, islice
from typing import Final

from ...impl.protocol.errors import SubjectError
from ...impl.subject.capabilities import restrict_life
from ...impl.subject.client import Subject
from ...oracles.causes.diagnosis import Cause, Diagnosis, fits, is_plain
from ...oracles.causes.drawn import drawn_life
from ...oracles.causes.modelled import modelled
from ...oracles.formats import Format
from ...reference.life import Life, Observation, Outcome, Refuse

_SEARCH: Final = 3.0
"""Processor seconds of the search for a case, by default."""
_MODELLED: Final = ("float16", "float32", "float64")
_MOST: Final = 6
"""The number of cases that a subject gets at most."""


def decide(
    found: Diagnosis,
    renew: Callable[[], AbstractContextManager[Subject]],
    *,
    groups: bool = True,
    budget: float = _SEARCH,
) -> Diagnosis:
    """Perform cases that separate the possible causes, until one is left.

    The causes' exact models live drawn lives until one is found on which the trajectory of one is beyond the bounds of
    another. A new process of the subject then lives the same life. A cause that does not fit what is seen is out.

    Args:
        found: the diagnosis, with one cause or several.
        renew: opens the subject in a new process.
        groups: whether it has parameter groups.
        budget: processor seconds of the search. If it finds no such life, all causes stay.
    """
    format_ = Format.of(found.dtype)
    if found.dtype not in _MODELLED:
        return found
    deadline = time.process_time() + budget
    asked: list[Life] = []
    seeds = count()
    while len(found.causes) > 1 and len(asked) < _MOST:
        with renew() as subject:
            first, second = found.causes[:2]
            known = partial(
                restrict_life,
                arguments=subject.info.arguments,
                groups=groups,
                group_options=subject.info.group_options,
                defaults=subject.info.defaults,
            )
            life = _separating(first, second, known, format_, seeds, deadline, plain=bool(found.besides))
            if life is None:
                break
            try:
                observed = life, subject.live(life)
            except SubjectError:
                break
        asked.append(life)
        if not _is_whole(observed):
            continue
        left = tuple(cause for cause in found.causes if fits(cause, observed, format_))
        found = replace(found, causes=left)
    return replace(
        found,
        asked=tuple(asked),
        conditions="" if found.causes else found.conditions,
        besides=found.besides if found.causes else "",
    )


def _is_whole(observed: tuple[Life, Sequence[Observation]]) -> bool:
    """Whether the subject lived a life to its end, so that its answer says something."""
    pairs = zip(observed[0].actions, observed[1], strict=False)
    return len(observed[1]) == len(observed[0].actions) and all(
        seen.outcome is Outcome.DONE or isinstance(action, Refuse) for action, seen in pairs
    )


def _separating(
    first: Cause,
    second: Cause,
    restrict: Callable[[Life], Life | None],
    format_: Format,
    seeds: count[int],
    deadline: float,
    *,
    plain: bool,
) -> Life | None:
    """A life on which one of two causes is beyond the bounds of the other."""
    for seed in islice(seeds, 10_000):
        if time.process_time() > deadline:
            return None
        life = restrict(drawn_life(seed, format_))
        if life is None or (plain and not is_plain(life)):
            continue
        for one, other in ((first, second), (second, first)):
            with Subject.in_process(modelled(one.model, format_), one.slug) as model:
                observed = life, model.live(life)
            if fits(one, observed, format_) and not fits(other, observed, format_):
                return life
    return None
