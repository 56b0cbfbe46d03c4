"""Arithmetic in twice binary64's precision, for compiled loops.

A number of twice the precision is an unevaluated sum of two binary64 numbers, high and low, with
|low| <= ulp(high)/2. Errors hold as long as nothing over- or underflows, which sizes in [2^-200, 2^200] exclude,
and are relative to the result, but for the sum's; u is 2^-53.

Sources: T. J. Dekker, "A floating-point technique for extending the available precision" (1971), for the split and the
product; M. Joldes, J.-M. Muller, V. Popescu, "Tight and rigorous error bounds for basic building blocks of
double-word arithmetic" (2017), for the rest, by the numbers of their algorithms.

Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Final

from .counts import jit_inline

Double = tuple[float, float]
"""The high and the low part."""

_SPLITTER: Final = float(2**27 + 1)


@jit_inline
def two_sum(a: float, b: float) -> Double:
    """Return a + b, exactly (Knuth's; algorithm 2)."""
    high = a + b
    part = high - a
    return high, (a - (high - part)) + (b - part)


@jit_inline
def fast_two_sum(a: float, b: float) -> Double:
    """Return a + b, exactly, where |a| >= |b| or a is 0 (algorithm 1)."""
    high = a + b
    return high, b - (high - a)


@jit_inline
def two_product(a: float, b: float) -> Double:
    """Return a * b, exactly (Dekker's, of halves of 26 bits)."""
    high = a * b
    scaled = _SPLITTER * a
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = _SPLITTER * b
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    return high, ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low


@jit_inline
def plus(a: Double, b: Double) -> Double:
    """Return a + b, off by less than 6u^2 of |a| + |b| (algorithm 5, "sloppy")."""
    high, low = two_sum(a[0], b[0])
    return fast_two_sum(high, low + (a[1] + b[1]))


@jit_inline
def times(a: Double, b: float) -> Double:
    """Return a * b, off by at most 3u^2 (algorithm 8)."""
    high, low = two_product(a[0], b)
    return fast_two_sum(high, low + a[1] * b)


@jit_inline
def times_double(a: Double, b: Double) -> Double:
    """Return a * b, off by at most 7u^2 (algorithm 10)."""
    high, low = two_product(a[0], b[0])
    return fast_two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


@jit_inline
def over(a: Double, b: Double) -> Double:
    """Return a / b, off by at most 15u^2 + 56u^3 (algorithm 17)."""
    high = a[0] / b[0]
    product = times(b, high)
    first = a[0] - product[0]
    return fast_two_sum(high, (first + (a[1] - product[1])) / b[0])


@jit_inline
def distance(a: Double, b: float) -> float:
    """Return |a - b|, off by at most 2u of itself and 2u^2 of |a|."""
    high, low = two_sum(a[0], -b)
    return abs(high + (low + a[1]))
