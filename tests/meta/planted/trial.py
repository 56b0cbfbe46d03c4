"""What does the conformance suite say of one planted class? The suite without pytest, and without shrinking.

A trial is what `adamax-conformance check` does in one dtype: each check's function is called with a bench,
its arguments and ids are read from its marks, and a subject that answers with no result is decided as there.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adamax_conformance.impl.protocol.errors import SubjectError
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.tests import conformance
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.target import Seat, Settings
from adamax_conformance.tests.meta.planted.base import Adamax

_CHEAPEST_FIRST: Final = ("test_contract", "test_special", "test_rule", "test_relations", "test_bookkeeping")
"""So that a bug is caught soon; the others follow."""

RULE: Final = "rule/documented"


@dataclass(frozen=True)
class Asked:
    """One call of one of the suite's functions.

    Attributes:
        function: the function.
        arguments: its arguments beside the bench.
        ids: the checks that it decides.
    """

    function: Any
    arguments: dict[str, Any]
    ids: tuple[str, ...]


def suite() -> Iterator[Asked]:
    """Every call that pytest would make for one subject in one dtype."""
    names = [m.name for m in pkgutil.iter_modules(conformance.__path__) if m.name.startswith("test_")]
    for name in (*_CHEAPEST_FIRST, *sorted(set(names) - set(_CHEAPEST_FIRST))):
        module = importlib.import_module(f"{conformance.__name__}.{name}")
        for called, function in vars(module).items():
            if called.startswith("test_") and function.__module__ == module.__name__:
                yield from _calls(function)


def _calls(function: Any) -> Iterator[Asked]:
    marks = {
        kind: [mark for mark in function.pytestmark if mark.name == kind] for kind in ("parametrize", "check")
    }
    names = [mark.args[0] for mark in marks["parametrize"]]
    for values in itertools.product(*(mark.args[1] for mark in marks["parametrize"])):
        arguments = dict(zip(names, values, strict=True))
        shown = {k: getattr(v, "id", getattr(v, "value", v)) for k, v in arguments.items()}
        yield Asked(function, arguments, tuple(i.format(**shown) for i in marks["check"][0].args))


@dataclass(frozen=True)
class Trial:
    """What the suite said of one class in one dtype.

    Attributes:
        name: of the class.
        family: of the class.
        dtype: the dtype.
        seed: of the drawing; None draws as `adamax-conformance check` does without one.
        profile: how much was drawn.
        caught: for each check that diverges or is broken, the reason.
        first: the check that caught it first, if any did.
        seconds_to_first: until then.
        seconds: for all checks.
        recognized: what `rule/documented` measured.
    """

    name: str
    family: str
    dtype: str
    seed: int | None
    profile: str
    caught: dict[str, str] = field(default_factory=dict)
    first: str | None = None
    seconds_to_first: float | None = None
    seconds: float = 0.0
    recognized: dict[str, Any] = field(default_factory=dict)


def attempt(
    planted: type[Adamax], dtype: str, runs: Sequence[Settings], *, until_caught: bool = False
) -> list[Trial]:
    """Run the suite on a class, once with each of the settings.

    The first run asks everything; the others ask what is drawn, which alone depends on them.

    Args:
        planted: the class.
        dtype: one of its dtypes.
        runs: how much is drawn, from which seed.
        until_caught: whether to stop a run at the first check that catches the class.
    """
    trials = []
    asked = list(suite())
    with Subject.in_process(planted, planted.name) as subject:
        seat = Seat(subject, dtype, runs[0])
        for settings in runs:
            seat = replace(seat, settings=settings)
            trial, drawing = _run(planted, seat, asked, until_caught=until_caught)
            trials.append(trial)
            asked = drawing
    return trials


def _run(
    planted: type[Adamax], seat: Seat, calls: Sequence[Asked], *, until_caught: bool
) -> tuple[Trial, list[Asked]]:
    """One trial, and those of its calls that drew."""
    started = time.perf_counter()
    caught: dict[str, str] = {}
    first, seconds_to_first, recognized = None, None, {}
    drawing = []
    for asked in calls:
        bench = _Watched(seat, asked.ids)
        for verdict in _verdicts(bench, asked):
            if verdict.check == RULE:
                recognized = dict(verdict.measured)
            if verdict.status not in {Status.DIVERGES, Status.BROKEN}:
                continue
            caught[verdict.check] = verdict.reason
            if first is None:
                first, seconds_to_first = verdict.check, time.perf_counter() - started
        if bench.drew:
            drawing.append(asked)
        if caught and until_caught:
            break
    trial = Trial(
        name=planted.name,
        family=planted.family,
        dtype=seat.dtype,
        seed=seat.settings.seed,
        profile=seat.settings.profile.label,
        caught=caught,
        first=first,
        seconds_to_first=seconds_to_first,
        seconds=time.perf_counter() - started,
        recognized=recognized,
    )
    return trial, drawing


@dataclass
class _Watched(Bench):
    """A bench that knows whether anything was drawn."""

    drew: bool = False

    def _drawing(self, attempt: Callable[[], None]) -> Callable[[], None]:
        self.drew = True
        return super()._drawing(attempt)


def _verdicts(bench: Bench, asked: Asked) -> list[Verdict]:
    try:
        asked.function(bench=bench, **asked.arguments)
    except SubjectError as error:
        bench.failed(error)
    missing = set(asked.ids) - {verdict.check for verdict in bench.verdicts}
    assert not missing, f"{asked.function.__name__} decided nothing about {sorted(missing)}"
    return bench.verdicts
