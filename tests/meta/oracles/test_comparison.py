"""Tests of the comparison: judged elements, open ones, and the report of an error."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.oracles import comparison
from adamax_conformance.oracles.batch.whole_run import WholeRun
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import ComparisonTally, empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import Epsilon, Rule
from adamax_conformance.tests.meta.oracles.observation import observe
from adamax_conformance.tests.meta.oracles.search import QUANTITIES
from adamax_conformance.tests.meta.planted.faithful import Plain

BINARY32 = ErrorModel(Format.BINARY32)
PLAIN = Hyperparameters(lr=0.1, beta1=0.6, beta2=0.7, eps=0.06)
BOTH = pytest.mark.parametrize("compare", [lockstep, trajectory], ids=lambda c: c.__name__)


def case_of(theta, gradients, setting=PLAIN, **of_group) -> Case:
    """A case of one parameter."""
    return Case("made", (Group(setting, (Parameter.of(theta, gradients),), **of_group),))


ORDINARY = case_of([0.5, -1.25, 2.0], [[1.0, 0.5, -0.75], [0.25, -1.0, 1.5], [-0.5, 2.0, 0.125]])


def compare_all(compare, case, states, error_model=BINARY32, **options):
    """The tallies of a comparison of all quantities."""
    found = empty_tallies(*QUANTITIES)
    compare(case, states, error_model, found, **options)
    return found


def run(case):
    """The plain optimizer's states in float32."""
    return observe(Plain, case, np.float32)


def change_state(states, step, quantity, element, change):
    """A copy of a run with one number changed; lockstep starts the next step from it."""
    arrays = [np.array(x) for x in getattr(states[step - 1], quantity.value)]
    arrays[0][element] = change(arrays[0][element])
    return [
        replace(state, **{quantity.value: arrays}) if t == step else state
        for t, state in enumerate(states, start=1)
    ]


def move_by(ulps):
    """A number of float32 moved by so many ulp."""
    return lambda x: x + ulps * Format.BINARY32.ulp(x)


# What is right ----------------------------------------------------------------------------------------------


@BOTH
def test_a_right_run_conforms_in_every_element_of_every_step(compare) -> None:
    for tally in compare_all(compare, ORDINARY, run(ORDINARY)).values():
        assert (tally.judged, tally.open, tally.exceeded, tally.divergence) == (9, 0, 0, None)
        assert 0 < tally.largest_over_bound <= 1
        assert set(tally.by_step) == {1, 2, 3}


@BOTH
def test_only_the_quantities_that_are_asked_for_are_judged(compare) -> None:
    found = empty_tallies(Quantity.U)
    compare(ORDINARY, run(ORDINARY), BINARY32, found)
    assert set(found) == {Quantity.U}
    assert found[Quantity.U].judged == 9


@BOTH
def test_a_learning_rate_that_changes_is_followed(compare) -> None:
    gradients = [[1.0, 0.5], [0.25, -1.0], [0.5, 1.0]]
    changing = case_of([0.5, 1.0], gradients, learning_rates=(0.1, 0.3, 0.01))
    states = run(changing)
    assert not any(tally.exceeded for tally in compare_all(compare, changing, states).values())
    frozen = compare_all(compare, case_of([0.5, 1.0], gradients), states)
    assert frozen[Quantity.THETA].exceeded
    assert not frozen[Quantity.M].exceeded


@BOTH
def test_every_group_is_judged_by_its_own_hyperparameters(compare) -> None:
    parameter = Parameter.of([0.5, 1.0], [[1.0, 0.5], [0.25, -1.0]])
    groups = (Group(PLAIN, (parameter,)), Group(replace(PLAIN, beta1=0.25), (parameter, parameter)))
    case = Case("groups", groups)
    states = run(case)
    assert not any(tally.exceeded for tally in compare_all(compare, case, states).values())
    swapped = Case("swapped", (Group(groups[1].hyperparameters, (parameter,)), groups[1]))
    divergence = compare_all(compare, swapped, states)[Quantity.M].divergence
    assert divergence is not None
    assert divergence.parameter == 0


@BOTH
def test_numbers_at_the_ends_of_the_range_are_judged(compare) -> None:
    tiny, huge = 2.0**-120, 2.0**120
    setting = Hyperparameters(lr=0.5, beta1=0.5, beta2=0.5, eps=tiny)
    case = case_of([0.0, 0.0], [[tiny, huge], [-tiny, huge / 2]], setting)
    for tally in compare_all(compare, case, run(case)).values():
        assert tally.judged == 4
        assert not tally.exceeded


# What is wrong ----------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.value)
def test_a_number_far_off_is_found_and_described(compare, quantity) -> None:
    states = change_state(run(ORDINARY), 3, quantity, 1, move_by(1000))
    tally = compare_all(compare, ORDINARY, states)[quantity]
    divergence = tally.divergence
    assert tally.exceeded == 1
    assert (divergence.step, divergence.parameter, divergence.element) == (3, 0, (1,))
    assert divergence.quantity is quantity
    assert 998 < divergence.error_ulp < 1002
    assert divergence.error_over_bound == tally.largest_over_bound > 100
    actual = getattr(states[2], quantity.value)[0][1]
    assert float.fromhex(divergence.actual_hex) == actual
    assert abs(float.fromhex(divergence.expected_hex) - float(divergence.expected)) < 1e-6
    assert Case.from_json(divergence.case).to_json() == ORDINARY.to_json()
    assert f"{quantity.value} of parameter 0, element [1], after step 3" in divergence.reason


@BOTH
@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.value)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf], ids=str)
def test_what_is_not_finite_is_wrong_wherever_the_bound_is_finite(compare, quantity, wrong) -> None:
    states = change_state(run(ORDINARY), 3, quantity, 0, lambda _: wrong)
    tally = compare_all(compare, ORDINARY, states)[quantity]
    assert tally.exceeded == 1
    assert tally.divergence.error_over_bound == math.inf
    assert "is not within any bound" in tally.divergence.reason


@BOTH
def test_the_first_error_is_kept_and_all_are_counted(compare) -> None:
    states = run(ORDINARY)
    for step, element in ((3, 2), (2, 1), (3, 0)):
        states = change_state(states, step, Quantity.U, element, move_by(500))
    tally = compare_all(compare, ORDINARY, states)[Quantity.U]
    assert tally.exceeded >= 3
    first = (2, (1,)) if compare is lockstep else (3, (0,))  # by step, or by element
    assert (tally.divergence.step, tally.divergence.element) == first


@BOTH
def test_a_brief_comparison_ends_at_the_first_error(compare) -> None:
    states = change_state(run(ORDINARY), 1, Quantity.M, 0, move_by(500))
    states = change_state(states, 1, Quantity.M, 2, move_by(500))
    tally = compare_all(compare, ORDINARY, states, brief=True)[Quantity.M]
    assert (tally.exceeded, tally.judged) == (1, 1)


def test_a_lockstep_judges_the_next_step_from_the_wrong_number_and_a_trajectory_does_not() -> None:
    states = change_state(run(ORDINARY), 1, Quantity.THETA, 0, move_by(500))
    assert compare_all(trajectory, ORDINARY, states)[Quantity.THETA].exceeded == 1
    assert compare_all(lockstep, ORDINARY, states)[Quantity.THETA].exceeded == 2


# Bounds of zero ---------------------------------------------------------------------------------------------


@BOTH
def test_where_there_is_no_error_to_be_had_the_smallest_one_is_wrong(compare) -> None:
    case = case_of([0.5, -1.25], [[1.0, 0.5]] * 2, replace(PLAIN, lr=0.0))
    right = compare_all(compare, case, run(case))[Quantity.THETA]
    assert (right.exceeded, right.largest_over_bound) == (0, 0.0)
    wrong = compare_all(compare, case, change_state(run(case), 2, Quantity.THETA, 1, move_by(1)))[
        Quantity.THETA
    ]
    assert (wrong.exceeded, wrong.divergence.error_over_bound) == (1, math.inf)


@BOTH
def test_zero_of_either_sign_is_zero(compare) -> None:
    case = case_of([-0.0, 0.0], [[0.0, -0.0]] * 2)
    assert not any(tally.exceeded for tally in compare_all(compare, case, run(case)).values())


# What is left open ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("strange", [0.0, 1e30, math.inf, math.nan], ids=str)
def test_anything_goes_where_an_admissible_evaluation_divides_zero_by_zero(compare, strange) -> None:
    case = case_of([1.0], [[0.0]], replace(PLAIN, eps=1e-50))
    states = change_state(run(case), 1, Quantity.THETA, 0, lambda _: strange)
    tally = compare_all(compare, case, states)[Quantity.THETA]
    assert (tally.judged, tally.open, tally.exceeded) == (1, 1, 0)


def test_an_open_theta_leaves_m_and_u_judged() -> None:
    case = case_of([1.0], [[3e38]], Hyperparameters(lr=100.0))
    states = change_state(run(case), 1, Quantity.M, 0, move_by(100))
    found = compare_all(lockstep, case, states)
    assert found[Quantity.THETA].open == 1
    assert found[Quantity.M].exceeded == 1
    assert found[Quantity.U].exceeded == 0


def test_a_lockstep_leaves_what_follows_a_number_that_is_not_finite_to_other_checks() -> None:
    gradients = [[1.0, 0.5], [math.nan, 0.5], [1.0, 0.5]]
    case = case_of([0.5, 1.0], gradients)
    found = compare_all(lockstep, case, run(case))
    assert all(tally.judged == 4 and not tally.exceeded for tally in found.values())


def test_a_trajectory_ends_where_a_gradient_is_not_finite() -> None:
    case = case_of([0.5, 1.0], [[1.0, 0.5], [math.inf, 0.5], [1.0, 0.5]])
    found = compare_all(trajectory, case, run(case))
    assert all(tally.judged == 4 and not tally.exceeded for tally in found.values())


# Hidden state -----------------------------------------------------------------------------------------------


def test_a_trajectory_needs_no_state_but_theta() -> None:
    states = [replace(state, m=None, u=None) for state in run(ORDINARY)]
    found = compare_all(trajectory, ORDINARY, states)
    assert [found[q].judged for q in QUANTITIES] == [0, 0, 9]
    states = change_state(states, 3, Quantity.THETA, 0, move_by(1000))
    assert compare_all(trajectory, ORDINARY, states)[Quantity.THETA].exceeded == 1


def test_a_lockstep_without_state_is_refused() -> None:
    states = [replace(state, u=None) for state in run(ORDINARY)]
    with pytest.raises(ValueError, match="needs m and u"):
        compare_all(lockstep, ORDINARY, states)


# Large arrays -----------------------------------------------------------------------------------------------


def large_case(size=1000, period=7):
    """A periodic array, longer than what is compared element by element."""
    rng = np.random.default_rng(20150507)
    theta, *gradients = (np.resize(rng.normal(size=period).astype(np.float32), size) for _ in range(4))
    return case_of(theta, gradients)


def elementwise(monkeypatch, *arguments, **options):
    """The tallies without a search for equal elements."""
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "_FEW", 10**9)
        return compare_all(lockstep, *arguments, **options)


def test_equal_elements_of_a_large_array_are_judged_once_and_to_the_same_result(monkeypatch) -> None:
    case = large_case()
    states = run(case)
    once, all_of_them = compare_all(lockstep, case, states), elementwise(monkeypatch, case, states)
    for quantity in QUANTITIES:
        few, many = once[quantity], all_of_them[quantity]
        assert (few.judged, many.judged) == (7 * 3, 1000 * 3)
        assert few.largest_over_bound == many.largest_over_bound
        assert few.largest_ulp == many.largest_ulp
        largest = [{t: error for t, (error, _) in tally.by_step.items()} for tally in (few, many)]
        assert largest[0] == largest[1]


@pytest.mark.parametrize("element", [0, 500, 999])
@pytest.mark.parametrize("shape", [(1000,), (10, 100), (2, 5, 100)], ids=str)
def test_one_wrong_element_of_a_large_array_is_found_and_named(monkeypatch, element, shape) -> None:
    flat = large_case()
    parameter = flat.parameters[0]
    case = case_of(parameter.theta.reshape(shape), [g.reshape(shape) for g in parameter.gradients])
    index = tuple(int(i) for i in np.unravel_index(element, shape))
    states = change_state(run(case), 3, Quantity.M, index, move_by(50))
    for found in (compare_all(lockstep, case, states), elementwise(monkeypatch, case, states)):
        assert found[Quantity.M].exceeded == 1
        assert found[Quantity.M].divergence.element == index


def test_elements_with_the_same_key_are_still_told_apart(monkeypatch) -> None:
    case = large_case()
    states = run(case)
    usual = compare_all(lockstep, case, states)
    monkeypatch.setattr(comparison, "_ODD", np.uint64(0))  # the key is the last number alone
    assert compare_all(lockstep, case, states) == usual


@BOTH
@pytest.mark.parametrize("wrong", [None, (2, Quantity.M), (3, Quantity.THETA), (1, Quantity.U)], ids=str)
def test_many_elements_are_judged_at_once_as_they_are_one_by_one(monkeypatch, compare, wrong) -> None:
    case = large_case()
    states = run(case)
    if wrong is not None:
        step, quantity = wrong
        states = change_state(states, step, quantity, (500,), move_by(50))
    one_by_one = compare_all(compare, case, states)
    monkeypatch.setattr(comparison, "_MANY", 1)
    at_once = compare_all(compare, case, states)
    for quantity, few in one_by_one.items():
        many = at_once[quantity]
        assert (many.judged, many.open, many.exceeded) == (few.judged, few.open, few.exceeded)
        assert many.sixteenths == few.sixteenths
        assert many.largest_over_bound == few.largest_over_bound
        assert many.largest_ulp == pytest.approx(few.largest_ulp, rel=2.0**-20)
        assert many.by_step.keys() == few.by_step.keys()
        # Sizes of errors are within 2^-20 of the bound: BOUNDS.md.
        for t, (error, bound) in few.by_step.items():
            assert many.by_step[t] == pytest.approx((error, bound), rel=2.0**-20, abs=2.0**-20 * bound)
        assert many.divergence == few.divergence


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_whole_run_says_of_which_quantity_a_number_is_beyond_its_bound(quantity) -> None:
    case = case_of(np.ones(3), [np.full(3, 0.3), np.full(3, -0.7)])
    right, wrong = run(case), change_state(run(case), 2, quantity, (1,), move_by(50))
    assert WholeRun(comparison.gather_rows(case, wrong), BINARY32).exceeds(quantity)
    assert not any(WholeRun(comparison.gather_rows(case, right), BINARY32).exceeds(q) for q in QUANTITIES)


def test_nan_and_the_sign_of_zero_make_elements_of_a_large_array_distinct() -> None:
    case = case_of(np.zeros(100), [np.zeros(100)])
    states = change_state(run(case), 1, Quantity.THETA, 77, lambda _: math.nan)
    tally = compare_all(lockstep, case, states)[Quantity.THETA]
    assert (tally.exceeded, tally.judged) == (1, 2)
    assert tally.divergence.element == (77,)


@pytest.mark.parametrize(
    "errors",
    [
        [(100.0, 1000.0), (3.0, 2.0), (1.9, 2.0)],
        [(math.inf, 1.0), (3.0, 2.0)],
        [(0.5, 0.0), (0.0, 0.0), (9.0, 10.0)],
        [(0.0, 0.0), (0.25, 1.0)],
    ],
)
def test_a_step_is_shown_where_its_error_is_the_largest_fraction_of_its_bound(errors) -> None:
    worst = max(errors, key=lambda pair: math.inf if pair[0] > pair[1] else pair[0] / (pair[1] or 1))
    for order in (errors, errors[::-1]):
        tally = ComparisonTally()
        for error, bound in order:
            tally.at_step(7, error, bound)
        assert tally.by_step == {7: worst}


# Other assumptions ------------------------------------------------------------------------------------------


@BOTH
def test_a_run_is_judged_by_the_rule_that_is_assumed(compare) -> None:
    other = ErrorModel(Format.BINARY32, Rule(epsilon=Epsilon.IN_DENOMINATOR))
    found = compare_all(compare, ORDINARY, run(ORDINARY), other)
    assert not found[Quantity.M].exceeded
    assert found[Quantity.U].exceeded
    assert found[Quantity.THETA].exceeded


@BOTH
def test_a_narrow_run_is_beyond_the_bound_of_a_finer_format(compare) -> None:
    states = observe(Plain, ORDINARY, np.float16)
    assert not any(
        t.exceeded for t in compare_all(compare, ORDINARY, states, ErrorModel(Format.BINARY16)).values()
    )
    found = compare_all(compare, ORDINARY, states)
    assert found[Quantity.THETA].exceeded


# The step worked out ----------------------------------------------------------------------------------------


@BOTH
def test_the_step_of_a_wrong_number_is_worked_out_from_what_was_seen(compare) -> None:
    states = change_state(run(ORDINARY), 2, Quantity.U, 1, move_by(64))
    found = compare_all(compare, ORDINARY, states)[Quantity.U].divergence
    assert found is not None
    lines = {line["name"]: line for line in found.extra["worked"]}
    assert [name for name, line in lines.items() if line["off"] and name in {"g", "m", "u"}] == ["u"]
    assert float(lines["u"]["subject"]) == states[1].u[0][1]


@BOTH
def test_nothing_is_worked_out_in_a_brief_comparison(compare) -> None:
    states = change_state(run(ORDINARY), 2, Quantity.U, 1, move_by(64))
    found = [tally.divergence for tally in compare_all(compare, ORDINARY, states, brief=True).values()]
    assert [each.extra for each in found if each is not None] == [{}]


def test_nothing_is_worked_out_of_a_run_that_hides_its_state() -> None:
    states = change_state(run(ORDINARY), 2, Quantity.THETA, 1, move_by(64))
    hidden = [replace(state, m=None, u=None) for state in states]
    found = compare_all(trajectory, ORDINARY, hidden)[Quantity.THETA].divergence
    assert found is not None
    assert found.extra == {}
