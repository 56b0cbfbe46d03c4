"""Arithmetic that NumPy lacks: rounding to fewer bits, and exact operations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

_NARROWER = {np.dtype(np.float64): 24, np.dtype(np.float32): 11, np.dtype(np.float16): 4}
"""The precision of the next narrower format: binary32, binary16, E4M3."""
WIDER = {"float16": np.float32, "bfloat16": np.float32, "float32": np.float64, "float64": np.longdouble}
"""The next wider format by a dtype's name; for binary64 the registers of an x87, if any."""


def precision(dtype) -> int:
    """The bits of a significand: 11, 24 or 53."""
    return np.finfo(dtype).nmant + 1


def round_to_bits(x, bits):
    """X with its significand rounded to so many bits, and its range unchanged."""
    x = np.asarray(x)
    significand, exponent = np.frexp(x)
    shift = x.dtype.type(2**bits)
    return np.ldexp(np.rint(significand * shift), exponent - bits).astype(x.dtype)[()]


def narrow(x):
    """X with the precision of the next narrower format."""
    x = np.asarray(x)
    return round_to_bits(x, _NARROWER[x.dtype])


def coarsen(x, units=16):
    """A number that is too large by so many unit roundoffs."""
    x = np.asarray(x)
    return (x * x.dtype.type(1 + units * 2.0 ** -precision(x.dtype)))[()]


def running_power(x, t):
    """x^t, multiplied step by step until it is below 2^-80 or stays as it is."""
    x, power, left = np.asarray(x)[()], np.asarray(x).dtype.type(1), t
    while left and power > 2.0**-80:
        factors = np.full(min(left, _AT_ONCE) + 1, x)
        factors[0] = power
        before, power = np.multiply.accumulate(factors)[-2:]
        if before == power:
            break
        left -= len(factors) - 1
    return power


_AT_ONCE = 2**16


def two_sum(a, b):
    """The rounded sum, and its rounding error, exactly (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a, b):
    """The rounded product in binary64, and its rounding error (Dekker).

    The operands and the product are normal numbers.
    """
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(x):
    scaled = 134217729.0 * x  # 2**27 + 1
    high = scaled - (scaled - x)
    return high, x - high


def fused_multiply_add(a, b, c):
    """Fused multiply-add a*b + c, to within 2^-20 of a unit roundoff; c is an array."""
    dtype = np.asarray(c).dtype
    if dtype != np.float64:
        return (np.float64(a) * np.float64(b) + np.float64(c)).astype(dtype)
    product, lost = two_product(a, b)
    total, rest = two_sum(product, c)
    result = total + (rest + lost)
    # The splitting overflows before the product does ...
    result = np.where(np.isfinite(result), result, a * b + c)
    # ... and what it loses below is subnormal, and lost in turn.
    a, b, c = np.broadcast_arrays(a, b, c)
    tiny = (np.abs(product) < _SPLITS) & (a != 0) & (b != 0)
    result[tiny] = _fused_exactly(a[tiny], b[tiny], c[tiny])
    return result


_SPLITS = 2.0**-900
"""From here on every part of a product that is split is a normal number, or 0."""


def _exactly(a, b, c):
    if not np.isfinite([a, b, c]).all():
        return a * b + c
    return float(Fraction(a) * Fraction(b) + Fraction(c))


_fused_exactly = np.vectorize(_exactly, otypes=[np.float64])
