"""Is every element of an array a number of a format? NaN and the infinities are."""

from __future__ import annotations

from typing import Final

import numpy as np

from .messages import FloatArray

_BELOW_BFLOAT16: Final = np.uint32(0xFFFF)
"""The bits of a binary32 number that bfloat16 does not have."""


def first_foreign(array: FloatArray, dtype: str) -> float | None:
    """The first element that is no number of the format; None where all are.

    Args:
        array: of any shape.
        dtype: one of `messages.DTYPES`.
    """
    if dtype == "float64":
        return None
    flat = array.ravel()
    with np.errstate(over="ignore", under="ignore"):
        narrow = flat.astype(np.float32 if dtype == "bfloat16" else dtype)
    foreign = narrow.astype(np.float64) != flat
    if dtype == "bfloat16":
        foreign |= (narrow.view(np.uint32) & _BELOW_BFLOAT16) != 0
    foreign &= ~np.isnan(flat)
    return float(flat[foreign][0]) if foreign.any() else None
