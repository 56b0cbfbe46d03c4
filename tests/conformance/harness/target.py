"""A subject in one dtype as the checks find it: what was asked for, what it was identified as, and what it can show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from adamax_conformance.impl.protocol.errors import Rejected, Skipped, SubjectBroken
from adamax_conformance.impl.subject.capabilities import expressible
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED, Arithmetic, Assumption
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.result import Identification
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import DEFAULTS
from adamax_conformance.reports.ledger.ledger import Ledger
from adamax_conformance.reports.rule.identify import identified
from adamax_conformance.tests.conformance.cases import pinned

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
