"""The golden numbers, recomputed as fractions, which have no rounding at all."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.exact.decimals import Direction, scientific
from adamax_conformance.oracles.exact.interval import Interval, larger
from adamax_conformance.oracles.exact.trajectory import mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.golden.values import (
    DIGITS,
    QUANTITIES,
    SCHEME_NAMES,
    evaluation_schemes,
    format_of,
    formats_of,
)
from adamax_conformance.reference.formula import Scalars, State, step
from adamax_conformance.reference.golden.cases import GOLDEN_CASES
from adamax_conformance.reference.golden.flags import FLAGS
from adamax_conformance.reference.golden.model import FORMATS, noise
from adamax_conformance.reports.cli.vectors import PUBLISHED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHORT = 6
"""Steps over which fractions stay small enough."""
PUBLISHED_CASES = {
    case["id"]: case
    for file in sorted(PUBLISHED.glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8")).get("cases", [])
}
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-3, max_value=1e3)

STEADY = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
"""The same examples everywhere, however long a busy machine takes for them."""


def fractions(case, number, element):
    """The states of one element, as fractions."""
    run = case.run()
    group = next(g for i, g, _ in run.indexed_parameters() if i == number)
    parameter = run.parameters[number]
    state = State(Fraction(float(parameter.theta[element])), Fraction(0), Fraction(0))
    for t in range(1, case.steps + 1):
        h = group.at(t)
        numbers = (Fraction(x) for x in (h.lr, h.beta1, h.beta2, h.eps, h.weight_decay))
        g = float(parameter.gradients[t - 1][element])
        if not math.isfinite(g):
            return
        state = step(state, Fraction(g), t, Scalars(*numbers, h.maximize))
        yield t, state


def right_digits(text, exact):
    """Check that a decimal is the exact value, rounded to its digits."""
    if exact == 0:
        return text == "0"
    written = Decimal(text)
    unit = Fraction(Decimal((0, (1,), written.as_tuple().exponent)))
    return len(written.as_tuple().digits) >= 40 and abs(Fraction(written) - exact) <= unit / 2


@pytest.mark.parametrize("case", [c for c in GOLDEN_CASES if c.steps <= SHORT], ids=lambda case: case.id)
def test_every_digit_of_a_short_case_is_right(case):
    published = PUBLISHED_CASES[case.id]
    states = {state["t"]: state for state in published["states"]}
    for number, parameter in enumerate(case.run().parameters):
        for element in range(parameter.theta.size):
            for t, exact in fractions(case, number, element):
                for quantity in QUANTITIES:
                    value = states[t][quantity][number][element]
                    assert right_digits(value["exact"], getattr(exact, quantity)), (t, quantity)


def test_every_rounding_is_the_nearest_number_of_its_format():
    for case in PUBLISHED_CASES.values():
        for state in case["states"]:
            for value in (v for q in QUANTITIES for values in state[q] for v in values if "exact" in v):
                # 42 digits of binary64's 17: the decimal itself is as good as the exact value, but for ties.
                exact = Fraction(Decimal(value["exact"]))
                for name, text in value["rounded"].items():
                    rounded = float.fromhex(text)
                    assert format_of(name).holds(rounded)
                    if math.isfinite(rounded):
                        slack = abs(exact) * Fraction(10) ** -41
                        half = Fraction(format_of(name).ulp(rounded)) / 2
                        assert abs(Fraction(rounded) - exact) <= half + slack


def test_a_correct_rounding_of_the_first_step_is_within_every_bound_of_m_and_u():
    for case in PUBLISHED_CASES.values():
        state = case["states"][0]
        if state["t"] > 1:
            continue
        for value in (v for q in ("m", "u") for values in state[q] for v in values if "exact" in v):
            for name, bounds in value["bound"].items():
                rounded = float.fromhex(value["rounded"][name])
                for bound in bounds:
                    if bound is not None:
                        error = abs(Fraction(rounded) - Fraction(Decimal(value["exact"])))
                        assert error <= Fraction(Decimal(bound))


def test_there_are_enough_cases_of_every_family_for_every_format():
    assert len(GOLDEN_CASES) >= 150
    families = {case.family for case in GOLDEN_CASES}
    for name in FORMATS:
        assert {c.family for c in GOLDEN_CASES if name in formats_of(c)} >= families - {"training"}


def test_every_flag_is_explained_and_used():
    assert {flag for case in GOLDEN_CASES for flag in case.flags} == FLAGS.keys()


def test_where_the_page_leaves_room_what_is_acceptable_is_listed():
    assert all(bool(case.room) == bool(case.acceptable) for case in GOLDEN_CASES)
    assert any(case.room for case in GOLDEN_CASES)


def test_the_classes_are_each_form_with_each_kind_of_scalars():
    assert SCHEME_NAMES == (
        "weighted/binary64",
        "weighted/working",
        "interpolated/binary64",
        "interpolated/working",
    )
    assert [h.form for h in evaluation_schemes(Format.BINARY64).values()] == [
        Form.WEIGHTED,
        Form.INTERPOLATED,
    ]


@STEADY
@given(finite, st.integers(1, 50))
def test_a_number_is_written_as_the_decimal_nearest_to_it(x, digits):
    text = scientific(mpmath.mpf(x), digits)
    if x == 0:
        assert text == "0"
    else:
        assert Decimal(text) == Decimal(f"{Decimal(x):.{digits - 1}e}")


@STEADY
@given(finite, st.integers(1, 20))
def test_a_bound_is_never_written_smaller_than_it_is(x, digits):
    text = scientific(mpmath.mpf(abs(x)), digits, Direction.UP)
    assert Fraction(Decimal(text)) >= Fraction(abs(x))


@STEADY
@given(finite, finite, positive, st.integers(0, 9))
def test_an_enclosure_holds_the_exact_result(a, b, c, n):
    ctx = mpmath_context(60)
    x, y, z = (Interval.of(ctx, value) for value in (a, b, c))
    p, q, r = (Fraction(value) for value in (a, b, c))
    for enclosed, exact in (
        (x + y, p + q),
        (x - y * z, p - q * r),
        (x / z, p / r),
        (1 - z**n, 1 - r**n),
        (abs(x - y), abs(p - q)),
        (larger(x, y), max(p, q)),
    ):
        low, high = (
            Fraction(int(s * m)) * Fraction(2) ** int(e)
            for s, m, e in map(parts, (enclosed.low, enclosed.high))
        )
        assert low <= exact <= high


def parts(value):
    sign, mantissa, exponent, _ = value._mpf_
    return (-1 if sign else 1), mantissa, exponent


def test_an_enclosure_is_not_divided_by_what_may_be_zero():
    ctx = mpmath_context(60)
    one = Interval.of(ctx, 1.0)
    with pytest.raises(ZeroDivisionError):
        one / (one - one)


def test_noise_is_the_same_everywhere_and_fits_the_narrowest_format():
    assert noise(1, 3) == (-1.984375, -0.5546875, 1.3984375)
    assert all(Format.BFLOAT16.holds(x) and 0.5 <= abs(x) < 2 for x in noise(5, 200))
    assert DIGITS >= 40
