"""A bug in the oracle makes the kit's own tests fail: each operator, constant and name of the formula in turn."""

from __future__ import annotations

import ast
import inspect
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from fractions import Fraction

import pytest
from adamax_conformance.reference import formula
from adamax_conformance.reference.formula import Scalars, State
from adamax_conformance.reference.rules import DOCUMENTED, Rule, all_rules
from adamax_conformance.tests.oracles.rationals import numbers, rational, telling_cases

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Div),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.Sub),
    ast.Pow: (ast.Mult, ast.Add),
    ast.NotEq: (ast.Eq, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
}
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
"""What each name is mistaken for."""

TREE = ast.parse(inspect.getsource(formula))
FUNCTIONS = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]


def mutations(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """What can be changed about one node: a description, and what changes a copy of it."""

    def setting(name: str, value: object) -> Callable[[ast.AST], None]:
        return lambda copy: setattr(copy, name, value)

    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op):
            for other in OPERATORS[type(op)]:
                yield f"{type(op).__name__} to {other.__name__}", setting("op", other())
        case ast.UnaryOp(op=ast.USub()):
            yield "no negation", setting("op", ast.UAdd())
        case ast.Compare(ops=[op]):
            for other in OPERATORS[type(op)]:
                yield f"{type(op).__name__} to {other.__name__}", setting("ops", [other()])
        case ast.Constant(value=int(value)):
            yield f"{value} to {value + 1}", setting("value", value + 1)
        case ast.Attribute(attr=name) if name in NAMES:
            yield f"{name} to {NAMES[name]}", setting("attr", NAMES[name])
        case ast.Name(id=name) if name in NAMES:
            yield f"{name} to {NAMES[name]}", setting("id", NAMES[name])


def mutants() -> Iterator[tuple[str, ast.Module]]:
    """Every mutant of the formula's functions, with a name that says where and what."""
    for function in FUNCTIONS:
        seen: Counter[str] = Counter()
        nodes = [(index, node) for index, node in enumerate(ast.walk(TREE)) if _inside(node, function)]
        for index, node in nodes:
            for what, change in mutations(node):
                tree = deepcopy(TREE)
                change(list(ast.walk(tree))[index])
                seen[what] += 1
                yield f"{function.name}: {what}, place {seen[what]}", tree


def _inside(node: ast.AST, function: ast.FunctionDef) -> bool:
    body = (*function.body, *function.args.defaults)
    return any(node is inner for statement in body for inner in ast.walk(statement))


MUTANTS = dict(mutants())
RULES = all_rules()

EQUIVALENT = {
    "retained: weight_decay to lr, place 1": "lr*weight_decay*theta takes off nothing where either is 0"
}
"""Mutants that compute the same, and why."""


def loaded(tree: ast.Module) -> Callable:
    """The mutant's `step`."""
    module = types.ModuleType(formula.__name__)
    module.__package__ = formula.__package__
    exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), module.__dict__)
    return module.step


def agrees(step: Callable, rules: Sequence[Rule] = RULES) -> bool:
    """Whether a `step` gives what the plain form gives, to the last digit, in every rule."""
    for rule in rules:
        for case in telling_cases():
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
    assert agrees(loaded(deepcopy(TREE)))


def test_there_is_a_mutant_of_every_function_and_of_every_operation_of_the_documented_step() -> None:
    assert {name.split(":")[0] for name in MUTANTS} == {function.name for function in FUNCTIONS}
    assert len(MUTANTS) >= 60


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in EQUIVALENT])
def test_a_mutant_of_the_formula_is_noticed(name) -> None:
    assert not agrees(loaded(MUTANTS[name]))


@pytest.mark.parametrize("name", EQUIVALENT)
def test_a_mutant_that_is_said_to_compute_the_same_does(name) -> None:
    assert agrees(loaded(MUTANTS[name]))


def test_most_mutants_are_noticed_by_the_documented_rule_alone() -> None:
    noticed = sum(not agrees(loaded(tree), (DOCUMENTED,)) for tree in MUTANTS.values())
    assert noticed >= len(MUTANTS) // 2
