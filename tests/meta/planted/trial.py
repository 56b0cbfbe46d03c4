"""A trial: the suite on one planted class, without pytest and without shrinking.

A trial does what `adamax-conformance check` does in one dtype. It calls each test with a context and the arguments
of its marks. If a subject gives no result, it decides the checks as the plugin does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adamax_conformance.impl.protocol.errors import SubjectError
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.tests.conformance.harness.catalogue import SOONEST, tests_of
from adamax_conformance.tests.conformance.harness.check import Check, calls_of
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.target import Settings, Target

RULE: Final = "rule/documented"


@dataclass(frozen=True)
class SuiteCall:
    """One call of one of the suite's tests.

    Attributes:
        function: the test.
        arguments: its arguments besides the context.
        checks: the checks that it decides.
    """

    function: Callable[..., None]
    arguments: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def ids(self) -> set[str]:
        """The ids of the checks."""
        return {check.id for check in self.checks}


def suite(layers: Sequence[str] = SOONEST) -> Iterator[SuiteCall]:
    """Every call that pytest makes for one subject in one dtype, layer by layer."""
    for layer in layers:
        for test in tests_of(layer):
            yield from (SuiteCall(test, call.arguments, call.checks) for call in calls_of(test))


@dataclass(frozen=True)
class Trial:
    """The suite's verdicts on one class in one dtype.

    Attributes:
        name: of the class.
        family: of the class.
        dtype: the dtype.
        seed: of the drawing; None draws as `adamax-conformance check` does without one.
        profile: the name of the profile, which sets the number of drawn cases.
        caught: for each check that diverges or is broken, the reason.
        first: the check that caught it first, if any did.
        seconds_to_first: the time until then.
        seconds: the time for all checks.
        recognized: the figures of `rule/documented`.
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


def run_trials(
    planted: type[Any],
    dtype: str,
    runs: Sequence[Settings],
    *,
    until_caught: bool = False,
    calls: Iterable[SuiteCall] | None = None,
) -> list[Trial]:
    """Run the suite on a class, once with each of the settings.

    The first run makes every call. The others repeat only the calls that draw, since no other depends on the settings.
    Runs that stop at the first check which catches the class begin with the call that did so before.

    Args:
        planted: the class, which has a name and a family.
        dtype: one of its dtypes.
        runs: the settings, such as the profile and the seed.
        until_caught: whether to stop a run at the first check that catches the class.
        calls: the calls to make, in order; all of the suite's if None.
    """
    trials = []
    left = list(suite() if calls is None else calls)
    with Subject.in_process(planted, planted.name) as subject:
        target = Target(subject, dtype, runs[0])
        for settings in runs:
            target = replace(target, settings=settings)
            trial, left = _run_trial(planted, target, left, until_caught=until_caught)
            trials.append(trial)
    return trials


def _run_trial(
    planted: type[Any], target: Target, calls: Sequence[SuiteCall], *, until_caught: bool
) -> tuple[Trial, list[SuiteCall]]:
    """One trial, and the calls for the next: those that drew, or were not made.

    The call that ended this one is the first of them.
    """
    started = time.perf_counter()
    caught: dict[str, str] = {}
    first, seconds_to_first, recognized = None, None, {}
    drawing: list[SuiteCall] = []
    made = 0
    for made, call in enumerate(calls, 1):  # noqa: B007 - used after the loop
        context = _DrawingContext(target, call.checks)
        for verdict in _decide(context, call):
            if verdict.check == RULE:
                recognized = dict(verdict.measured)
            if verdict.status not in {Status.DIVERGES, Status.BROKEN}:
                continue
            caught[verdict.check] = verdict.reason
            if first is None:
                first, seconds_to_first = verdict.check, time.perf_counter() - started
        if caught and until_caught:
            drawing.insert(0, call)
            break
        if context.drew:
            drawing.append(call)
    trial = Trial(
        name=planted.name,
        family=planted.family,
        dtype=target.dtype,
        seed=target.settings.seed,
        profile=target.settings.profile.label,
        caught=caught,
        first=first,
        seconds_to_first=seconds_to_first,
        seconds=time.perf_counter() - started,
        recognized=recognized,
    )
    return trial, [*drawing, *calls[made:]]


@dataclass
class _DrawingContext(CheckContext):
    """A context that knows whether the call drew a case."""

    drew: bool = False

    def _configure_search(self, attempt: Callable[[], None]) -> Callable[[], None]:
        self.drew = True
        return super()._configure_search(attempt)


def _decide(context: CheckContext, call: SuiteCall) -> list[Verdict]:
    """Make a call, and return its verdicts."""
    try:
        call.function(context=context, **call.arguments)
    except SubjectError as error:
        context.decide_failure(error)
    missing = call.ids - {verdict.check for verdict in context.verdicts}
    assert not missing, f"{call.function} decided nothing about {sorted(missing)}"
    return context.verdicts
