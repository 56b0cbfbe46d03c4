"""Closures, hooks, scalers, complex numbers: features of some frameworks.

Each check asks for one feature, by pinned lives. Then the same lives run under the arguments that only some
constructors have, and drawn lives combine all features that the subject gets right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.life import SetOption, Watched
from adamax_conformance.tests.conformance.cases import framework as cases
from adamax_conformance.tests.conformance.cases.framework import CHECKS, Demand, FrameworkLives
from adamax_conformance.tests.conformance.cases.framework_drawn import FrameworkScope, add_features
from adamax_conformance.tests.conformance.cases.lives import Theme, draw_life
from adamax_conformance.tests.conformance.cases.probes import PROBES
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.framework import (
    MODULUS,
    drawn_watched,
    explain_by_modulus,
    is_right,
    judge_set_option,
    tally_check,
    tally_lives,
)
from adamax_conformance.tests.conformance.harness.lives import LifeTally


@dataclass(frozen=True)
class Switch:
    """An argument that only some constructors have, and a value.

    Attributes:
        id: the last part of the check's id.
        name: of the argument.
        value: that is passed.
    """

    id: str
    name: str
    value: bool | None


SWITCHES: Final = (
    Switch("foreach-true", "foreach", value=True),
    Switch("foreach-false", "foreach", value=False),
    Switch("foreach-none", "foreach", value=None),
    Switch("differentiable", "differentiable", value=True),
)
_SWITCHED: Final = ("absent", "complex", "gradients", "tensor-lr", "options", "partial-checkpoint", "no-grad")
"""The checks whose lives are performed under each switch as well, if the subject conforms to them without it."""
_AS_BY_DEFAULT: Final = ("options", "tensor-lr", "partial-checkpoint")
"""Those for None, which is the default."""


def _is_performed(context: CheckContext) -> bool:
    if context.subject.info.has.get("features") is True and context.lives.is_supported:
        context.lives.features()  # among them whether gradients are kept, which no other check says then
        return True
    context.skip("the subject has no features of its framework that the page does not promise")
    return False


def _decide(context: CheckContext, tally: LifeTally, demand: Demand = Demand.OPEN) -> None:
    figures = tally.figures()
    if tally.divergence is not None:
        context.diverges(tally.divergence, **figures)
    elif tally.unsupported:
        context.decide(Status.SKIPPED, tally.unsupported, measured=figures)
    elif tally.unrefused and demand is Demand.DIVERGES:
        context.decide(Status.DIVERGES, tally.unrefused, measured=figures)
    elif tally.unrefused:
        context.decide(Status.UNSPECIFIED, tally.unrefused, measured=figures)
    else:
        context.conforms(**figures)


@check("framework/{pinned}", title="{pinned.title}", since="0.1.0", pinned=CHECKS)
def test_a_feature_of_the_framework_is_right(context: CheckContext, pinned: FrameworkLives) -> None:
    if not _is_performed(context):
        return
    tally = tally_check(context.lives, pinned)
    is_own = context.subject.info.framework == "torch" and not context.subject.name.startswith("torch:")
    if (
        pinned.id == "complex"
        and tally.divergence is not None
        and not is_own
        and explain_by_modulus(context.lives)
    ):
        context.decide(Status.UNSPECIFIED, MODULUS, measured=tally.figures())
        return
    _decide(context, tally, pinned.demand)


@check(
    "framework/set-options",
    title="options that are set in a group take effect at the next step",
    since="0.1.0",
)
def test_an_option_that_is_set_takes_effect(context: CheckContext) -> None:
    if not _is_performed(context):
        return
    total, open_ = LifeTally(), ""
    for life in cases.set_options(context.format):
        set_ = [action.name for action in life.actions if isinstance(action, SetOption)]
        if any(context.lacks(name) for name in set_) or (each := context.lives.restrict(life)) is None:
            continue
        status, reason, tally = judge_set_option(context.lives, each)
        if status is Status.DIVERGES:
            _decide(context, tally)
            return
        open_ = reason if status is Status.UNSPECIFIED else open_
        total.lives, total.judged = total.lives + tally.lives, total.judged + tally.judged
    if open_:
        context.decide(Status.UNSPECIFIED, open_, measured=total.figures())
    else:
        context.conforms(**total.figures())


@check(
    "framework/{switch}",
    title="a step is the same with {switch.name}={switch.value}",
    since="0.1.0",
    switch=SWITCHES,
)
def test_an_argument_of_the_framework_changes_no_number(context: CheckContext, switch: Switch) -> None:
    if not _is_performed(context):
        return
    performer, format_ = context.lives, context.format
    lives = list(cases.derivative(format_)) if switch.name == "differentiable" else []
    if switch.name != "differentiable":
        for each in CHECKS:
            if each.id in (_AS_BY_DEFAULT if switch.value is None else _SWITCHED) and is_right(
                performer, each.id
            ):
                lives += each.make(format_)
    lives += [
        life
        for probe in PROBES
        if switch.value is not None
        and probe.feature in performer.features()
        and probe.watched == (Watched.GRADIENT,)
        for life in probe.make(format_)
        if switch.name != "differentiable" or probe.feature.value in {"groups", "set-lr", "mixed-dtypes"}
    ]
    _decide(context, tally_lives(performer, lives, {switch.name: switch.value}))


@check(
    "framework/drawn-{theme}",
    title="drawn lives with features of the framework: {theme.value}",
    since="0.1.0",
    theme=Theme,
)
def test_features_combine(context: CheckContext, theme: Theme) -> None:
    if not _is_performed(context):
        return
    performer = context.lives
    right = frozenset(each.id for each in CHECKS if is_right(performer, each.id))
    switches = {}
    if not tally_lives(performer, cases.first_step(context.format), {"foreach": True}).unsupported:
        switches = {"foreach": (True, False, None)}
    scope, features = performer.scope(), FrameworkScope(right, switches)
    tally = context.search_lives(
        lambda seed: add_features(draw_life(scope, theme, seed), features, seed), drawn_watched(performer)
    )
    if tally.judged:
        tally.unsupported = ""  # what a life asks for in vain ends it, and not the others
    _decide(context, tally)
