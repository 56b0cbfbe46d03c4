"""The bounds of a learning rate that a scheduler computes in a format.

The documented forms of `reference.schedules` are evaluated with numbers that carry a radius. The value is exact
(mpmath). Each operation adds what one rounding in the format may change to what its operands may be off by. That is done
for the closed form and for the form from the rate before. An admissible scheduler computes one of the two, so the larger
radius holds for it.

Let v be the unit roundoff of the format. Then, with a' and b' within r and s of a and b,

    a' + b', a' - b'    off by r + s, and v times the size of the result
    a' * b'             off by |a|s + |b|r + rs, and v times the size of the result
    a' / b'             off by (|b|r + |a|s) / (|b|(|b| - s)), and v times the size of the result
    x'^y'               between its values at the ends, monotone in x and in y, and 16 ulp of the result
    cos(pi*x')          off by what pi*x' is off by, pi being rounded itself, and 4 ulp, of a number that is at most 1

An option is exact in binary64, and rounded once in any other format. The libraries that compute powers and cosines
claim 1 ulp or less; 16 and 4 are what the OpenCL specification (version 3.0, "Relative error as ULPs", full
profile) allows, so that no device is accused for its library. An ulp is at most 2v of the number's size. Rates are
far from the subnormal range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...reference.schedules import SchedulePoint, Scheduler, chained_form_rate, closed_form_rate
from ..exact.trajectory import mpmath_context
from ..formats import Format

_BITS: Final = 53 + 64
"""Binary64's precision and 64 guard bits: the oracle's own error is below every radius."""
_POWER: Final = 16 * 2
_COSINE: Final = 4 * 2
"""The errors of a power and a cosine in unit roundoffs, as the module's docstring says."""


@dataclass(frozen=True)
class RoundedNumber:
    """An exact number and the radius of its admissible evaluations.

    Attributes:
        value: the exact number, an mpf.
        radius: at least 0, an mpf.
        roundoff: the unit roundoff of the format in which it is computed.
    """

    value: Any
    radius: Any
    roundoff: float

    def _round(self, value: Any, carried: Any) -> RoundedNumber:
        return RoundedNumber(value, carried + self.roundoff * (abs(value) + carried), self.roundoff)

    def coerce(self, other: RoundedNumber | int) -> RoundedNumber:
        """Convert a small integer, which is a number of every format."""
        if isinstance(other, RoundedNumber):
            return other
        return RoundedNumber(self.value * 0 + other, self.radius * 0, self.roundoff)

    def __add__(self, other: RoundedNumber | int) -> RoundedNumber:
        b = self.coerce(other)
        return self._round(self.value + b.value, self.radius + b.radius)

    def __neg__(self) -> RoundedNumber:
        return RoundedNumber(-self.value, self.radius, self.roundoff)

    def __sub__(self, other: RoundedNumber | int) -> RoundedNumber:
        return self + -self.coerce(other)

    def __rsub__(self, other: int) -> RoundedNumber:
        return -self + other

    def __mul__(self, other: RoundedNumber | int) -> RoundedNumber:
        b = self.coerce(other)
        carried = abs(self.value) * b.radius + abs(b.value) * self.radius + self.radius * b.radius
        return self._round(self.value * b.value, carried)

    def __truediv__(self, other: RoundedNumber | int) -> RoundedNumber:
        b = self.coerce(other)
        size = abs(b.value)
        if not size > b.radius:
            raise ZeroDivisionError(f"a divisor of {b.value} may be off by {b.radius}")
        carried = (size * self.radius + abs(self.value) * b.radius) / (size * (size - b.radius))
        return self._round(self.value / b.value, carried)

    def __rtruediv__(self, other: int) -> RoundedNumber:
        return self.coerce(other) / self

    def __gt__(self, other: RoundedNumber) -> bool:
        return bool(self.value > other.value)

    __radd__ = __add__
    __rmul__ = __mul__


class _RoundedArithmetic:
    """The arithmetic of rounded numbers in a format."""

    def __init__(self, format_: Format) -> None:
        self.ctx = mpmath_context(_BITS)
        self.format = format_
        self.roundoff = format_.unit_roundoff

    def number(self, value: float) -> RoundedNumber:
        exact = self.ctx.mpf(float(value))
        whole = isinstance(value, int) or self.format is Format.BINARY64
        return RoundedNumber(exact, self.ctx.mpf(0) if whole else abs(exact) * self.roundoff, self.roundoff)

    def power(self, base: RoundedNumber, exponent: RoundedNumber | int) -> RoundedNumber:
        exponent = base.coerce(exponent)
        value = base.value**exponent.value
        ends = [
            max(x, 0) ** y
            for x in (base.value - base.radius, base.value + base.radius)
            for y in (exponent.value - exponent.radius, exponent.value + exponent.radius)
        ]
        off = max(abs(end - value) for end in ends)
        return RoundedNumber(value, off + _POWER * self.roundoff * (abs(value) + off), self.roundoff)

    def cos_pi(self, x: RoundedNumber) -> RoundedNumber:
        angle = x * RoundedNumber(+self.ctx.pi, self.ctx.pi * self.roundoff, self.roundoff)
        return RoundedNumber(self.ctx.cos(angle.value), angle.radius + _COSINE * self.roundoff, self.roundoff)


@dataclass(frozen=True)
class Rate:
    """A documented learning rate.

    Attributes:
        exact: an mpf.
        radius: the largest error of an admissible scheduler, an mpf.
    """

    exact: Any
    radius: Any


def rates(
    scheduler: Scheduler, lr: float, steps: int, format_: Format, metrics: Sequence[float] = ()
) -> tuple[Rate, ...]:
    """The documented rate of each step of a group.

    Args:
        scheduler: the scheduler.
        lr: the group's initial rate.
        steps: the number of rates.
        format_: the format in which the scheduler computes.
        metrics: the value that the scheduler takes after each step, if it takes one.
    """
    rounding = _RoundedArithmetic(format_)
    initial = rounding.number(lr)
    result: list[Rate] = []
    previous: RoundedNumber | None = None
    for k in range(steps):
        point = SchedulePoint(rounding, initial, k, tuple(metrics))
        direct: RoundedNumber = closed_form_rate(scheduler, point)
        previous = direct if previous is None else chained_form_rate(scheduler, point, previous)
        result.append(Rate(direct.value, max(direct.radius, previous.radius)))
    return tuple(result)
