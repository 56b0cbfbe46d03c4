"""Where a subject meets a check: it is run, searched for a divergence, and a verdict is put down."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

import hypothesis
import numpy as np
import pytest
from adamax_conformance.impl.client import Subject
from adamax_conformance.impl.expressible import expressible
from adamax_conformance.impl.failures import Rejected, Skipped, SubjectBroken, Unavailable
from adamax_conformance.impl.messages import StepResult
from adamax_conformance.oracles.arithmetic import CORRECTLY_ROUNDED, Arithmetic
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify import Identification
from adamax_conformance.oracles.judgement import Assumption, Findings, Tally, findings, fraction
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status, Verdict
from adamax_conformance.reference.case import Case, FloatArray, Group, Parameter
from adamax_conformance.reference.hyperparameters import DEFAULTS
from adamax_conformance.reports.identification import identified
from adamax_conformance.reports.ledger import Ledger
from adamax_conformance.tests.conformance import pinned
from adamax_conformance.tests.conformance.budget import budget_of
from adamax_conformance.tests.conformance.catalogue import CHECKS
from adamax_conformance.tests.conformance.strategies import cases
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky

Compare = Callable[[Case, Sequence[StepResult], Assumption, Findings], None]
Examine = Callable[[Case, Collection[str]], Mapping[str, Divergence]]
"""Runs a case for some checks, and returns the divergences that it finds, by check."""

NUMBERS: Final = (Quantity.M, Quantity.U, Quantity.THETA)
"""In the order in which a cause shows: a wrong m also makes a wrong theta."""


class Profile(Enum):
    """How much is drawn: the number of cases a search draws, and how many runs shrinking may take."""

    QUICK = ("quick", 48, 120)
    FULL = ("full", 500, 600)

    def __init__(self, label: str, examples: int, shrinks: int) -> None:
        self.label = label
        self.examples = examples
        self.shrinks = shrinks


@dataclass(frozen=True)
class Settings:
    """What a run was asked for.

    Attributes:
        profile: how much is drawn.
        seed: of the drawing; None draws the same each time.
        fail_fast: whether to stop at the first divergence, without shrinking it.
        shrink: whether a divergence that was drawn is shrunk.
        arithmetic: the declared arithmetic.
        ledger: the known divergences.
        arguments: of the command line, as far as they are needed to reproduce a verdict.
    """

    profile: Profile = Profile.QUICK
    seed: int | None = None
    fail_fast: bool = False
    shrink: bool = True
    arithmetic: Arithmetic = CORRECTLY_ROUNDED
    ledger: Ledger | None = None
    arguments: tuple[str, ...] = ()


_ENDED: Final = "the run ends at the first divergence"


class _Stop(BaseException):
    """Ends a search at once: no answer came, so there is nothing to shrink."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Found(Exception):  # noqa: N818 - what hypothesis is to look for
    """A drawn case diverges."""


@dataclass
class Seat:
    """A subject in one dtype, kept for all checks of it: what it was found to be, and to show."""

    subject: Subject
    dtype: str
    settings: Settings
    _identification: Identification | Exception | None = None
    _shows_state: bool | None = None
    _underflow: tuple[Divergence | None] | None = None
    _takes_points: bool | None = None
    _zero_betas: bool | None = None

    @property
    def format(self) -> Format:
        """The working format."""
        return Format.of(self.dtype)

    def expressible(self, case: Case) -> Case:
        """The case as far as the subject has arguments for it, and takes them."""
        if self._zero_betas is None:
            self._zero_betas = self.subject.takes_zero_betas(self.dtype)
        return expressible(case, self.subject.info, zero_betas=self._zero_betas)

    def identification(self) -> Identification:
        """What the subject was identified as; the failure to find out is raised again each time."""
        if self._identification is None:
            try:
                self._identification = identified(self.subject, self.dtype, self.settings.arithmetic)
            except Exception as error:  # noqa: BLE001 - kept, and raised below and again
                self._identification = error
        if isinstance(self._identification, Exception):
            raise self._identification
        return self._identification

    def shows_state(self) -> bool:
        """Whether m and u can be seen after a step."""
        if self._shows_state is None:
            case = Case("plain", (Group(DEFAULTS, (Parameter.of([1.0], [[1.0]]),)),))
            last = self.subject.observe(case, self.dtype)[-1]
            self._shows_state = last.m is not None and last.u is not None
        return self._shows_state

    def takes_points(self) -> bool:
        """Whether a parameter may have no dimensions, and is right then; if not, `bookkeeping/layout/0-d` says so."""
        if self._takes_points is None:
            point = Case("point", (Group(DEFAULTS, (Parameter.of(1.0, [1.0]),)),))
            tallies = findings(*NUMBERS)
            try:
                observed = self.subject.observe(point, self.dtype)
            except (Rejected, Skipped):
                self._takes_points = False
            else:
                compare = lockstep if self.shows_state() else trajectory
                compare(point, observed, self.assumption(), tallies)
                self._takes_points = not any(tally.exceeded for tally in tallies.values())
        return self._takes_points

    def underflow(self) -> Divergence | None:
        """The evidence that the subject flushes subnormal numbers to zero; None where it does not.

        It does where a case of subnormal numbers, of the format that it computes in, is beyond the bound, and
        within the one for flushing.
        """
        if self._underflow is None:
            case = pinned.subnormals(self._assumption(flushes=False).format_)
            observed = self.subject.observe(case, self.dtype)
            strict, flushing = (findings(*NUMBERS) for _ in range(2))
            compare = lockstep if self.shows_state() else trajectory
            compare(case, observed, self._assumption(flushes=False), strict)
            compare(case, observed, self._assumption(flushes=True), flushing)
            found = next((t.divergence for t in strict.values() if t.divergence is not None), None)
            explained = not any(t.exceeded for t in flushing.values())
            self._underflow = (found if explained else None,)
        return self._underflow[0]

    def assumption(self) -> Assumption:
        """What the subject is judged against: what it was identified as, or the page if that is not known."""
        try:
            flushes = self.underflow() is not None
        except (Rejected, Skipped, SubjectBroken):
            flushes = False
        return self._assumption(flushes=flushes)

    def _assumption(self, *, flushes: bool) -> Assumption:
        arithmetic = self.settings.arithmetic
        if flushes:
            arithmetic = replace(arithmetic, flush_to_zero=True)
        try:
            found = self.identification()
        except (Rejected, Skipped, SubjectBroken):
            return Assumption(self.format, arithmetic=arithmetic)
        return Assumption(found.computes_in, found.nearest, found.habits, arithmetic)


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


def refusal(error: Rejected, case: Case | None) -> Divergence:
    """The subject raised where it should have computed."""
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"the subject raises {error.type} where the page promises a step: {error.message}",
        expected="a step",
        actual=f"{error.type}: {error.message}",
        case=None if case is None else case.to_json(),
    )


def merge(total: Tally, part: Tally) -> None:
    """Add what one case showed to what all cases showed."""
    total.judged += part.judged
    total.open += part.open
    total.exceeded += part.exceeded
    total.sixteenths.update(part.sixteenths)
    total.largest_over_bound = max(total.largest_over_bound, part.largest_over_bound)
    total.largest_ulp = max(total.largest_ulp, part.largest_ulp)
    for t, pair in part.by_step.items():
        total.at_step(t, *pair)


_POINTS: Final = 128


def figures(tally: Tally) -> dict[str, Any]:
    """What a verdict keeps of a tally."""
    steps = [(t, *pair) for t, pair in sorted(tally.by_step.items())]
    size = max(1, -(-len(steps) // _POINTS))
    bunches = (steps[start : start + size] for start in range(0, len(steps), size))
    kept = [max(bunch, key=lambda step: fraction(*step[1:])) for bunch in bunches]
    return {
        "judged": tally.judged,
        "open": tally.open,
        "largest_over_bound": tally.largest_over_bound,
        "largest_ulp": tally.largest_ulp,
        "ulp_by_step": [list(step) for step in kept],
        "histogram": _histogram(tally),
    }


_BINS: Final = 32
"""Sixteenths of an ulp that are told apart; what is beyond 2 ulp is counted together."""


def _histogram(tally: Tally) -> dict[str, Any]:
    """How many elements have an error of which size, in ulp."""
    return {
        "edges": [place / 16 for place in range(_BINS + 1)],
        "counts": [tally.sixteenths[place] for place in range(_BINS)],
        "beyond": sum(count for place, count in tally.sixteenths.items() if place >= _BINS),
    }


def arrays(state: StepResult) -> dict[Quantity, Sequence[FloatArray]]:
    """What can be seen of a state, by quantity."""
    seen = {Quantity.THETA: state.theta, Quantity.M: state.m, Quantity.U: state.u}
    return {quantity: values for quantity, values in seen.items() if values is not None}


def same_bits(a: FloatArray, b: FloatArray) -> Any:
    """Where two arrays hold the same bits; any NaN is any other."""
    return (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))


def first_difference(
    expected: Iterable[StepResult],
    actual: Iterable[StepResult],
    format_: Format,
    reason: str,
    case: Case,
    *,
    first: int = 1,
) -> Divergence | None:
    """The first element whose bits differ between two runs, or between their parts from step `first` on."""
    for t, (one, other) in enumerate(zip(expected, actual, strict=True), start=first):
        other_arrays = arrays(other)
        for quantity, wanted in arrays(one).items():
            for place, (a, b) in enumerate(zip(wanted, other_arrays.get(quantity, wanted), strict=True)):
                where = np.argwhere(~same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b)))
                if where.size or (a.ndim == 0 and not same_bits(a, b)):
                    element = tuple(int(i) for i in where[0]) if where.size else ()
                    return between(
                        a[element], b[element], format_, reason, quantity, (t, place, element), case
                    )
    return None


def between(
    expected: float,
    actual: float,
    format_: Format,
    reason: str,
    quantity: Quantity,
    at: tuple[int, int, tuple[int, ...]],
    case: Case,
) -> Divergence:
    """The evidence that two numbers differ which should be the same, at a step, parameter and element."""
    step, place, element = at
    where = f"{quantity.value} of parameter {place}, element {list(element)}"
    expected, actual = float(expected), float(actual)
    near = np.isfinite(expected) and np.isfinite(actual)
    return Divergence(
        quantity=quantity,
        reason=f"{reason}: {where}, differs after step {step}",
        expected=f"{expected:.17g}",
        actual=f"{actual:.17g}",
        expected_hex=expected.hex(),
        actual_hex=actual.hex(),
        error_ulp=abs(expected - actual) / format_.ulp(expected) if near else None,
        step=step,
        parameter=place,
        element=element,
        case=case.to_json(),
    )
