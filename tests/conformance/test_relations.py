"""Relations: runs that must agree, bit for bit or within the bound.

They need no expected value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, FloatArray, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import Ascent
from adamax_conformance.tests.conformance.cases.pinned import noise, single_parameter_case
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.evidence import (
    difference_at,
    first_difference,
    same_bits,
    state_arrays,
)
from adamax_conformance.tests.conformance.harness.target import NUMBERS

_SETTING = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01, weight_decay=0.05)


def _plain_case(
    context: CheckContext, seed: int = 40, steps: int = 5, size: int = 7, setting: Hyperparameters = _SETTING
) -> Case:
    """A plain case, long enough for vector loops to have a tail."""
    gradients = [noise(context.format, seed + t, (size,)) for t in range(1, steps + 1)]
    return single_parameter_case("relations", setting, noise(context.format, seed, (size,)), gradients)


def _map_case(
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


def _check_relation(
    context: CheckContext,
    reason: str,
    change: Callable[[Case], Case],
    back: Callable[[StepResult], StepResult],
    *pinned: Case,
) -> None:
    """Search for a case whose changed run, changed back, differs from its run."""

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        first = context.observe(case)
        second = [back(state) for state in context.observe(change(case))]
        difference = first_difference(first, second, context.format, reason, case)
        return {} if difference is None else {context.check: difference}

    context.search(examine, pinned, context.drawn_cases(most_steps=4))


def _map_state(result: StepResult, names: str, change: Callable[[FloatArray], FloatArray]) -> StepResult:
    """A result with some of the arrays `theta`, `m` and `u` changed."""
    arrays = {name: getattr(result.state, name) for name in names.split()}
    changed = {name: tuple(map(change, members)) for name, members in arrays.items() if members is not None}
    return replace(result, state=replace(result.state, **changed))


def _negate_state(result: StepResult) -> StepResult:
    """A result with theta and m negated; zeros keep their sign."""
    return _map_state(result, "theta m", lambda a: np.where(a == 0, a, -a))


def _clear_zero_signs(result: StepResult) -> StepResult:
    """A result whose zeros are all positive."""
    return _map_state(result, "theta m u", lambda a: np.where(a == 0, 0.0, a))


@check("relations/mirror", title="the negated run is the run, negated, bit for bit", since="0.1.0")
def test_the_negated_run_is_the_run_negated(context: CheckContext) -> None:
    def negated(p: Parameter) -> Parameter:
        return Parameter(-p.theta, tuple(-g for g in p.gradients))

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        # Rounding to nearest is symmetric, so negation passes through every operation; only the sign of an
        # exact zero may depend on the order of a subtraction.
        first = [_clear_zero_signs(s) for s in context.observe(case)]
        second = [_clear_zero_signs(_negate_state(s)) for s in context.observe(_map_case(case, negated))]
        difference = first_difference(
            first, second, context.format, "the run from -theta with -g is not the negated run", case
        )
        return {} if difference is None else {context.check: difference}

    context.search(examine, [_plain_case(context)], context.drawn_cases(most_steps=4))


@check(
    "relations/powers-of-two",
    title="gradients and eps scale by powers of two, within the bounds",
    since="0.1.0",
)
def test_powers_of_two_pass_through(context: CheckContext) -> None:
    """Hold both runs to their bounds, not to each other.

    The order of operations may depend on the size of the numbers.
    """
    # Without decay, m and u are homogeneous in (g, eps), and theta's step does not see their scale. The
    # factors keep every intermediate a normal number.
    setting = replace(_SETTING, weight_decay=0.0, eps=2.0**-6)

    def scale_inputs(case: Case, factor: float) -> Case:
        return _map_case(
            case,
            lambda p: Parameter(p.theta, tuple(g * factor for g in p.gradients)),
            lambda h: replace(h, eps=h.eps * factor),
        )

    def scale_back(result: StepResult, factor: float) -> StepResult:
        return _map_state(result, "m u", lambda a: a * (1 / factor))

    differing: dict[str, int] = {}

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        first = context.observe(case)
        for factor in (8.0, 0.25):
            changed = scale_inputs(case, factor)
            observed = context.observe(changed)
            second = [scale_back(s, factor) for s in observed]
            name = f"elements whose bits differ at a factor of {factor:g}"
            differing[name] = differing.get(name, 0) + _count_differing(first, second)
            for run, states in ((case, first), (changed, observed)):
                found = context.judge(run, states, empty_tallies(*NUMBERS))
                if found is not None:
                    reason = f"gradients and eps times {factor:g} do not give m and u times that and the same theta"
                    return {context.check: replace(found, reason=f"{reason}: {found.reason}")}
        return {}

    context.search(
        examine,
        [_plain_case(context, 50, setting=setting), _plain_case(context, 60, steps=8, setting=setting)],
        measured=lambda _: differing,
    )


def _count_differing(first: Sequence[StepResult], second: Sequence[StepResult]) -> int:
    """The number of elements whose bits differ between two runs."""
    pairs = (
        (a, b)
        for one, other in zip(first, second, strict=True)
        for quantity, arrays in state_arrays(one).items()
        for a, b in zip(arrays, state_arrays(other)[quantity], strict=True)
    )
    return sum(
        int(np.count_nonzero(~same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b)))) for a, b in pairs
    )


@check("relations/repeatable", title="equal runs are equal, bit for bit", since="0.1.0")
def test_equal_runs_are_equal(context: CheckContext) -> None:
    _check_relation(
        context,
        "an equal run is not equal",
        lambda c: c,
        lambda s: s,
        _plain_case(context),
        _plain_case(context, 70, steps=12),
    )


@check(
    "relations/maximize", title="maximizing is minimizing with negated gradients, bit for bit", since="0.1.0"
)
def test_maximizing_is_minimizing_with_negated_gradients(context: CheckContext) -> None:
    if context.lacks("maximize"):
        context.skip("the subject has no argument maximize")
        return
    if context.target.error_model().rule.ascent is not Ascent.NEGATE_GRADIENT:
        context.skip("the rule that it follows has another ascent; rule/documented reports that")
        return

    def flipped(case: Case) -> Case:
        return _map_case(
            case,
            lambda p: Parameter(p.theta, tuple(-g for g in p.gradients)),
            lambda h: replace(h, maximize=not h.maximize),
        )

    _check_relation(
        context,
        "maximizing does not equal minimizing with negated gradients",
        flipped,
        lambda s: s,
        _plain_case(context),
        _plain_case(context, 80, setting=replace(_SETTING, maximize=True)),
    )


@check("relations/gradient-untouched", title="gradients are left as they came", since="0.1.0")
def test_gradients_are_left_as_they_came(context: CheckContext) -> None:

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        for t, state in enumerate(context.observe(case), start=1):
            for index, (given, left) in enumerate(zip(case.gradients(t), state.gradients, strict=True)):
                given_, left_ = np.ascontiguousarray(given), np.ascontiguousarray(left)
                if not np.all(same_bits(given_, left_)):
                    element = tuple(int(i) for i in np.argwhere(~np.atleast_1d(same_bits(given_, left_)))[0])[
                        : given.ndim
                    ]
                    found = difference_at(
                        given[element],
                        left[element],
                        context.format,
                        "the step changed the gradient it was given",
                        Quantity.GRADIENT,
                        (t, index, element),
                        case,
                    )
                    return {context.check: found}
        return {}

    settings = [
        _SETTING,
        replace(_SETTING, maximize=True),
        replace(_SETTING, weight_decay=0.0),
        replace(_SETTING, weight_decay=0.0, maximize=True),
    ]
    context.search(examine, [_plain_case(context, 90 + 10 * i, setting=s) for i, s in enumerate(settings)])


@check("relations/fixed-point", title="a zero gradient from a zero state leaves theta alone", since="0.1.0")
def test_a_zero_gradient_from_a_zero_state_leaves_theta(context: CheckContext) -> None:

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        start = case.parameters[0].theta
        for t, state in enumerate(context.observe(case), start=1):
            moved = np.argwhere(~same_bits(start, np.ascontiguousarray(state.theta[0])))
            if moved.size:
                element = tuple(int(i) for i in moved[0])
                found = difference_at(
                    start[element],
                    state.theta[0][element],
                    context.format,
                    "zero gradients moved theta",
                    Quantity.THETA,
                    (t, 0, element),
                    case,
                )
                return {context.check: found}
        return {}

    still = [
        single_parameter_case("relations/fixed-point", h, noise(context.format, 130, (9,)), [np.zeros(9)] * 4)
        for h in (
            Hyperparameters(lr=0.1, eps=0.01),
            Hyperparameters(lr=1.0, beta1=0.0, beta2=0.0, eps=0.5, maximize=True),
        )
    ]
    context.search(examine, still)


@check("relations/split", title="an array's parts are treated as the whole, within the bound", since="0.1.0")
def test_the_parts_of_an_array_are_treated_as_the_whole(context: CheckContext) -> None:
    """Hold the parts to the bound: vector loops and their tails may round differently."""
    setting = replace(_SETTING, weight_decay=0.0)
    whole = _plain_case(context, 140, size=23, setting=setting)
    p = whole.parameters[0]
    parts = tuple(
        Parameter(p.theta[a:b], tuple(g[a:b] for g in p.gradients))
        for a, b in ((0, 1), (1, 9), (9, 16), (16, 23))
    )
    split = Case("relations/split", (Group(setting, parts),))
    worst = empty_tallies(Quantity.THETA, Quantity.M, Quantity.U)
    differing = 0

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        nonlocal differing
        together, apart = context.observe(whole), context.observe(case)
        for one_, other in zip(together, apart, strict=True):
            joined = np.concatenate(other.theta)
            differing += int(np.count_nonzero(~same_bits(np.ascontiguousarray(one_.theta[0]), joined)))
        context.judge(case, apart, worst)
        found = context.judge(whole, together, worst)
        return {} if found is None else {context.check: found}

    context.search(examine, [split], measured=lambda _: {"elements whose bits differ": differing})
