"""The exact oracle against rational and ball arithmetic, with each mpmath backend."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction

import mpmath
import pytest
from adamax_conformance.oracles.exact.trajectory import (
    GUARD_BITS,
    backend,
    decimal,
    element_trajectory,
    mpmath_context,
    needs_wide_range,
    precision_for,
)
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases as identifying_cases
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import all_rules
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.cases.strategies import cases
from adamax_conformance.tests.meta.oracles import backend_digest
from adamax_conformance.tests.meta.oracles.rationals import (
    distinguishing_cases,
    elements,
    exact_state,
    fraction,
    numbers,
    rational,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
DRAWN = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

CLAIMED = Fraction(1, 2 ** (53 + GUARD_BITS))
"""The largest error of an exact value, relative to the same value computed over magnitudes."""


def magnitudes(group: Group, parameter: Parameter, element, trajectory):
    """The magnitudes: theta, m and u with every subtraction made an addition.

    A step's error grows further by how much u lost to cancellation, its size over magnitudes over u itself.
    """
    theta, m, u, weights = abs(Fraction(parameter.theta[element])), Fraction(0), Fraction(0), Fraction(0)
    beta1 = Fraction(group.hyperparameters.beta1)
    for t, (g, (_, _, exact_u)) in enumerate(zip(parameter.gradients, trajectory, strict=True), start=1):
        # 60 bits are plenty for a yardstick, and keep the fractions short.
        weights = shorten(1 + beta1 * weights)
        n = numbers(group, t, (1 - beta1) * weights)
        size = abs(Fraction(g[element])) + n.weight_decay * theta
        m = n.beta1 * m + n.complement * size
        u = max(n.beta2 * u, size + n.eps)
        theta = theta + n.lr * m / (n.correction * exact_u) * (u / exact_u)
        theta, m, u = (shorten(x) for x in (theta, m, u))
        yield theta, m, u


def shorten(value: Fraction) -> Fraction:
    """A fraction to 60 bits, rounded up."""
    if not value:
        return value
    scale = Fraction(2) ** (60 - value.numerator.bit_length() + value.denominator.bit_length())
    return Fraction(-(-value * scale // 1)) / scale


def assert_within_claim(found, right, sizes) -> None:
    """Each of theta, m and u is within the claimed error of the right value."""
    for value, exact, size in zip((found.theta, found.m, found.u), right, sizes, strict=True):
        assert abs(fraction(value) - exact) <= CLAIMED * size


@FORMATS
@DRAWN
@given(data=st.data())
def test_drawn_runs_agree_with_rational_arithmetic_to_the_last_digit_claimed(format_, data) -> None:
    case = data.draw(cases(format_, most_steps=4))
    for number, group, parameter, element in elements(case):
        right = list(rational(group, parameter, element))
        sizes = magnitudes(group, parameter, element, right)
        found = element_trajectory(case, number, element)
        for step, exact, size in zip(found, right, sizes, strict=True):
            assert_within_claim(step.state, exact, size)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_rule_agrees_with_its_plain_form_in_rational_arithmetic(rule) -> None:
    for case in (*distinguishing_cases(), *identifying_cases(Format.BINARY64)):
        group, parameter = case.groups[0], case.parameters[0]
        for element in ((0,), (parameter.theta.size - 1,)):
            right = list(rational(group, parameter, element, rule))
            for step, exact in zip(element_trajectory(case, 0, element, rule), right, strict=True):
                for value, wanted in zip(exact_state(step.state), exact, strict=True):
                    assert abs(value - wanted) <= CLAIMED * 8 * max(1, abs(wanted))


# Against balls ----------------------------------------------------------------------------------------------


def assert_within_balls(case: Case) -> None:
    """Assert that every value is within the claimed error of the ball's."""
    ball = pytest.importorskip("adamax_conformance.tests.meta.oracles.ball")
    bits = 3 * precision_for(case.steps)
    for number, group, parameter, element in elements(case):
        balls = ball.ball_trajectory(case, number, element, bits)
        middles = [tuple(midpoint(x) for x in (b.theta, b.m, b.u)) for b in balls]
        sizes = magnitudes(group, parameter, element, middles)
        found = element_trajectory(case, number, element)
        for step, enclosure, middle, size in zip(found, balls, middles, sizes, strict=True):
            radii = [radius(x) for x in (enclosure.theta, enclosure.m, enclosure.u)]
            assert all(r <= CLAIMED * s / 2**16 for r, s in zip(radii, size, strict=True))
            assert_within_claim(step.state, middle, size)


def midpoint(ball) -> Fraction:
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def radius(ball) -> Fraction:
    return midpoint(ball.rad())


@FORMATS
@DRAWN
@given(data=st.data())
def test_drawn_runs_agree_with_ball_arithmetic_to_the_last_digit_claimed(format_, data) -> None:
    assert_within_balls(data.draw(cases(format_, most_steps=12)))


@FORMATS
def test_runs_of_every_magnitude_agree_with_ball_arithmetic(format_) -> None:
    for case in pinned.scales(format_):
        assert_within_balls(case)


def test_a_run_of_thousands_of_steps_agrees_with_ball_arithmetic() -> None:
    for case in pinned.long_runs(Format.BINARY64):
        assert_within_balls(case)


def test_betas_next_to_one_and_an_lr_of_zero_agree_with_ball_arithmetic() -> None:
    nearest = 1 - 2.0**-53
    for setting, steps in (
        (Hyperparameters(beta1=nearest, beta2=nearest, eps=1e-300), 40),
        (Hyperparameters(lr=0.0, weight_decay=0.7), 40),
        (Hyperparameters(lr=1e300, eps=5e-324, beta1=5e-324, beta2=5e-324, weight_decay=1e300), 2),
    ):
        parameter = Parameter.of([0.1, -0.3], [[1.0, 1e-3]] * steps)
        assert_within_balls(Case("edge", (Group(setting, (parameter,)),)))


def test_the_second_oracle_turns_a_double_into_a_ball_of_radius_zero() -> None:
    ball = pytest.importorskip("adamax_conformance.tests.meta.oracles.ball")
    for value in (0.0, 0.1, -0.9, 5e-324, 1.7976931348623157e308, 2.0**-1022 * (1 - 2.0**-52)):
        enclosed = ball.to_ball(value)
        assert radius(enclosed) == 0
        assert midpoint(enclosed) == Fraction(value)


def test_the_maximum_of_overlapping_balls_encloses_every_maximum() -> None:
    flint = pytest.importorskip("flint")
    a, b = flint.arb(1, 0.5), flint.arb(1.25, 0.125)
    for x in (0.5, 1.0, 1.5):
        for y in (1.125, 1.375):
            assert a.max(b).contains(flint.arb(max(x, y)))


# The context, and every backend -----------------------------------------------------------------------------


def test_the_oracle_neither_reads_nor_sets_the_precision_of_the_user() -> None:
    case = identifying_cases(Format.BINARY32)[0]
    right = [step.state for step in element_trajectory(case, 0, (0,))]
    with mpmath.workdps(5):
        again = [step.state for step in element_trajectory(case, 0, (0,))]
        assert mpmath.mp.dps == 5
    assert [fraction(s.theta) for s in right] == [fraction(s.theta) for s in again]


def test_more_precision_changes_nothing_above_the_claim() -> None:
    for case in identifying_cases(Format.BINARY64):
        group, parameter = case.groups[0], case.parameters[0]
        right = [
            tuple(fraction(x) for x in (s.state.theta, s.state.m, s.state.u))
            for s in element_trajectory(case, 0, (1,), bits=2000)
        ]
        sizes = magnitudes(group, parameter, (1,), right)
        for step, exact, size in zip(element_trajectory(case, 0, (1,)), right, sizes, strict=True):
            assert_within_claim(step.state, exact, size)


@pytest.mark.parametrize("wanted", ["any", "python"])
def test_the_digits_are_the_same_under_every_backend_of_mpmath(wanted) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "MPMATH_NOGMPY"}
    if wanted == "python":
        environment["MPMATH_NOGMPY"] = "1"
    run = subprocess.run(
        [sys.executable, "-m", backend_digest.__name__],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    name, *digits = run.stdout.splitlines()
    assert wanted == "any" or name.endswith("(python)")
    assert digits == list(backend_digest.lines())[1:]


def test_the_record_names_the_version_and_the_integers_of_mpmath() -> None:
    assert mpmath.__version__ in backend()
    assert mpmath.libmp.BACKEND in backend()


def test_a_number_is_wide_where_a_product_of_four_could_leave_the_range_of_binary64() -> None:
    assert not needs_wide_range([0.0, 1.0, -(2.0**199), 2.0**-199])
    assert needs_wide_range([2.0**200])
    assert needs_wide_range([-(2.0**-200)])
    assert needs_wide_range([mpmath_context(200).mpf(10) ** 400])


def test_values_are_shown_with_digits_enough_to_tell_them_apart() -> None:
    assert decimal(0.1) == "0.10000000000000001"
    assert decimal(float("nan")) == "nan"
    assert decimal(mpmath_context(200).mpf(1) / 3).startswith("0.3333333333333333333333")
