"""Drawn lives: the same for the same seed, whole, and all right on our own Adamax."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adapters.factory import FactoryAdapter
from adamax_conformance.impl.host.life import LifePerformer
from adamax_conformance.impl.protocol.messages import ARGUMENTS
from adamax_conformance.impl.subject.capabilities import restrict_life
from adamax_conformance.impl.subject.observations import find_misfit
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.life.judge import LifeJudge
from adamax_conformance.reference.life import (
    AddGroup,
    Construct,
    Copy,
    CopyMethod,
    Drop,
    GroupSpec,
    Life,
    Load,
    Number,
    Options,
    ParameterSpec,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import Feature, Scope, Theme, draw_life
from adamax_conformance.tests.conformance.cases.whole_lives import is_whole

ALL = frozenset(Feature) - {Feature.ABSENT}
"""The features of our own Adamax, all of whose parameters have a gradient in each step."""


def drawn(theme: Theme, seed: int, format_: Format = Format.BINARY32) -> Life:
    return draw_life(Scope(format_, ALL, ("float64",)), theme, seed)


def perform(life: Life):
    adapter = FactoryAdapter(Adamax)
    return LifePerformer(adapter, adapter.describe()).perform(life)


@pytest.mark.parametrize("theme", list(Theme), ids=lambda theme: theme.value)
@pytest.mark.parametrize("format_", [Format.BINARY32, Format.BINARY64], ids=lambda f: f.dtype)
def test_nothing_is_found_of_our_adamax_in_drawn_lives(theme, format_) -> None:
    for seed in range(6):
        life = drawn(theme, seed, format_)
        assert is_whole(life)
        observations = perform(life)
        assert find_misfit(life, observations) is None
        assert len(observations) == len(life.actions), observations[-1].message
        found = LifeJudge(life, lambda dtype: ErrorModel(Format.of(dtype)), tuple(Watched)).judge(
            observations
        )
        assert [f.divergence.reason for f in found.findings] == []
        assert found.judged > found.open


def test_a_seed_draws_the_same_life_every_time() -> None:
    for theme in Theme:
        assert drawn(theme, 7) == drawn(theme, 7)
        assert drawn(theme, 7) != drawn(theme, 8)


def test_a_life_that_was_shortened_and_is_whole_is_performed_to_its_end() -> None:
    chosen = random.Random(3)
    for seed in range(12):
        life = drawn(Theme.CHECKPOINTS, seed)
        kept = [action for action in life.actions if chosen.random() < 0.7]
        shorter = replace(life, actions=tuple(kept))
        if is_whole(shorter) and kept:
            observations = perform(shorter)
            assert "KeyError" not in observations[-1].message
            assert find_misfit(shorter, observations) is None


GROUP = GroupSpec((ParameterSpec(Values.of([1.0])),))


@pytest.mark.parametrize(
    "action",
    [
        Step(0, ()),
        Step(5, ()),
        SetLr(0, 99, Number(0.5)),
        SetOption(5, 0, "eps", 0.5),
        AddGroup(5, GROUP),
        Save(5, 0),
        Load(0, 99),
        SetCount(99, 3),
        Copy(5, 6, CopyMethod.DEEPCOPY),
        Drop(5),
    ],
    ids=lambda action: type(action).__name__,
)
def test_an_action_whose_object_is_not_there_makes_a_life_not_whole(action) -> None:
    life = drawn(Theme.MEMORY, 1)
    assert is_whole(life)
    assert not is_whole(replace(life, actions=(*life.actions, action)))
    assert not is_whole(replace(life, actions=(*life.actions, Drop(0), Drop(0))))


def test_options_that_a_subject_has_no_argument_for_are_left_out_everywhere() -> None:
    life = drawn(Theme.CHECKPOINTS, 0)
    life = replace(life, actions=(*life.actions, AddGroup(0, GROUP)))
    restricted = restrict_life(life, ("lr", "eps"))
    passed = set()
    for action in restricted.actions:
        groups = getattr(action, "groups", ()) or ((action.group,) if isinstance(action, AddGroup) else ())
        passed |= {name for group in groups for name in group.options.passed()}
        passed |= set(action.options.passed()) if hasattr(action, "options") else set()
    assert passed == {"lr", "eps"}
    assert restrict_life(life, ("lr", "betas", "eps", "weight_decay", "maximize")) is life


def test_a_decay_by_default_is_not_left_to_a_constructor_whose_default_is_another() -> None:
    life = Life("plain", "float32", (Construct(0, (GROUP,), Options(eps=0.5)),))
    assert restrict_life(life, ARGUMENTS, defaults={"weight_decay": None, "eps": 1e-7}) is life
    (restricted,) = restrict_life(life, ARGUMENTS, defaults={"weight_decay": 1e-4}).actions
    assert restricted.options == Options(eps=0.5, weight_decay=0.0)


def test_options_that_all_groups_share_are_the_constructors_alone() -> None:
    life = drawn(Theme.CHECKPOINTS, 0)
    life = replace(life, actions=(*life.actions, AddGroup(0, GROUP)))
    restricted = restrict_life(life, ARGUMENTS, group_options=("lr", "eps"))
    made = [action for action in restricted.actions if isinstance(action, (Construct, AddGroup))]
    groups = [group for action in made for group in getattr(action, "groups", None) or (action.group,)]
    assert {name for group in groups for name in group.options.passed()} == {"lr", "eps"}
    assert [a.options for a in made if isinstance(a, Construct)] == [
        a.options for a in life.actions if isinstance(a, Construct)
    ]
