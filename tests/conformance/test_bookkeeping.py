"""Bookkeeping: groups, schedules, saving and resuming, and arrays of every layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.impl.subject.capabilities import limited, options
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Layout, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.cases.pinned import noise
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.evidence import first_difference

_A = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01)
_B = Hyperparameters(lr=0.01, beta1=0.5, beta2=0.95, eps=0.3, weight_decay=0.1)
_C = Hyperparameters(lr=0.5, beta1=0.0, beta2=0.2, eps=0.05, weight_decay=0.02, maximize=True)


def _parameter(bench: Bench, seed: int, shape: tuple[int, ...], steps: int) -> Parameter:
    gradients = tuple(noise(bench.format, seed + t, shape) for t in range(1, steps + 1))
    return Parameter(noise(bench.format, seed, shape), gradients)


def _within(
    bench: Bench,
    check: str,
    cases: Sequence[Case],
    observe: Callable[[Case], list[StepResult]] | None = None,
) -> None:
    """Each quantity of each case is within the bound; one verdict."""
    observed = observe or bench.observe
    compare = lockstep if bench.shows_state() else trajectory
    total = findings(Quantity.M, Quantity.U, Quantity.THETA)

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        compare(case, observed(case), bench.seat.assumption(), total)
        found = next((tally.divergence for tally in total.values() if tally.divergence is not None), None)
        return {} if found is None else {check: found}

    def measured(_: str) -> dict[str, Any]:
        return {
            "judged": sum(t.judged for t in total.values()),
            "largest_over_bound": max(t.largest_over_bound for t in total.values()),
        }

    bench.search([check], examine, cases, measured=measured)


@pytest.mark.check("bookkeeping/groups")
def test_each_group_keeps_to_its_own_options(bench: Bench) -> None:
    if not bench.has("groups"):
        bench.skip("the subject has no parameter groups")
        return
    steps = 4
    members = [
        Group(h, tuple(_parameter(bench, 300 + 40 * i + 10 * k, (3 - k,), steps) for k in range(2)))
        for i, h in enumerate((_A, _B, _C))
    ]
    options_alone = [
        Group(replace(_A, **{name: getattr(_B, name)}), (_parameter(bench, 500 + 10 * i, (2,), steps),))
        for i, name in enumerate(("lr", "beta1", "beta2", "eps", "weight_decay"))
    ]
    maximizing = [
        Group(replace(_A, maximize=on), (_parameter(bench, 600 + 10 * on, (2,), steps),))
        for on in (False, True)
    ]
    _within(
        bench,
        "bookkeeping/groups",
        [
            Case("groups", tuple(members)),
            Case("groups/reversed", tuple(reversed(members))),
            Case(
                "groups/one-option-each", (Group(_A, (_parameter(bench, 490, (2,), steps),)), *options_alone)
            ),
            Case("groups/maximize", tuple(maximizing)),
        ],
    )


@pytest.mark.check("bookkeeping/group-defaults")
def test_an_option_that_a_group_leaves_out_is_the_constructors(bench: Bench) -> None:
    check = "bookkeeping/group-defaults"
    if not bench.has("groups"):
        bench.skip("the subject has no parameter groups")
        return
    info = bench.subject.info
    # What a subject's groups share is the first group's: it is the constructor's there.
    held = (limited(_A, _B, info.group_options), _B, replace(_B, beta1=_C.beta1, beta2=_C.beta2))
    members = [_parameter(bench, 640 + 10 * i, (3,), 4) for i in range(len(held))]
    case = bench.seat.expressible(
        Case("group-defaults", tuple(Group(h, (p,)) for h, p in zip(held, members, strict=True)))
    )
    full, constructors, partial = (options(group.hyperparameters, info) for group in case.groups)
    own = {name: x for name, x in full.items() if name in info.group_options}
    betas = {name: x for name, x in partial.items() if name == "betas" and name in info.group_options}

    def observe(_: Case) -> list[StepResult]:
        groups = [(given, [p.theta]) for given, p in zip((own, {}, betas), members, strict=True)]
        handle = bench.subject.construct(groups, bench.dtype, defaults=constructors)
        return [bench.subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]

    _within(bench, check, [case], observe)


_RATES = ((0.1, 0.01, 0.4, 0.4, 0.003, 1.0), (0.5, 0.5, 0.02, 0.3, 0.3, 0.0625))


@pytest.mark.check("bookkeeping/lr-schedule")
def test_a_learning_rate_that_is_set_takes_effect_at_the_next_step(bench: Bench) -> None:
    if not bench.has("set_lr"):
        bench.skip("the subject's learning rate cannot be set")
        return
    groups = tuple(
        Group(h, (_parameter(bench, 700 + 20 * i, (3,), len(rates)),), rates)
        for i, (h, rates) in enumerate(zip((_A, _B), _RATES, strict=True))
    )
    single = Case("lr-schedule/one-group", groups[:1])
    both = [Case("lr-schedule", groups)] if bench.has("groups") else []
    _within(bench, "bookkeeping/lr-schedule", [single, *both])


@pytest.mark.check("bookkeeping/lr-read-back")
def test_the_learning_rate_that_was_set_is_the_one_that_is_shown(bench: Bench) -> None:
    check = "bookkeeping/lr-read-back"
    if not bench.has("set_lr"):
        bench.skip("the subject's learning rate cannot be set")
        return
    case = bench.seat.expressible(
        Case("lr-read-back", (Group(_A, (_parameter(bench, 720, (3,), 6),), _RATES[0]),))
    )
    for t, state in enumerate(bench.observe(case), start=1):
        if state.lr is None:
            bench.skip("the subject does not show its learning rate")
            return
        given = _RATES[0][t - 1]
        # A rate may be held in the working format, or in binary32; nothing coarser.
        right = {given, float(np.float32(given)), bench.format.round_float(given)}
        if state.lr[0] not in right:
            bench.diverges(
                check,
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
    bench.conforms(check)


@pytest.mark.check("bookkeeping/options-kept")
def test_the_options_shown_after_some_steps_are_those_that_were_given(bench: Bench) -> None:
    check = "bookkeeping/options-kept"
    p = _parameter(bench, 740, (3,), 3)
    handle = bench.subject.construct([(options(_B, bench.subject.info), [p.theta])], bench.dtype)
    before = bench.subject.read(handle).groups
    for g in p.gradients:
        bench.subject.step(handle, (g,))
    after = bench.subject.read(handle).groups
    if before is None or after is None:
        bench.skip("the subject does not show its groups")
        return
    names = [name for name in _B.options() if name in before[0]]
    changed = [name for name in names if repr(before[0][name]) != repr(after[0].get(name))]
    if changed:
        bench.diverges(
            check,
            Divergence(
                quantity=Quantity.OUTCOME,
                reason=f"three steps changed the group's {', '.join(changed)}",
                expected=repr({name: before[0][name] for name in changed}),
                actual=repr({name: after[0].get(name) for name in changed}),
            ),
        )
        return
    bench.conforms(check, options=names)


def _together(bench: Bench, cases: Sequence[Case]) -> list[list[StepResult]]:
    """Several optimizers at work in turn, step by step."""
    handles = [bench.subject.construct(bench.subject.groups(c), bench.dtype) for c in cases]
    runs: list[list[StepResult]] = [[] for _ in cases]
    for t in range(1, cases[0].steps + 1):
        for handle, case, run in zip(handles, cases, runs, strict=True):
            run.append(bench.subject.step(handle, case.gradients(t)))
    return runs


@pytest.mark.check("bookkeeping/independent")
def test_two_optimizers_at_work_in_turn_do_not_disturb_each_other(bench: Bench) -> None:
    check = "bookkeeping/independent"
    pair = [
        bench.seat.expressible(
            Case(f"independent/{i}", (Group(h, (_parameter(bench, 760 + 10 * i, (4,), 4),)),))
        )
        for i, h in enumerate((_A, _B))
    ]
    for case, run in zip(pair, _together(bench, pair), strict=True):
        difference = first_difference(
            bench.observe(case),
            run,
            bench.format,
            "an optimizer at work beside another differs from itself alone",
            case,
        )
        if difference is not None:
            bench.diverges(check, difference)
            return
    bench.conforms(check)


def _changed_rates(case: Case, t: int) -> list[float | None] | None:
    """What each group's learning rate is set to before step t, where it changes there."""

    def before(group: Group) -> float:
        return group.hyperparameters.lr if t == 1 else group.at(t - 1).lr

    rates = [None if group.at(t).lr == before(group) else group.at(t).lr for group in case.groups]
    return rates if any(rate is not None for rate in rates) else None


def _resumed(bench: Bench, case: Case, stops: Collection[int]) -> Divergence | None:
    """Run a case, saving after some steps; resume from each in a new optimizer, and compare how it goes on.

    The run goes on after it was saved, before it is resumed: a checkpoint that shares its state shows.
    """
    subject, case = bench.subject, bench.seat.expressible(case)
    given = subject.groups(case)
    first = subject.construct(given, bench.dtype)
    through, saved = [], {}
    for t in range(1, case.steps + 1):
        through.append(subject.step(first, case.gradients(t), _changed_rates(case, t)))
        if t in stops:
            saved[t] = subject.save(first)
    subject.release(first)
    for stop, checkpoint in saved.items():
        theta = iter(through[stop - 1].theta)
        second = subject.construct([(o, [next(theta) for _ in ps]) for o, ps in given], bench.dtype)
        subject.load(second, checkpoint)
        until = min(stop + 4, case.steps)
        resumed = [subject.step(second, case.gradients(t)) for t in range(stop + 1, until + 1)]
        subject.release(second)
        reason = f"resumed after step {stop}, the run differs from the one that went on"
        found = first_difference(through[stop:until], resumed, bench.format, reason, case, first=stop + 1)
        if found is not None:
            return found
    return None


def _slow_groups(bench: Bench, steps: int, rates: Sequence[tuple[float, ...] | None]) -> tuple[Group, ...]:
    """Two groups of two parameters of one shape, with moments that remember; one group where there are none."""
    pattern = [tuple(noise(bench.format, seed + t, (3,)) for t in range(5)) for seed in (780, 790, 800, 810)]
    parameters = [
        Parameter(noise(bench.format, 840 + k, (3,)), tuple(gs[t % 5] for t in range(steps)))
        for k, gs in enumerate(pattern)
    ]
    settings = (replace(_B, beta1=0.9995), replace(_C, beta1=0.9, beta2=0.99))
    groups = tuple(Group(h, tuple(parameters[2 * i : 2 * i + 2]), rates[i]) for i, h in enumerate(settings))
    return groups if bench.has("groups") else groups[:1]


@pytest.mark.check("bookkeeping/resume")
def test_a_run_that_is_saved_and_resumed_goes_on_as_if_it_never_stopped(bench: Bench) -> None:
    """Saved after 5, 301 and 2049 steps: past one byte, and odd where a bfloat16 and a half hold even numbers only."""
    check = "bookkeeping/resume"
    if not bench.has("save"):
        bench.skip("the subject cannot be saved")
        return
    case = Case("resume", _slow_groups(bench, 2053, (None, None)))
    found = _resumed(bench, case, (5, 301, 2049))
    if found is None:
        bench.conforms(check)
    else:
        bench.diverges(check, found)


@pytest.mark.check("bookkeeping/resume-lr")
def test_a_learning_rate_that_was_set_is_saved_and_resumed(bench: Bench) -> None:
    check = "bookkeeping/resume-lr"
    if not (bench.has("save") and bench.has("set_lr")):
        bench.skip("the subject cannot be saved, or its learning rate cannot be set")
        return
    rates = ((_B.lr, *[0.25] * 6), (_C.lr, _C.lr, *[0.0625] * 5))
    found = _resumed(bench, Case("resume/lr", _slow_groups(bench, 7, rates)), (4,))
    if found is None:
        bench.conforms(check)
    else:
        bench.diverges(check, found)


def _shapes(bench: Bench, layout: Layout) -> Case:
    parameters = tuple(
        _parameter(bench, 820 + 20 * i, shape, 3) for i, shape in enumerate(((7,), (3, 5), (2, 3, 4), (1, 6)))
    )
    return Case(f"layout/{layout.value}", (Group(_B, parameters),), layout)


@pytest.mark.parametrize("layout", list(Layout), ids=[layout.value for layout in Layout])
@pytest.mark.check("bookkeeping/layout/{layout}")
def test_arrays_of_each_layout_are_right(bench: Bench, layout: Layout) -> None:
    _within(bench, f"bookkeeping/layout/{layout.value}", [_shapes(bench, layout)])


@pytest.mark.check("bookkeeping/layout/0-d")
def test_a_parameter_without_dimensions_is_right(bench: Bench) -> None:
    case = Case("layout/0-d", (Group(_B, (_parameter(bench, 900, (), 4), _parameter(bench, 910, (2,), 4))),))
    _within(bench, "bookkeeping/layout/0-d", [case])


@pytest.mark.check("bookkeeping/layout/empty")
def test_a_parameter_without_elements_is_let_be(bench: Bench) -> None:
    case = Case(
        "layout/empty", (Group(_B, (_parameter(bench, 920, (0,), 3), _parameter(bench, 930, (2,), 3))),)
    )
    _within(bench, "bookkeeping/layout/empty", [case])


@pytest.mark.check("bookkeeping/layout/large")
def test_arrays_longer_than_any_block_are_right(bench: Bench) -> None:
    _within(bench, "bookkeeping/layout/large", [pinned.large(bench.format)])


@pytest.mark.check("bookkeeping/layout/many")
def test_many_parameters_are_right(bench: Bench) -> None:
    _within(bench, "bookkeeping/layout/many", [pinned.many(bench.format)])
