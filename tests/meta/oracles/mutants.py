"""Mutants of a module: one operator, constant, name or term of a function altered."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from types import CodeType, ModuleType

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Div),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.Sub),
    ast.Pow: (ast.Mult, ast.Add),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.Lt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
"""The wrong operators for each operator."""

Change = Callable[[ast.AST], ast.AST]
"""Changes a copy of a node, and returns what replaces it."""


def _set_field(name: str, value: object) -> Change:
    def change(node: ast.AST) -> ast.AST:
        setattr(node, name, value)
        return node

    return change


def mutations(node: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[str, Change]]:
    """The mutations of one node: a description, and a function that changes a copy.

    Args:
        node: the node.
        names: the wrong name for each name.
    """
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            for other in OPERATORS[type(op)]:
                yield f"{type(op).__name__} to {other.__name__}", _set_field("op", other())
        case ast.UnaryOp(op=ast.USub()):
            yield "no negation", _set_field("op", ast.UAdd())
        case ast.Compare(ops=[op]):
            for other in OPERATORS[type(op)]:
                yield f"{type(op).__name__} to {other.__name__}", _set_field("ops", [other()])
        case ast.Constant(value=int(value) | float(value)):
            yield f"{value} to {value + 1}", _set_field("value", value + 1)
        case ast.Attribute(attr=name) if name in names:
            yield f"{name} to {names[name]}", _set_field("attr", names[name])
        case ast.Name(id=name) if name in names:
            yield f"{name} to {names[name]}", _set_field("id", names[name])


def omissions(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The omissions in one node: a term of a sum, or an argument of several."""
    match node:
        case ast.BinOp(op=ast.Add()):
            yield "only the left term", lambda node: node.left
            yield "only the right term", lambda node: node.right
        case ast.AugAssign(op=ast.Add()):
            yield "no added term", lambda _: ast.Pass()
        case ast.Call(func=ast.Name(id="max" | "min" | "compound" as name), args=[_, _, *_] as arguments):
            for position in range(len(arguments)):
                left = arguments[:position] + arguments[position + 1 :]
                yield f"{name} without argument {position + 1}", _without(left, name)


def _without(arguments: list[ast.expr], name: str) -> Change:
    if len(arguments) == 1 and name != "compound":
        return lambda _: arguments[0]
    return _set_field("args", arguments)


def _replace(node: ast.AST, target: ast.AST, change: Change) -> ast.AST | None:
    """A tree with the target changed, which shares all else; None without the target."""
    if node is target:
        return change(copy(node))
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            changed = _replace(child, target, change) if isinstance(child, ast.AST) else None
            if changed is not None:
                new = copy(node)
                several = isinstance(value, list)
                setattr(new, field, [*value[:index], changed, *value[index + 1 :]] if several else changed)
                return new
    return None


@dataclass(frozen=True)
class Mutant:
    """One altered function.

    Attributes:
        function: its name.
        name: where and what: unique among the mutants of a module.
        tree: the whole module.
    """

    function: str
    name: str
    tree: ast.Module

    def code(self) -> CodeType:
        """The altered function's code."""
        (altered,) = (
            node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef) and node.name == self.function
        )
        alone = ast.fix_missing_locations(ast.Module([altered], []))
        # `compile` takes over that annotations are not evaluated: in this module, as in the mutants.
        module = compile(alone, "mutant", "exec")
        return next(c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == self.function)


def mutants(module: ModuleType, names: Mapping[str, str], *, omitting: bool = False) -> Iterator[Mutant]:
    """Every mutant of a module's functions.

    Args:
        module: the module.
        names: the wrong name for each name.
        omitting: whether terms are forgotten, too.
    """
    tree = ast.parse(inspect.getsource(module))
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        seen: Counter[str] = Counter()
        body = (*function.body, *function.args.defaults)
        inside = {id(inner) for statement in body for inner in ast.walk(statement)}
        for node in ast.walk(function):
            if id(node) not in inside:
                continue
            for what, change in (*mutations(node, names), *(omissions(node) if omitting else ())):
                altered = _replace(function, node, change)
                changed = ast.Module([altered if other is function else other for other in tree.body], [])
                seen[what] += 1
                yield Mutant(function.name, f"{function.name}: {what}, occurrence {seen[what]}", changed)
