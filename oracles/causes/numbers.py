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

    def __add__(self, other: Any) -> Number:
        other = self._other(other)
        return self._new(self.value + other.value, self.radius + other.radius)

    __radd__ = __add__

    def __neg__(self) -> Number:
        return Number(-self.value, self.radius, self.rounding)

    def __sub__(self, other: Any) -> Number:
        other = self._other(other)
        return self._new(self.value - other.value, self.radius + other.radius)

    def __rsub__(self, other: Any) -> Number:
        return self._other(other) - self

    def __mul__(self, other: Any) -> Number:
        other = self._other(other)
        radius = (
            np.abs(self.value) * other.radius + np.abs(other.value) * self.radius + self.radius * other.radius
        )
        return self._new(self.value * other.value, radius, self._is_something & other._is_something)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        other = self._other(other)
        value = self.value / other.value
        least = np.abs(other.value) - other.radius
        radius = (self.radius + np.abs(value) * other.radius) / least
        radius = np.where(least > 0, radius, np.where(other.radius == 0, 0.0, np.inf))
        return self._new(value, radius, self._is_something)

    def __rtruediv__(self, other: Any) -> Number:
        return self._other(other) / self

    def __pow__(self, power: Any) -> Number:
        """A power of a scalar: its relative error is multiplied by the exponent."""
        value = self.value**power
        relative = self.radius / np.where(self.value == 0, 1.0, np.abs(self.value))
        radius = np.abs(value) * np.expm1(
            np.minimum(np.abs(power) * (relative + self.rounding.roundoff), 1.0)
        )
        return Number(value, radius, self.rounding)

    def __abs__(self) -> Number:
        return Number(np.abs(self.value), self.radius, self.rounding)

    def sqrt(self) -> Number:
        """The square root."""
        value = np.sqrt(self.value)
        radius = np.where(value > 0, self.radius / np.where(value > 0, value, 1.0), np.sqrt(self.radius))
        return self._new(value, radius)

    def hypot(self, other: Any) -> Number:
        """The root of the sum of two squares, which may be formed and underflow."""
        other = self._other(other)
        value = np.hypot(self.value, other.value)
        radius = self.radius + other.radius + 4 * self.rounding.roundoff * value
        lost = math.sqrt(self.rounding.underflow) * (value < 1)
        return Number(value, radius + lost, self.rounding)

    @property
    def _is_something(self) -> Any:
        """The elements that are not exactly zero."""
        return (self.value != 0) | (self.radius != 0)

    def maximum(self, other: Any) -> Number:
        """The larger of two."""
        other = self._other(other)
        value = np.maximum(self.value, other.value)
        sure = self.value - self.radius > other.value + other.radius
        surely_not = other.value - other.radius > self.value + self.radius
        radius = np.where(
            sure,
            self.radius,
            np.where(surely_not, other.radius, np.maximum(self.radius, other.radius)),
        )
        return Number(value, radius, self.rounding)

    def where(self, condition: Any, other: Any) -> Number:
        """This where a condition holds, and the other elsewhere."""
        other = self._other(other)
        return Number(
            np.where(condition, self.value, other.value),
            np.where(condition, self.radius, other.radius),
            self.rounding,
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
