"""A subject in one dtype: the settings, its identification, and what it can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from adamax_conformance.impl.protocol.errors import (
    InvalidAnswerError,
    RejectedError,
    SkippedError,
    SubjectBrokenError,
    SubjectDiedError,
)
from adamax_conformance.impl.subject.capabilities import restrict_case
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.parts import find_parts, find_stillness
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED, Arithmetic, ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.result import Identification
from adamax_conformance.oracles.identify.search import is_explained_by_flushing
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.documentation import Documentation
from adamax_conformance.reference.hyperparameters import DEFAULTS
from adamax_conformance.reference.rules import Rule
from adamax_conformance.reports.ledger.ledger import Ledger
from adamax_conformance.reports.rule.identify import identify_rule
from adamax_conformance.tests.conformance.cases import pinned

NUMBERS: Final = (Quantity.M, Quantity.U, Quantity.THETA)
"""The numbers in the order in which a cause shows: a wrong m also makes a wrong theta."""


class Profile(Enum):
    """The number of cases that a search draws, and of runs that shrinking may take."""

    QUICK = ("quick", 32, 120, 24)
    FULL = ("full", 500, 600, 500)

    def __init__(self, label: str, examples: int, shrinks: int, lives: int) -> None:
        self.label = label
        self.examples = examples
        self.shrinks = shrinks
        self.lives = lives


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        profile: the number of drawn cases.
        seed: of the drawing; with None, each run draws the same cases.
        fail_fast: whether to stop at the first divergence, without shrinking it.
        shrink: whether to shrink a drawn case that diverges.
        arithmetic: the declared arithmetic.
        ledger: the known divergences.
        documented_by: the documentation that the subject is held to instead of the page.
        arguments: the arguments of the command line that reproduce a verdict.
    """

    profile: Profile = Profile.QUICK
    seed: int | None = None
    fail_fast: bool = False
    shrink: bool = True
    arithmetic: Arithmetic = CORRECTLY_ROUNDED
    ledger: Ledger | None = None
    documented_by: Documentation | None = None
    arguments: tuple[str, ...] = ()


_UNIDENTIFIED: Final = (RejectedError, SkippedError, SubjectDiedError, InvalidAnswerError)
"""What leaves a subject to the bounds of the page. Where it gave no answer in time, nothing is judged by those."""


@dataclass
class Target:
    """A subject in one dtype, with the facts about it that all checks share.

    Attributes:
        subject: the subject.
        dtype: the dtype.
        settings: of the run.
        siblings: the targets of the same subject, by dtype.
        likely: a rule that is tried alone before all others; None for a dtype that is checked.
    """

    subject: Subject
    dtype: str
    settings: Settings
    _identification: Identification | Exception | None = None
    _shows_state: bool | None = None
    _underflow: tuple[Divergence | None] | None = None
    _reciprocal: bool | None = None
    _takes_points: bool | None = None
    _zero_betas: bool | None = None
    _parts: Mapping[str, bool] | None = None
    _stillness: str | None = None
    lives: object = None
    siblings: dict[str, Target] = field(default_factory=dict, repr=False, compare=False)
    likely: Rule | None = None

    def in_dtype(self, dtype: str, likely: Rule | None = None) -> Target:
        """The target of the same subject in a dtype; what was found out of it is kept.

        Args:
            dtype: the dtype.
            likely: the rule, of a dtype that has no checks of its own; no other is looked for if it fits.
        """
        self.siblings.setdefault(self.dtype, self)
        if dtype not in self.siblings:
            made = Target(self.subject, dtype, self.settings, siblings=self.siblings, likely=likely)
            self.siblings[dtype] = made
        return self.siblings[dtype]

    @property
    def format(self) -> Format:
        """The working format."""
        return Format.of(self.dtype)

    def has(self, part: str) -> bool:
        """Whether the subject has an optional part, by its own word or by a trial."""
        if self._parts is None:
            self._parts = find_parts(self.subject, self.dtype)
        return self._parts.get(part, True)

    def stillness(self) -> str:
        """The sentence that theta never moves; empty if it moves."""
        if self._stillness is None:
            self._stillness = find_stillness(self.subject, self.dtype)
        return self._stillness

    def restrict_case(self, case: Case) -> Case:
        """The case, restricted to the arguments that the subject has and accepts."""
        if self._zero_betas is None:
            self._zero_betas = self.subject.accepts_zero_betas(self.dtype)
        return restrict_case(case, self.subject.info, zero_betas=self._zero_betas)

    def identification(self) -> Identification:
        """The identification of the subject; if it failed, every call raises that error."""
        if self._identification is None:
            self._identification = self._identify()
        if isinstance(self._identification, Exception):
            raise self._identification
        return self._identification

    def _identify(self, attempts: int = 2) -> Identification | Exception:
        """Identify the subject; once more if no answer came, as on a busy machine."""
        try:
            return identify_rule(self.subject, self.dtype, self.settings.arithmetic, self.likely)
        except SubjectBrokenError as error:
            return self._identify(attempts - 1) if attempts > 1 else error
        except Exception as error:  # noqa: BLE001 - kept, and raised by every call
            return error

    def follows_known_rule(self) -> bool:
        """Whether a known rule explains ordinary numbers, as far as one was looked for."""
        try:
            return self.identification().rule is not None
        except _UNIDENTIFIED:
            return True

    def known_rule(self) -> Rule | None:
        """The rule that the subject was identified as; None if there is none."""
        try:
            return self.identification().rule
        except _UNIDENTIFIED:
            return None

    def shows_state(self) -> bool:
        """Whether the subject shows m and u after a step."""
        if self._shows_state is None:
            case = Case("plain", (Group(DEFAULTS, (Parameter.of([1.0], [[1.0]]),)),))
            last = self.subject.observe(case, self.dtype)[-1]
            self._shows_state = last.m is not None and last.u is not None
        return self._shows_state

    @property
    def hides_state(self) -> bool:
        """Whether a check has looked for m and u, and found none."""
        return self._shows_state is False

    def takes_points(self) -> bool:
        """Whether the subject is right for a parameter without dimensions.

        If it is not, `bookkeeping/layout/0-d` reports that.
        """
        if self._takes_points is None:
            point = Case("point", (Group(DEFAULTS, (Parameter.of(1.0, [1.0]),)),))
            tallies = empty_tallies(*NUMBERS)
            try:
                observed = self.subject.observe(point, self.dtype)
            except (RejectedError, SkippedError):
                self._takes_points = False
            else:
                compare = lockstep if self.shows_state() else trajectory
                compare(point, observed, self.error_model(), tallies)
                self._takes_points = not any(tally.exceeded for tally in tallies.values())
        return self._takes_points

    def underflow(self) -> Divergence | None:
        """The evidence that the subject flushes subnormal numbers to zero, or None.

        It flushes them if some numbers of a case of subnormal numbers are beyond the bound, all are within the bound
        for flushing, and each is what flushing gives. The case's numbers are those of the format that the subject
        computes in. Nothing is put down to flushing where no known rule explains ordinary numbers.
        """
        if self._underflow is None and not self.follows_known_rule():
            self._underflow = (None,)
        if self._underflow is None:
            # Of two formats, the subnormal numbers of the narrower range are numbers of both.
            formats = (self.format, self._error_model(flushes=False).format_)
            case = pinned.subnormals(max(formats, key=lambda format_: format_.smallest_subnormal))
            observed = self.subject.observe(case, self.dtype)
            strict, flushing = (empty_tallies(*NUMBERS) for _ in range(2))
            compare = lockstep if self.shows_state() else trajectory
            plain = self._error_model(flushes=False)
            compare(case, observed, plain, strict)
            compare(case, observed, self._error_model(flushes=True), flushing)
            # Of a theta that no known rule gives, flushing explains nothing.
            told = NUMBERS if self.follows_known_rule() else (Quantity.M, Quantity.U)
            found = next((strict[q].divergence for q in told if strict[q].divergence is not None), None)
            explained = not any(t.exceeded for t in flushing.values())
            if found is not None:
                explained = explained and is_explained_by_flushing((case, observed), plain)
            self._underflow = (found if explained else None,)
        return self._underflow[0]

    def divides_by_reciprocal(self) -> bool:
        """Whether the step is a product with a reciprocal.

        Such a product overflows where the norm is subnormal. The step is one if theta is infinite, and
        away from its start in the direction of the step, wherever such a product overflows, and is within the
        strict bound elsewhere.
        """
        if self._reciprocal is None:
            self._reciprocal = self.shows_state() and self.underflow() is None and self._shows_reciprocal()
        return self._reciprocal

    def _shows_reciprocal(self) -> bool:
        model = self._error_model(flushes=False)
        if model.format_ is not self.format:
            return False
        case = pinned.subnormal_divisors(self.format)
        observed = self.subject.observe(case, self.dtype)
        strict, tallies = (empty_tallies(*NUMBERS) for _ in range(2))
        lockstep(case, observed, model, strict)
        lockstep(case, observed, replace(model, scheme=replace(model.scheme, reciprocal=True)), tallies)
        (last,) = observed
        lost = [theta == -math.inf for theta in last.theta[0].tolist()]
        return (
            any(lost)
            and strict[Quantity.THETA].exceeded == sum(lost) == tallies[Quantity.THETA].open
            and not any(tally.exceeded for tally in tallies.values())
        )

    def error_model(self) -> ErrorModel:
        """The error model of the identified scheme, or of the page if none was identified."""
        try:
            flushes, reciprocal = self.underflow() is not None, self.divides_by_reciprocal()
        except _UNIDENTIFIED:
            flushes, reciprocal = False, False
        found = self._error_model(flushes=flushes)
        return replace(found, scheme=replace(found.scheme, reciprocal=True)) if reciprocal else found

    def _error_model(self, *, flushes: bool) -> ErrorModel:
        arithmetic = self.settings.arithmetic
        if flushes:
            arithmetic = replace(arithmetic, flush_to_zero=True)
        try:
            found = self.identification()
        except _UNIDENTIFIED:
            return ErrorModel(self.format, arithmetic=arithmetic)
        return ErrorModel(found.computes_in, found.nearest, found.scheme, arithmetic)
