"""Every rule is written as its formula, so that two rules never read the same."""

from __future__ import annotations

import re

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.formula import Scalars, State, step
from adamax_conformance.reference.rules import DOCUMENTED, all_rules
from adamax_conformance.reports.render import evidence
from adamax_conformance.reports.rule import notation
from adamax_conformance.tests.meta.reports.samples import verdict

SCALARS = Scalars(lr=0.3, beta1=0.8, beta2=0.7, eps=0.5, weight_decay=0.4)
PYTHON = {
    "−": "-",
    "·": "*",
    "β₁ᵗ": "β₁**t",
    "γ": "lr",
    "λ": "decay",
    "ε": "eps",
    "β₁": "b1",
    "β₂": "b2",
    "θ": "x",
}


def test_the_documented_rule_reads_as_on_the_page():
    assert notation.lines() == (
        "g ← g + λ·θ",
        "g ← −g + λ·θ  if maximize",
        "m ← β₁·m + (1 − β₁)·g",
        "u ← max(β₂·u, |g| + ε)",
        "θ ← θ − γ·m / ((1 − β₁ᵗ)·u)",
    )


def test_no_two_rules_read_the_same():
    rules = all_rules()
    assert len({notation.lines(rule) for rule in rules}) == len(rules)


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_what_is_written_gives_the_numbers_of_the_formula(rule, maximize):
    minimizing, maximizing, *rest = notation.lines(rule)
    numbers = {"x": 1.5, "m": 0.25, "u": 0.125, "g": -0.75, "t": 3, "max": max, "abs": abs}
    numbers |= {"lr": 0.3, "b1": 0.8, "b2": 0.7, "eps": 0.5, "decay": 0.4}
    for line in (maximizing.removesuffix("  if maximize") if maximize else minimizing, *rest):
        for sign, word in PYTHON.items():
            line = line.replace(sign, word)  # noqa: PLW2901 - the same line in other signs
        name, _, value = line.partition(" ← ")
        numbers[name] = eval(re.sub(r"\|(.*?)\|", r"abs(\1)", value), {}, numbers)
    scalars = Scalars(**{**vars(SCALARS), "maximize": maximize})
    expected = step(State(1.5, 0.25, 0.125), -0.75, 3, scalars, rule)
    assert (numbers["x"], numbers["m"], numbers["u"]) == (expected.theta, expected.m, expected.u)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_the_lines_of_another_rule_stand_beside_the_page_s(rule):
    pairs = evidence.formulas(verdict(Status.DIVERGES, check="rule/documented", measured={"rule": rule.name}))
    whole = [tuple(f"{one.same}{one.different}{one.after}" for one in pair) for pair in pairs]
    if rule == DOCUMENTED:
        assert whole == []
    else:
        assert whole == list(zip(notation.lines(), notation.lines(rule), strict=True))
        assert any(page != subject for page, subject in pairs)
