"""Where a subject meets a check: it is run, searched for a divergence, and a verdict is put down."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import hypothesis
import pytest
from adamax_conformance.impl.protocol.errors import Rejected, Skipped, SubjectBroken, Unavailable
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.error_model import Assumption
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import Findings, Tally, findings
from adamax_conformance.oracles.verdict import Divergence, Status, Verdict
from adamax_conformance.reference.case import Case
from adamax_conformance.tests.conformance.cases.strategies import cases
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.evidence import refusal
from adamax_conformance.tests.conformance.harness.figures import figures, merge
from adamax_conformance.tests.conformance.harness.target import NUMBERS, Seat
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky

Compare = Callable[[Case, Sequence[StepResult], Assumption, Findings], None]
Examine = Callable[[Case, Collection[str]], Mapping[str, Divergence]]
"""Runs a case for some checks, and returns the divergences that it finds, by check."""

_ENDED: Final = "the run ends at the first divergence"


class _Stop(BaseException):
    """Ends a search at once: no answer came, so there is nothing to shrink."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Found(Exception):  # noqa: N818 - what hypothesis is to look for
    """A drawn case diverges."""


@dataclass
class Bench:
    """What a check is given.

    Attributes:
        seat: the subject, in one dtype.
        checks: the ids that the check decides.
        verdicts: what it decided.
    """

    seat: Seat
    checks: tuple[str, ...]
    verdicts: list[Verdict] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.seat.subject

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.seat.dtype

    @property
    def format(self) -> Format:
        """The working format."""
        return self.seat.format

    def has(self, part: str) -> bool:
        """Whether the subject has an optional part, as far as it is known."""
        return self.subject.info.has.get(part) is not False

    def lacks(self, argument: str) -> bool:
        """Whether the subject has no such argument; `contract/defaults` says so, and its checks are skipped."""
        return argument not in self.subject.info.arguments

    def shows_state(self) -> bool:
        """Whether m and u can be seen."""
        return self.seat.shows_state()

    def observe(self, case: Case) -> list[StepResult]:
        """Run the subject on a case."""
        return self.subject.observe(case, self.dtype)

    def drawn(self, most_steps: int = 6) -> st.SearchStrategy[Case]:
        """Cases of all that the subject can do."""
        return cases(
            self.format,
            groups=self.has("groups"),
            schedules=self.has("set_lr"),
            points=self.seat.takes_points(),
            most_steps=most_steps,
        )

    # Verdicts ------------------------------------------------------------------------------------------

    def decide(
        self,
        check: str,
        status: Status,
        reason: str = "",
        divergence: Divergence | None = None,
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        """Put a verdict down; a divergence that the ledger lists becomes a known one."""
        info = self.subject.info
        verdict = Verdict(
            check=check,
            status=status,
            subject=self.subject.name,
            dtype=self.dtype,
            device=info.device,
            reason=reason or (divergence.reason if divergence else ""),
            since=CHECKS[check].since,
            divergence=divergence,
            reproduce=self._reproduce(check),
            measured=dict(measured or {}),
            duration=time.perf_counter() - self.started,
        )
        if self.seat.settings.ledger is not None:
            verdict = self.seat.settings.ledger.settle(verdict, info.version)
        self.verdicts.append(verdict)

    def conforms(self, check: str, **measured: Any) -> None:
        """The check found nothing."""
        self.decide(check, Status.CONFORMS, measured=measured)

    def diverges(self, check: str, divergence: Divergence, **measured: Any) -> None:
        """The check found a divergence."""
        self.decide(check, Status.DIVERGES, divergence=divergence, measured=measured)

    def skip(self, reason: str) -> None:
        """Nothing of this check can be asked of the subject."""
        self._decide_rest(Status.SKIPPED, reason)

    def _reproduce(self, check: str) -> str:
        words = ["adamax-conformance", "check", self.subject.name, "--dtype", self.dtype, "--check", check]
        return shlex.join([*words, *self.seat.settings.arguments])

    def _decide_rest(self, status: Status, reason: str, divergence: Divergence | None = None) -> None:
        decided = {verdict.check for verdict in self.verdicts}
        for check in self.checks:
            if check not in decided:
                self.decide(check, status, reason, divergence)

    def failed(self, error: Exception) -> None:
        """Decide what is undecided, after the subject answered with no result."""
        match error:
            case SubjectBroken():
                self._decide_rest(Status.BROKEN, str(error))
            case Skipped() | Unavailable():
                self._decide_rest(Status.SKIPPED, str(error))
            case Rejected():
                self._decide_rest(Status.DIVERGES, "", refusal(error, None))
            case _:
                self._decide_rest(Status.BROKEN, f"the kit itself failed: {type(error).__name__}: {error}")

    def conclude(self) -> None:
        """End the check as pytest knows it, after every id was decided."""
        if missing := set(self.checks) - {verdict.check for verdict in self.verdicts}:
            raise AssertionError(f"the check decided nothing about {sorted(missing)}")
        failures = [v for v in self.verdicts if v.status in {Status.DIVERGES, Status.BROKEN}]
        if failures:
            lines = [f"{v.check}: {v.status.value}: {v.reason}\n  reproduce: {v.reproduce}" for v in failures]
            pytest.fail("\n".join(lines), pytrace=False)
        if all(v.status is Status.SKIPPED for v in self.verdicts):
            pytest.skip(self.verdicts[0].reason)

    # Searching -----------------------------------------------------------------------------------------

    def numbers(
        self,
        prefix: str,
        compare: Compare,
        pinned: Sequence[Case] = (),
        strategy: st.SearchStrategy[Case] | None = None,
        *,
        needs_state: bool = False,
    ) -> None:
        """Compare theta, m and u over pinned and drawn cases: one verdict each, under `prefix`."""
        assumption = self.seat.assumption()
        ids = {quantity: f"{prefix}/{quantity.value}" for quantity in NUMBERS}
        tallies = findings(*NUMBERS)

        def examine(case: Case, wanted: Collection[str]) -> dict[str, Divergence]:
            asked = {q: Tally() for q in NUMBERS if ids[q] in wanted}
            observed = self.observe(case)
            if needs_state and any(s.m is None or s.u is None for s in observed):
                raise Skipped("m and u cannot be seen; theta is judged as a trajectory")
            compare(case, observed, assumption, asked)
            for quantity, tally in asked.items():
                merge(tallies[quantity], tally)
            return {ids[q]: t.divergence for q, t in asked.items() if t.divergence is not None}

        def measured(check: str) -> dict[str, Any]:
            quantity = next(q for q in NUMBERS if ids[q] == check)
            return figures(tallies[quantity])

        self.search([ids[q] for q in NUMBERS], examine, pinned, strategy, measured)

    def search(
        self,
        checks: Sequence[str],
        examine: Examine,
        pinned: Sequence[Case] = (),
        strategy: st.SearchStrategy[Case] | None = None,
        measured: Callable[[str], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        """Look for a divergence of each check: in the pinned cases first, then in drawn ones.

        A check that diverges is left out of what follows, so that one never hides another.
        """
        left = list(checks)

        def found(divergences: Mapping[str, Divergence]) -> bool:
            """Put divergences down; whether the run is to end with them."""
            for check, divergence in divergences.items():
                left.remove(check)
                self.decide(check, Status.DIVERGES, divergence=divergence, measured=measured(check))
            return bool(divergences) and self.seat.settings.fail_fast

        def examined(case: Case) -> Mapping[str, Divergence]:
            case = self.seat.expressible(case)
            try:
                return examine(case, left)
            except Rejected as error:
                return dict.fromkeys(left, refusal(error, case))

        for case in pinned:
            if left and found(examined(case)):
                self._decide_rest(Status.SKIPPED, _ENDED)
                return
        while left and strategy is not None and (hunted := self._hunt(examined, strategy)) is not None:
            if found(dict([hunted])):
                self._decide_rest(Status.SKIPPED, _ENDED)
                return
        for check in left:
            self._held(check, measured(check))

    def _held(self, check: str, measured: Mapping[str, Any]) -> None:
        """Nothing was found to diverge: it conforms, unless nothing could be judged."""
        if measured.get("judged", 1) == 0:
            self.decide(check, Status.SKIPPED, "it cannot be seen", measured=measured)
        else:
            self.decide(check, Status.CONFORMS, measured=measured)

    def _hunt(
        self, run: Callable[[Case], Mapping[str, Divergence]], strategy: st.SearchStrategy[Case]
    ) -> tuple[str, Divergence] | None:
        """The first divergence of any check in drawn cases, shrunk."""
        hunt = _Hunt(run, self.seat.settings.profile.shrinks)
        attempt = self._drawing(hypothesis.given(strategy)(hunt.attempt))
        try:
            attempt()
        except _Found:
            return hunt.last
        except Flaky:
            if hunt.last is None:
                raise
            check, divergence = hunt.last
            reason = divergence.reason + "; the same case did not diverge when it was run again"
            return check, replace(divergence, reason=reason)
        except _Stop as stop:
            raise stop.error from None
        return None

    def _drawing(self, attempt: Callable[[], None]) -> Callable[[], None]:
        """A search of hypothesis', drawing as much, and from the seed, as was asked for."""
        asked = self.seat.settings
        shrinks = asked.shrink and not asked.fail_fast
        drawing = hypothesis.settings(
            max_examples=asked.profile.examples // budget_of(self.subject.info).drawn,
            derandomize=asked.seed is None,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            print_blob=False,
        )(attempt)
        return drawing if asked.seed is None else hypothesis.seed(asked.seed)(drawing)


class _Hunt:
    """What hypothesis calls: it follows the first check that diverges, and shrinks it within a budget."""

    def __init__(self, run: Callable[[Case], Mapping[str, Divergence]], budget: int) -> None:
        self.run = run
        self.budget = budget
        self.failing: set[str] = set()
        self.last: tuple[str, Divergence] | None = None

    def attempt(self, case: Case) -> None:
        """Run one drawn case; hypothesis runs one that failed again, which costs no budget."""
        if self.last is not None and repr(case.to_json()) not in self.failing:
            if self.budget <= 0:
                return
            self.budget -= 1
        try:
            found = self.run(case)
        except Exception as error:
            raise _Stop(error) from error
        check = self.last[0] if self.last is not None else next(iter(found), None)
        if check is not None and check in found:
            self.last = (check, found[check])
            self.failing.add(repr(case.to_json()))
            raise _Found
