"""Contract: what the page says about arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from adamax_conformance.impl.protocol.errors import RejectedError
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.capabilities import select_options
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.contract import CLAUSES, Clause, Outcome, Params
from adamax_conformance.reference.documentation import Documentation, documentation_of
from adamax_conformance.reference.hyperparameters import DEFAULTS, Hyperparameters
from adamax_conformance.tests.conformance.cases.pinned import noise, single_parameter_case
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.evidence import first_difference
from adamax_conformance.tests.conformance.harness.target import NUMBERS

_THETA = (np.array([1.0, -0.5]), np.array([0.25]))
_GRADIENTS = (np.array([0.5, 0.25]), np.array([-1.0]))
_SHOWN = 120
_BAD: Final[dict[Params, dict[str, Any]]] = {
    Params.GROUP_WITH_BAD_LR: {"lr": -1.0},
    Params.GROUP_WITH_BAD_BETAS: {"betas": (1.0, 0.999)},
    Params.GROUP_WITH_BAD_EPS: {"eps": -1.0},
    Params.GROUP_WITH_BAD_WEIGHT_DECAY: {"weight_decay": -1.0},
}


def _concerned_arguments(clause: Clause) -> Collection[str]:
    """The documented arguments that a clause concerns."""
    if isinstance(clause.value, Params):
        return _BAD.get(clause.value, ())
    return (clause.argument,)


def _constructor_call(
    context: CheckContext, clause: Clause
) -> tuple[list[tuple[dict[str, Any], Sequence[Any] | None]], dict[str, Any]]:
    """The groups and the other arguments of the constructor for a clause.

    Every other argument has the page's default, since another optimizer may have another default.
    """
    given = select_options(DEFAULTS, context.subject.info)
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


def _shorten(value: object) -> str:
    text = value.value if isinstance(value, Params) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _outcome(context: CheckContext, clause: Clause) -> RejectedError | StepResult | None:
    """The exception that a clause's value raises, or the first step, if promised."""
    groups, call = _constructor_call(context, clause)
    state = None
    try:
        handle = context.subject.construct(groups, context.dtype, **call)
        if clause.outcome is Outcome.ACCEPT and _is_usable(clause):
            state = context.subject.step(handle, _GRADIENTS)
        context.subject.release(handle)
    except RejectedError as error:
        return error
    return state


def _is_usable(clause: Clause) -> bool:
    """Whether the page accepts a value, so that its numbers can be judged."""
    return any(each.id == clause.id and each.outcome is Outcome.ACCEPT for each in CLAUSES)


def _as_documented(context: CheckContext, clause: Clause) -> tuple[Clause, str]:
    """A clause as the documentation that holds has it, and the exception."""
    own = context.documented_by
    if own is None:
        return replace(clause, statement=f"the page: {clause.statement}"), "ValueError"
    exception, source = own.exception(clause.id), f"({own.source})"
    if exception:
        statement = f"{own.title} documents {exception} {source}"
        return replace(clause, outcome=Outcome.REJECT, statement=statement), exception
    if own.admits(clause.id):
        statement = f"{own.title} documents that it is accepted {source}"
        return replace(clause, outcome=Outcome.ACCEPT, statement=statement), ""
    return replace(clause, outcome=Outcome.OPEN, statement=f"{own.title} does not say"), ""


def _usage_divergence(context: CheckContext, clause: Clause, state: StepResult) -> Divergence | None:
    """The evidence that the first step is off with a value that was accepted.

    The value is not used if the step is that of the default instead.
    """
    value = float(clause.value) if clause.argument == "lr" else clause.value
    setting = Hyperparameters.from_options({clause.argument: value})
    parameters = tuple(Parameter.of(p, [g]) for p, g in zip(_THETA, _GRADIENTS, strict=True))
    case = Case(f"contract/{clause.id}", (Group(setting, parameters),))
    found = _bound_divergence(context, case, [state])
    if found is None:
        return None
    bare = replace(case, groups=tuple(replace(group, hyperparameters=DEFAULTS) for group in case.groups))
    unused = setting != DEFAULTS and _bound_divergence(context, bare, [state]) is None
    what = "not used" if unused else "the numbers of the step are off"
    return replace(
        found, reason=f"{clause.argument}={_shorten(clause.value)} is accepted, and {what}: {found.reason}"
    )


def _bound_divergence(context: CheckContext, case: Case, observed: Sequence[StepResult]) -> Divergence | None:
    """The first number of a run that is beyond its bound."""
    return context.judge(case, observed, empty_tallies(*NUMBERS))


def _clause_divergence(clause: Clause, expected: str, actual: str) -> Divergence:
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"{clause.argument}={_shorten(clause.value)}: {actual}; {clause.statement}",
        expected=expected,
        actual=actual,
        extra={"argument": clause.argument, "value": _shorten(clause.value), "clause": clause.id},
    )


@check(
    "contract/{clause}",
    title="{clause.argument}: {clause.outcome.value}",
    since="0.1.0",
    clause=CLAUSES,
)
def test_each_argument_is_treated_as_the_page_says(context: CheckContext, clause: Clause) -> None:
    for argument in _concerned_arguments(clause):
        if context.lacks(argument):
            context.skip(f"the subject has no argument {argument}")
            return
    clause, exception = _as_documented(context, clause)
    outcome = _outcome(context, clause)
    error = outcome if isinstance(outcome, RejectedError) else None
    actual = "accepted" if error is None else f"{error.type}: {error.message}"
    found = None
    facts = _own_promise(context, clause)
    match clause.outcome:
        case Outcome.OPEN:
            room = clause.statement.removeprefix("the page: ")
            context.decide(Status.UNSPECIFIED, f"{actual} ({room})", measured=facts)
            return
        case Outcome.REJECT if error is None or not error.is_a(exception):
            found = _clause_divergence(clause, exception, actual)
        case Outcome.REJECT if error is not None and error.changed:
            found = _clause_divergence(
                clause, f"{exception}, and nothing changed", f"{actual}, and theta changed"
            )
        case Outcome.ACCEPT if error is not None:
            found = _clause_divergence(clause, "accepted", actual)
        case Outcome.ACCEPT if isinstance(outcome, StepResult):
            found = _usage_divergence(context, clause, outcome)
    if found is None:
        context.conforms(**facts)
    else:
        context.diverges(found, **facts)


def _own_promise(context: CheckContext, clause: Clause) -> dict[str, str]:
    """The promise of the framework's own documentation about a clause, for the record."""
    own = context.documented_by or documentation_of(context.subject.name)
    return {} if own is None else {"own documentation": f"{own.promise(clause.id)} ({own.source})"}


@check("contract/defaults", title="the defaults are those of the page", since="0.1.0")
def test_the_defaults_are_those_of_the_page(context: CheckContext) -> None:
    """Compare the defaults with those of the page.

    Defaults that the framework's own documentation has instead are a known divergence, which cites it.
    """
    if context.documented_by is not None:
        _judge_stated_defaults(context, context.documented_by)
        return
    own, shown = documentation_of(context.subject.name), context.subject.info.defaults
    found = _defaults_divergence(context, shown) if shown is not None else None
    if own is not None:
        _judge_own_defaults(context, own, found or _defaults_divergence(context, own.defaults))
    elif found := found or _bare_run_divergence(context, DEFAULTS):
        context.diverges(found)
    else:
        context.conforms()


def _judge_stated_defaults(context: CheckContext, own: Documentation) -> None:
    """Decide about the defaults that the stated documentation promises."""
    if own.defaults or own.required:
        shown = context.subject.info.defaults or {}
        left = {name: x for name, x in shown.items() if name not in own.required}
        _judge_own_defaults(context, replace(own, defaults={**left, **own.defaults}), None)
    else:
        context.decide(Status.UNSPECIFIED, f"{own.title} states no defaults ({own.source})")


def _judge_own_defaults(context: CheckContext, own: Documentation, differs: Divergence | None) -> None:
    """Decide about defaults that the framework's own documentation promises."""
    words = f"{own.title} documents {_defaults_in_words(own)} ({own.source})"
    facts = {"own documentation": own.source}
    found: Divergence | None = None
    if unkept := _undocumented_defaults(own, context.subject.info.defaults or {}):
        found = _outcome_divergence(f"{unkept}; {words}", _shorten(dict(own.defaults)), unkept)
    elif not own.required:
        found = _bare_run_divergence(context, _documented_defaults(own))
    if found is not None:
        context.diverges(found, **facts)
    elif differs is not None:
        context.decide(Status.KNOWN, f"{differs.reason}; {words}", differs, facts)
    else:
        context.conforms(**facts)


def _defaults_divergence(context: CheckContext, shown: Mapping[str, Any]) -> Divergence | None:
    """The differences between the defaults that a constructor shows and the page's."""
    wanted = DEFAULTS.options()
    wrong = {k: (v, shown[k]) for k, v in wanted.items() if k in shown and not _are_equal(shown[k], v)}
    missing = sorted(wanted.keys() - shown.keys())
    words = [f"{k} is {_shorten(has)}, the page says {_shorten(want)}" for k, (want, has) in wrong.items()]
    words += [f"{k} is missing" if context.lacks(k) else f"{k} has no default" for k in missing]
    return (
        _outcome_divergence("defaults differ: " + "; ".join(words), _shorten(wanted), _shorten(dict(shown)))
        if words
        else None
    )


def _outcome_divergence(reason: str, expected: str, actual: str) -> Divergence:
    return Divergence(quantity=Quantity.OUTCOME, reason=reason, expected=expected, actual=actual)


def _undocumented_defaults(own: Documentation, shown: Mapping[str, Any]) -> str:
    """The defaults that a constructor shows and its own documentation does not have."""
    wrong = {
        k: v
        for k, v in shown.items()
        if k in own.required or (k in own.defaults and not _are_equal(v or 0, own.defaults[k] or 0))
    }
    return "; ".join(f"{k} is {_shorten(v)}" for k, v in wrong.items())


def _defaults_in_words(own: Documentation) -> str:
    words = [f"{name}={value!r}" for name, value in own.defaults.items()]
    return ", ".join([*words, *(f"no default of {name}" for name in own.required)])


def _documented_defaults(own: Documentation) -> Hyperparameters:
    """A framework's own defaults, and the page's for arguments that it does not have."""
    return Hyperparameters.from_options({name: value or 0.0 for name, value in own.defaults.items()})


def _bare_run_divergence(context: CheckContext, defaults: Hyperparameters) -> Divergence | None:
    """The first difference between a run without options and one with the defaults.

    It is also the first number beyond its bound. A theta that is not 0 shows decay. Gradients that fade show the
    betas and, if the format has it, eps.
    """
    gradients = [noise(context.format, 32 + t, (4,)) * 2.0 ** -(2 * t) for t in range(4)]
    case = context.target.restrict_case(
        single_parameter_case("contract/defaults", defaults, noise(context.format, 31, (4,)), gradients)
    )
    bare = context.subject.construct([({}, [case.parameters[0].theta])], context.dtype)
    without = [context.subject.step(bare, case.gradients(t)) for t in range(1, case.steps + 1)]
    context.subject.release(bare)
    reason = "without options it is not what the documented defaults give"
    if difference := first_difference(context.observe(case), without, context.format, reason, case):
        return difference
    return _bound_divergence(context, case, without)


def _are_equal(a: object, b: object) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_are_equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@check("contract/maximize-keyword-only", title="maximize is refused as a positional argument", since="0.1.0")
def test_maximize_is_refused_as_a_positional_argument(context: CheckContext) -> None:
    if context.lacks("maximize"):
        context.skip("the subject has no argument maximize")
        return
    if context.documented_by is not None:
        context.decide(Status.UNSPECIFIED, f"{context.documented_by.title} does not say")
        return
    if context.subject.info.keyword_only_maximize is None:
        context.skip("there is no Python signature to look at")
        return
    positional = (DEFAULTS.lr, (DEFAULTS.beta1, DEFAULTS.beta2), DEFAULTS.eps, DEFAULTS.weight_decay)
    try:
        handle = context.subject.construct([({}, _THETA)], context.dtype, positional=positional)
        context.subject.release(handle)
    except RejectedError as error:
        context.diverges(
            _positional_divergence("the documented order of arguments", f"{error.type}: {error.message}"),
        )
        return
    if context.subject.info.keyword_only_maximize:
        context.conforms()  # a sixth positional argument would be another one, as foreach is in torch
        return
    try:
        handle = context.subject.construct([({}, _THETA)], context.dtype, positional=(*positional, True))
        context.subject.release(handle)
    except RejectedError as error:
        if error.is_a("TypeError"):
            context.conforms()
        else:
            context.diverges(_positional_divergence("TypeError", f"{error.type}: {error.message}"))
        return
    context.diverges(_positional_divergence("TypeError", "accepted"))


def _positional_divergence(expected: str, actual: str) -> Divergence:
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"maximize is documented as keyword-only, after lr, betas, eps and weight_decay: {actual}",
        expected=expected,
        actual=actual,
    )
