"""Correct rounding against MPFR, division of integers, and hardware."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from adamax_conformance.oracles.exact.trajectory import mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.tests.meta.oracles.hard_values import hard_values

COUNT = 100_000
SEED = 20150507

FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)


def same(a: float, b: float) -> bool:
    """Equal as bits, the sign of zero included."""
    return a == b and math.copysign(1, a) == math.copysign(1, b)


def exactly(mantissa: int, exponent: int) -> Fraction:
    return Fraction(mantissa) * Fraction(2) ** exponent


def by_division(format_: Format, value: Fraction) -> float:
    """Round to nearest, ties to even, by one exact division by the spacing."""
    size = abs(value)
    if not size:
        return 0.0
    top = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** top:
        top -= 1
    spacing = Fraction(2) ** (max(top, format_.emin) - format_.precision + 1)
    rounded = round(size / spacing) * spacing  # Fraction's round is to nearest, ties to even
    result = math.inf if rounded >= Fraction(2) ** (format_.emax + 1) else float(rounded)
    return -result if value < 0 else result


@FORMATS
def test_rounding_agrees_with_mpfr_on_every_hard_kind_of_value(format_: Format) -> None:
    gmpy2 = pytest.importorskip("gmpy2")
    # MPFR counts exponents for significands in [1/2, 1), hence the shift by one from IEEE 754's.
    ieee = gmpy2.context(
        precision=format_.precision,
        emax=format_.emax + 1,
        emin=format_.emin - format_.precision + 2,
        subnormalize=True,
    )
    values = hard_values(format_, COUNT, SEED)
    assert len(values) >= COUNT
    with gmpy2.context(ieee):
        for mantissa, exponent in values:
            if exponent > 1 << 20:
                continue  # beyond what an exact rational can hold
            value = gmpy2.mpz(mantissa)
            exact = value << exponent if exponent >= 0 else gmpy2.mpq(value, gmpy2.mpz(1) << -exponent)
            expected = float(gmpy2.mpfr(exact))
            assert format_.round_scaled(mantissa, exponent) == expected, (mantissa, exponent)


def test_mpfr_is_set_up_as_ieee_754_wherever_gmpy2_knows_the_format_itself() -> None:
    gmpy2 = pytest.importorskip("gmpy2")
    for format_, bits in ((Format.BINARY16, 16), (Format.BINARY32, 32), (Format.BINARY64, 64)):
        ieee = gmpy2.ieee(bits)
        assert (ieee.precision, ieee.emax, ieee.emin) == (
            format_.precision,
            format_.emax + 1,
            format_.emin - format_.precision + 2,
        )


@FORMATS
def test_rounding_agrees_with_exact_division_of_integers(format_: Format) -> None:
    for mantissa, exponent in hard_values(format_, COUNT // 10, SEED + 1):
        if exponent > 1 << 20:
            continue
        expected = by_division(format_, exactly(mantissa, exponent))
        assert same(format_.round_scaled(mantissa, exponent), expected), (mantissa, exponent)


def test_binary64_rounding_agrees_with_the_language_own_division() -> None:
    for mantissa, exponent in hard_values(Format.BINARY64, COUNT, SEED + 2):
        if abs(exponent) > 1 << 20:
            continue
        try:
            # int / int is rounded once in CPython, in the subnormal range as well
            expected = mantissa / (1 << -exponent) if exponent < 0 else float(mantissa << exponent)
        except OverflowError:
            expected = math.copysign(math.inf, mantissa)
        assert Format.BINARY64.round_scaled(mantissa, exponent) == expected, (mantissa, exponent)


@pytest.mark.parametrize(
    ("format_", "dtype"), [(Format.BINARY32, np.float32), (Format.BINARY16, np.float16)], ids=str
)
def test_rounding_a_double_agrees_with_numpy_casts(format_: Format, dtype: type) -> None:
    doubles = np.array(
        [Format.BINARY64.round_scaled(m, e) for m, e in hard_values(format_, COUNT, SEED + 3) if e < 1 << 20]
    )
    with np.errstate(all="ignore"):
        expected = doubles.astype(dtype).astype(np.float64)
    rounded = np.array([format_.round_float(float(x)) for x in doubles])
    assert (rounded.view(np.int64) == expected.view(np.int64)).all()


@FORMATS
def test_an_array_is_rounded_as_its_elements_are(format_: Format) -> None:
    doubles = np.array(
        [
            Format.BINARY64.round_scaled(m, e)
            for m, e in hard_values(format_, COUNT // 10, SEED + 6)
            if e < 1 << 20
        ]
        + [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7e308]
    )
    rounded = np.array([format_.round_float(float(x)) for x in doubles])
    array = format_.round_array(doubles.reshape(1, -1))
    assert array.shape == (1, doubles.size)
    assert np.array_equal(array[0], rounded, equal_nan=True)
    assert (np.signbit(array[0]) == np.signbit(rounded)).all()


def test_rounding_a_single_to_bfloat16_agrees_with_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    singles = np.array(
        [Format.BINARY32.round_scaled(m, e) for m, e in hard_values(Format.BFLOAT16, COUNT, SEED + 4)],
        dtype=np.float32,
    )
    expected = singles.astype(ml_dtypes.bfloat16).astype(np.float64)
    rounded = np.array([Format.BFLOAT16.round_float(float(x)) for x in singles])
    assert (rounded.view(np.int64) == expected.view(np.int64)).all()


@FORMATS
def test_rounding_an_mpf_agrees_with_rounding_its_mantissa_and_exponent(format_: Format) -> None:
    ctx = mpmath_context(400)
    for mantissa, exponent in hard_values(format_, COUNT // 10, SEED + 5):
        value = ctx.ldexp(ctx.mpf(mantissa), exponent)
        rounded = format_.round(value)
        assert rounded == format_.round_scaled(mantissa, exponent), (mantissa, exponent)


def test_three_and_a_half_smallest_subnormals_less_a_tiny_bit_round_down_once() -> None:
    ctx = mpmath_context(300)
    value = ctx.mpf(7) * ctx.mpf(2) ** -1075 - ctx.mpf(2) ** -1300
    assert Format.BINARY64.round(value) == 3 * 2.0**-1074


def test_one_and_half_a_unit_of_binary32_and_a_tiny_bit_round_up_though_a_double_lies_on_the_tie() -> None:
    ctx = mpmath_context(300)
    value = 1 + ctx.mpf(2) ** -24 + ctx.mpf(2) ** -60
    assert Format.BINARY32.round(value) == 1 + 2.0**-23
    assert float(value) == 1 + 2.0**-24  # the tie, where a detour over binary64 would go to 1.0


def test_the_default_eps_rounds_to_zero_in_binary16_and_nowhere_else() -> None:
    assert [f for f in Format if not f.round_float(1e-8)] == [Format.BINARY16]


def test_bfloat16_cannot_count_past_256_and_binary32_not_past_2_to_the_24() -> None:
    assert Format.BFLOAT16.round_float(257.0) == 256.0
    assert Format.BINARY32.round_float(2.0**24 + 1) == 2.0**24


@FORMATS
def test_infinities_and_nan_stay_what_they_are(format_: Format) -> None:
    for value in (math.inf, -math.inf):
        assert format_.round(mpmath.mpf(value)) == value
        assert format_.round_float(value) == value
    assert math.isnan(format_.round(mpmath.mpf("nan")))
    assert math.isnan(format_.round_float(math.nan))


@FORMATS
def test_the_sign_of_zero_and_of_what_rounds_to_zero_is_kept(format_: Format) -> None:
    assert same(format_.round_float(-0.0), -0.0)
    assert same(format_.round_scaled(-1, format_.emin - 2 * format_.precision), -0.0)
    assert same(format_.round_scaled(0, 0), 0.0)


@FORMATS
def test_the_parameters_of_a_format_follow_from_its_precision_and_range(format_: Format) -> None:
    assert format_.holds(format_.largest)
    assert not math.isfinite(
        format_.round_scaled((1 << (format_.precision + 1)) - 1, format_.emax - format_.precision)
    )
    assert format_.holds(format_.smallest_subnormal)
    assert format_.round_scaled(1, format_.emin - format_.precision) == 0.0
    assert format_.ulp(1.0) == 2 * format_.unit_roundoff
    assert format_.ulp(0.0) == format_.smallest_subnormal
    assert format_.ulp(format_.smallest_normal) == format_.smallest_subnormal
    assert Format.of(format_.dtype) is format_


def test_the_parameters_are_those_of_numpy() -> None:
    for format_, dtype in (
        (Format.BINARY16, np.float16),
        (Format.BINARY32, np.float32),
        (Format.BINARY64, np.float64),
    ):
        info = np.finfo(dtype)
        assert format_.largest == float(info.max)
        assert format_.smallest_normal == float(info.smallest_normal)
        assert format_.smallest_subnormal == float(info.smallest_subnormal)
        assert 2 * format_.unit_roundoff == float(info.eps)


def test_a_dtype_that_is_no_format_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="float8"):
        Format.of("float8")


def test_a_number_is_held_only_by_the_formats_that_have_it() -> None:
    assert [f.dtype for f in Format if f.holds(1 + 2.0**-10)] == ["float16", "float32", "float64"]
    assert [f.dtype for f in Format if f.holds(2.0**100)] == ["bfloat16", "float32", "float64"]
    assert all(f.holds(math.nan) for f in Format)
