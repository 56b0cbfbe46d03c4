"""The scalars of one step, formed without loss.

The rate lr/(1 - beta1^t) is the quotient of two integers, which Python rounds to binary64 once. A double is an
integer over a power of 2, so lr and beta1 enter exactly. beta1^t is kept as an integer of units of 2^-256: a step
multiplies it by beta1 and rounds it down, and so adds less than one unit of error. Where t jumps, the power comes
from decimal arithmetic of 60 digits, and is off by at most 1e-60. 1 - beta1^t >= 2^-53 > 1e-16 loses at most 16
digits to cancellation: for t up to 1e18 the rate is known to better than 1e-42 before its one rounding, and comes
out as the nearest binary64 unless it lies that close to the middle of two. expm1(t*log1p(beta1 - 1)) is off by 2
to 3 units in the last place, and depends on the platform's math library; this gives the same bits everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from .arrays import DTYPES

_EXACT_ENOUGH: Final = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])

_BITS: Final = 256
"""beta1^t is kept in units of 2^-256."""

_NEGLIGIBLE: Final = 1 << (_BITS - 56)
"""2^-56: below it, beta1^t cannot change lr.

lr/(1 - p) - lr < 2^-55*lr for p < 2^-56, and lr is at least 2^53 times half of the distance to the next binary64
unless it is subnormal; then that half is 2^-1075 > 2^-55*lr.
"""

_ROUNDS_TO_ZERO: Final = {dtype: float(np.finfo(dtype).smallest_subnormal) / 2 for dtype in DTYPES}
"""The largest binary64 that rounds to 0: half the smallest subnormal, a tie that goes to even."""


class StepScalars(NamedTuple):
    """A kernel's arguments besides the arrays, all binary64.

    Attributes:
        beta1: decay of the first moment.
        complement: 1 - beta1, rounded once (exact from beta1 = 0.5 on).
        beta2: decay of the infinity norm.
        eps: the term added for numerical stability.
        weight_decay: lambda.
        rate: lr/(1 - beta1^t), rounded once; infinite where it exceeds binary64.
        floor: the least value of the norm as a divisor; see `ScalarSequence.at`.
        sign: -1 when maximizing, else 1.
    """

    beta1: float
    complement: float
    beta2: float
    eps: float
    weight_decay: float
    rate: float
    floor: float
    sign: float


@lru_cache(maxsize=1 << 10)
def _scaled_power(beta1: float, t: int) -> int:
    """beta1^t in units of 2^-256, rounded down."""
    context = _EXACT_ENOUGH
    return int(context.multiply(context.power(Decimal(beta1), t), 1 << _BITS))


class RateSequence:
    """lr/(1 - beta1^t) as the nearest binary64.

    It is quick where t goes up by 1 from call to call.
    """

    def __init__(self, beta1: float) -> None:
        """Begin at t = 0.

        Args:
            beta1: in [0, 1).
        """
        self.beta1 = beta1
        self._numerator, denominator = beta1.as_integer_ratio()
        self._shift = denominator.bit_length() - 1
        self._t = 0
        self._power = 1 << _BITS
        self._settled: float = math.inf

    def at(self, lr: float, t: int) -> float:
        """The rate of step t; infinite where it exceeds binary64.

        Args:
            lr: at least 0.
            t: from 1.
        """
        if t >= self._settled:
            return lr
        if t == self._t + 1:
            self._power = self._power * self._numerator >> self._shift
        elif t != self._t:
            self._power = _scaled_power(self.beta1, t)
        self._t = t
        if self._power < _NEGLIGIBLE:
            self._settled = t
            return lr
        if lr == 0:
            return lr  # -0.0 keeps its sign
        numerator, denominator = lr.as_integer_ratio()
        try:
            return (numerator << _BITS) / (denominator * ((1 << _BITS) - self._power))
        except OverflowError:
            return math.inf


def step_scalars(hyperparameters: Hyperparameters, t: int, dtype: np.dtype[Any]) -> StepScalars:
    """The scalars of step t for arrays of `dtype`."""
    return ScalarSequence([dtype]).at(hyperparameters, t)[dtype]


class ScalarSequence:
    """The scalars of a group's steps.

    What has not changed since the last step is not formed again.
    """

    def __init__(self, dtypes: Iterable[np.dtype[Any]]) -> None:
        self._dtypes = list(dtypes)
        self._rates = RateSequence(0.0)
        self._hyperparameters: Hyperparameters | None = None
        self._scalars: dict[np.dtype[Any], StepScalars] = {}

    def at(self, hyperparameters: Hyperparameters, t: int) -> dict[np.dtype[Any], StepScalars]:
        """The scalars of step t for arrays of each dtype.

        The norm is never below eps. Where eps rounds to 0 in a dtype (1e-50 in float32), the stored norm of a
        zero gradient is 0, and the quotient would be 0/0; there the exact norm, which is eps, enters the
        quotient.
        """
        h = hyperparameters
        if self._rates.beta1 != h.beta1:
            self._rates = RateSequence(h.beta1)
        rate = self._rates.at(h.lr, t)
        if h is not self._hyperparameters:
            self._hyperparameters = h
            self._scalars = {
                dtype: StepScalars(
                    beta1=h.beta1,
                    complement=1 - h.beta1,
                    beta2=h.beta2,
                    eps=h.eps,
                    weight_decay=h.weight_decay,
                    rate=rate,
                    floor=h.eps if h.eps <= _ROUNDS_TO_ZERO[dtype] else 0.0,
                    sign=-1.0 if h.maximize else 1.0,
                )
                for dtype in self._dtypes
            }
            self._rate = rate
        elif rate != self._rate:
            self._scalars = {
                dtype: StepScalars(*own[:5], rate, *own[6:]) for dtype, own in self._scalars.items()
            }
            self._rate = rate
        return self._scalars
