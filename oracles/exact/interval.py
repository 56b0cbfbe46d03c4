"""Which numbers does an exact result certainly lie between? The formula's numbers as intervals, rounded outwards.

mpmath's own intervals are silently wrong, or refuse, in a maximum; so the maximum is written here, endpoint by
endpoint, and every operation rounds its lower end down and its upper end up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mpmath.ctx_mp import MPContext

DOWN: Final = "f"
UP: Final = "c"


@dataclass(frozen=True, eq=False)
class Enclosure:
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
    def of(cls, ctx: MPContext, value: float) -> Enclosure:
        """The number itself; the context must hold all its bits."""
        exact = ctx.mpf(value)
        return cls(ctx, exact, exact)

    @property
    def is_point(self) -> bool:
        """Whether it holds one number only, which then is the exact one."""
        return bool(self.low == self.high)

    def _made(self, other: object) -> Enclosure:
        return other if isinstance(other, Enclosure) else Enclosure.of(self.ctx, other)  # type: ignore[arg-type]

    def __add__(self, other: object) -> Enclosure:
        b = self._made(other)
        add = self.ctx.fadd
        return Enclosure(self.ctx, add(self.low, b.low, rounding=DOWN), add(self.high, b.high, rounding=UP))

    def __neg__(self) -> Enclosure:
        return Enclosure(self.ctx, self.ctx.fneg(self.high, exact=True), self.ctx.fneg(self.low, exact=True))

    def __sub__(self, other: object) -> Enclosure:
        return self + -self._made(other)

    def __rsub__(self, other: int) -> Enclosure:
        return self._made(other) - self

    def __mul__(self, other: object) -> Enclosure:
        b = self._made(other)
        pairs = [(x, y) for x in (self.low, self.high) for y in (b.low, b.high)]
        multiply = self.ctx.fmul
        return Enclosure(
            self.ctx,
            min(multiply(x, y, rounding=DOWN) for x, y in pairs),
            max(multiply(x, y, rounding=UP) for x, y in pairs),
        )

    def __truediv__(self, other: object) -> Enclosure:
        b = self._made(other)
        if not b.low > 0:
            raise ZeroDivisionError("the divisor may be 0 or less")
        divide = self.ctx.fdiv
        pairs = [(x, y) for x in (self.low, self.high) for y in (b.low, b.high)]
        return Enclosure(
            self.ctx,
            min(divide(x, y, rounding=DOWN) for x, y in pairs),
            max(divide(x, y, rounding=UP) for x, y in pairs),
        )

    def __pow__(self, exponent: int) -> Enclosure:
        """By squaring; of numbers of at least 0, which every beta is."""
        result, base = Enclosure.of(self.ctx, 1), self
        while exponent:
            if exponent & 1:
                result = result * base
            exponent >>= 1
            if exponent:
                base = base * base
        return result

    def __abs__(self) -> Enclosure:
        if self.low >= 0:
            return self
        if self.high <= 0:
            return -self
        return Enclosure(self.ctx, self.ctx.mpf(0), max(-self.low, self.high))

    def __ne__(self, other: object) -> bool:
        """Whether it certainly holds another number than this one."""
        b = self._made(other)
        return bool(self.high < b.low or self.low > b.high)

    __hash__ = None  # type: ignore[assignment]


def larger(a: Enclosure, b: Enclosure) -> Enclosure:
    """The maximum of two numbers."""
    return Enclosure(a.ctx, max(a.low, b.low), max(a.high, b.high))
