"""Migration: an adjusted rule follows another exactly; with eps, within the bound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.comparison import trajectory
from adamax_conformance.oracles.error_model import ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.exact.trajectory import element_trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.documentation import DOCUMENTATION
from adamax_conformance.reference.formula import Scalars, State, step
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.migration import (
    Adjustment,
    adjusted_step,
    adjustments,
    step_difference_bound,
)
from adamax_conformance.reference.rules import Ascent, BiasCorrection, Decay, Epsilon, Rule, all_rules

RULES = tuple(rule for rule in all_rules() if rule.ascent is not Ascent.NEGATE_AFTER_DECAY)
SCALARS = Scalars(
    lr=Fraction(1, 10),
    beta1=Fraction(9, 10),
    beta2=Fraction(7, 10),
    eps=Fraction(1, 8),
    weight_decay=Fraction(3, 100),
)
GRADIENTS = [Fraction(n, 64) for n in (50, -3, 1, 77, -20, 2)]
FOLLOWED = [d.rule for d in DOCUMENTATION.values() if d.rule and d.rule != Rule()]
START = State(Fraction(3, 2), Fraction(0), Fraction(0))


def thetas(advance):
    """Theta after each step."""
    state, seen = START, []
    for t, g in enumerate(GRADIENTS, start=1):
        state = advance(state, g, t)
        seen.append(state.theta)
    return seen


def leader_thetas(rule, scalars):
    return thetas(lambda state, g, t: step(state, g, t, scalars, rule))


@pytest.mark.parametrize("leader", RULES, ids=lambda rule: rule.name)
def test_adjusted_every_rule_follows_every_other_exactly(leader):
    for follower, decays, ascends in product(RULES, (False, True), (False, True)):
        leader_scalars = replace(SCALARS, weight_decay=SCALARS.weight_decay * decays, maximize=ascends)
        todo = adjustments(leader, follower, decays=decays, ascends=ascends)
        if leader.ascent is Ascent.NONE:
            leader_scalars = replace(leader_scalars, maximize=False)
        if Adjustment.WITHOUT_EPS in todo:
            leader_scalars = replace(leader_scalars, eps=Fraction(0))
        adjusted = thetas(lambda s, g, t, a=(leader_scalars, follower, todo): adjusted_step(s, g, t, *a))
        assert adjusted == leader_thetas(leader, leader_scalars), (follower.name, todo)


@pytest.mark.parametrize("leader", RULES, ids=lambda rule: rule.name)
def test_no_adjustment_is_asked_for_in_vain(leader):
    for follower in RULES:
        if leader.ascent is Ascent.NONE or leader.decay is Decay.NONE:
            continue
        leader_scalars = replace(SCALARS, maximize=True)
        todo = adjustments(leader, follower)
        if Adjustment.WITHOUT_EPS in todo:
            leader_scalars = replace(leader_scalars, eps=Fraction(0))
        right = leader_thetas(leader, leader_scalars)
        for left_out in todo - {Adjustment.WITHOUT_EPS}:
            less = todo - {left_out}
            assert (
                thetas(lambda s, g, t, a=(leader_scalars, follower, less): adjusted_step(s, g, t, *a))
                != right
            )


def test_rules_of_other_places_of_eps_are_no_further_apart_than_stated():
    leader_scalars = replace(SCALARS, weight_decay=Fraction(0))
    bare = replace(leader_scalars, eps=Fraction(0))
    runs = [leader_thetas(Rule(epsilon), leader_scalars) for epsilon in Epsilon]
    state, allowed = START, Fraction(0)
    for t, g in enumerate(GRADIENTS, start=1):
        before = state
        state = step(state, g, t, bare, Rule(Epsilon.NONE))
        allowed += step_difference_bound(abs(before.theta - state.theta), state.u, leader_scalars)
        at = [run[t - 1] for run in runs]
        assert max(at) - min(at) <= allowed
    assert max(at) - min(at) > allowed / 100


@pytest.mark.parametrize("epsilon", Epsilon)
def test_gradients_and_eps_times_a_constant_give_the_same_trajectory(epsilon):
    leader_scalars, rule = replace(SCALARS, weight_decay=Fraction(0)), Rule(epsilon)
    scaled = replace(leader_scalars, eps=leader_scalars.eps * 1024)
    assert thetas(lambda s, g, t: step(s, g * 1024, t, scaled, rule)) == leader_thetas(rule, leader_scalars)


def test_an_eps_of_the_documented_size_is_a_small_distance():
    leader_scalars = replace(SCALARS, eps=Fraction(1, 10**8), weight_decay=Fraction(0))
    assert step_difference_bound(Fraction(1), Fraction(1), leader_scalars) < Fraction(4, 10**8)


@pytest.mark.parametrize(
    "rule", [d.rule for d in DOCUMENTATION.values() if d.rule], ids=lambda rule: rule.name
)
def test_a_framework_follows_itself_as_it_is(rule):
    assert not adjustments(rule, rule)


def test_negation_after_the_decay_is_nobody_s():
    with pytest.raises(ValueError, match="nobody"):
        adjustments(Rule(ascent=Ascent.NEGATE_AFTER_DECAY), Rule())


@pytest.mark.parametrize("leader", FOLLOWED, ids=lambda rule: rule.name)
def test_pytorch_follows_another_framework_s_trajectory_within_the_bound(leader):
    """Binary64 holds the adjustments of lr and beta1 here, so only PyTorch rounds."""
    pytest.importorskip("torch")
    setting = Hyperparameters(lr=0.125, beta1=0.5, beta2=0.75, eps=0.0)
    gradients = [[float(g), -float(g)] for g in GRADIENTS]
    led = Case("led", (Group(setting, (Parameter.of([1.5, 0.0], gradients),)),))
    rates = [setting.lr * (1 - setting.beta1**t) for t in range(1, len(GRADIENTS) + 1)]
    assert adjustments(leader, Rule(), decays=False, ascends=False) <= {
        Adjustment.WITHOUT_EPS,
        Adjustment.UNDO_THE_CORRECTION,
    }
    uncorrected = leader.bias_correction is BiasCorrection.NONE
    own = Case("own", (replace(led.groups[0], learning_rates=tuple(rates) if uncorrected else None),))
    for element in ((0,), (1,)):
        theirs = [s.state.theta for s in element_trajectory(led, 0, element, leader)]
        ours = [s.state.theta for s in element_trajectory(own, 0, element)]
        assert theirs == ours
    found = empty_tallies(Quantity.THETA)
    with Subject.open("torch", in_process=True) as subject:
        scheme = EvaluationScheme(Form.INTERPOLATED)
        trajectory(own, subject.observe(own, "float64"), ErrorModel(Format.BINARY64, scheme=scheme), found)
    assert found[Quantity.THETA].judged == 2 * len(GRADIENTS)
    assert not found[Quantity.THETA].exceeded
