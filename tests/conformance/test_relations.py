"""Relations that need no expected value: what must be the same, bit for bit, or within the bound."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.judgement import Findings, findings
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import Ascent
from adamax_conformance.tests.conformance.cases.pinned import noise, one
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.evidence import between, first_difference, same_bits

_SETTING = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01, weight_decay=0.05)


def _run(
    bench: Bench, seed: int = 40, steps: int = 5, size: int = 7, setting: Hyperparameters = _SETTING
) -> Case:
    """A plain run, long enough for vector loops to have a tail."""
    gradients = [noise(bench.format, seed + t, (size,)) for t in range(1, steps + 1)]
    return one("relations", setting, noise(bench.format, seed, (size,)), gradients)


def _mapped(
    case: Case,
    change: Callable[[Parameter], Parameter],
    hyperparameters: Callable[[Hyperparameters], Hyperparameters] = lambda h: h,
) -> Case:
    """A case with its parameters, and its hyperparameters, changed."""
    groups = tuple(
        Group(hyperparameters(g.hyperparameters), tuple(change(p) for p in g.parameters), g.learning_rates)
        for g in case.groups
    )
    return replace(case, groups=groups)


def _related(
    bench: Bench,
    check: str,
    reason: str,
    change: Callable[[Case], Case],
    back: Callable[[StepResult], StepResult],
    *pinned: Case,
    drawn: bool = True,
) -> None:
    """Search for a case whose changed run, changed back, is not the run itself."""

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        first = bench.observe(case)
        second = [back(state) for state in bench.observe(change(case))]
        difference = first_difference(first, second, bench.format, reason, case)
        return {} if difference is None else {check: difference}

    bench.search([check], examine, pinned, bench.drawn(most_steps=4) if drawn else None)


def _signs(state: StepResult) -> StepResult:
    """The state with theta and m negated; zeros keep the sign that they have."""

    def negate(arrays):
        return None if arrays is None else tuple(np.where(a == 0, a, -a) for a in arrays)

    return replace(state, theta=negate(state.theta), m=negate(state.m))


def _unsigned_zeros(state: StepResult) -> StepResult:
    def plain(arrays):
        return None if arrays is None else tuple(np.where(a == 0, 0.0, a) for a in arrays)

    return replace(state, theta=plain(state.theta), m=plain(state.m), u=plain(state.u))


@pytest.mark.check("relations/mirror")
def test_the_negated_run_is_the_run_negated(bench: Bench) -> None:
    def negated(p: Parameter) -> Parameter:
        return Parameter(-p.theta, tuple(-g for g in p.gradients))

    check = "relations/mirror"

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        # Rounding to nearest is symmetric, so negation passes through every operation; only the sign of an
        # exact zero may depend on the order of a subtraction.
        first = [_unsigned_zeros(s) for s in bench.observe(case)]
        second = [_unsigned_zeros(_signs(s)) for s in bench.observe(_mapped(case, negated))]
        difference = first_difference(
            first, second, bench.format, "the run from -theta with -g is not the negated run", case
        )
        return {} if difference is None else {check: difference}

    bench.search([check], examine, [_run(bench)], bench.drawn(most_steps=4))


@pytest.mark.check("relations/powers-of-two")
def test_powers_of_two_pass_through(bench: Bench) -> None:
    # Without decay, m and u are homogeneous in (g, eps), and theta's step does not see their scale. The
    # factors keep every intermediate a normal number.
    check = "relations/powers-of-two"
    setting = replace(_SETTING, weight_decay=0.0, eps=2.0**-6)

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        first = bench.observe(case)
        for factor in (8.0, 0.25):
            changed = _mapped(
                case,
                lambda p, k=factor: Parameter(p.theta, tuple(g * k for g in p.gradients)),
                lambda h, k=factor: replace(h, eps=h.eps * k),
            )
            second = [_scaled(s, 1 / factor) for s in bench.observe(changed)]
            reason = (
                f"gradients and eps times {factor:g} do not give m and u times {factor:g} and the same theta"
            )
            if difference := first_difference(first, second, bench.format, reason, case):
                return {check: difference}
        return {}

    bench.search(
        [check], examine, [_run(bench, 50, setting=setting), _run(bench, 60, steps=8, setting=setting)]
    )


def _scaled(state: StepResult, factor: float) -> StepResult:
    def times(arrays):
        return None if arrays is None else tuple(a * factor for a in arrays)

    return replace(state, m=times(state.m), u=times(state.u))


@pytest.mark.check("relations/repeatable")
def test_equal_runs_are_equal(bench: Bench) -> None:
    _related(
        bench,
        "relations/repeatable",
        "an equal run is not equal",
        lambda c: c,
        lambda s: s,
        _run(bench),
        _run(bench, 70, steps=12),
    )


@pytest.mark.check("relations/maximize")
def test_maximizing_is_minimizing_with_negated_gradients(bench: Bench) -> None:
    if bench.lacks("maximize"):
        bench.skip("the subject has no argument maximize")
        return
    if bench.seat.assumption().rule.ascent is not Ascent.NEGATE_GRADIENT:
        bench.skip("the rule that it follows has another ascent; rule/documented says so")
        return

    def flipped(case: Case) -> Case:
        return _mapped(
            case,
            lambda p: Parameter(p.theta, tuple(-g for g in p.gradients)),
            lambda h: replace(h, maximize=not h.maximize),
        )

    _related(
        bench,
        "relations/maximize",
        "maximizing does not equal minimizing with negated gradients",
        flipped,
        lambda s: s,
        _run(bench),
        _run(bench, 80, setting=replace(_SETTING, maximize=True)),
    )


@pytest.mark.check("relations/gradient-untouched")
def test_gradients_are_left_as_they_came(bench: Bench) -> None:
    check = "relations/gradient-untouched"

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        for t, state in enumerate(bench.observe(case), start=1):
            for place, (given, left) in enumerate(zip(case.gradients(t), state.gradients, strict=True)):
                given_, left_ = np.ascontiguousarray(given), np.ascontiguousarray(left)
                if not np.all(same_bits(given_, left_)):
                    element = tuple(int(i) for i in np.argwhere(~np.atleast_1d(same_bits(given_, left_)))[0])[
                        : given.ndim
                    ]
                    found = between(
                        given[element],
                        left[element],
                        bench.format,
                        "the step changed the gradient it was given",
                        Quantity.GRADIENT,
                        (t, place, element),
                        case,
                    )
                    return {check: found}
        return {}

    settings = [
        _SETTING,
        replace(_SETTING, maximize=True),
        replace(_SETTING, weight_decay=0.0),
        replace(_SETTING, weight_decay=0.0, maximize=True),
    ]
    bench.search([check], examine, [_run(bench, 90 + 10 * i, setting=s) for i, s in enumerate(settings)])


@pytest.mark.check("relations/fixed-point")
def test_a_zero_gradient_from_a_zero_state_leaves_theta(bench: Bench) -> None:
    check = "relations/fixed-point"

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        start = case.parameters[0].theta
        for t, state in enumerate(bench.observe(case), start=1):
            moved = np.argwhere(~same_bits(start, np.ascontiguousarray(state.theta[0])))
            if moved.size:
                element = tuple(int(i) for i in moved[0])
                found = between(
                    start[element],
                    state.theta[0][element],
                    bench.format,
                    "zero gradients moved theta",
                    Quantity.THETA,
                    (t, 0, element),
                    case,
                )
                return {check: found}
        return {}

    still = [
        one("relations/fixed-point", h, noise(bench.format, 130, (9,)), [np.zeros(9)] * 4)
        for h in (
            Hyperparameters(lr=0.1, eps=0.01),
            Hyperparameters(lr=1.0, beta1=0.0, beta2=0.0, eps=0.5, maximize=True),
        )
    ]
    bench.search([check], examine, still)


@pytest.mark.check("relations/split")
def test_the_parts_of_an_array_are_treated_as_the_whole(bench: Bench) -> None:
    """Vector loops and their tails may round differently: the parts are held to the bound, not the bits."""
    check = "relations/split"
    setting = replace(_SETTING, weight_decay=0.0)
    whole = _run(bench, 140, size=23, setting=setting)
    p = whole.parameters[0]
    parts = tuple(
        Parameter(p.theta[a:b], tuple(g[a:b] for g in p.gradients))
        for a, b in ((0, 1), (1, 9), (9, 16), (16, 23))
    )
    split = Case("relations/split", (Group(setting, parts),))
    compare = lockstep if bench.shows_state() else trajectory
    worst: Findings = findings(Quantity.THETA, Quantity.M, Quantity.U)
    differing = 0

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        nonlocal differing
        together, apart = bench.observe(whole), bench.observe(case)
        for one_, other in zip(together, apart, strict=True):
            joined = np.concatenate(other.theta)
            differing += int(np.count_nonzero(~same_bits(np.ascontiguousarray(one_.theta[0]), joined)))
        compare(case, apart, bench.seat.assumption(), worst)
        compare(whole, together, bench.seat.assumption(), worst)
        found = next((t.divergence for t in worst.values() if t.divergence is not None), None)
        return {} if found is None else {check: found}

    bench.search([check], examine, [split], measured=lambda _: {"elements whose bits differ": differing})
