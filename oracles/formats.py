"""The number formats, and correct rounding to each: once, to nearest even.

Each format here is a subset of binary64, so a number of any of them is held as a Python float. Rounding never
goes through another format on the way: `float(mpf)` rounds twice in the subnormal range, and
`numpy.float32(mpf)` goes through binary64.

Source of the parameters: IEEE 754-2019, table 3.5; bfloat16 has binary32's exponents and 8 bits of precision.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Mpf(Protocol):
    """The part of an mpmath number that rounding needs: sign, mantissa and exponent."""

    @property
    def _mpf_(self) -> tuple[int, int, int, int]: ...

    def __float__(self) -> float: ...


class Format(Enum):
    """A binary floating-point format: dtype, precision in bits, largest exponent."""

    BINARY16 = ("float16", 11, 15)
    BFLOAT16 = ("bfloat16", 8, 127)
    BINARY32 = ("float32", 24, 127)
    BINARY64 = ("float64", 53, 1023)

    def __init__(self, dtype: str, precision: int, emax: int) -> None:
        self.dtype = dtype
        self.precision = precision
        self.emax = emax
        self.emin = 1 - emax
        self.unit_roundoff = math.ldexp(1.0, -precision)
        self.smallest_normal = math.ldexp(1.0, self.emin)
        self.smallest_subnormal = math.ldexp(1.0, self.emin - precision + 1)
        self.largest = math.ldexp(2.0 - math.ldexp(1.0, 1 - precision), emax)

    @classmethod
    def of(cls, dtype: str) -> Format:
        """Look up the format of a dtype's name."""
        for format_ in cls:
            if format_.dtype == dtype:
                return format_
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(f.dtype for f in cls)}")

    def round_scaled(self, mantissa: int, exponent: int) -> float:
        """Round mantissa * 2**exponent to this format, ties to even.

        A number beyond the format becomes infinite. The arithmetic is in exact integers.
        Source: IEEE 754-2019, 4.3.1 (roundTiesToEven).
        """
        if mantissa == 0:
            return 0.0
        size = abs(mantissa)
        top = size.bit_length() + exponent - 1
        if top > self.emax:
            return math.copysign(math.inf, mantissa)
        last = max(top, self.emin) - self.precision + 1
        shift = last - exponent
        if shift <= 0:
            kept = size << -shift
        elif shift > size.bit_length() + 1:
            kept = 0  # below a quarter of a unit in the last place
        else:
            kept, rest = size >> shift, size & ((1 << shift) - 1)
            half = 1 << (shift - 1)
            if rest > half or (rest == half and kept & 1):
                kept += 1
        if kept.bit_length() + last - 1 > self.emax:
            return math.copysign(math.inf, mantissa)
        return math.copysign(math.ldexp(float(kept), last), mantissa)

    def round(self, value: Mpf) -> float:
        """Round an mpf to this format, once.

        Infinities stay, NaN stays.
        """
        sign, mantissa, exponent, _ = value._mpf_
        if not mantissa and exponent:
            return float(value)
        return self.round_scaled(-int(mantissa) if sign else int(mantissa), int(exponent))

    def round_float(self, value: float) -> float:
        """Round a binary64 number to this format."""
        if not math.isfinite(value):
            return value
        numerator, denominator = value.as_integer_ratio()
        rounded = self.round_scaled(numerator, 1 - denominator.bit_length())
        return math.copysign(rounded, value)

    def round_array(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Round binary64 numbers to this format, as `round_float` does."""
        numbers = np.asarray(values, np.float64)
        if self is Format.BFLOAT16:  # NumPy lacks it, and rounding to binary32 first would round twice
            rounded = [self.round_float(x) for x in numbers.ravel().tolist()]
            return np.array(rounded, np.float64).reshape(numbers.shape)
        with np.errstate(over="ignore", under="ignore"):
            return numbers.astype(self.dtype).astype(np.float64)

    def holds(self, value: float) -> bool:
        """Check whether a binary64 number is a number of this format."""
        return math.isnan(value) or self.round_float(value) == value

    def ulp(self, value: float) -> float:
        """The distance between the numbers of this format around a finite value."""
        exponent = math.frexp(value)[1] - 1 if value else self.emin
        return math.ldexp(1.0, max(exponent, self.emin) - self.precision + 1)
