"""How far may a learning rate be off that a scheduler computed honestly in a format?

The documented forms of `reference.schedules` are evaluated with numbers that carry a radius: the value is exact
(mpmath), and each operation adds what one rounding in the format may change, on top of what its operands may be
off by. That is done for the closed form, and for the form from the rate before, rate by rate; an honest scheduler
computes one of the two, so the larger radius holds for it.

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

from ...reference.schedules import Moment, Scheduler, chained, closed
from ..exact.trajectory import context
from ..formats import Format

_BITS: Final = 53 + 64
"""Binary64's precision, and 64 guard bits: what the oracle itself is off by is below every radius."""
_POWER: Final = 16 * 2
_COSINE: Final = 4 * 2
"""In unit roundoffs: see above."""


@dataclass(frozen=True)
class Rounded:
    """A number that an honest evaluation may be off by a radius from.

    Attributes:
        value: the exact number, an mpf.
        radius: at least 0, an mpf.
        roundoff: the unit roundoff of the format in which it is computed.
    """

    value: Any
    radius: Any
    roundoff: float

    def _result(self, value: Any, carried: Any) -> Rounded:
        return Rounded(value, carried + self.roundoff * (abs(value) + carried), self.roundoff)

    def _other(self, other: Rounded | int) -> Rounded:
        """A small integer is a number of every format."""
        if isinstance(other, Rounded):
            return other
        return Rounded(self.value * 0 + other, self.radius * 0, self.roundoff)

    def __add__(self, other: Rounded | int) -> Rounded:
        b = self._other(other)
        return self._result(self.value + b.value, self.radius + b.radius)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, self.radius, self.roundoff)

    def __sub__(self, other: Rounded | int) -> Rounded:
        return self + -self._other(other)

    def __rsub__(self, other: int) -> Rounded:
        return -self + other

    def __mul__(self, other: Rounded | int) -> Rounded:
        b = self._other(other)
        carried = abs(self.value) * b.radius + abs(b.value) * self.radius + self.radius * b.radius
        return self._result(self.value * b.value, carried)

    def __truediv__(self, other: Rounded | int) -> Rounded:
        b = self._other(other)
        size = abs(b.value)
        if not size > b.radius:
            raise ZeroDivisionError(f"a divisor of {b.value} may be off by {b.radius}")
        carried = (size * self.radius + abs(self.value) * b.radius) / (size * (size - b.radius))
        return self._result(self.value / b.value, carried)

    def __rtruediv__(self, other: int) -> Rounded:
        return self._other(other) / self

    def __gt__(self, other: Rounded) -> bool:
        return bool(self.value > other.value)

    __radd__ = __add__
    __rmul__ = __mul__


class _Rounding:
    """The arithmetic of `Rounded` in a format."""

    def __init__(self, format_: Format) -> None:
        self.ctx = context(_BITS)
        self.format = format_
        self.roundoff = format_.unit_roundoff

    def number(self, value: float) -> Rounded:
        exact = self.ctx.mpf(float(value))
        whole = isinstance(value, int) or self.format is Format.BINARY64
        return Rounded(exact, self.ctx.mpf(0) if whole else abs(exact) * self.roundoff, self.roundoff)

    def power(self, base: Rounded, exponent: Rounded | int) -> Rounded:
        exponent = base._other(exponent)  # noqa: SLF001 - of the same module
        value = base.value**exponent.value
        ends = [
            max(x, 0) ** y
            for x in (base.value - base.radius, base.value + base.radius)
            for y in (exponent.value - exponent.radius, exponent.value + exponent.radius)
        ]
        off = max(abs(end - value) for end in ends)
        return Rounded(value, off + _POWER * self.roundoff * (abs(value) + off), self.roundoff)

    def cos_pi(self, x: Rounded) -> Rounded:
        angle = x * Rounded(+self.ctx.pi, self.ctx.pi * self.roundoff, self.roundoff)
        return Rounded(self.ctx.cos(angle.value), angle.radius + _COSINE * self.roundoff, self.roundoff)


@dataclass(frozen=True)
class Rate:
    """A documented learning rate.

    Attributes:
        exact: an mpf.
        radius: the most that an honest scheduler is off by, an mpf.
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
        steps: how many rates are wanted.
        format_: the format in which the scheduler computes.
        metrics: what the scheduler is told after each step, where it wants to know.
    """
    rounding = _Rounding(format_)
    initial = rounding.number(lr)
    result: list[Rate] = []
    previous: Rounded | None = None
    for k in range(steps):
        moment = Moment(rounding, initial, k, tuple(metrics))
        direct: Rounded = closed(scheduler, moment)
        previous = direct if previous is None else chained(scheduler, moment, previous)
        result.append(Rate(direct.value, max(direct.radius, previous.radius)))
    return tuple(result)
