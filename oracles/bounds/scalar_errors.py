"""The errors of a step's scalars as they enter operations (BOUNDS.md, "Scalars").

A scalar is known: it is one double, and every admissible evaluation rounds it to one of few numbers. So its error is not
a count of roundings. It is the largest distance of the ends of an interval, each also rounded to the working format.
Rounding is monotone, so a number between the ends is not farther off.
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


_MORE_BITS: Final = 11
"""The additional bits of a wider format through which a number may be rounded."""


def _round_both_ways(value: Any, format_: Format) -> tuple[Any, Any]:
    """Round a number once, or through a wider format: they differ at a near-tie."""
    nudge = value * 2.0 ** -(format_.precision + _MORE_BITS)
    below, above = (type(value)(format_.round(x)) for x in (value - nudge, value + nudge))
    return below, above


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
        return (
            (value, value)
            if self.scalar_format is Format.BINARY64
            else _round_both_ways(value, self.scalar_format)
        )

    def result_interval(self, low: Any, high: Any, spare: float) -> tuple[Any, Any]:
        """The ends of an operation's rounded result, from the ends of the exact one.

        Args:
            low: the lower end.
            high: the upper end.
            spare: the declared error of the operation beyond correct rounding, in unit roundoffs.
        """
        roundoff = type(low)(self.scalar_format.unit_roundoff)
        rounded = [*_round_both_ways(low, self.scalar_format), *_round_both_ways(high, self.scalar_format)]
        return (
            min(low, *rounded) - spare * roundoff * abs(low),
            max(high, *rounded) + spare * roundoff * abs(high),
        )

    def relative_error(self, value: Any, low: Any, high: Any) -> Any:
        """The largest relative error of a scalar within [low, high], rounded again or not."""
        if not value:
            return value
        ends = [low, high, *_round_both_ways(low, self.format_), *_round_both_ways(high, self.format_)]
        if self.arithmetic.flush_to_zero and min(abs(x) for x in ends) < self.format_.smallest_normal:
            ends.append(value * 0)
        return max(abs(x - value) for x in ends) / abs(value)


@lru_cache(maxsize=1 << 13)
def scalar_errors(
    scalars: Scalars[Any],
    t: int,
    correction: Any,
    path: ScalarPath,
    number: Callable[[Any], Real],
) -> ScalarErrors:
    """The errors of the scalars of one step.

    Args:
        scalars: the exact hyperparameters, as mpf.
        t: the number of the step, from 1.
        correction: the exact bias correction, as mpf; 1 where the rule has none.
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
        correction=number(beta1 * 0 if correction == 1 else _correction_error(beta1, t, correction, path)),
    )


@lru_cache(maxsize=1 << 13)
def _hyperparameter_error(value: Any, path: ScalarPath) -> Any:
    return path.relative_error(value, *path.input_interval(value))


@lru_cache(maxsize=1 << 13)
def _complement_error(beta1: Any, path: ScalarPath) -> Any:
    """The error of 1 - beta1."""
    smallest, largest = path.input_interval(beta1)
    ends = path.result_interval(1 - largest, 1 - smallest, path.arithmetic.add - 1)
    return path.relative_error(1 - beta1, *ends)


@lru_cache(maxsize=1 << 13)
def _correction_error(beta1: Any, t: int, correction: Any, path: ScalarPath) -> Any:
    """The error of lr over the correction, as far as the correction has it."""
    ends = [end for each in {*path.input_interval(beta1)} for end in _correction_interval(each, t, path)]
    return _quotient_error(path.relative_error(correction, min(ends), max(ends)), path)


def _quotient_error(error: Any, path: ScalarPath) -> Any:
    """The error of lr over the correction, from that of the correction.

    The quotient is rounded to the scalars' format where that is coarser than the working one.
    """
    if path.scalar_format.precision >= path.format_.precision:
        return error
    roundoff = type(error)(path.scalar_format.unit_roundoff)
    return (1 + error) * (1 + roundoff) - 1


def _correction_interval(beta1: Any, t: int, path: ScalarPath) -> tuple[Any, Any]:
    """The ends of all admissible evaluations of 1 - beta1^t.

    Here beta1 is already in the scalars' format.
    """
    arithmetic, scalar_format = path.arithmetic, path.scalar_format
    v = type(beta1)(scalar_format.unit_roundoff)
    # The power: t - 1 products, or a power function within 1 ulp, which is 2 unit roundoffs. One that is declared to
    # be farther off may be so of the first power, too.
    of_function = 2 * arithmetic.power_ulp if t > 1 or arithmetic.power_ulp > 1 else 0
    power = beta1**t
    off = power * ((1 + arithmetic.multiply * v) ** max(t - 1, of_function) - 1)
    low, high = path.result_interval(1 - power - off, 1 - power + off, arithmetic.add - 1)
    if not beta1:
        return low, high
    # Or -expm1(t*log1p(-(1 - beta1))). The exponent has 1 ulp of the logarithm, a rounding of its product with t,
    # and one of 1 - beta1, where there are any; then the result has 1 ulp.
    ctx = type(beta1).context
    logarithm = ctx.log(beta1)
    exponent = t * scalar_format.ulp(float(logarithm))
    exponent += scalar_format.ulp(float(t * logarithm)) / 2 if t > 1 else 0
    exponent += t * ctx.log1p(scalar_format.ulp(float(1 - beta1)) / 2 / beta1) if beta1 < 0.5 else 0
    off = power * ctx.expm1(exponent) + scalar_format.ulp(float(1 - power))
    return min(low, 1 - power - off), max(high, 1 - power + off)
