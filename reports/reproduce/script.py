"""Write the script that shows a divergence with the framework alone.

A script has under 25 lines, is made from the recorded case, and can be pasted into the framework's bug tracker. It runs
the case, prints the actual and the expected number, and then `diverges` or `conforms`. The script of a life has as many
lines as its actions need. Names and texts of a record enter it as comments and literals only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ...impl.adapters import registry
from ...impl.adapters.registry import SubjectName
from ...impl.protocol import errors
from ...oracles.error_model import Form
from ...oracles.formats import Format
from ...oracles.verdict import Divergence, Quantity, Verdict
from ...reference.case import Case, Parameter
from ...reference.contract import CLAUSES, Outcome, Params
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ...reference.life import Life
from ...reference.rules import DOCUMENTED
from ..escape import one_line
from ..ledger import ledger
from ..rule.demo import rule_named
from .example_case import distinguishing_case, documented_numbers
from .life_script import life_lines
from .snippets import Dialect, dialect_of

LINES: Final = 25
"""A script has fewer."""

_NUMBERS: Final = 16
"""A case with more gradients than this is cut down to the element that diverges: the formula is element by
element."""

_LINE: Final = 8000
"""A script with a longer line is not fit to be pasted."""

_COARSE: Final = 2.0**-969
"""Below this a difference of doubles near the bound may be subnormal itself: 2^-1022 times 2^53."""

_CLAUSES: Final = {clause.id: clause for clause in CLAUSES}


_SEVERAL_RUNS: Final = ("relations/", "ledger/", "bookkeeping/resume", "bookkeeping/independent")
"""Checks whose evidence is not the result of a single run of the case."""


def script(verdict: Verdict) -> str | None:
    """The script that shows a divergence, from its case or the shipped ledger.

    Returns:
        Python source that needs the subject's framework and nothing else. None for a subject that is a program, a
        check that compares several runs, or a case too long.
    """
    return _recorded_script(verdict) or _generated_script(verdict) or _shipped_script(verdict)


_ROLES: Final = ("theta before", "m before", "u before", "gradient")
_SCALARS: Final = ("lr", "eps", "weight_decay")
_OFTEN_LACKING: Final = ("weight_decay", "maximize")
"""The options that an optimizer of one's own may lack; off, they are not passed to one."""


def _recorded_script(verdict: Verdict) -> str | None:
    """One recorded step of one element, next to what the formula gives for it."""
    divergence = verdict.divergence
    if divergence is None or not set(_ROLES) <= set(divergence.extra):
        return None
    facts, quantity = divergence.extra, divergence.quantity.value
    try:
        before = [_recorded(facts[role]) for role in _ROLES]
        after = [_recorded(facts[f"{name} after"]) for name in ("m", "u", quantity)]
        scalars = [float(facts[name]) for name in _SCALARS]
        beta1, beta2 = (float(x) for x in str(facts["betas"]).strip("()").split(","))
        t, bound = int(facts["t"]), float(divergence.bound or "0")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a record from elsewhere: not well formed
    if not all(map(math.isfinite, (*before, *after, *scalars, beta1, beta2, bound))) or not 0 < t < 1 << 53:
        return None
    lines = [
        f"# {one_line(verdict.check, 80)}: {one_line(divergence.reason, 160)}",
        "from decimal import Decimal, getcontext",
        "",
        "getcontext().prec = 60",
        f"theta, m, u, g = map(Decimal, {tuple(before)!r})  # as they were recorded before the step",
        f"m_after, u_after, recorded = map(Decimal, {tuple(after)!r})  # and after it",
        f"t, beta1, beta2 = {t}, Decimal({beta1!r}), Decimal({beta2!r})",
        f"lr, eps, weight_decay = map(Decimal, {tuple(scalars)!r})",
        f"g = {'-g' if facts.get('maximize') == 'True' else 'g'} + weight_decay * theta",
        "page = {",
        '    "m": beta1 * m + (1 - beta1) * g,',
        '    "u": max(beta2 * u, abs(g) + eps),',
        '    "theta": theta - lr * m_after / ((1 - beta1**t) * u_after),',
        "}",
        f"off, bound = abs(recorded - page[{quantity!r}]), Decimal({bound!r})",
        f"print({quantity!r}, 'is', float(recorded), 'and the page gives', float(page[{quantity!r}]))",
        "print('diverges' if off > bound else 'conforms', 'by', float(off), 'where', float(bound), 'is admissible')",
    ]
    return "\n".join(lines) + "\n"


def _recorded(text: str) -> float:
    """A number of a recording, written as `1.5 (0x1.8p+0)`."""
    return float.fromhex(text.rpartition("(")[2].rstrip(")"))


def _shipped_script(verdict: Verdict) -> str | None:
    """The script of the shipped ledger's entry that made a verdict known."""
    name = verdict.measured.get("ledger")
    for entry in ledger.load().entries if name else ():
        if entry.id == name and entry.check == verdict.check and entry.script:
            return (ledger.SCRIPTS / entry.script).read_text(encoding="utf-8")
    return None


def _generated_script(verdict: Verdict) -> str | None:
    try:
        named = registry.parse_name(verdict.subject)
    except errors.SubjectError:
        return None
    dialect = dialect_of(named, verdict.dtype, verdict.device)
    if dialect is None or verdict.check.startswith(_SEVERAL_RUNS):
        return None
    if verdict.divergence is not None and "life" in verdict.divergence.extra:
        return _life_script(verdict, verdict.divergence, dialect, named)
    group, _, rest = verdict.check.partition("/")
    if group == "contract":
        lines = _contract_lines(verdict, dialect, rest)
    elif group == "rule" and not _has_number(verdict):
        lines = _rule_lines(verdict, dialect, named)
    else:
        lines = _run_lines(verdict, dialect, named)
    if lines is None or len(lines) >= LINES or max(map(len, lines)) > _LINE:
        return None
    return "\n".join(lines) + "\n"


def _life_script(
    verdict: Verdict, divergence: Divergence, dialect: Dialect, named: SubjectName
) -> str | None:
    """A life, action by action, up to the one that goes wrong."""
    try:
        life = Life.from_json(divergence.extra["life"])
        made = life_lines(life, divergence, dialect, named, verdict.device)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a record from elsewhere: not well formed
    if made is None:
        return None
    imports, lines = made
    dialect = replace(dialect, imports=(*imports, *dialect.imports))
    return "\n".join(_with_header(verdict, divergence.reason, dialect, lines)) + "\n"


def _has_number(verdict: Verdict) -> bool:
    divergence = verdict.divergence
    return divergence is not None and divergence.case is not None and divergence.error_ulp is not None


def smallest_case(divergence: Divergence) -> tuple[Case, int] | None:
    """The smallest part of a case that diverges, and the index of its parameter.

    Steps after the divergence go, and of a large case all but the element that diverges.

    Returns:
        None if there is no case, or one that is not well formed.
    """
    if divergence.case is None:
        return None
    try:
        case = Case.from_json(divergence.case)
        return _cut(case, divergence)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def _cut(case: Case, divergence: Divergence) -> tuple[Case, int]:
    steps = divergence.step or case.steps
    place = divergence.parameter or 0
    numbers = sum(parameter.theta.size for parameter in case.parameters) * steps
    element = divergence.element if numbers > _NUMBERS else None
    case.parameters[place].theta[divergence.element or ()]  # there is such an element
    groups: list[Any] = []
    at = 0
    for group in case.groups:
        members = []
        for parameter in group.parameters:
            if element is None:
                members.append(Parameter(parameter.theta, parameter.gradients[:steps]))
            elif at == place:
                gradients = tuple(g[element] for g in parameter.gradients[:steps])
                members.append(Parameter.of(parameter.theta[element], gradients))
            at += 1
        if members:
            rates = group.learning_rates and group.learning_rates[:steps]
            groups.append(type(group)(group.hyperparameters, tuple(members), rates))
    return Case(case.name, tuple(groups), case.layout), place if element is None else 0


def _run_lines(verdict: Verdict, dialect: Dialect, named: SubjectName) -> list[str] | None:
    """A run of the recorded case, up to the number that diverges."""
    divergence = verdict.divergence
    cut = None if divergence is None else smallest_case(divergence)
    if divergence is None or cut is None or not _is_writable(cut[0], dialect):
        return None
    case, place = cut
    lines = _steps(case, dialect, named)
    if divergence.quantity is Quantity.OUTCOME:
        return _with_header(
            verdict, divergence.reason, dialect, [*lines, 'print("conforms: no step raises")']
        )
    shape = case.parameters[place].theta.shape
    element = divergence.element if shape else ()
    if divergence.quantity not in dialect.read or element is None or len(element) != len(shape):
        return None
    where = (
        f"{divergence.quantity.value} of parameter {place}, element {list(element)}, after step {case.steps}"
    )
    lines += [
        f"actual = {_number(dialect, divergence.quantity, place, element)}",
        f'print({dialect.version} + ":", {where!r}, "is", actual)',
        *_comparison_lines(divergence),
    ]
    return _with_header(verdict, divergence.reason, dialect, lines)


def _is_writable(case: Case, dialect: Dialect) -> bool:
    plain = len(case.groups) == 1 and case.groups[0].learning_rates is None
    plain = plain and not case.groups[0].hyperparameters.maximize
    return case.layout in dialect.layouts and (dialect.documented_arguments or plain)


def _rule_lines(verdict: Verdict, dialect: Dialect, named: SubjectName) -> list[str] | None:
    """A run that shows the identified rule against the documented numbers."""
    format_ = Format.of(verdict.dtype)
    rule = rule_named(verdict.measured.get("rule")) or DOCUMENTED
    case = distinguishing_case(format_, rule)
    if not _is_writable(case, dialect):
        return None
    form = next((form for form in Form if form.value == verdict.measured.get("form")), Form.WEIGHTED)
    numbers = documented_numbers(case, format_, form)
    # Only for these are the names of m and u known.
    shown = numbers if named.is_builtin else numbers[:1]
    lines = [
        *_steps(case, dialect, named),
        f"print({dialect.version})",
        "for name, actual, expected, bound in [",
        *(
            f"    ({n.quantity.value!r}, {_number(dialect, n.quantity, 0, ())}, "
            f"{n.expected!r}, {n.bound:.6g}),"
            for n in shown
        ),
        "]:",
        '    verdict = "diverges" if not abs(actual - expected) <= bound else "conforms"',
        '    print(name, "is", actual, "and the page gives", expected, "so it", verdict)',
    ]
    return _with_header(verdict, verdict.reason, dialect, lines)


def _steps(case: Case, dialect: Dialect, named: SubjectName) -> list[str]:
    """The optimizer, and all steps of a case."""
    thetas = [parameter.theta.tolist() for parameter in case.parameters]
    gradients = [[g.tolist() for g in case.gradients(t)] for t in range(1, case.steps + 1)]
    return [
        "def array(values):",
        f"    return {dialect.layouts[case.layout].format(dialect.array)}",
        "",
        f"gradients = {gradients!r}  # by step, then by parameter",
        f"parameters = {dialect.parameters.format(repr(thetas))}",
        f"optimizer = {dialect.optimizer.format(_arguments(case, dialect, named))}",
        "for t in range(len(gradients)):",
        *(f"    {line}" for line in (*_rates(case, dialect), *dialect.step)),
    ]


def _number(dialect: Dialect, quantity: Quantity, parameter: int, element: Sequence[int]) -> str:
    index = ", ".join(map(str, element)) or "()"
    return dialect.number.format(dialect.read[quantity].format(parameter), index)


def _arguments(case: Case, dialect: Dialect, named: SubjectName) -> str:
    def value(name: str, option: Any) -> str:
        if name == "lr" and named.mode == "tensor-lr":
            return f"torch.tensor({option!r}, dtype=torch.float64)"
        return repr(option)

    if not dialect.documented_arguments:
        flat = vars(case.groups[0].hyperparameters)
        own = {"learning_rate": flat["lr"], **{n: flat[n] for n in ("beta1", "beta2", "eps", "weight_decay")}}
        return ", ".join(["parameters", *(f"{name}={option!r}" for name, option in own.items())])

    def passed(hyperparameters: Hyperparameters) -> str:
        options = hyperparameters.options().items()
        return ", ".join(
            f"{n}={value(n, x)}" for n, x in options if x or named.is_builtin or n not in _OFTEN_LACKING
        )

    if len(case.groups) == 1:
        return f"parameters, {passed(case.groups[0].hyperparameters)}"
    groups, start = [], 0
    for group in case.groups:
        stop = start + len(group.parameters)
        groups.append(f"dict(params=parameters[{start}:{stop}], {passed(group.hyperparameters)})")
        start = stop
    return f"[{', '.join(groups)}]"


def _rates(case: Case, dialect: Dialect) -> list[str]:
    if all(group.learning_rates is None for group in case.groups):
        return []
    rates = [[group.at(t).lr for group in case.groups] for t in range(1, case.steps + 1)]
    return [f"for group, lr in zip(optimizer.param_groups, {rates!r}[t]):", f"    {dialect.set_lr}"]


def _comparison_lines(divergence: Divergence) -> list[str]:
    try:
        expected = float(divergence.expected)
        bound = float(divergence.bound or "0")
    except ValueError:
        return [f"print('expected:', {one_line(divergence.expected, 200)!r})"]
    if math.isnan(expected):
        wrong = "actual == actual"
    elif math.isinf(expected) or divergence.bound is None:
        wrong = "actual != expected"
    elif bound < _COARSE:
        exact = f"abs(Fraction(actual) - Fraction({divergence.expected!r}))"
        wrong = f"{exact} > Fraction({divergence.bound!r})"
    else:
        wrong = f"not abs(actual - expected) <= {bound!r}"
    return [
        f"expected = {expected!r}",
        f'print("expected:", expected, "so it", "diverges" if {wrong} else "conforms")',
    ]


def _contract_lines(verdict: Verdict, dialect: Dialect, name: str) -> list[str] | None:
    """A call of the constructor, as a clause of the contract has it."""
    if not dialect.documented_arguments:
        return None
    if name == "defaults":
        return _signature(verdict, dialect)
    made = _clause_call(dialect, name)
    if made is None:
        return None
    call, promised, right = made
    lines = [
        "def array(values):",
        f"    return {dialect.array}",
        "",
        f"parameters = {dialect.parameters.format('[[1.0, 2.0]]')}",
        "try:",
        f"    optimizer = {call}",
        '    outcome = message = "accepted"',
        "except Exception as error:",
        "    outcome, message = type(error).__name__, str(error)",
        f'print({dialect.version} + ":", outcome, message)',
        f"print('the page:', {promised!r})",
    ]
    if right:
        lines.append(f'print("conforms" if outcome == {right!r} else "diverges")')
    return _with_header(verdict, verdict.reason, dialect, lines)


def _clause_call(dialect: Dialect, name: str) -> tuple[str, str, str] | None:
    """The call of a clause, its statement, and the promised outcome, if any."""
    if name == "maximize-keyword-only":
        call = f"{dialect.callable}(parameters, 0.002, (0.9, 0.999), 1e-08, 0.0, True)"
        return call, "maximize is keyword-only", "TypeError"
    clause = _CLAUSES.get(name)
    if clause is None or isinstance(clause.value, np.generic):
        return None
    match clause.value:
        case np.ndarray():
            arguments = f"parameters, {clause.argument}=array({clause.value.tolist()!r})"
        case Params.EMPTY:
            arguments = "[]"
        case Params.REPEATED:
            arguments = "2 * parameters"
        case Params.GROUP_WITHOUT_PARAMS:
            arguments = "[dict(lr=0.1)]"
        case Params():
            arguments = f"[dict(params=parameters, {clause.value.value.removeprefix('a group with ')})]"
        case _:
            arguments = f"parameters, {clause.argument}={clause.value!r}"
    right = {Outcome.ACCEPT: "accepted", Outcome.REJECT: "ValueError", Outcome.OPEN: ""}[clause.outcome]
    return dialect.optimizer.format(arguments), clause.statement, right


def _signature(verdict: Verdict, dialect: Dialect) -> list[str]:
    names = [*DEFAULTS.options()]
    lines = [
        f"parameters = inspect.signature({dialect.callable}).parameters",
        f"defaults = {{name: parameters[name].default for name in {names!r} if name in parameters}}",
        f"print({dialect.version})",
        'print("the defaults are", defaults)',
        f"print('the page says   ', {DEFAULTS.options()!r})",
        f'print("conforms" if defaults == {DEFAULTS.options()!r} else "diverges")',
    ]
    return _with_header(
        verdict, verdict.reason, replace(dialect, imports=("import inspect", *dialect.imports)), lines
    )


_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


def _with_header(verdict: Verdict, reason: str, dialect: Dialect, lines: list[str]) -> list[str]:
    words = _QUOTED.sub("", "\n".join(lines))
    constants = [name for name in ("inf", "nan") if re.search(rf"\b{name}\b", words)]
    return [
        f"# {one_line(verdict.check, 80)}: {one_line(reason, 160)}",
        *([f"from math import {', '.join(constants)}"] if constants else []),
        *(["from fractions import Fraction"] if "Fraction(" in words else []),
        *dialect.imports,
        "",
        *lines,
    ]
