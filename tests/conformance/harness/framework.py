"""Lives with features of a framework: one at a time, and then together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from adamax_conformance.oracles.life.modulus import takes_modulus
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.life import Life, SetOption, Watched
from adamax_conformance.tests.conformance.cases import framework as cases
from adamax_conformance.tests.conformance.cases.framework import CHECKS, WATCHED, Demand, FrameworkLives
from adamax_conformance.tests.conformance.harness.lives import LifePerformer, LifeTally

MODULUS: Final = (
    "the norm of a complex number is its modulus for both parts; torch.optim takes the norm of each part"
)


def tally_lives(
    performer: LifePerformer, lives: Iterable[Life], switches: Mapping[str, bool | None] | None = None
) -> LifeTally:
    """Perform lives until one goes wrong, without those that are unsupported."""
    tally = LifeTally()
    supported = False
    unsupported = ""
    zero_betas: bool | None = None
    for life in lives:
        if cases.has_zero_betas(life):
            if zero_betas is None:
                zero_betas = performer.subject.accepts_zero_betas(performer.target.dtype)
            if not zero_betas:
                continue
        each = replace(life, switches=dict(switches)) if switches else life
        found = performer.judge(each, WATCHED)
        supported |= not found.unsupported
        unsupported = found.unsupported or unsupported
        found.unsupported = ""
        tally.add(found)
        if tally.divergence is not None:
            break
    tally.unsupported = "" if supported else unsupported
    return tally


def tally_check(performer: LifePerformer, check: FrameworkLives) -> LifeTally:
    """The tally of a check, performed once for each target."""
    if check.id not in performer.tallies:
        lives = check.make(performer.target.format)
        tally = tally_lives(performer, lives)
        if check.demand is Demand.ACCEPTED and tally.unrefused and tally.divergence is None:
            tally = tally_lives(performer, cases.sparse_accepted(performer.target.format))
        performer.tallies[check.id] = tally
    return performer.tallies[check.id]


def is_right(performer: LifePerformer, id_: str) -> bool:
    """Whether the subject has a feature and gets it right."""
    check = next(each for each in CHECKS if each.id == id_)
    tally = tally_check(performer, check)
    return tally.divergence is None and not tally.unsupported and not tally.unrefused


def explain_by_modulus(performer: LifePerformer) -> bool:
    """Whether the modulus explains every life of complex parameters."""
    explained = 0
    for life in cases.complex_steps(performer.target.format):
        each = performer.restrict(life)
        if each is None or not takes_modulus(each, performer.subject.live(each)):
            return False
        explained += 1
    return explained > 0


def judge_set_option(performer: LifePerformer, life: Life) -> tuple[Status, str, LifeTally]:
    """Judge a life in which an option is set: it takes effect, or is ignored."""
    tally = LifeTally()
    observations = performer.subject.live(life)
    tally.add(performer.judge_observed(life, observations, WATCHED))
    if tally.divergence is None or tally.unsupported:
        return (Status.SKIPPED if tally.unsupported else Status.CONFORMS), tally.unsupported, tally
    kept = [i for i, action in enumerate(life.actions) if not isinstance(action, SetOption)]
    without = replace(life, actions=tuple(life.actions[i] for i in kept))
    found = performer.judge_observed(
        without, [observations[i] for i in kept if i < len(observations)], WATCHED
    )
    if not found.findings:
        name = next(action.name for action in life.actions if isinstance(action, SetOption))
        return Status.UNSPECIFIED, f"{name} that is set in a group between steps is not used", tally
    return Status.DIVERGES, "", tally


def drawn_watched(performer: LifePerformer) -> tuple[Watched, ...]:
    """The things that drawn lives watch: those that the subject leaves alone."""
    return tuple(dict.fromkeys((*performer.watched(), *WATCHED)))
