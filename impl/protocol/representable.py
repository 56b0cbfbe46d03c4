"""A search for array elements that a number format does not have.

Every format has NaN and the infinities.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .messages import FloatArray

_BELOW_BFLOAT16: Final = np.uint32(0xFFFF)
"""The bits of a binary32 number that bfloat16 does not have."""


def first_unrepresentable(array: FloatArray, dtype: str) -> float | None:
    """The first element that the format does not have; None where it has all.

    Args:
        array: of any shape.
        dtype: one of `messages.DTYPES`.
    """
    if dtype == "float64":
        return None
    flat = array.ravel()
    with np.errstate(over="ignore", under="ignore"):
        narrow = flat.astype(np.float32 if dtype == "bfloat16" else dtype)
    is_lost = narrow != flat  # in binary64, which both are numbers of
    if dtype == "bfloat16":
        is_lost |= (narrow.view(np.uint32) & _BELOW_BFLOAT16) != 0
    is_lost &= ~np.isnan(flat)
    return float(flat[is_lost][0]) if is_lost.any() else None
