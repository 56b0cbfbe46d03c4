"""Interval arithmetic for the formula.

Every operation rounds the lower end down and the upper end up. The maximum of mpmath's own intervals is silently wrong,
or raises; here it is taken end by end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mpmath.ctx_mp import MPContext

DOWN: Final = "f"
UP: Final = "c"


@dataclass(frozen=True, eq=False)
class Interval:
    """A closed interval that holds an exact number.

    Attributes:
        ctx: the context whose precision the ends are rounded to.
        low: the lower end, as mpf.
        high: the upper end, as mpf.
    """

    ctx: MPContext
    low: Any
    high: Any

    @classmethod
    def of(cls, ctx: MPContext, value: float) -> Interval:
        """The interval of one number; the context must hold all its bits."""
        exact = ctx.mpf(value)
        return cls(ctx, exact, exact)

    @property
    def is_point(self) -> bool:
        """Check whether it holds one number only, which then is the exact one."""
        return bool(self.low == self.high)

    def _coerce(self, other: object) -> Interval:
        return other if isinstance(other, Interval) else Interval.of(self.ctx, other)  # type: ignore[arg-type]

    def __add__(self, other: object) -> Interval:
        b = self._coerce(other)
        add = self.ctx.fadd
        return Interval(self.ctx, add(self.low, b.low, rounding=DOWN), add(self.high, b.high, rounding=UP))

    def __neg__(self) -> Interval:
        return Interval(self.ctx, self.ctx.fneg(self.high, exact=True), self.ctx.fneg(self.low, exact=True))

    def __sub__(self, other: object) -> Interval:
        return self + -self._coerce(other)

    def __rsub__(self, other: int) -> Interval:
        return self._coerce(other) - self

    def __mul__(self, other: object) -> Interval:
        b = self._coerce(other)
        pairs = [(x, y) for x in (self.low, self.high) for y in (b.low, b.high)]
        multiply = self.ctx.fmul
        return Interval(
            self.ctx,
            min(multiply(x, y, rounding=DOWN) for x, y in pairs),
            max(multiply(x, y, rounding=UP) for x, y in pairs),
        )

    def __truediv__(self, other: object) -> Interval:
        b = self._coerce(other)
        if not b.low > 0:
            raise ZeroDivisionError("the divisor may be 0 or less")
        divide = self.ctx.fdiv
        pairs = [(x, y) for x in (self.low, self.high) for y in (b.low, b.high)]
        return Interval(
            self.ctx,
            min(divide(x, y, rounding=DOWN) for x, y in pairs),
            max(divide(x, y, rounding=UP) for x, y in pairs),
        )

    def __pow__(self, exponent: int) -> Interval:
        """Take a power by squaring, of numbers of at least 0, which every beta is."""
        result, base = Interval.of(self.ctx, 1), self
        while exponent:
            if exponent & 1:
                result = result * base
            exponent >>= 1
            if exponent:
                base = base * base
        return result

    def __abs__(self) -> Interval:
        if self.low >= 0:
            return self
        if self.high <= 0:
            return -self
        return Interval(self.ctx, self.ctx.mpf(0), max(-self.low, self.high))

    def __ne__(self, other: object) -> bool:
        """Check whether the two have no number in common."""
        b = self._coerce(other)
        return bool(self.high < b.low or self.low > b.high)

    __hash__ = None  # type: ignore[assignment]


def larger(a: Interval, b: Interval) -> Interval:
    """The maximum of two intervals."""
    return Interval(a.ctx, max(a.low, b.low), max(a.high, b.high))
