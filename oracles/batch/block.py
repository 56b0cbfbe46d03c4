"""A block: one step of many elements, as the arrays that hold them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BFLOAT16_BITS: Final = np.dtype(np.uint16)
"""The dtype of bfloat16, which NumPy lacks: each number is the upper half of a binary32 one."""

_DTYPES: Final = (np.dtype(np.float16), BFLOAT16_BITS, np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True, eq=False)
class Block:
    """One step of some elements: state before it, gradients, and state after it.

    All seven arrays are one-dimensional, contiguous, of one length and one dtype: float16, float32, float64, or
    uint16, which holds the bit patterns of bfloat16. The dtype is that of the storage; the working format may be a
    narrower one: binary16 or bfloat16 held in float32, say. The oracle writes to none of them.

    Attributes:
        theta: the parameters before the step.
        m: their first moments before it.
        u: their infinity norms before it.
        gradient: the gradients as passed.
        theta_after: the parameters after the step.
        m_after: their first moments after it.
        u_after: their infinity norms after it.
    """

    theta: Array
    m: Array
    u: Array
    gradient: Array
    theta_after: Array
    m_after: Array
    u_after: Array

    def __post_init__(self) -> None:
        for name, array in self.arrays():
            if array.ndim != 1 or not array.flags.c_contiguous:
                raise ValueError(
                    f"{name} has shape {array.shape} and strides {array.strides}; "
                    "a block is of one-dimensional contiguous arrays"
                )
            if array.dtype not in _DTYPES:
                raise ValueError(
                    f"{name} is {array.dtype}; a block is of float16, float32, float64 or uint16 (bfloat16's bits)"
                )
            if array.dtype != self.theta.dtype or array.size != self.theta.size:
                raise ValueError(
                    f"{name} is {array.size} numbers of {array.dtype}; theta is {self.theta.size} of {self.theta.dtype}"
                )

    def arrays(self) -> list[tuple[str, Array]]:
        """The seven arrays with their names, in the order of the attributes."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.theta.size)

    def cut(self, start: int, stop: int) -> Block:
        """Take the elements from `start` to before `stop`, in the same memory."""
        return Block(*(array[start:stop] for _, array in self.arrays()))

    def take(self, indices: npt.NDArray[np.intp]) -> Block:
        """Copy the elements at some indices."""
        return Block(*(array[indices] for _, array in self.arrays()))

    def widen(self, dtype: npt.DTypeLike = np.float64) -> Block:
        """Convert to float64, or to float32 where that holds the numbers: exactly."""
        return Block(*(widen(array, dtype) for _, array in self.arrays()))

    def element(self, index: int) -> tuple[list[float], list[float]]:
        """One element: theta, m, u and g before the step; theta, m and u after it."""
        values = [float(widen(array[index : index + 1])[0]) for _, array in self.arrays()]
        return values[:4], values[4:]


def widen(array: Array, dtype: npt.DTypeLike = np.float64) -> Array:
    """Convert numbers of any format to a wider dtype, exactly."""
    if array.dtype == BFLOAT16_BITS:
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(dtype, copy=False)
