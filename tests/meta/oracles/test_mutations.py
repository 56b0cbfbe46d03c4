"""A bug in any operator, constant or name of the formula makes the tests fail."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from adamax_conformance.reference import formula
from adamax_conformance.reference.formula import Scalars, State
from adamax_conformance.reference.rules import DOCUMENTED, Rule, all_rules
from adamax_conformance.tests.meta.oracles.mutants import mutants
from adamax_conformance.tests.meta.oracles.rationals import distinguishing_cases, numbers, rational

NAMES = {
    "lr": "eps",
    "beta1": "beta2",
    "beta2": "beta1",
    "eps": "lr",
    "weight_decay": "lr",
    "abs": "float",
    "max": "min",
    "IN_NORM": "IN_DENOMINATOR",
    "IN_DENOMINATOR": "IN_NORM",
    "L2": "DECOUPLED",
    "DECOUPLED": "L2",
    "NEGATE_GRADIENT": "NEGATE_AFTER_DECAY",
    "NEGATE_AFTER_DECAY": "NEGATE_GRADIENT",
}
"""The wrong name for each name."""

FUNCTIONS = {
    name
    for name, of in vars(formula).items()
    if getattr(of, "__module__", None) == formula.__name__ and inspect.isfunction(of)
}
MUTANTS = {mutant.name: mutant.tree for mutant in mutants(formula, NAMES)}
RULES = all_rules()

EQUIVALENT = {
    "theta_after_decay: weight_decay to lr, occurrence 1": "lr*weight_decay*theta takes off nothing where either is 0",
    "norm_branches: max to min, occurrence 1": "a step passes the maximum of its own numbers",
}
"""Mutants that compute the same, and why."""


def load_step(tree: ast.Module) -> Callable:
    """The mutant's `step`."""
    module = types.ModuleType(formula.__name__)
    module.__package__ = formula.__package__
    exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), module.__dict__)
    return module.step


def agrees(step: Callable, rules: Sequence[Rule] = RULES) -> bool:
    """Check that a `step` agrees with the plain form exactly, in every rule."""
    for rule in rules:
        for case in distinguishing_cases():
            group, parameter = case.groups[0], case.parameters[0]
            state = State(Fraction(parameter.theta[0]), Fraction(0), Fraction(0))
            for t, wanted in enumerate(rational(group, parameter, (0,), rule), start=1):
                n = numbers(group, t)
                scalars = Scalars(n.lr, n.beta1, n.beta2, n.eps, n.weight_decay, n.maximize)
                try:
                    state = step(state, Fraction(parameter.gradients[t - 1][0]), t, scalars, rule)
                except (ArithmeticError, TypeError):
                    return False
                if (state.theta, state.m, state.u) != wanted:
                    return False
    return True


def test_the_formula_itself_agrees_with_the_plain_form_to_the_last_digit() -> None:
    assert agrees(formula.step)
    assert agrees(load_step(ast.parse(inspect.getsource(formula))))


def test_there_is_a_mutant_of_every_function_and_of_every_operation_of_the_documented_step() -> None:
    assert {name.split(":")[0] for name in MUTANTS} == FUNCTIONS
    assert len(MUTANTS) >= 60


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in EQUIVALENT])
def test_a_mutant_of_the_formula_is_noticed(name) -> None:
    assert not agrees(load_step(MUTANTS[name]))


@pytest.mark.parametrize("name", EQUIVALENT)
def test_a_mutant_that_is_said_to_compute_the_same_does(name) -> None:
    assert agrees(load_step(MUTANTS[name]))


def test_most_mutants_are_noticed_by_the_documented_rule_alone() -> None:
    noticed = sum(not agrees(load_step(tree), (DOCUMENTED,)) for tree in MUTANTS.values())
    assert noticed >= len(MUTANTS) // 2
