"""Exact numbers in decimal notation, by integer arithmetic."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Direction(Enum):
    """The direction of rounding to decimal digits."""

    NEAREST = "to the nearest, ties to even"
    UP = "away from zero"


def scientific(value: Any, digits: int, direction: Direction = Direction.NEAREST) -> str:
    """Write a finite mpf as `-d.ddde-5`, and zero as `0`.

    Args:
        value: an mpf.
        digits: the number of digits, all of them significant.
        direction: of the rounding to them.
    """
    sign, mantissa, exponent, _ = value._mpf_
    if not mantissa:
        return "0"
    numerator, denominator = int(mantissa), 1
    if exponent >= 0:
        numerator <<= int(exponent)
    else:
        denominator <<= -int(exponent)
    power = _decimal_exponent(numerator, denominator)
    shift = digits - 1 - power
    if shift >= 0:
        numerator *= 10**shift
    else:
        denominator *= 10**-shift
    whole, rest = divmod(numerator, denominator)
    if direction is Direction.UP:
        whole += rest > 0
    else:
        whole += 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
    if whole == 10**digits:
        whole, power = whole // 10, power + 1
    text = str(whole)
    return f"{'-' if sign else ''}{text[0]}.{text[1:]}e{power}"


def _decimal_exponent(numerator: int, denominator: int) -> int:
    """The largest k with 10**k <= numerator/denominator."""
    # 0.30103 is near log10(2); the loops below correct the estimate.
    k = int((numerator.bit_length() - denominator.bit_length()) * 0.30103) - 1
    while _power_fits(k + 1, numerator, denominator):
        k += 1
    while not _power_fits(k, numerator, denominator):
        k -= 1
    return k


def _power_fits(k: int, numerator: int, denominator: int) -> bool:
    power: int = 10 ** abs(k)
    return power * denominator <= numerator if k >= 0 else denominator <= numerator * power
