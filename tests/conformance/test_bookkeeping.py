"""Bookkeeping: groups, schedules, saving and resuming, and arrays of every layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.capabilities import merge_options, select_options
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Layout, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.cases.pinned import noise
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.evidence import first_difference

_A = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01)
_B = Hyperparameters(lr=0.01, beta1=0.5, beta2=0.95, eps=0.3, weight_decay=0.1)
_C = Hyperparameters(lr=0.5, beta1=0.0, beta2=0.2, eps=0.05, weight_decay=0.02, maximize=True)


def _parameter(context: CheckContext, seed: int, shape: tuple[int, ...], steps: int) -> Parameter:
    gradients = tuple(noise(context.format, seed + t, shape) for t in range(1, steps + 1))
    return Parameter(noise(context.format, seed, shape), gradients)


def _check_within_bound(
    context: CheckContext,
    cases: Sequence[Case],
    observe: Callable[[Case], list[StepResult]] | None = None,
) -> None:
    """Decide whether each quantity of each case is within the bound."""
    observe = observe or context.observe
    total = empty_tallies(Quantity.M, Quantity.U, Quantity.THETA)

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        found = context.judge(case, observe(case), total)
        return {} if found is None else {context.check: found}

    def measured(_: str) -> dict[str, Any]:
        return {
            "judged": sum(t.judged for t in total.values()),
            "open": sum(t.open for t in total.values()),
            "largest_over_bound": max(t.largest_over_bound for t in total.values()),
        }

    context.search(examine, cases, measured=measured)


@check("bookkeeping/groups", title="each group keeps to its own options", since="0.1.0")
def test_each_group_keeps_to_its_own_options(context: CheckContext) -> None:
    if not context.has("groups"):
        context.skip("the subject has no parameter groups")
        return
    steps = 4
    members = [
        Group(h, tuple(_parameter(context, 300 + 40 * i + 10 * k, (3 - k,), steps) for k in range(2)))
        for i, h in enumerate((_A, _B, _C))
    ]
    options_alone = [
        Group(replace(_A, **{name: getattr(_B, name)}), (_parameter(context, 500 + 10 * i, (2,), steps),))
        for i, name in enumerate(("lr", "beta1", "beta2", "eps", "weight_decay"))
    ]
    maximizing = [
        Group(replace(_A, maximize=on), (_parameter(context, 600 + 10 * on, (2,), steps),))
        for on in (False, True)
    ]
    _check_within_bound(
        context,
        [
            Case("groups", tuple(members)),
            Case("groups/reversed", tuple(reversed(members))),
            Case(
                "groups/one-option-each",
                (Group(_A, (_parameter(context, 490, (2,), steps),)), *options_alone),
            ),
            Case("groups/maximize", tuple(maximizing)),
        ],
    )


@check(
    "bookkeeping/group-defaults",
    title="an option that a group leaves out is the constructor's",
    since="0.1.0",
)
def test_an_option_that_a_group_leaves_out_is_the_constructors(context: CheckContext) -> None:
    if not context.has("groups"):
        context.skip("the subject has no parameter groups")
        return
    info = context.subject.info
    # An option that a subject's groups share is the first group's, which is the constructor's here.
    held = (merge_options(_A, _B, info.group_options), _B, replace(_B, beta1=_C.beta1, beta2=_C.beta2))
    members = [_parameter(context, 640 + 10 * i, (3,), 4) for i in range(len(held))]
    case = context.target.restrict_case(
        Case("group-defaults", tuple(Group(h, (p,)) for h, p in zip(held, members, strict=True)))
    )
    full, constructors, partial = (select_options(group.hyperparameters, info) for group in case.groups)
    own = {name: x for name, x in full.items() if name in info.group_options}
    betas = {name: x for name, x in partial.items() if name == "betas" and name in info.group_options}

    def observe(_: Case) -> list[StepResult]:
        groups = [(given, [p.theta]) for given, p in zip((own, {}, betas), members, strict=True)]
        handle = context.subject.construct(groups, context.dtype, defaults=constructors)
        return [context.subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]

    _check_within_bound(context, [case], observe)


_RATES = ((0.1, 0.01, 0.4, 0.4, 0.003, 1.0), (0.5, 0.5, 0.02, 0.3, 0.3, 0.0625))


@check(
    "bookkeeping/lr-schedule",
    title="a learning rate that is set takes effect at the next step",
    since="0.1.0",
)
def test_a_learning_rate_that_is_set_takes_effect_at_the_next_step(context: CheckContext) -> None:
    if not context.has("set_lr"):
        context.skip("the subject's learning rate cannot be set")
        return
    groups = tuple(
        Group(h, (_parameter(context, 700 + 20 * i, (3,), len(rates)),), rates)
        for i, (h, rates) in enumerate(zip((_A, _B), _RATES, strict=True))
    )
    single = Case("lr-schedule/one-group", groups[:1])
    both = [Case("lr-schedule", groups)] if context.has("groups") else []
    _check_within_bound(context, [single, *both])


@check(
    "bookkeeping/lr-read-back", title="the learning rate that was set is the one that is shown", since="0.1.0"
)
def test_the_learning_rate_that_was_set_is_the_one_that_is_shown(context: CheckContext) -> None:
    if not context.has("set_lr"):
        context.skip("the subject's learning rate cannot be set")
        return
    case = context.target.restrict_case(
        Case("lr-read-back", (Group(_A, (_parameter(context, 720, (3,), 6),), _RATES[0]),))
    )
    for t, state in enumerate(context.observe(case), start=1):
        if state.lr is None:
            context.skip("the subject does not show its learning rate")
            return
        given = _RATES[0][t - 1]
        # A rate may be held in the working format, or in binary32; nothing coarser.
        right = {given, float(np.float32(given)), context.format.round_float(given)}
        if state.lr[0] not in right:
            context.diverges(
                Divergence(
                    quantity=Quantity.OUTCOME,
                    reason=f"lr was set to {given!r} before step {t}, and {state.lr[0]!r} is shown after it",
                    expected=repr(given),
                    actual=repr(state.lr[0]),
                    step=t,
                    case=case.to_json(),
                ),
            )
            return
    context.conforms()


@check(
    "bookkeeping/options-kept",
    title="the options shown after some steps are those that were given",
    since="0.1.0",
)
def test_the_options_shown_after_some_steps_are_those_that_were_given(context: CheckContext) -> None:
    p = _parameter(context, 740, (3,), 3)
    handle = context.subject.construct([(select_options(_B, context.subject.info), [p.theta])], context.dtype)
    before = context.subject.read(handle).groups
    for g in p.gradients:
        context.subject.step(handle, (g,))
    after = context.subject.read(handle).groups
    if before is None or after is None:
        context.skip("the subject does not show its groups")
        return
    names = [name for name in _B.options() if name in before[0]]
    changed = [name for name in names if repr(before[0][name]) != repr(after[0].get(name))]
    if changed:
        context.diverges(
            Divergence(
                quantity=Quantity.OUTCOME,
                reason=f"three steps changed the group's {', '.join(changed)}",
                expected=repr({name: before[0][name] for name in changed}),
                actual=repr({name: after[0].get(name) for name in changed}),
            ),
        )
        return
    context.conforms(options=names)


def _run_in_turn(context: CheckContext, cases: Sequence[Case]) -> list[list[StepResult]]:
    """Run several optimizers in turn, step by step."""
    handles = [context.subject.construct(context.subject.groups(c), context.dtype) for c in cases]
    runs: list[list[StepResult]] = [[] for _ in cases]
    for t in range(1, cases[0].steps + 1):
        for handle, case, run in zip(handles, cases, runs, strict=True):
            run.append(context.subject.step(handle, case.gradients(t)))
    return runs


@check(
    "bookkeeping/independent", title="two optimizers at work in turn do not disturb each other", since="0.1.0"
)
def test_two_optimizers_at_work_in_turn_do_not_disturb_each_other(context: CheckContext) -> None:
    pair = [
        context.target.restrict_case(
            Case(f"independent/{i}", (Group(h, (_parameter(context, 760 + 10 * i, (4,), 4),)),))
        )
        for i, h in enumerate((_A, _B))
    ]
    for case, run in zip(pair, _run_in_turn(context, pair), strict=True):
        difference = first_difference(
            context.observe(case),
            run,
            context.format,
            "an optimizer that runs in turn with another differs from itself alone",
            case,
        )
        if difference is not None:
            context.diverges(difference)
            return
    context.conforms()


def _new_rates(case: Case, t: int) -> list[float | None]:
    """The learning rate to set for each group before step t; None leaves it alone."""

    def before(group: Group) -> float:
        return group.hyperparameters.lr if t == 1 else group.at(t - 1).lr

    return [None if group.at(t).lr == before(group) else group.at(t).lr for group in case.groups]


def _resume_difference(context: CheckContext, case: Case, stops: Sequence[int]) -> Divergence | None:
    """The first difference between a run and the same run, saved and resumed.

    The run is saved after each of `stops`, and resumed from each in a new optimizer. It goes on after it was
    saved, before it is resumed, so a checkpoint that shares its state shows.
    """
    subject, case = context.subject, context.target.restrict_case(case)
    given = subject.groups(case)
    first = subject.construct(given, context.dtype)
    through: list[StepResult] = []
    saved = {}
    for stop in (*stops, case.steps):
        steps = range(len(through) + 1, stop + 1)
        gradients = [case.gradients(t) for t in steps]
        through += subject.run(first, gradients, [_new_rates(case, t) for t in steps])
        if stop in stops:
            saved[stop] = subject.save(first)
    subject.release(first)
    for stop, checkpoint in saved.items():
        theta = iter(through[stop - 1].theta)
        second = subject.construct([(o, [next(theta) for _ in ps]) for o, ps in given], context.dtype)
        subject.load(second, checkpoint)
        until = min(stop + 4, case.steps)
        resumed = [subject.step(second, case.gradients(t)) for t in range(stop + 1, until + 1)]
        subject.release(second)
        reason = f"resumed after step {stop}, the run differs from the one that went on"
        found = first_difference(through[stop:until], resumed, context.format, reason, case, first=stop + 1)
        if found is not None:
            return found
    return None


def _slow_groups(
    context: CheckContext, steps: int, rates: Sequence[tuple[float, ...] | None]
) -> tuple[Group, ...]:
    """Two groups of two parameters of one shape, with slow moments.

    Only the first group for a subject that has no groups.
    """
    pattern = [
        tuple(noise(context.format, seed + t, (3,)) for t in range(5)) for seed in (780, 790, 800, 810)
    ]
    parameters = [
        Parameter(noise(context.format, 840 + k, (3,)), tuple(gs[t % 5] for t in range(steps)))
        for k, gs in enumerate(pattern)
    ]
    settings = (replace(_B, beta1=0.9995), replace(_C, beta1=0.9, beta2=0.99))
    groups = tuple(Group(h, tuple(parameters[2 * i : 2 * i + 2]), rates[i]) for i, h in enumerate(settings))
    return groups if context.has("groups") else groups[:1]


@check(
    "bookkeeping/resume",
    title="a run that is saved and resumed goes on as if it never stopped",
    since="0.1.0",
)
def test_a_run_that_is_saved_and_resumed_goes_on_as_if_it_never_stopped(context: CheckContext) -> None:
    """Save after 5, 301 and 2049 steps.

    301 is more than one byte holds. A bfloat16 cannot hold 301 and a half cannot hold 2049: both are odd.
    """
    if not context.has("save"):
        context.skip("the subject cannot be saved")
        return
    case = Case("resume", _slow_groups(context, 2053, (None, None)))
    found = _resume_difference(context, case, (5, 301, 2049))
    if found is None:
        context.conforms()
    else:
        context.diverges(found)


@check("bookkeeping/resume-lr", title="a learning rate that was set is saved and resumed", since="0.1.0")
def test_a_learning_rate_that_was_set_is_saved_and_resumed(context: CheckContext) -> None:
    if not (context.has("save") and context.has("set_lr")):
        context.skip("the subject cannot be saved, or its learning rate cannot be set")
        return
    rates = ((_B.lr, *[0.25] * 6), (_C.lr, _C.lr, *[0.0625] * 5))
    found = _resume_difference(context, Case("resume/lr", _slow_groups(context, 7, rates)), (4,))
    if found is None:
        context.conforms()
    else:
        context.diverges(found)


def _layout_case(context: CheckContext, layout: Layout) -> Case:
    parameters = tuple(
        _parameter(context, 820 + 20 * i, shape, 3)
        for i, shape in enumerate(((7,), (3, 5), (2, 3, 4), (1, 6)))
    )
    return Case(f"layout/{layout.value}", (Group(_B, parameters),), layout)


@check("bookkeeping/layout/{layout}", title="{layout.value} arrays", since="0.1.0", layout=Layout)
def test_arrays_of_each_layout_are_right(context: CheckContext, layout: Layout) -> None:
    _check_within_bound(context, [_layout_case(context, layout)])


@check("bookkeeping/layout/0-d", title="a parameter without dimensions", since="0.1.0")
def test_a_parameter_without_dimensions_is_right(context: CheckContext) -> None:
    case = Case(
        "layout/0-d", (Group(_B, (_parameter(context, 900, (), 4), _parameter(context, 910, (2,), 4))),)
    )
    _check_within_bound(context, [case])


@check("bookkeeping/layout/empty", title="a parameter without elements", since="0.1.0")
def test_a_parameter_without_elements_is_let_be(context: CheckContext) -> None:
    case = Case(
        "layout/empty", (Group(_B, (_parameter(context, 920, (0,), 3), _parameter(context, 930, (2,), 3))),)
    )
    _check_within_bound(context, [case])


@check("bookkeeping/layout/large", title="arrays longer than any block, and with a tail", since="0.1.0")
def test_arrays_longer_than_any_block_are_right(context: CheckContext) -> None:
    _check_within_bound(context, [pinned.large(context.format)])


@check("bookkeeping/layout/many", title="many parameters in one group", since="0.1.0")
def test_many_parameters_are_right(context: CheckContext) -> None:
    _check_within_bound(context, [pinned.many(context.format)])
