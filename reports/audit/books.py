"""The verdicts on the optimizer's count, and on changes besides documented steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...oracles.verdict import Divergence, Quantity, Status
from ..rule.verdicts import CheckResult
from .manifest import SkippedStep
from .tallies import AuditResult, Event, Occurrence

COUNT: Final = "audit/count"
"""Whether the optimizer's own count goes up by 1 in each step, and which steps it skipped."""
OUTSIDE: Final = "audit/outside"
"""What was changed outside a step."""
NO_GRADIENT: Final = "audit/no-gradient"
"""Whether parameters without a gradient stay as they are."""

MASTER: Final = "audit/master-weights"
"""Whether a parameter that has a finer copy is that copy, rounded, after each step."""

_NAMED: Final = 3
"""Parameters, or steps, up to which each is named."""
_SHOWN: Final = 6
"""Changes that a sentence lists."""
_LISTED: Final = 200
"""Events that a record lists."""


def judge_books(result: AuditResult, skipped: Sequence[SkippedStep]) -> list[CheckResult]:
    """Judge what happened besides the documented steps.

    Args:
        result: of all work items.
        skipped: the steps that did nothing.
    """
    found = [_judge_count(result, skipped), _judge_changes(result), _judge_idle(result)]
    return [*found, *_judge_copies(result)]


def _judge_count(result: AuditResult, skipped: Sequence[SkippedStep]) -> CheckResult:
    found = _of(result, Event.COUNTED)
    words = _skipped_in_words(skipped)
    measured = {
        "steps of parameters": result.counted,
        "skipped steps": len(skipped),
        "events": _listed(found),
    }
    if found:
        (_, index), first = min(found.items(), key=lambda each: (each[1].first, each[0][1]))
        reason = (
            f"the optimizer's count does not go up by 1 in a step: at recorded step {first.first} {first.what}, in "
            f"{_parameter(index, first.name)}{_more(found)}"
        )
        divergence = Divergence(Quantity.OUTCOME, reason, "1 more after a step than before it", first.what)
        return CheckResult(COUNT, Status.DIVERGES, divergence=divergence, measured=measured)
    if skipped:
        return CheckResult(COUNT, Status.UNSPECIFIED, words, measured=measured)
    if not result.counted:
        return CheckResult(
            COUNT, Status.SKIPPED, "the optimizer shows no count of its steps", measured=measured
        )
    return CheckResult(COUNT, Status.CONFORMS, measured=measured)


def _more(found: Mapping[tuple[str, int], Occurrence]) -> str:
    more = sum(each.count for each in found.values()) - 1
    return f"; and in {more} more steps of parameters" if more else ""


def _skipped_in_words(skipped: Sequence[SkippedStep]) -> str:
    parts = []
    for finite, cause in ((False, "not finite"), (True, "finite")):
        after = sorted({each.after for each in skipped if each.finite is finite})
        count = sum(each.finite is finite for each in skipped)
        if count:
            shown = ", ".join(map(str, after[:_NAMED])) + (", ..." if len(after) > _NAMED else "")
            verb = "step was" if count == 1 else "steps were"
            parts.append(
                f"{count} {verb} skipped with gradients that are {cause}, after recorded step {shown}"
            )
    return f"{'; '.join(parts)}: neither the state nor the optimizer's count changed, as under a loss scaler"


def _judge_changes(result: AuditResult) -> CheckResult:
    found = _of(result, Event.CHANGED)
    if not found:
        return CheckResult(OUTSIDE, Status.SKIPPED, "nothing was seen to change outside a step")
    words = f"changed outside a step: {_in_words(found, 'before')}; each step is judged from what it found"
    return CheckResult(OUTSIDE, Status.UNSPECIFIED, words, measured={"events": _listed(found)})


def _judge_idle(result: AuditResult) -> CheckResult:
    found = _of(result, Event.MOVED)
    measured = {"steps of parameters": result.idle, "events": _listed(found)}
    if found:
        reason = f"a step changes parameters that have no gradient: {_in_words(found, 'at')}"
        divergence = Divergence(Quantity.THETA, reason, "no change", "a change")
        return CheckResult(NO_GRADIENT, Status.DIVERGES, divergence=divergence, measured=measured)
    if not result.idle:
        return CheckResult(NO_GRADIENT, Status.SKIPPED, "every parameter has a gradient", measured=measured)
    return CheckResult(NO_GRADIENT, Status.CONFORMS, measured=measured)


def _judge_copies(result: AuditResult) -> Iterator[CheckResult]:
    """The result on finer copies, where a parameter is not its own, rounded."""
    found = _of(result, Event.NOT_ROUNDED)
    if found:
        reason = f"a step leaves parameters that are not their finer copy, rounded: {_in_words(found, 'at')}"
        divergence = Divergence(Quantity.THETA, reason, "the copy, rounded", "another number")
        measured = {"events": _listed(found)}
        yield CheckResult(MASTER, Status.DIVERGES, divergence=divergence, measured=measured)


def _of(result: AuditResult, event: Event) -> dict[tuple[str, int], Occurrence]:
    """The occurrences of an event, by what it happened to and the parameter."""
    return {(what, index): each for (kind, what, index), each in result.events.items() if kind is event}


def _listed(found: Mapping[tuple[str, int], Occurrence]) -> list[dict[str, Any]]:
    ordered = sorted(found.items(), key=lambda each: (each[1].first, each[0][1], each[0][0]))
    return [{"what": what, "parameter": index, **vars(each)} for (what, index), each in ordered[:_LISTED]]


def _in_words(found: Mapping[tuple[str, int], Occurrence], preposition: str) -> str:
    """The changes of all parameters, those alike together."""
    times: dict[int, dict[str, tuple[int, int, int]]] = {}
    for (what, index), each in found.items():
        times.setdefault(index, {})[what] = (each.first, each.last, each.count)
    alike: dict[tuple[tuple[int, int, int], tuple[str, ...]], list[int]] = {}
    for index, own in sorted(times.items()):
        for time in sorted(set(own.values())):
            kinds = tuple(what for what in ("theta", "m", "u", "t") if own.get(what) == time)
            alike.setdefault((time, kinds), []).append(index)
    names = {index: each.name for (_, index), each in found.items()}
    words = [
        f"{_and(kinds)} of {_parameters(indices, names)} {_when(time, preposition)}"
        for (time, kinds), indices in sorted(alike.items())
    ]
    more = f"; and {len(words) - _SHOWN} more changes" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more


def _when(time: tuple[int, int, int], preposition: str) -> str:
    first, last, count = time
    if count == 1:
        return f"{preposition} recorded step {first}"
    return f"{preposition} {count} recorded steps, from {first} to {last}"


def _parameters(indices: Sequence[int], names: Mapping[int, str]) -> str:
    if len(indices) > _NAMED:
        return f"{len(indices)} parameters"
    return _and([_parameter(index, names[index]) for index in indices])


def _parameter(index: int, name: str) -> str:
    return f"parameter {index} ({name})" if name else f"parameter {index}"


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
