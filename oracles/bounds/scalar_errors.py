"""The errors of a step's scalars as they enter operations (BOUNDS.md, "Scalars").

A scalar is known: it is one double, and every admissible evaluation rounds it to one of few numbers. So its error is not
a count of roundings. It is the largest distance of the ends of an interval, each also rounded to the working format.
Rounding is monotone, so a number between the ends is not farther off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ...reference.formula import Scalars
from ..error_model import Arithmetic
from ..exact.trajectory import mpmath_context
from ..formats import Format

Real = Any
"""A float or an mpf."""


class ScalarErrors(NamedTuple):
    """The largest relative errors of the scalars of one step.

    The error of a scalar that rounds to infinity is infinite.
    """

    lr: Real
    beta1: Real
    complement: Real
    beta2: Real
    eps: Real
    weight_decay: Real
    correction: Real


_POINT: Final = 384
"""The bits after the point of the numbers that form a bias correction: it is at least 2^-53, so that all its digits and
those of its errors are right, as far as any bound can see."""
_ONE: Final = 1 << _POINT

_MORE_BITS: Final = 11
"""The additional bits of a wider format through which a number may be rounded."""


def _round_both_ways(value: Any, format_: Format) -> tuple[float, float]:
    """Round a number once, or through a wider format: they differ at a near-tie."""
    sign, mantissa, exponent, _ = value._mpf_
    if not mantissa:
        return float(value), float(value)  # 0, or infinite
    return _round_scaled_both_ways(-int(mantissa) if sign else int(mantissa), int(exponent), format_)


def _round_scaled_both_ways(mantissa: int, exponent: int, format_: Format) -> tuple[float, float]:
    """The same of mantissa * 2**exponent."""
    bits = format_.precision + _MORE_BITS
    return (
        format_.round_scaled((mantissa << bits) - mantissa, exponent - bits),
        format_.round_scaled((mantissa << bits) + mantissa, exponent - bits),
    )


def _rounded_or_not(low: Any, high: Any, format_: Format) -> tuple[Any, Any]:
    """The ends of an interval of numbers that may be rounded to a format."""
    ends = (low,) if high is low else (low, high)
    rounded = [x for end in ends for x in _round_both_ways(end, format_)]
    return min(low, type(low)(min(rounded))), max(high, type(high)(max(rounded)))


@dataclass(frozen=True)
class ScalarPath:
    """The formats through which a scalar gets into an operation.

    Attributes:
        format_: the working format.
        scalar_format: the format in which the scalars are computed.
        arithmetic: what is declared of the operations.
    """

    format_: Format
    scalar_format: Format
    arithmetic: Arithmetic

    def input_interval(self, value: Any) -> tuple[Any, Any]:
        """The ends of a hyperparameter in the scalars' format: binary64 holds every one."""
        if self.scalar_format is Format.BINARY64:
            return value, value
        below, above = _round_both_ways(value, self.scalar_format)
        return type(value)(below), type(value)(above)

    def rounded_input(self, value: float) -> set[float]:
        """The same of a binary64 number: what it may be in the scalars' format."""
        if self.scalar_format is Format.BINARY64:
            return {value}
        numerator, denominator = value.as_integer_ratio()
        return {*_round_scaled_both_ways(numerator, 1 - denominator.bit_length(), self.scalar_format)}

    def result_interval(self, low: Any, high: Any, spare: float) -> tuple[Any, Any]:
        """The ends of an operation's rounded result, from the ends of the exact one.

        Args:
            low: the lower end.
            high: the upper end.
            spare: the declared error of the operation beyond correct rounding, in unit roundoffs.
        """
        ends = _rounded_or_not(low, high, self.scalar_format)
        if not spare:
            return ends
        off = spare * type(low)(self.scalar_format.unit_roundoff)
        return ends[0] - off * abs(low), ends[1] + off * abs(high)

    def relative_error(self, value: Any, low: Any, high: Any) -> Any:
        """The largest relative error of a scalar within [low, high], rounded again or not."""
        if not value:
            return value
        low, high = _rounded_or_not(low, high, self.format_)
        if self.arithmetic.flush_to_zero and min(abs(low), abs(high)) < self.format_.smallest_normal:
            low, high = min(low, value * 0), max(high, value * 0)
        return max(abs(low - value), abs(high - value)) / abs(value)


def lasting_errors(scalars: Scalars[Any], path: ScalarPath, number: Callable[[Any], Real]) -> ScalarErrors:
    """The errors of the scalars of a step without a bias correction.

    Args:
        scalars: the exact hyperparameters, as mpf.
        path: the formats.
        number: the type of the result's numbers.
    """
    beta1 = scalars.beta1
    return ScalarErrors(
        lr=number(_hyperparameter_error(scalars.lr, path)),
        beta1=number(_hyperparameter_error(beta1, path)),
        complement=number(_complement_error(beta1, path)),
        beta2=number(_hyperparameter_error(scalars.beta2, path)),
        eps=number(_hyperparameter_error(scalars.eps, path)),
        weight_decay=number(_hyperparameter_error(scalars.weight_decay, path)),
        correction=number(0),
    )


def correction_error(
    beta1: Any, t: int, correction: Any, path: ScalarPath, number: Callable[[Any], Real]
) -> Real:
    """The error of lr over the bias correction, as far as the correction has it.

    Args:
        beta1: the exact hyperparameter, as mpf.
        t: the number of the step, from 1.
        correction: the exact bias correction, as mpf; 1 where the rule has none.
        path: the formats.
        number: the type of the result.
    """
    if correction == 1:
        return number(0)
    error, exact = _correction_error(float(beta1), t, path)
    return error / exact if number is float else number(error) / number(exact)


@lru_cache(maxsize=1 << 13)
def _hyperparameter_error(value: Any, path: ScalarPath) -> Any:
    if path.format_ is path.scalar_format is Format.BINARY64 and not path.arithmetic.flush_to_zero:
        return value * 0  # it is a number of binary64
    return path.relative_error(value, *path.input_interval(value))


@lru_cache(maxsize=1 << 13)
def _complement_error(beta1: Any, path: ScalarPath) -> Any:
    """The error of 1 - beta1."""
    smallest, largest = path.input_interval(beta1)
    ends = path.result_interval(1 - largest, 1 - smallest, path.arithmetic.add - 1)
    return path.relative_error(1 - beta1, *ends)


# The bias correction, in fixed point: numbers are integers, in units of 2^-_POINT. ---------------------------


def _to_fixed(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << _POINT) // denominator


def _power(base: int, exponent: int) -> int:
    result = _ONE
    while exponent:
        if exponent & 1:
            result = result * base >> _POINT
        base = base * base >> _POINT
        exponent >>= 1
    return result


def _exponential(x: int) -> int:
    """The exponential of a number of at least 0, by its series."""
    total, term, k = _ONE + x, x, 1
    while term:
        k += 1
        term = (term * x >> _POINT) // k
        total += term
    return total


@lru_cache(maxsize=1 << 13)
def _correction_error(beta1: float, t: int, path: ScalarPath) -> tuple[int, int]:
    """The error of lr over the correction, as a numerator and a denominator.

    An error of all of the correction leaves no bound, and a larger one says no more.
    """
    correction = _ONE - _power(_to_fixed(beta1), t)
    intervals = [_correction_interval(each, t, path) for each in path.rounded_input(beta1)]
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    low, high = _fixed_or_rounded(low, high, path.format_)
    if path.arithmetic.flush_to_zero and min(abs(low), abs(high)) < _to_fixed(path.format_.smallest_normal):
        low, high = min(low, 0), max(high, 0)
    error = max(abs(low - correction), abs(high - correction))
    if path.scalar_format.precision < path.format_.precision:
        # The quotient is rounded to the scalars' format: (1 + error)(1 + roundoff) - 1.
        error += _to_fixed(path.scalar_format.unit_roundoff) * (correction + error) >> _POINT
    return min(error, correction), correction


def _fixed_or_rounded(low: int, high: int, format_: Format) -> tuple[int, int]:
    """The ends of an interval of numbers that may be rounded to a format.

    A rounded end that is infinite is left out: the correction is 1 at most.
    """
    rounded = [end for each in (low, high) for end in _round_scaled_both_ways(each, -_POINT, format_)]
    finite = [_to_fixed(end) for end in rounded if math.isfinite(end)]
    return min((low, *finite)), max((high, *finite))


def _correction_interval(beta1: float, t: int, path: ScalarPath) -> tuple[int, int]:
    """The ends of all admissible evaluations of 1 - beta1^t.

    Here beta1 is already in the scalars' format.
    """
    arithmetic, scalar_format = path.arithmetic, path.scalar_format
    # The power: t - 1 products, or a power function within 1 ulp, which is 2 unit roundoffs. One that is declared to
    # be farther off may be so of the first power, too.
    of_function = 2 * arithmetic.power_ulp if t > 1 or arithmetic.power_ulp > 1 else 0
    power = _power(_to_fixed(beta1), t)
    off = (
        power * _growth(arithmetic.multiply * scalar_format.unit_roundoff, max(t - 1, of_function)) >> _POINT
    )
    exact = _ONE - power
    low, high = _fixed_or_rounded(exact - off, exact + off, scalar_format)
    spare = _to_fixed((arithmetic.add - 1) * scalar_format.unit_roundoff)
    low, high = low - (spare * abs(exact - off) >> _POINT), high + (spare * (exact + off) >> _POINT)
    if not beta1:
        return low, high
    # Or -expm1(t*log1p(-(1 - beta1))). The exponent has 1 ulp of the logarithm, a rounding of its product with t,
    # and one of 1 - beta1, where there are any; then the result has 1 ulp.
    logarithm = _logarithm(beta1)
    exponent = t * _to_fixed(scalar_format.ulp(logarithm))
    exponent += _to_fixed(scalar_format.ulp(t * logarithm) / 2) if t > 1 else 0
    off = _to_fixed(scalar_format.ulp(exact / _ONE)) - power
    largest = power
    if beta1 < 0.5:
        largest = _power(_to_fixed(beta1) + _to_fixed(scalar_format.ulp(1 - beta1) / 2), t)
    # Where the exponent may be off by _POINT, all of the correction is in doubt.
    off += largest * _exponential(min(exponent, _POINT * _ONE)) >> _POINT if largest else 0
    return min(low, exact - off), max(high, exact + off)


@lru_cache(maxsize=1 << 13)
def _growth(error: float, operations: float) -> int:
    """Compute (1 + error)^operations - 1.

    From e^_POINT on, that stands for it: times a power of at least 2^-_POINT, it is beyond every correction.
    """
    if error * operations > _POINT:
        return _exponential(_POINT * _ONE)
    if operations == int(operations):
        return _power(_ONE + _to_fixed(error), int(operations)) - _ONE
    ctx = mpmath_context(_POINT)
    return int(((1 + ctx.mpf(error)) ** operations - 1) * _ONE)


@lru_cache(maxsize=1 << 10)
def _logarithm(value: float) -> float:
    return float(mpmath_context(2 * Format.BINARY64.precision).log(value))
