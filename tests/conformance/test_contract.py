"""Contract: what the page says about arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from adamax_conformance.impl.protocol.errors import Rejected
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.capabilities import options
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.contract import CLAUSES, Clause, Outcome, Params
from adamax_conformance.reference.documentation import Documentation, documentation_of
from adamax_conformance.reference.hyperparameters import DEFAULTS, Hyperparameters
from adamax_conformance.tests.conformance.cases.pinned import noise, one
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.evidence import first_difference
from adamax_conformance.tests.conformance.harness.target import NUMBERS

_THETA = (np.array([1.0, -0.5]), np.array([0.25]))
_GRADIENTS = (np.array([0.5, 0.25]), np.array([-1.0]))
_SHOWN = 120


_BAD: Final = {
    Params.GROUP_WITH_BAD_LR: {"lr": -1.0},
    Params.GROUP_WITH_BAD_BETAS: {"betas": (1.0, 0.999)},
    Params.GROUP_WITH_BAD_EPS: {"eps": -1.0},
    Params.GROUP_WITH_BAD_WEIGHT_DECAY: {"weight_decay": -1.0},
}


def _asked(clause: Clause) -> Collection[str]:
    """The documented arguments that a clause is about."""
    if isinstance(clause.value, Params):
        return _BAD.get(clause.value, ())
    return (clause.argument,)


def _groups(
    bench: Bench, clause: Clause
) -> tuple[list[tuple[dict[str, Any], Sequence[Any] | None]], dict[str, Any]]:
    """The groups, and how else the constructor is called, for a clause.

    Every other argument is given the page's default, which another optimizer may not have.
    """
    given = options(DEFAULTS, bench.subject.info)
    if not isinstance(clause.value, Params):  # an array is not compared with the cases below
        return [({}, _THETA)], {"defaults": {**given, clause.argument: clause.value}}
    match clause.value:
        case Params.EMPTY:
            return [({}, ())], {"defaults": given}
        case Params.REPEATED:
            return [({}, (_THETA[0], _THETA[0]))], {"defaults": given, "share": True}
        case Params.GROUP_WITHOUT_PARAMS:
            return [({"lr": 0.1}, None)], {"defaults": given}
    return [(_BAD[clause.value], _THETA)], {"defaults": given, "plain": False}


def _shown(value: object) -> str:
    text = value.value if isinstance(value, Params) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _outcome(bench: Bench, clause: Clause) -> Rejected | StepResult | None:
    """The exception that a clause's value meets with; or the first step, where accepting it promises one."""
    groups, call = _groups(bench, clause)
    state = None
    try:
        handle = bench.subject.construct(groups, bench.dtype, **call)
        if clause.outcome is Outcome.ACCEPT:
            state = bench.subject.step(handle, _GRADIENTS)
        bench.subject.release(handle)
    except Rejected as error:
        return error
    return state


def _misused(bench: Bench, clause: Clause, state: StepResult) -> Divergence | None:
    """What shows that a value which was accepted is not the one that the first step used."""
    value = float(clause.value) if clause.argument == "lr" else clause.value
    setting = Hyperparameters.from_options({clause.argument: value})
    parameters = tuple(Parameter.of(p, [g]) for p, g in zip(_THETA, _GRADIENTS, strict=True))
    case = Case(f"contract/{clause.id}", (Group(setting, parameters),))
    found = _beyond_bound(bench, case, [state])
    if found is None:
        return None
    return replace(
        found, reason=f"{clause.argument}={_shown(clause.value)} is accepted, and not used: {found.reason}"
    )


def _beyond_bound(bench: Bench, case: Case, observed: Sequence[StepResult]) -> Divergence | None:
    """The first number of a run that is beyond its bound."""
    tallies = findings(*NUMBERS)
    compare = lockstep if bench.shows_state() else trajectory
    compare(case, observed, bench.seat.assumption(), tallies)
    return next((t.divergence for t in tallies.values() if t.divergence is not None), None)


def _divergence(clause: Clause, expected: str, actual: str) -> Divergence:
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"{clause.argument}={_shown(clause.value)}: {actual}; the page: {clause.statement}",
        expected=expected,
        actual=actual,
        extra={"argument": clause.argument, "value": _shown(clause.value), "clause": clause.id},
    )


@pytest.mark.parametrize("clause", CLAUSES, ids=[clause.id for clause in CLAUSES])
@pytest.mark.check("contract/{clause}")
def test_each_argument_is_treated_as_the_page_says(bench: Bench, clause: Clause) -> None:
    check = f"contract/{clause.id}"
    for argument in _asked(clause):
        if bench.lacks(argument):
            bench.skip(f"the subject has no argument {argument}")
            return
    outcome = _outcome(bench, clause)
    error = outcome if isinstance(outcome, Rejected) else None
    actual = "accepted" if error is None else f"{error.type}: {error.message}"
    found = None
    facts = _own_promise(bench, clause)
    match clause.outcome:
        case Outcome.OPEN:
            bench.decide(check, Status.UNSPECIFIED, f"{actual} ({clause.statement})", measured=facts)
            return
        case Outcome.REJECT if error is None or not error.is_a("ValueError"):
            found = _divergence(clause, "ValueError", actual)
        case Outcome.REJECT if error is not None and error.changed:
            found = _divergence(clause, "ValueError, and nothing changed", f"{actual}, and theta changed")
        case Outcome.ACCEPT if error is not None:
            found = _divergence(clause, "accepted", actual)
        case Outcome.ACCEPT if isinstance(outcome, StepResult):
            found = _misused(bench, clause, outcome)
    if found is None:
        bench.conforms(check, **facts)
    else:
        bench.diverges(check, found, **facts)


def _own_promise(bench: Bench, clause: Clause) -> dict[str, str]:
    """What the framework's own documentation says of a clause, for the record."""
    own = documentation_of(bench.subject.name)
    return {} if own is None else {"own documentation": f"{own.promise(clause.id)} ({own.source})"}


@pytest.mark.check("contract/defaults")
def test_the_defaults_are_those_of_the_page(bench: Bench) -> None:
    """Where they are those of the framework's own documentation instead, that is known, and it is cited."""
    check, own, shown = "contract/defaults", documentation_of(bench.subject.name), bench.subject.info.defaults
    found = _other_defaults(bench, shown) if shown is not None else None
    if own is not None:
        _judge_by_its_own(bench, own, found or _other_defaults(bench, own.defaults))
    elif found := found or _undocumented_run(bench, DEFAULTS):
        bench.diverges(check, found)
    else:
        bench.conforms(check)


def _judge_by_its_own(bench: Bench, own: Documentation, differs: Divergence | None) -> None:
    """The verdict on defaults that another documentation than the page's promises."""
    check, words = "contract/defaults", f"{own.title} documents {_listed(own)} ({own.source})"
    facts = {"own documentation": own.source}
    found: Divergence | None = None
    if unkept := _unkept(own, bench.subject.info.defaults or {}):
        found = _outcome_of(f"{unkept}; {words}", _shown(dict(own.defaults)), unkept)
    elif not own.required:
        found = _undocumented_run(bench, _documented_defaults(own))
    if found is not None:
        bench.diverges(check, found, **facts)
    elif differs is not None:
        bench.decide(check, Status.KNOWN, f"{differs.reason}; {words}", differs, facts)
    else:
        bench.conforms(check, **facts)


def _other_defaults(bench: Bench, shown: Mapping[str, Any]) -> Divergence | None:
    """How the defaults that a constructor shows differ from the page's."""
    wanted = DEFAULTS.options()
    wrong = {k: (v, shown[k]) for k, v in wanted.items() if k in shown and not _equal(shown[k], v)}
    missing = sorted(wanted.keys() - shown.keys())
    words = [f"{k} is {_shown(has)}, the page says {_shown(want)}" for k, (want, has) in wrong.items()]
    words += [f"{k} is missing" if bench.lacks(k) else f"{k} has no default" for k in missing]
    return (
        _outcome_of("defaults differ: " + "; ".join(words), _shown(wanted), _shown(dict(shown)))
        if words
        else None
    )


def _outcome_of(reason: str, expected: str, actual: str) -> Divergence:
    return Divergence(quantity=Quantity.OUTCOME, reason=reason, expected=expected, actual=actual)


def _unkept(own: Documentation, shown: Mapping[str, Any]) -> str:
    """Which of the defaults that a constructor shows its own documentation does not have."""
    wrong = {
        k: v
        for k, v in shown.items()
        if k in own.required or (k in own.defaults and not _equal(v or 0, own.defaults[k] or 0))
    }
    return "; ".join(f"{k} is {_shown(v)}" for k, v in wrong.items())


def _listed(own: Documentation) -> str:
    words = [f"{name}={value!r}" for name, value in own.defaults.items()]
    return ", ".join([*words, *(f"no default of {name}" for name in own.required)])


def _documented_defaults(own: Documentation) -> Hyperparameters:
    """A framework's own defaults; what it has no argument for is as the page has it."""
    return Hyperparameters.from_options({name: value or 0.0 for name, value in own.defaults.items()})


def _undocumented_run(bench: Bench, defaults: Hyperparameters) -> Divergence | None:
    """What a run without options does that one with the documented defaults does not, or may not.

    A theta that is not 0 shows decay; gradients that fade show the betas and, where the format has it, eps.
    """
    gradients = [noise(bench.format, 32 + t, (4,)) * 2.0 ** -(2 * t) for t in range(4)]
    case = bench.seat.expressible(
        one("contract/defaults", defaults, noise(bench.format, 31, (4,)), gradients)
    )
    bare = bench.subject.construct([({}, [case.parameters[0].theta])], bench.dtype)
    without = [bench.subject.step(bare, case.gradients(t)) for t in range(1, case.steps + 1)]
    bench.subject.release(bare)
    reason = "without options it is not what the documented defaults give"
    if difference := first_difference(bench.observe(case), without, bench.format, reason, case):
        return difference
    return _beyond_bound(bench, case, without)


def _equal(a: object, b: object) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.check("contract/maximize-keyword-only")
def test_maximize_is_refused_as_a_positional_argument(bench: Bench) -> None:
    check = "contract/maximize-keyword-only"
    if bench.lacks("maximize"):
        bench.skip("the subject has no argument maximize")
        return
    if bench.subject.info.keyword_only_maximize is None:
        bench.skip("there is no Python signature to look at")
        return
    positional = (DEFAULTS.lr, (DEFAULTS.beta1, DEFAULTS.beta2), DEFAULTS.eps, DEFAULTS.weight_decay)
    try:
        handle = bench.subject.construct([({}, _THETA)], bench.dtype, positional=positional)
        bench.subject.release(handle)
    except Rejected as error:
        bench.diverges(
            check, _positional("the documented order of arguments", f"{error.type}: {error.message}")
        )
        return
    try:
        handle = bench.subject.construct([({}, _THETA)], bench.dtype, positional=(*positional, True))
        bench.subject.release(handle)
    except Rejected as error:
        if error.is_a("TypeError"):
            bench.conforms(check)
        else:
            bench.diverges(check, _positional("TypeError", f"{error.type}: {error.message}"))
        return
    bench.diverges(check, _positional("TypeError", "accepted"))


def _positional(expected: str, actual: str) -> Divergence:
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"maximize is documented as keyword-only, after lr, betas, eps and weight_decay: {actual}",
        expected=expected,
        actual=actual,
    )
