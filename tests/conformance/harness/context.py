"""The context of a check, which searches for divergences and keeps verdicts."""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import hypothesis
import pytest
from adamax_conformance.impl.protocol.errors import (
    RejectedError,
    SkippedError,
    SubjectBrokenError,
    UnavailableError,
)
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import ComparisonTallies, ComparisonTally, empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Status, Verdict
from adamax_conformance.reference.case import Case
from adamax_conformance.reference.documentation import Documentation
from adamax_conformance.reference.life import Life, Watched
from adamax_conformance.reports.escape import terminal_text
from adamax_conformance.tests.conformance.cases.strategies import cases
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.check import Check
from adamax_conformance.tests.conformance.harness.drawing import without_local_constants
from adamax_conformance.tests.conformance.harness.evidence import refusal
from adamax_conformance.tests.conformance.harness.figures import add_tally, figures
from adamax_conformance.tests.conformance.harness.lives import LifePerformer, LifeTally, performer_of
from adamax_conformance.tests.conformance.harness.target import NUMBERS, Target
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky

Compare = Callable[[Case, Sequence[StepResult], ErrorModel, ComparisonTallies], None]
Examine = Callable[[Case, Collection[str]], Mapping[str, Divergence]]
"""Run a case for some checks, and return the divergences that it finds, by check."""

_SEED: Final = (
    0xF86EBF66AD80A8A7C4F033A37D361E32833DF9C05866F23F09C82D80E967C16F066EB36FBBB6BEC4F1F6190CA0685657
)
"""The seed of runs without one, so that every version of the suite draws the same cases."""

_ENDED: Final = "the run ends at the first divergence"
_LATER: Final = 4
"""After the first divergence of a search, shrinking another may take this part of the runs."""


class _SearchStop(BaseException):
    """The end of a search: the subject gave no answer, so there is nothing to shrink."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _ShrinksSpent(BaseException):
    """The end of a search: no run is left for a smaller case."""


class _DivergenceError(Exception):
    """A drawn case diverges: the exception that hypothesis searches for."""


@dataclass
class CheckContext:
    """The argument of every check.

    Attributes:
        target: the subject, in one dtype.
        checks: the checks that this call of a test decides.
        verdicts: the verdicts so far.
        started: the time at which the call began, or the last verdict was kept.
    """

    target: Target
    checks: tuple[Check, ...]
    verdicts: list[Verdict] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.target.subject

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.target.dtype

    @property
    def format(self) -> Format:
        """The working format."""
        return self.target.format

    @property
    def check(self) -> str:
        """The id of the check, for a call that decides one."""
        (check,) = self.checks
        return check.id

    @property
    def documented_by(self) -> Documentation | None:
        """The documentation that the subject is held to; None for the page."""
        return self.target.settings.documented_by

    def has(self, part: str) -> bool:
        """Whether the subject has an optional part, by its own word or by a trial."""
        return self.target.has(part)

    def lacks(self, argument: str) -> bool:
        """Whether the subject lacks an argument.

        `contract/defaults` reports it, and the checks of the argument are skipped.
        """
        return argument not in self.subject.info.arguments

    def shows_state(self) -> bool:
        """Whether m and u can be seen."""
        return self.target.shows_state()

    def observe(self, case: Case) -> list[StepResult]:
        """Run the subject on a case."""
        return self.subject.observe(case, self.dtype)

    def judge(
        self, case: Case, observed: Sequence[StepResult], tallies: ComparisonTallies
    ) -> Divergence | None:
        """Compare a run with the exact one; the first number beyond its bound so far.

        The comparison is in lockstep if the subject shows m and u, and over the trajectory otherwise.
        """
        compare = lockstep if self.shows_state() else trajectory
        compare(case, observed, self.target.error_model(), tallies)
        return next((tally.divergence for tally in tallies.values() if tally.divergence is not None), None)

    def drawn_cases(self, most_steps: int = 6) -> st.SearchStrategy[Case]:
        """Cases that use everything that the subject can do."""
        return cases(
            self.format,
            groups=self.has("groups"),
            schedules=self.has("set_lr"),
            points=self.target.takes_points(),
            most_steps=most_steps,
        )

    @property
    def lives(self) -> LifePerformer:
        """The performer of lives on the subject."""
        return performer_of(self.target)

    # Verdicts ------------------------------------------------------------------------------------------

    def decide(
        self,
        status: Status,
        reason: str = "",
        divergence: Divergence | None = None,
        measured: Mapping[str, Any] | None = None,
        *,
        check: str = "",
    ) -> None:
        """Keep a verdict; a divergence that the ledger lists becomes a known one.

        `check` is its id, and may be left out in a call that decides one check.
        """
        check = check or self.check
        info = self.subject.info
        verdict = Verdict(
            check=check,
            status=status,
            subject=self.subject.name,
            dtype=self.dtype,
            device=info.device,
            reason=reason or (divergence.reason if divergence else ""),
            since={each.id: each.since for each in self.checks}[check],
            divergence=divergence,
            reproduce=self._reproduce(check),
            measured=dict(measured or {}),
            duration=self._lap(),
        )
        if self.target.settings.ledger is not None:
            verdict = self.target.settings.ledger.apply(verdict, info.version)
        self.verdicts.append(verdict)

    def _lap(self) -> float:
        """The seconds since the last verdict of this call; they add up to the call's."""
        now = time.perf_counter()
        seconds, self.started = now - self.started, now
        return seconds

    def conforms(self, **measured: object) -> None:
        """Decide that the subject conforms."""
        self.decide(Status.CONFORMS, measured=measured)

    def diverges(self, divergence: Divergence, **measured: object) -> None:
        """Decide that the subject diverges."""
        self.decide(Status.DIVERGES, divergence=divergence, measured=measured)

    def skip(self, reason: str) -> None:
        """Skip every check of this call: the subject lacks what they need."""
        self._decide_rest(Status.SKIPPED, reason)

    def _reproduce(self, check: str) -> str:
        words = ["adamax-conformance", "check", self.subject.name, "--dtype", self.dtype, "--check", check]
        return shlex.join([*words, *self.target.settings.arguments])

    def _decide_rest(self, status: Status, reason: str, divergence: Divergence | None = None) -> None:
        decided = {verdict.check for verdict in self.verdicts}
        for check in self.checks:
            if check.id not in decided:
                self.decide(status, reason, divergence, check=check.id)

    def decide_failure(self, error: Exception) -> None:
        """Decide the remaining checks after an error: the subject gave no result."""
        match error:
            case SubjectBrokenError():
                self._decide_rest(Status.BROKEN, str(error))
            case SkippedError() | UnavailableError():
                self._decide_rest(Status.SKIPPED, str(error))
            case RejectedError():
                self._decide_rest(Status.DIVERGES, "", refusal(error, None))
            case _:
                self._decide_rest(Status.BROKEN, f"the suite itself failed: {type(error).__name__}: {error}")

    def conclude(self) -> None:
        """Fail or skip pytest's test, after every check was decided."""
        if missing := {check.id for check in self.checks} - {verdict.check for verdict in self.verdicts}:
            raise AssertionError(f"the check decided nothing about {sorted(missing)}")
        failures = [v for v in self.verdicts if v.status in {Status.DIVERGES, Status.BROKEN}]
        if failures:
            lines = [f"{v.check}: {v.status.value}: {v.reason}\n  reproduce: {v.reproduce}" for v in failures]
            pytest.fail(terminal_text("\n".join(lines)), pytrace=False)
        if all(v.status is Status.SKIPPED for v in self.verdicts):
            pytest.skip(self.verdicts[0].reason)

    # Searching -----------------------------------------------------------------------------------------

    def compare_numbers(
        self,
        compare: Compare,
        pinned: Sequence[Case] = (),
        strategy: st.SearchStrategy[Case] | None = None,
        *,
        needs_state: bool = False,
    ) -> None:
        """Decide the checks of theta, m and u, each over pinned and drawn cases."""
        error_model = self.target.error_model()
        by_name = {check.id.rpartition("/")[2]: check.id for check in self.checks}
        ids = {quantity: by_name[quantity.value] for quantity in NUMBERS}
        tallies = empty_tallies(*NUMBERS)

        def examine(case: Case, wanted: Collection[str]) -> dict[str, Divergence]:
            judged = {
                q: ComparisonTally(largest_over_bound=total.largest_over_bound, largest_ulp=total.largest_ulp)
                for q, total in tallies.items()
                if ids[q] in wanted
            }
            observed = self.observe(case)
            if needs_state and any(s.m is None or s.u is None for s in observed):
                raise SkippedError("m and u cannot be seen; theta is judged as a trajectory")
            compare(case, observed, error_model, judged)
            for quantity, tally in judged.items():
                add_tally(tallies[quantity], tally)
            return {ids[q]: t.divergence for q, t in judged.items() if t.divergence is not None}

        def measured(check: str) -> dict[str, Any]:
            quantity = next(q for q in NUMBERS if ids[q] == check)
            return figures(tallies[quantity])

        self.search(examine, pinned, strategy, measured, list(ids.values()))

    def search(
        self,
        examine: Examine,
        pinned: Sequence[Case] = (),
        strategy: st.SearchStrategy[Case] | None = None,
        measured: Callable[[str], Mapping[str, Any]] = lambda _: {},
        order: Sequence[str] = (),
    ) -> None:
        """Search for a divergence of each check: in pinned cases, then in drawn ones.

        A check that diverges is left out of what follows, so that one never hides another.

        Args:
            examine: runs a case for the checks that are left.
            pinned: the pinned cases.
            strategy: draws the others, if any.
            measured: the figures of a check.
            order: the ids, in the order of their verdicts; as they stand above the test if empty.
        """
        left = list(order) or [check.id for check in self.checks]

        def record(divergences: Mapping[str, Divergence]) -> bool:
            """Keep divergences, and return whether the run ends with them."""
            for check, divergence in divergences.items():
                left.remove(check)
                self.decide(Status.DIVERGES, divergence=divergence, measured=measured(check), check=check)
            return bool(divergences) and self.target.settings.fail_fast

        def run(case: Case) -> Mapping[str, Divergence]:
            case = self.target.restrict_case(case)
            try:
                return examine(case, left)
            except RejectedError as error:
                return dict.fromkeys(left, refusal(error, case))

        for case in pinned:
            if left and record(run(case)):
                self._decide_rest(Status.SKIPPED, _ENDED)
                return
        shrinks = self.target.settings.profile.shrinks
        while left and strategy is not None and (hunted := self._hunt(run, strategy, shrinks)) is not None:
            shrinks = self.target.settings.profile.shrinks // _LATER
            if record(dict([hunted])):
                self._decide_rest(Status.SKIPPED, _ENDED)
                return
        for check in left:
            self._decide_undiverged(check, measured(check))

    def search_lives(self, draw: Callable[[int], Life], watched: Sequence[Watched] = ()) -> LifeTally:
        """Draw lives from the seeds of the settings until one goes wrong; shorten that.

        Args:
            draw: the life of a seed.
            watched: what the caller must find unchanged; by default all that the subject leaves alone.
        """
        settings = self.target.settings
        count = budget_of(self.subject.info).share(settings.profile.lives)
        seeds = random.Random(f"{settings.seed} {self.check} {self.dtype}")  # noqa: S311 - numbers, not secrets
        watched = watched or self.lives.watched()
        tally, wrong = self.lives.judge_all((draw(seeds.randrange(2**32)) for _ in range(count)), watched)
        if wrong is not None:
            budget = settings.profile.shrinks if settings.shrink and not settings.fail_fast else 0
            tally.divergence = self.lives.shortest(wrong, budget, watched)
        return tally

    def _decide_undiverged(self, check: str, measured: Mapping[str, Any]) -> None:
        """Decide that the subject conforms, or skip the check if nothing was compared."""
        judged = measured.get("judged", 1)
        if judged == 0:
            self.decide(Status.SKIPPED, "it cannot be observed", measured=measured, check=check)
        elif judged == measured.get("open"):
            words = "the bound of every element is infinite, so nothing was compared"
            self.decide(Status.SKIPPED, words, measured=measured, check=check)
        elif measured.get("judged", 1) == measured.get("open"):
            words = f"nothing was compared: none of {measured['open']} numbers has a finite bound"
            self.decide(Status.SKIPPED, words, measured=measured, check=check)
        else:
            self.decide(Status.CONFORMS, measured=measured, check=check)

    def _hunt(
        self, run: Callable[[Case], Mapping[str, Divergence]], strategy: st.SearchStrategy[Case], shrinks: int
    ) -> tuple[str, Divergence] | None:
        """Draw cases, and return the first divergence of any check, shrunk in some runs."""
        hunt = _Hunt(run, shrinks)
        attempt = self._configure_search(hypothesis.given(strategy)(hunt.attempt))
        try:
            with without_local_constants():
                attempt()
        except _DivergenceError:
            return hunt.last
        except Flaky:
            if hunt.last is None:
                raise
            return _unrepeated(*hunt.last)
        except _ShrinksSpent:
            return hunt.again()
        except _SearchStop as stop:
            raise stop.error from None
        return None

    def _configure_search(self, attempt: Callable[[], None]) -> Callable[[], None]:
        """A search of hypothesis' with the number of cases and the seed of the settings."""
        settings = self.target.settings
        shrinks = settings.shrink and not settings.fail_fast
        seed = _SEED if settings.seed is None else settings.seed
        limit = hypothesis.settings(
            max_examples=budget_of(self.subject.info).share(settings.profile.examples),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )
        return hypothesis.seed(seed)(limit(attempt))


class _Hunt:
    """The function that hypothesis calls, and what it found.

    It follows the first check that diverges, and shrinks its case within a budget.
    """

    def __init__(self, run: Callable[[Case], Mapping[str, Divergence]], budget: int) -> None:
        self.run = run
        self.budget = budget
        self.failing: set[str] = set()
        self.last: tuple[str, Divergence] | None = None
        self.case: Case | None = None

    def attempt(self, case: Case) -> None:
        """Run one drawn case; a case that diverged before costs no budget."""
        if self.last is not None and repr(case.to_json()) not in self.failing:
            if self.budget <= 0:
                raise _ShrinksSpent
            self.budget -= 1
        try:
            found = self.run(case)
        except Exception as error:
            raise _SearchStop(error) from error
        check = self.last[0] if self.last is not None else next(iter(found), None)
        if check is not None and check in found:
            self.last, self.case = (check, found[check]), case
            self.failing.add(repr(case.to_json()))
            raise _DivergenceError

    def again(self) -> tuple[str, Divergence]:
        """The last divergence, from a further run of its case."""
        assert self.last is not None
        assert self.case is not None
        check, before = self.last
        found = self.run(self.case)
        return (check, found[check]) if check in found else _unrepeated(check, before)


def _unrepeated(check: str, divergence: Divergence) -> tuple[str, Divergence]:
    """A divergence that its case did not show again."""
    reason = divergence.reason + "; the same case did not diverge when it was run again"
    return check, replace(divergence, reason=reason)
