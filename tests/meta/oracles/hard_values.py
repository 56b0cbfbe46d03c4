"""The exact values that are hard to round to a format, as mantissa * 2**exponent.

Each kind sits where a rounding goes wrong that takes a detour: a tie, a near-tie that any fixed wider format
takes for a tie, the subnormal range, where precision shrinks, and the two sides of the overflow threshold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from adamax_conformance.oracles.formats import Format

Scaled = tuple[int, int]
"""A mantissa and an exponent: mantissa * 2**exponent."""

NUDGE = 300
"""The bits from a tie to the nearest near-tie: far below any double."""


def _around(mantissa: int, exponent: int, rng: random.Random) -> Iterator[Scaled]:
    """A value itself, and the two that are a little above and below it."""
    yield mantissa, exponent
    bits = rng.choice((1, 2, 20, 60, NUDGE))
    yield (mantissa << bits) + 1, exponent - bits
    yield (mantissa << bits) - 1, exponent - bits


def ties(format_: Format, count: int, rng: random.Random) -> Iterator[Scaled]:
    """Midpoints of neighbours in the normal range, and near-ties around them."""
    for _ in range(count):
        lower = rng.getrandbits(format_.precision - 1) | 1 << (format_.precision - 1)
        exponent = rng.randint(format_.emin - format_.precision + 1, format_.emax - format_.precision)
        yield from _around(2 * lower + 1, exponent - 1, rng)


def subnormals(format_: Format, count: int, rng: random.Random) -> Iterator[Scaled]:
    """Subnormal numbers, midpoints down to half the smallest, and near-ties."""
    last = format_.emin - format_.precision + 1
    for _ in range(count):
        lower = rng.getrandbits(rng.randint(0, format_.precision))
        yield from _around(2 * lower + rng.getrandbits(1), last - 1, rng)


def thresholds(format_: Format, count: int, rng: random.Random) -> Iterator[Scaled]:
    """The largest number, the midpoint to overflow, and numbers near and beyond."""
    last = format_.emax - format_.precision + 1
    largest = (1 << format_.precision) - 1
    for _ in range(count):
        yield from _around(2 * largest + rng.randint(-2, 2), last - 1, rng)
    yield 1, format_.emax + 1
    yield 1, 1 << 40


def anything(format_: Format, count: int, rng: random.Random) -> Iterator[Scaled]:
    """Mantissas of any length at exponents over and beyond the whole range."""
    for _ in range(count):
        mantissa = rng.getrandbits(rng.randint(1, 220))
        top = rng.randint(format_.emin - format_.precision - 3, format_.emax + 2)
        yield mantissa, top - mantissa.bit_length()


def hard_values(format_: Format, count: int, seed: int) -> list[Scaled]:
    """At least `count` values of every kind, of either sign."""
    rng = random.Random(seed)
    each = -(-count // 10)
    kinds = (ties, subnormals, thresholds, anything)
    values = [value for kind in kinds for value in kind(format_, each, rng)]
    return [(-mantissa if rng.getrandbits(1) else mantissa, exponent) for mantissa, exponent in values]
