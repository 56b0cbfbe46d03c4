"""How far the scalars of one step may be off when they enter an operation: BOUNDS.md, "Scalars".

A scalar is no unknown: it is one double, and every admissible way to it rounds it to one of few numbers. So its
error is not a count of roundings, but the largest distance of the ends of an interval, each also rounded to
the working format. Rounding is monotone, so what lies between the ends lies no farther.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ...reference.formula import Scalars
from ..error_model import Arithmetic
from ..formats import Format

Real = Any
"""A float or an mpf."""


class ScalarErrors(NamedTuple):
    """The largest relative errors of the scalars of one step; infinite for one that rounds to infinity."""

    lr: Real
    beta1: Real
    complement: Real
    beta2: Real
    eps: Real
    weight_decay: Real
    correction: Real


_MORE_BITS: Final = 11
"""How many bits more than the format has a wider one through which a number may go on its way."""


def _rounded(value: Any, format_: Format) -> tuple[Any, Any]:
    """What rounding to a format makes of a number, once or through a wider format: one number but at near-ties."""
    nudge = value * 2.0 ** -(format_.precision + _MORE_BITS)
    below, above = (type(value)(format_.round(x)) for x in (value - nudge, value + nudge))
    return below, above


@dataclass(frozen=True)
class Entrance:
    """The way of a scalar into an operation.

    Attributes:
        format_: the working format.
        habit: the format in which the scalars are computed.
        arithmetic: what is declared of the operations.
    """

    format_: Format
    habit: Format
    arithmetic: Arithmetic

    def given(self, value: Any) -> tuple[Any, Any]:
        """The ends of what the habit holds of a hyperparameter: binary64 holds every one."""
        return (value, value) if self.habit is Format.BINARY64 else _rounded(value, self.habit)

    def computed(self, low: Any, high: Any, spare: float) -> tuple[Any, Any]:
        """The ends of what an operation of the habit makes of an exact result within [low, high].

        Args:
            low: the lower end.
            high: the upper end.
            spare: the declared error of the operation beyond correct rounding, in unit roundoffs.
        """
        roundoff = type(low)(self.habit.unit_roundoff)
        rounded = [*_rounded(low, self.habit), *_rounded(high, self.habit)]
        return (
            min(low, *rounded) - spare * roundoff * abs(low),
            max(high, *rounded) + spare * roundoff * abs(high),
        )

    def error(self, value: Any, low: Any, high: Any) -> Any:
        """The largest relative error of a scalar within [low, high], entering as it is or rounded once more."""
        if not value:
            return value
        ends = [low, high, *_rounded(low, self.format_), *_rounded(high, self.format_)]
        if self.arithmetic.flush_to_zero and min(abs(x) for x in ends) < self.format_.smallest_normal:
            ends.append(value * 0)
        return max(abs(x - value) for x in ends) / abs(value)


@lru_cache(maxsize=1 << 13)
def scalar_errors(
    scalars: Scalars[Any],
    t: int,
    correction: Any,
    entrance: Entrance,
    number: Callable[[Any], Real],
) -> ScalarErrors:
    """The errors of the scalars of one step.

    Args:
        scalars: the exact hyperparameters, as mpf.
        t: the number of the step, from 1.
        correction: the exact bias correction, as mpf; 1 where the rule has none.
        entrance: the way in.
        number: the type of the result's numbers.
    """

    def plain(value: Any) -> Real:
        return number(entrance.error(value, *entrance.given(value)))

    smallest, largest = entrance.given(scalars.beta1)
    spare = entrance.arithmetic.add - 1
    complement = 1 - scalars.beta1
    corrections = [end for beta1 in {smallest, largest} for end in _correction(beta1, t, entrance)]
    return ScalarErrors(
        lr=plain(scalars.lr),
        beta1=plain(scalars.beta1),
        complement=number(entrance.error(complement, *entrance.computed(1 - largest, 1 - smallest, spare))),
        beta2=plain(scalars.beta2),
        eps=plain(scalars.eps),
        weight_decay=plain(scalars.weight_decay),
        correction=number(
            scalars.beta1 * 0
            if correction == 1
            else _divided(entrance.error(correction, min(corrections), max(corrections)), entrance)
        ),
    )


def _divided(error: Any, entrance: Entrance) -> Any:
    """The same of lr over the correction, which is rounded to the habit's format where that is the coarser one."""
    if entrance.habit.precision >= entrance.format_.precision:
        return error
    roundoff = type(error)(entrance.habit.unit_roundoff)
    return (1 + error) * (1 + roundoff) - 1


def _correction(beta1: Any, t: int, entrance: Entrance) -> tuple[Any, Any]:
    """The ends of what an admissible evaluation makes of 1 - beta1^t, from beta1 as the habit holds it."""
    arithmetic, habit = entrance.arithmetic, entrance.habit
    v = type(beta1)(habit.unit_roundoff)
    # The power: t - 1 products, or a power function within 1 ulp, which is 2 unit roundoffs.
    products = max(t - 1, 2) if t > 1 else 0
    power = beta1**t
    off = power * ((1 + arithmetic.multiply * v) ** products - 1)
    low, high = entrance.computed(1 - power - off, 1 - power + off, arithmetic.add - 1)
    if not beta1:
        return low, high
    # Or -expm1(t*log1p(-(1 - beta1))): 1 ulp of the logarithm, a rounding of its product with t and one of
    # 1 - beta1, where there are any, all of them in the exponent; then 1 ulp of the result.
    context = type(beta1).context
    logarithm = context.log(beta1)
    exponent = t * habit.ulp(float(logarithm))
    exponent += habit.ulp(float(t * logarithm)) / 2 if t > 1 else 0
    exponent += t * context.log1p(habit.ulp(float(1 - beta1)) / 2 / beta1) if beta1 < 0.5 else 0
    off = power * context.expm1(exponent) + habit.ulp(float(1 - power))
    return min(low, 1 - power - off), max(high, 1 - power + off)
