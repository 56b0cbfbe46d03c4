"""Lives: whole histories of an optimizer, in which contexts combine.

A probe asks for one feature at a time. Drawn lives combine all features that the subject gets right. Pinned ones have
the sizes, numbers and counts that no search draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.life import Life
from adamax_conformance.tests.conformance.cases import scale_lives, special_lives
from adamax_conformance.tests.conformance.cases.lives import Feature, Scope, Theme, draw_life
from adamax_conformance.tests.conformance.cases.probes import PROBES, Probe
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.lives import LifeTally
from adamax_conformance.tests.conformance.harness.target import Profile


@dataclass(frozen=True)
class PinnedLives:
    """Lives that no search would draw.

    Attributes:
        id: the last part of the check's id.
        title: what must hold.
        make: the lives, of a scope, in the full profile or the quick one.
        needs: features without which there are none.
    """

    id: str
    title: str
    make: Callable[..., Iterable[Life]]
    needs: tuple[Feature, ...] = ()

    def lives(self, scope: Scope, *, full: bool) -> Iterable[Life]:
        """The lives."""
        return self.make(scope, full=full)


PINNED: Final = (
    PinnedLives(
        "sizes",
        "arrays of every size around powers of two and multiples of blocks",
        scale_lives.sizes,
    ),
    PinnedLives("numbers", "thousands of parameters, and dozens of groups", scale_lives.numbers),
    PinnedLives(
        "counters",
        "steps past the end of small counters, and large counts that are loaded",
        scale_lives.counters,
    ),
    PinnedLives("precision", "one wrong number in thousands, in any binade", scale_lives.precision),
    PinnedLives(
        "special",
        "zeros, subnormal and huge numbers, NaN and infinities in arrays of every kind, in the gradient and in theta",
        special_lives.special,
    ),
    PinnedLives(
        "dtypes",
        "parameters of every dtype in one optimizer, in any order",
        scale_lives.dtypes,
        (Feature.MIXED,),
    ),
    PinnedLives("hidden", "m and u that are hidden, as far as theta shows them", scale_lives.hidden),
)


def _is_performed(context: CheckContext) -> bool:
    if not context.lives.is_supported:
        context.skip("the subject does not perform lives (PROTOCOL.md, `live`)")
        return False
    return True


def _decide(context: CheckContext, tally: LifeTally) -> None:
    if tally.divergence is not None:
        context.diverges(tally.divergence, **tally.figures())
    elif tally.unsupported and not tally.judged:
        context.skip(tally.unsupported)
    elif tally.unsupported:
        context.decide(Status.SKIPPED, tally.unsupported, measured=tally.figures())
    elif tally.unrefused:
        context.decide(Status.UNSPECIFIED, tally.unrefused, measured=tally.figures())
    elif tally.judged == tally.open:
        context.decide(
            Status.SKIPPED, "no number of these lives has a finite bound", measured=tally.figures()
        )
    else:
        context.conforms(**tally.figures())


@check("lives/{probe}", title="{probe.title}", since="0.1.0", probe=PROBES)
def test_a_feature_is_right_wherever_it_occurs(context: CheckContext, probe: Probe) -> None:
    if not _is_performed(context):
        return
    if probe.feature is Feature.GROUPS and not context.has("groups"):
        context.skip("the subject has no parameter groups")
        return
    if missing := [feature.value for feature in probe.needs if feature not in context.lives.features()]:
        context.skip(f"it needs what the subject lacks or gets wrong: {', '.join(missing)}")
        return
    _decide(context, context.lives.probe(probe))


@check("lives/{pinned}", title="{pinned.title}", since="0.1.0", pinned=PINNED)
def test_no_size_number_or_count_is_special(context: CheckContext, pinned: PinnedLives) -> None:
    if not _is_performed(context):
        return
    if pinned.id == "numbers" and budget_of(context.subject.info).compiles:
        context.skip(
            "a step of a thousand parameters takes minutes to compile, and MindSpore's compiler refuses it"
        )
        return
    if pinned.id == "hidden" and context.shows_state():
        context.skip("m and u are seen, and judged as they are")
        return
    scope = context.lives.scope()
    if missing := [feature.value for feature in pinned.needs if not scope.has(feature)]:
        context.skip(f"it needs what the subject lacks or gets wrong: {', '.join(missing)}")
        return
    full = context.target.settings.profile is Profile.FULL
    tally, _ = context.lives.judge_all(pinned.lives(scope, full=full), context.lives.watched())
    _decide(context, tally)


@check("lives/drawn-{theme}", title="drawn lives: {theme.value}", since="0.1.0", theme=Theme)
def test_a_whole_life_is_right(context: CheckContext, theme: Theme) -> None:
    if not _is_performed(context):
        return
    scope = context.lives.scope()
    tally = context.search_lives(lambda seed: draw_life(scope, theme, seed))
    _decide(context, tally)
