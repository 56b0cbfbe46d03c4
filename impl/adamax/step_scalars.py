"""The scalars of one step, formed without loss.

The rate lr/(1 - beta1^t) is formed in decimal arithmetic of 60 digits and rounded to binary64 once. A double
is a decimal fraction, so lr and beta1 enter exactly. The decimal power is off by at most one unit of the 60th
digit, and 1 - beta1^t >= 2^-53 > 1e-16 loses at most 16 digits to cancellation: the rate is known to better
than 1e-42 before its one rounding, and comes out as the nearest binary64 unless it lies that close to the
middle of two. expm1(t*log1p(beta1 - 1)) is off by 2 to 3 units in the last place, and depends on
the platform's math library; this gives the same bits everywhere.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from .arrays import DTYPES

_EXACT_ENOUGH: Final = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])

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
        floor: the least value of the norm as a divisor; see `step_scalars`.
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
def corrected_rate(lr: float, beta1: float, t: int) -> float:
    """lr/(1 - beta1^t) as the nearest binary64.

    Args:
        lr: at least 0.
        beta1: in [0, 1).
        t: from 1.
    """
    context = _EXACT_ENOUGH
    correction = context.subtract(Decimal(1), context.power(Decimal(beta1), t))
    return float(context.divide(Decimal(lr), correction))


def step_scalars(hyperparameters: Hyperparameters, t: int, dtype: np.dtype[Any]) -> StepScalars:
    """The scalars of step t for arrays of `dtype`.

    The norm is never below eps. Where eps rounds to 0 in `dtype` (1e-50 in float32), the stored norm of a
    zero gradient is 0, and the quotient would be 0/0; there the exact norm, which is eps, enters the quotient.
    """
    h = hyperparameters
    return StepScalars(
        beta1=h.beta1,
        complement=1 - h.beta1,
        beta2=h.beta2,
        eps=h.eps,
        weight_decay=h.weight_decay,
        rate=corrected_rate(h.lr, h.beta1, t),
        floor=h.eps if h.eps <= _ROUNDS_TO_ZERO[dtype] else 0.0,
        sign=-1.0 if h.maximize else 1.0,
    )
