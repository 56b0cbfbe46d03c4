"""Plain functions of one element's numbers, rewritten for whole arrays.

`radii` and the exact step (`kernels.formula`, `kernels.double_double`) are written once, over numbers. Numba compiles
them as they stand for large arrays. Here their syntax trees are rewritten for NumPy. An `if` becomes a mask, a
conditional expression `numpy.where`, and `and`, `or`, `not`, `min`, `max` and `abs` their elementwise kind. A condition
on constants of the step stays an ordinary `if`. No operation is added, removed or reordered, so the numbers are the
same to the bit.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

Namespace = MappingProxyType[str, Any]


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _truth(value: Any) -> Any:
    """A condition: an array's elements that are not zero, or a constant's truth."""
    if not _is_array(value):
        return bool(value)
    return value if value.dtype == bool else value != 0


def _not(value: Any) -> Any:
    return np.logical_not(value) if _is_array(value) else not value


def _and(*values: Any) -> Any:
    result: Any = True
    for value in values:
        if _is_array(value):
            result = _truth(value) if result is True else result & _truth(value)
        elif not value:
            return False
    return result


def _or(*values: Any) -> Any:
    result: Any = False
    for value in values:
        if _is_array(value):
            result = _truth(value) if result is False else result | _truth(value)
        elif value:
            return True
    return result


def _any(condition: Any) -> bool:
    return bool(np.count_nonzero(condition)) if _is_array(condition) else bool(condition)


def _where(condition: Any, then: Any, otherwise: Any) -> Any:
    """`then` where the condition holds; tuples element by element."""
    if not _is_array(condition):
        return then if condition else otherwise
    if isinstance(then, tuple):
        return tuple(_where(condition, a, b) for a, b in zip(then, otherwise, strict=True))
    return np.where(condition, then, otherwise)


def _min(*values: Any) -> Any:
    return _fold(np.minimum, min, values)


def _max(*values: Any) -> Any:
    return _fold(np.maximum, max, values)


def _fold(of_arrays: Any, of_numbers: Any, values: tuple[Any, ...]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = (
            of_arrays(result, value) if _is_array(result) or _is_array(value) else of_numbers(result, value)
        )
    return result


def _contains(value: float, values: tuple[Any, ...]) -> Any:
    return _or(*(each == value for each in values))


def _divide(dividend: Any, divisor: Any) -> Any:
    """A quotient as IEEE 754 has it, of plain numbers and with a divisor of 0, too."""
    return dividend / divisor if _is_array(divisor) or divisor else np.float64(dividend) / np.float64(divisor)


def _all(condition: Any) -> bool:
    return np.count_nonzero(condition) == condition.size if _is_array(condition) else bool(condition)


_RUNTIME: Final[dict[str, Any]] = {
    "_truth": _truth,
    "_not": _not,
    "_and": _and,
    "_or": _or,
    "_any": _any,
    "_all": _all,
    "_divide": _divide,
    "_where": _where,
    "_contains": _contains,
    "min": _min,
    "max": _max,
    "float": lambda value: value,
}


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class _Expressions(ast.NodeTransformer):
    """Elementwise kinds of the operations that Python decides by one truth value."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        return _call("_where", _call("_truth", node.test), node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return _call("_and" if isinstance(node.op, ast.And) else "_or", *node.values)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return _call("_divide", node.left, node.right) if isinstance(node.op, ast.Div) else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return _call("_not", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ops[0], ast.In):
            return _call("_contains", node.left, node.comparators[0])
        if len(node.ops) > 1:
            raise TypeError(f"line {node.lineno}: a chained comparison cannot be vectorised")
        return node


def _assigned_names(statements: list[ast.stmt]) -> set[str]:
    """The names that statements assign to."""
    nodes = (node for statement in statements for node in ast.walk(statement))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


class _Function:
    """A function's statements, under the mask of the elements that reach each."""

    def __init__(self) -> None:
        self._masks = 0
        self._expressions = _Expressions()

    def body(self, statements: list[ast.stmt], mask: str | None, bound: set[str]) -> list[ast.stmt]:
        """Rewrite statements that are reached where `mask` holds, or everywhere."""
        made: list[ast.stmt] = []
        for statement in statements:
            made += self._statement(statement, mask, bound)
        return made

    def _statement(self, node: ast.stmt, mask: str | None, bound: set[str]) -> list[ast.stmt]:
        match node:
            case ast.Expr(value=ast.Constant()):
                made: list[ast.stmt] = []
            case ast.Return(value=ast.expr() as value):
                made = self._returned(self._expressions.visit(value), mask)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                total = ast.BinOp(ast.Name(name, ast.Load()), op, value)
                made = self._statement(ast.Assign([target], total), mask, bound)
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                made = self._statement(ast.Assign([target], value), mask, bound)
            case ast.Assign(targets=[target], value=value):
                made = [self._assigned(target, self._expressions.visit(value), mask, bound)]
            case ast.For(target=target, iter=each, body=inner):
                made = [ast.For(target, each, self.body(inner, mask, bound), [])]
            case ast.If(test=test, body=then, orelse=otherwise):
                made = self._branched(test, then, otherwise, mask, bound)
            case _:
                raise TypeError(f"line {node.lineno}: {type(node).__name__} cannot be vectorised")
        return made

    def _returned(self, value: ast.expr, mask: str | None) -> list[ast.stmt]:
        reached = ast.Constant(value=True) if mask is None else ast.Name(mask, ast.Load())
        now = _call("_and", _call("_not", ast.Name("_done", ast.Load())), reached)
        merged = _call("_where", ast.Name("_now", ast.Load()), value, ast.Name("_result", ast.Load()))
        first = ast.IfExp(
            ast.Compare(ast.Name("_result", ast.Load()), [ast.Is()], [ast.Constant(None)]), value, merged
        )
        done = _call("_or", ast.Name("_done", ast.Load()), ast.Name("_now", ast.Load()))
        return [
            ast.Assign([ast.Name("_now", ast.Store())], now),
            ast.Assign([ast.Name("_result", ast.Store())], first),
            ast.Assign([ast.Name("_done", ast.Store())], done),
            ast.If(
                _call("_all", ast.Name("_done", ast.Load())),
                [ast.Return(ast.Name("_result", ast.Load()))],
                [],
            ),
        ]

    def _assigned(self, target: ast.expr, value: ast.expr, mask: str | None, bound: set[str]) -> ast.stmt:
        names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        known = all(name in bound for name in names)
        bound.update(names)
        if mask is None or not known:
            return ast.Assign([target], value)
        before: ast.expr = ast.Name(names[0], ast.Load())
        if isinstance(target, ast.Tuple):
            before = ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())
        return ast.Assign([target], _call("_where", ast.Name(mask, ast.Load()), value, before))

    def _branched(
        self,
        test: ast.expr,
        then: list[ast.stmt],
        otherwise: list[ast.stmt],
        mask: str | None,
        bound: set[str],
    ) -> list[ast.stmt]:
        self._masks += 1
        yes, no = f"_yes{self._masks}", f"_no{self._masks}"
        reached = [] if mask is None else [ast.Name(mask, ast.Load())]
        condition = _call("_truth", self._expressions.visit(test))
        if twice := (_assigned_names(then) & _assigned_names(otherwise)) - bound:
            line = then[0].lineno
            raise TypeError(f"line {line}: {', '.join(sorted(twice))} must have a value before the branches")
        made: list[ast.stmt] = [
            ast.Assign([ast.Name(yes, ast.Store())], _call("_and", condition, *reached)),
            ast.If(
                _call("_any", ast.Name(yes, ast.Load())), self.body(then, yes, set(bound)) or [ast.Pass()], []
            ),
        ]
        if otherwise:
            made += [
                ast.Assign(
                    [ast.Name(no, ast.Store())],
                    _call("_and", _call("_not", ast.Name(yes, ast.Load())), *reached),
                ),
                ast.If(_call("_any", ast.Name(no, ast.Load())), self.body(otherwise, no, set(bound)), []),
            ]
        return made


def _vectorized(function: ast.FunctionDef) -> ast.FunctionDef:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bound = {argument.arg for argument in arguments}
    for argument in [*arguments, *([function.args.vararg] if function.args.vararg else [])]:
        argument.annotation = None
    start: list[ast.stmt] = [
        ast.Assign([ast.Name("_result", ast.Store())], ast.Constant(None)),
        ast.Assign([ast.Name("_done", ast.Store())], ast.Constant(value=False)),
    ]
    body = _Function().body(function.body, None, bound)
    end: list[ast.stmt] = [ast.Return(ast.Name("_result", ast.Load()))]
    return ast.FunctionDef(function.name, function.args, [*start, *body, *end], [], None, lineno=1)


@cache
def vectorized(
    module: str, *, inside: tuple[tuple[str, str], ...] = (), overrides: tuple[tuple[str, Any], ...] = ()
) -> Namespace:
    """Make the functions of a module work on arrays, without importing the module.

    Args:
        module: its full name.
        inside: (name, module) for each module that its functions call by a name; vectorised likewise.
        overrides: (name, function) for each function that another one stands in for.

    Returns:
        The functions by name. Conditions must be ones that `numpy.errstate(all="ignore")` may evaluate for every
        element, also for those that do not reach them.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.has_location:
        raise ImportError(f"{module} has no source to be vectorised")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    names: dict[str, Any] = {**_RUNTIME, "math": __import__("math"), "abs": np.abs}
    for name, other in inside:
        names[name] = _Attributes(vectorized(other))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            code = ast.fix_missing_locations(ast.Module([_vectorized(node)], []))
            exec(compile(code, spec.origin, "exec"), names)  # noqa: S102 - the package's own source
            names.update(overrides)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            value = ast.fix_missing_locations(ast.Expression(node.value))
            names[node.target.id] = eval(compile(value, spec.origin, "eval"), names)  # noqa: S307 - likewise
    return MappingProxyType(names)


class _Attributes:
    """A namespace whose names are read as attributes."""

    def __init__(self, names: Namespace) -> None:
        self.__dict__.update(names)
