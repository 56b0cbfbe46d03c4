"""A step that is worked out marks the numbers that are off, and no others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.worked import WORKED, worked_step
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Decay, all_rules

MODEL = ErrorModel(Format.of("float32"))
BEFORE = (1.0, 0.25, 0.5, 0.125)


def step(before=BEFORE, t=3, *, lr=2e-3, beta1=0.9, correction=None, g=None, weight_decay=0.0, eps_in=1e-8):
    """A plain step in float32, with a part replaced."""
    theta, m, u, gradient = map(np.float32, before)
    g = gradient if g is None else np.float32(g)
    g += np.float32(weight_decay) * theta
    m = np.float32(beta1) * m + np.float32(1 - beta1) * g
    u = max(np.float32(0.999) * u, abs(g) + np.float32(eps_in))
    scale = lr / (1 - beta1**t if correction is None else correction)
    return tuple(map(float, (theta - np.float32(scale) * (m / u), m, u)))


def worked(before, after, options=None, t=3, model=MODEL):
    made = worked_step(before, after, options or Hyperparameters(), t, model)
    return {line["name"]: line for line in made.get(WORKED, [])}


def off(*arguments, **options):
    return [name for name, line in worked(*arguments, **options).items() if line["off"]]


def test_every_number_of_a_step_is_there():
    assert list(worked(BEFORE, step())) == ["g", "m", "u", "correction", "lr", "step", "theta"]


def test_nothing_is_off_in_a_right_step():
    random = np.random.default_rng(7)
    for _ in range(200):
        before = [float(np.float32(x)) for x in random.normal(size=4)]
        before[2] = abs(before[2])
        t = int(random.integers(1, 50))
        assert off(before, step(before, t), t=t) == []


@pytest.mark.parametrize(
    ("changes", "wrong", "name", "implied"),
    [
        ({"g": -0.125}, ["g", "m"], "g", -0.125),
        ({"beta1": 0.8, "correction": 1 - 0.9**3}, ["g", "m"], None, None),
        ({"eps_in": 1.0}, ["u"], "u", 1.125),
        ({"lr": 1e-3}, ["correction", "lr", "step", "theta"], "lr", 1e-3),
        ({"correction": 1}, ["correction", "lr", "step", "theta"], "correction", 1),
        ({"correction": 1 - 0.9**2}, ["correction", "lr", "step", "theta"], "correction", 0.19),
    ],
)
def test_what_is_off_names_the_part_and_what_was_used_instead(changes, wrong, name, implied):
    found = worked(BEFORE, step(**changes))
    assert [each for each, line in found.items() if line["off"]] == wrong
    if name is not None:
        uncertain = float(found[name]["uncertain by"])
        assert abs(float(found[name]["subject"]) - implied) <= uncertain * 1.01


def test_the_exact_number_is_the_formula_s():
    lines = worked(BEFORE, step(), Hyperparameters(weight_decay=0.5))
    assert float(lines["g"]["exact"]) == 0.125 + 0.5
    assert float(lines["lr"]["exact"]) == 2e-3


@pytest.mark.parametrize("rule", [rule for rule in all_rules() if rule != DOCUMENTED])
def test_a_rule_s_own_step_is_right_by_that_rule(rule):
    options = Hyperparameters(weight_decay=0.25)
    theta = BEFORE[0]
    model = ErrorModel(Format.of("float32"), rule)
    names = list(worked(BEFORE, step(), options, model=model))
    assert ("correction" in names) == (rule.bias_correction.name == "FIRST_MOMENT")
    if rule.decay is Decay.DECOUPLED:
        lines = worked(BEFORE, step(), options, model=model)
        kept = theta - options.lr * options.weight_decay * theta
        assert math.isclose(float(lines["step"]["subject"]), kept - step()[0], rel_tol=1e-12)


@pytest.mark.parametrize("number", range(4))
def test_nothing_is_worked_out_from_what_is_not_finite(number):
    before = list(BEFORE)
    before[number] = math.nan
    assert worked(before, step()) == {}


def test_a_step_that_is_lost_in_rounding_says_nothing_of_its_parts():
    before = (1e8, 1e-9, 1.0, 1e-9)
    assert list(worked(before, step(before))) == ["g", "m", "u", "step", "theta"]
