"""Lives on a subject: performed, judged, and shortened if they go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adamax_conformance.impl.protocol.errors import SubjectError
from adamax_conformance.impl.subject.capabilities import restrict_life
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.life.batch import LifeBatch
from adamax_conformance.oracles.life.findings import Finding, LifeFindings
from adamax_conformance.oracles.life.judge import LifeJudge
from adamax_conformance.oracles.verdict import Divergence
from adamax_conformance.reference.life import Life, Observation, Watched
from adamax_conformance.tests.conformance.cases.combined import combine
from adamax_conformance.tests.conformance.cases.lives import Feature, Scope
from adamax_conformance.tests.conformance.cases.probes import PROBES, Probe
from adamax_conformance.tests.conformance.cases.whole_lives import is_whole
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.target import Target

_BY_ARGUMENT: Final = {
    Feature.MAXIMIZE: "maximize",
    Feature.DECAY: "weight_decay",
    Feature.EPS: "eps",
    Feature.BETAS: "betas",
}

_MOST_ROWS: Final = 1 << 16
"""The elements that are judged in one call, about."""
_GROWTH: Final = 4
"""Of a subject that is right so far, so many times as many lives are performed before they are judged."""


_LACKING: Final = "the subject has no groups, or not every option of it"
"""Why a life cannot be performed that is about what the subject lacks."""


@dataclass
class LifeTally:
    """The result of many lives.

    Attributes:
        lives: performed.
        judged: numbers compared.
        open: those without a finite bound.
        largest_over_bound: the largest error as a fraction of its bound.
        divergence: the first one.
        unsupported: why the last life ended early, if it did.
        unrefused: the call that was accepted where a refusal was expected, if any.
    """

    lives: int = 0
    judged: int = 0
    open: int = 0
    largest_over_bound: float = 0.0
    divergence: Divergence | None = None
    unsupported: str = ""
    unrefused: str = ""

    def add(self, found: LifeFindings) -> None:
        """Count one life."""
        self.lives += 1
        self.judged += found.judged
        self.open += found.open
        self.largest_over_bound = max(self.largest_over_bound, found.largest_over_bound)
        self.unsupported = found.unsupported or self.unsupported
        self.unrefused = found.unrefused or self.unrefused
        if self.divergence is None and found.findings:
            self.divergence = found.findings[0].divergence

    def figures(self) -> dict[str, float]:
        """The figures of a verdict."""
        return {
            "lives": self.lives,
            "judged": self.judged,
            "open": self.open,
            "largest_over_bound": self.largest_over_bound,
        }


@dataclass(frozen=True)
class WrongLife:
    """A life that went wrong.

    Attributes:
        life: as it was performed.
        finding: the first one.
    """

    life: Life
    finding: Finding


def _settle(batch: LifeBatch, tally: LifeTally) -> WrongLife | None:
    """Judge a batch and count its lives, up to the first that is wrong."""
    wrong = None
    for found, (life, _) in zip(batch.judge(), batch.performed, strict=False):
        tally.add(found)
        wrong = WrongLife(life, found.findings[0]) if found.findings else None
    return wrong


def performer_of(target: Target) -> LifePerformer:
    """The performer of a target, one for all checks of it."""
    if not isinstance(target.lives, LifePerformer):
        target.lives = LifePerformer(target)
    return target.lives


@dataclass
class LifePerformer:
    """Performs lives on a subject and judges them by what it was identified as.

    Attributes:
        target: the subject, in one dtype.
        tallies: of the probes, by id, and of checks that others build on, by name.
    """

    target: Target
    _features: frozenset[Feature] | None = None
    _models: dict[str, ErrorModel] = field(default_factory=dict)
    tallies: dict[str, LifeTally] = field(default_factory=dict)

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.target.subject

    @property
    def is_supported(self) -> bool:
        """Whether the subject performs lives at all."""
        return self.subject.info.has.get("lives") is True

    def error_model(self, dtype: str) -> ErrorModel:
        """The error model for parameters of a dtype, identified once."""
        if dtype not in self._models:
            self._models[dtype] = self.target.in_dtype(dtype, self.target.known_rule()).error_model()
        return self._models[dtype]

    def judge(
        self, life: Life, watched: Iterable[Watched] = tuple(Watched), *, nan_spreads: bool = True
    ) -> LifeFindings:
        """Perform a life and judge it, without options that the subject lacks."""
        known = self.restrict(life)
        if known is None:
            return LifeFindings(unsupported=_LACKING)
        return self.judge_observed(known, self.subject.live(known), watched, nan_spreads=nan_spreads)

    def restrict(self, life: Life) -> Life | None:
        """Restrict a life to what the subject has; None if it is about what is missing."""
        info = self.subject.info
        return restrict_life(
            life,
            info.arguments,
            groups=self.target.has("groups"),
            group_options=info.group_options,
            defaults=info.defaults,
        )

    def judge_observed(
        self,
        life: Life,
        observations: Sequence[Observation],
        watched: Iterable[Watched] = tuple(Watched),
        *,
        nan_spreads: bool = True,
    ) -> LifeFindings:
        """Judge a life that was performed."""
        judge = LifeJudge(life, self.error_model, self._kept(watched), nan_spreads=nan_spreads)
        return judge.judge(observations)

    def _kept(self, watched: Iterable[Watched]) -> tuple[Watched, ...]:
        """Leave out the gradients of a subject that changes them.

        `lives/gradient-kept` says that once.
        """
        tally = self.tallies.get(Feature.GRADIENT_KEPT.value, LifeTally())
        changes = (
            tally.divergence is not None and tally.divergence.extra.get("watched") == Watched.GRADIENT.name
        )
        return tuple(each for each in watched if not (changes and each is Watched.GRADIENT))

    def judge_drawn(self, life: Life, watched: Iterable[Watched]) -> LifeFindings:
        """Perform and judge a drawn life, in which a NaN may arise of itself.

        Where it does not spread, `lives/nan` says so, and no other check does.
        """
        return self.judge(life, watched, nan_spreads=Feature.NAN in self.features())

    def judge_all(
        self, lives: Iterable[Life], watched: Iterable[Watched]
    ) -> tuple[LifeTally, WrongLife | None]:
        """Perform and judge drawn lives until one goes wrong; a few at once, then more.

        Args:
            lives: to perform.
            watched: what the caller must find unchanged.

        Returns:
            The tally, and the life that went wrong, if any.

        Raises:
            SubjectError: the subject failed, and all lives before were right.
        """
        tally, watched, most = LifeTally(), tuple(watched), 1
        batch = self._batch(watched)
        for life in lives:
            known = self.restrict(life)
            if known is None:
                tally.add(LifeFindings(unsupported=_LACKING))
                continue
            try:
                found = batch.add(known, self.subject.live(known))
            except SubjectError:
                if (wrong := _settle(batch, tally)) is not None:
                    return tally, wrong
                raise
            if found.findings or len(batch.performed) == most or batch.rows > _MOST_ROWS:
                if (wrong := _settle(batch, tally)) is not None:
                    return tally, wrong
                batch, most = self._batch(watched), most * _GROWTH
        return tally, _settle(batch, tally)

    def _batch(self, watched: tuple[Watched, ...]) -> LifeBatch:
        return LifeBatch(self.error_model, self._kept(watched), nan_spreads=Feature.NAN in self.features())

    def shortest(self, wrong: WrongLife, budget: int, watched: Iterable[Watched]) -> Divergence:
        """Leave actions out of a life as long as it goes wrong in the same way.

        Args:
            wrong: the life, and its first finding.
            budget: how many shorter lives may be performed.
            watched: what the caller must find unchanged.
        """
        life = replace(wrong.life, actions=wrong.life.actions[: wrong.finding.action + 1])
        found, index = wrong.finding, len(life.actions) - 1
        while budget > 0 and index > 0:
            index -= 1
            shorter = replace(life, actions=(*life.actions[:index], *life.actions[index + 1 :]))
            if not is_whole(shorter):
                continue
            budget -= 1
            again = next(
                (f for f in self.judge_drawn(shorter, watched).findings if f.aspect is found.aspect), None
            )
            if again is not None:
                life, found = replace(shorter, actions=shorter.actions[: again.action + 1]), again
                index = min(index, len(life.actions))
        return found.divergence

    def probe(self, probe: Probe) -> LifeTally:
        """The tally of a probe: its lives, and then each joined with other options."""
        self.features()
        if probe.id not in self.tallies:
            self.tallies[probe.id] = self._perform(probe, self.features())
        return self.tallies[probe.id]

    def _perform(self, probe: Probe, known: frozenset[Feature]) -> LifeTally:
        """Perform the lives of a probe until one goes wrong or is not supported."""
        tally = LifeTally()
        lives = probe.make(self.target.format)
        for life in lives:
            found = self.judge(life, probe.watched)
            if found.findings and probe.ignorable is not None:
                found = self._judge_ignored(life, probe) or found
            tally.add(found)
            if found.findings or tally.unsupported:
                return tally
        for life in () if probe.sets_options else lives:
            # Next to decay, an infinity makes a NaN of itself: where that does not spread, `lives/nan` says so.
            spreads = probe.feature is Feature.NAN or Feature.NAN in known
            found = self.judge(combine(life, known), probe.watched, nan_spreads=spreads)
            tally.add(found)
            if found.findings:
                break
        return tally

    def _judge_ignored(self, life: Life, probe: Probe) -> LifeFindings | None:
        """Judge a life without its ignorable action; None if that explains nothing."""
        assert probe.ignorable is not None
        life = self.restrict(life) or life
        observations = self.subject.live(life)
        kept = [i for i, each in enumerate(life.actions) if not isinstance(each, probe.ignorable)]
        without = replace(life, actions=tuple(life.actions[i] for i in kept))
        seen = [observations[i] for i in kept if i < len(observations)]
        found = self.judge_observed(without, seen, probe.watched)
        if found.findings:
            return None
        name = next(each.name for each in life.actions if isinstance(each, probe.ignorable))
        found.unrefused = f"{name} that is set between steps is not used"
        return found

    def features(self) -> frozenset[Feature]:
        """The features that the subject has and gets right, each by its probe."""
        if self._features is None:
            known = {feature for feature, name in _BY_ARGUMENT.items() if name in self.subject.info.arguments}
            if self.subject.accepts_zero_betas(self.target.dtype):
                known.add(Feature.ZERO_BETAS)
            if self.subject.accepts_zero_eps(self.target.dtype):
                known.add(Feature.ZERO_EPS)
            for probe in PROBES:
                if known.issuperset(probe.needs):
                    tally = self.tallies[probe.id] = self._perform(probe, frozenset(known))
                    if tally.divergence is None and not tally.unsupported and not tally.unrefused:
                        known.add(probe.feature)
            self._features = frozenset(known)
        return self._features

    def scope(self) -> Scope:
        """The scope of drawn lives."""
        others = tuple(dtype for dtype in self.subject.info.dtypes if dtype != self.target.dtype)
        compiles = budget_of(self.subject.info).compiles
        flushes = self.error_model(self.target.dtype).arithmetic.flush_to_zero
        return Scope(self.target.format, self.features(), others, compiles, flushes)

    def watched(self) -> tuple[Watched, ...]:
        """The things that the subject leaves alone, as far as its probes showed."""
        found = [Watched.GRADIENT]
        features = self.features()
        found += [Watched.PARAMS] * (Feature.PARAMS_KEPT in features)
        found += [Watched.CHECKPOINT] * (Feature.CHECKPOINT_KEPT in features)
        return tuple(found)
