"""Numbers with a radius: arrays in binary64, and the bound of their rounding.

Each operation adds its own rounding to what its operands carry, so a formula that is written once comes with its own
bound, whatever it is (BOUNDS.md, "Causes").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..formats import Format

Array: TypeAlias = npt.NDArray[np.float64]

ROUNDINGS: Final = 2.0
"""Unit roundoffs of each operation: twice one, for evaluations with more operations than the formula shows."""


@dataclass(frozen=True, eq=False)
class Rounding:
    """The arithmetic in which a formula is evaluated.

    Attributes:
        format_: each operation rounds to it.
        roundoff: the error of an operation, relative to its result.
    """

    format_: Format
    roundoff: float

    @property
    def underflow(self) -> float:
        """The error of an operation that underflows."""
        return max(self.format_.smallest_subnormal, Format.BINARY64.smallest_subnormal)


class Number:
    """An array of numbers, each with a radius."""

    __slots__ = ("radius", "rounding", "value")

    def __init__(self, value: Array, radius: Any, rounding: Rounding) -> None:
        self.value, self.radius, self.rounding = value, radius, rounding

    def _new(self, value: Array, radius: Array, may_underflow: Any = None) -> Number:
        size = np.abs(value) + radius
        error = self.rounding.roundoff * size
        if may_underflow is not None:
            error = error + may_underflow * self.rounding.underflow
        return Number(value, radius + error, self.rounding)

    def _other(self, other: Any) -> Number:
        return (
            other if isinstance(other, Number) else Number(np.asarray(other, np.float64), 0.0, self.rounding)
        )

    def _with(self, other: Any) -> tuple[Number, Number]:
        """This and another one in the coarser of their two arithmetics."""
        other = self._other(other)
        if self.rounding.roundoff == other.rounding.roundoff:
            return self, other
        if self.rounding.roundoff < other.rounding.roundoff:
            return self.entering(other.rounding), other
        return self, other.entering(self.rounding)

    def entering(self, rounding: Rounding) -> Number:
        """This as it enters an operation of a coarser arithmetic: rounded to it."""
        size = np.abs(self.value) + self.radius
        error = rounding.format_.unit_roundoff * size + rounding.underflow * self._is_something
        return Number(self.value, self.radius + error, rounding)

    def __add__(self, other: Any) -> Number:
        one, two = self._with(other)
        return one._new(one.value + two.value, one.radius + two.radius)

    __radd__ = __add__

    def __neg__(self) -> Number:
        return Number(-self.value, self.radius, self.rounding)

    def __sub__(self, other: Any) -> Number:
        one, two = self._with(other)
        return one._new(one.value - two.value, one.radius + two.radius)

    def __rsub__(self, other: Any) -> Number:
        return self._other(other) - self

    def __mul__(self, other: Any) -> Number:
        one, two = self._with(other)
        radius = np.abs(one.value) * two.radius + np.abs(two.value) * one.radius + one.radius * two.radius
        return one._new(one.value * two.value, radius, one._is_something & two._is_something)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        one, two = self._with(other)
        value = one.value / two.value
        least = np.abs(two.value) - two.radius
        radius = (one.radius + np.abs(value) * two.radius) / least
        radius = np.where(least > 0, radius, np.where(two.radius == 0, 0.0, np.inf))
        return one._new(value, radius, one._is_something)

    def __rtruediv__(self, other: Any) -> Number:
        return self._other(other) / self

    def __pow__(self, power: Any) -> Number:
        """A power of a scalar: its relative error is multiplied by the exponent."""
        value, size = self.value**power, np.abs(self.value)
        relative = self.radius / np.where(size == 0, 1.0, size)
        roundings = np.abs(power)
        if self.rounding.format_ is Format.BINARY64:
            roundings = np.where((value >= 0.5) & (value <= 1), _roundings_below_one(value, power), roundings)
        error = np.abs(power) * relative + roundings * self.rounding.roundoff
        return Number(value, np.abs(value) * np.expm1(np.minimum(error, 1.0)), self.rounding)

    def __abs__(self) -> Number:
        return Number(np.abs(self.value), self.radius, self.rounding)

    def sqrt(self) -> Number:
        """The square root."""
        value = np.sqrt(self.value)
        radius = np.where(value > 0, self.radius / np.where(value > 0, value, 1.0), np.sqrt(self.radius))
        return self._new(value, radius)

    def hypot(self, other: Any) -> Number:
        """The root of the sum of two squares, which may be formed and underflow."""
        one, two = self._with(other)
        value = np.hypot(one.value, two.value)
        radius = one.radius + two.radius + 4 * one.rounding.roundoff * value
        lost = math.sqrt(one.rounding.underflow) * (value < 1)
        return Number(value, radius + lost, one.rounding)

    @property
    def _is_something(self) -> Any:
        """The elements that are not exactly zero."""
        return (self.value != 0) | (self.radius != 0)

    def maximum(self, other: Any) -> Number:
        """The larger of two."""
        one, two = self._with(other)
        value = np.maximum(one.value, two.value)
        sure = one.value - one.radius > two.value + two.radius
        surely_not = two.value - two.radius > one.value + one.radius
        radius = np.where(
            sure,
            one.radius,
            np.where(surely_not, two.radius, np.maximum(one.radius, two.radius)),
        )
        return Number(value, radius, one.rounding)

    def where(self, condition: Any, other: Any) -> Number:
        """This where a condition holds, and the other elsewhere."""
        one, two = self._with(other)
        return Number(
            np.where(condition, one.value, two.value),
            np.where(condition, one.radius, two.radius),
            one.rounding,
        )

    def rounded(self, dtype: str) -> Number:
        """Rounded to a dtype; within its radius where that leaves more than one number."""
        value = round_to(self.value, dtype)
        if not np.any(self.radius):
            return Number(value, self.radius, self.rounding)
        low, high = round_to(self.value - self.radius, dtype), round_to(self.value + self.radius, dtype)
        return Number(value, np.maximum(high - value, value - low), self.rounding)

    def flushed(self) -> Number:
        """Zero where it is subnormal in the working format."""
        small = np.abs(self.value) < self.rounding.format_.smallest_normal
        radius = self.radius + np.zeros_like(self.value)
        near = np.abs(np.abs(self.value) - self.rounding.format_.smallest_normal) <= radius
        return Number(
            np.where(small, 0.0, self.value),
            np.where(near, self.rounding.format_.smallest_normal, np.where(small, 0.0, radius)),
            self.rounding,
        )

    def clipped(self, bound: float) -> Number:
        """Within [-bound, bound]."""
        return Number(np.clip(self.value, -bound, bound), self.radius, self.rounding)

    def finite_or_zero(self, *, nan_only: bool) -> Number:
        """Zero where it is NaN, or not finite."""
        kept = ~np.isnan(self.value) if nan_only else np.isfinite(self.value)
        return Number(np.where(kept, self.value, 0.0), self.radius, self.rounding)


def _roundings_below_one(value: Array, power: Any) -> Array:
    """The error of a power in [1/2, 1], in operations of its size (BOUNDS.md).

    Products, or a power function within 1 ulp; or by the logarithm. The first power is the scalar itself.
    """
    products = np.where(np.abs(power) > 1, np.maximum(np.abs(power) - 1, 2) / 4 / np.maximum(value, 0.5), 0.0)
    return np.asarray(np.maximum(products, 1.5 * np.abs(np.log(np.maximum(value, 0.5)))))


def round_to(value: Array, dtype: str) -> Array:
    """Numbers rounded to a dtype, to nearest even."""
    if dtype != "bfloat16":
        with np.errstate(all="ignore"):
            narrowed: Array = np.asarray(value, np.float64).astype(dtype).astype(np.float64)
            return narrowed
    narrow = np.asarray(value, np.float64)
    # bfloat16 has 8 bits; numbers below its smallest normal one keep them here.
    mantissa, exponent = np.frexp(narrow)
    return np.asarray(np.ldexp(np.rint(mantissa * 256), exponent - 8))
