"""Checks of the arrays to optimize, and their extents in memory.

All checks come before any change: one wrong array leaves all of them as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

DTYPES: Final = (np.dtype(np.float32), np.dtype(np.float64))

_SHARING_CANDIDATES: Final = 100_000
"""The candidates that NumPy may try to decide whether two strided arrays share an element."""


class Span(NamedTuple):
    """The addresses from the first byte of an array to one past its last."""

    start: int
    stop: int


def memory_span(array: npt.NDArray[Any]) -> Span:
    """The addresses of an array, whatever its strides."""
    start = stop = array.__array_interface__["data"][0]
    if array.size:
        reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
        start += sum(r for r in reach if r < 0)
        stop += sum(r for r in reach if r > 0) + array.itemsize
    return Span(start, stop)


def _base_array(array: object, name: str) -> Array:
    """View an array of a NumPy subclass (a memory map, say) as a plain array."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is of type {type(array).__name__}; it must be a NumPy array")
    return array if type(array) is np.ndarray else array.view(np.ndarray)


def check_like(value: object, parameter: Array, name: str) -> Array:
    """Check an array for a parameter's shape and dtype.

    A NumPy scalar stands for a 0-d array.

    Raises:
        ValueError: another shape.
        TypeError: not a NumPy array, or another dtype.
    """
    array = _base_array(np.asarray(value) if isinstance(value, np.generic) else value, name)
    if array.shape != parameter.shape:
        raise ValueError(f"{name} has shape {array.shape}; its parameter has {parameter.shape}")
    if array.dtype != parameter.dtype:
        raise TypeError(f"{name} has dtype {array.dtype}; its parameter has {parameter.dtype}")
    return array


def check_parameter(value: object, name: str) -> Array:
    """Check that a parameter can be updated in place.

    Raises:
        TypeError: not a NumPy array, or of a dtype other than float32 and float64.
        ValueError: read-only, or with elements that share memory.
    """
    array = _base_array(value, name)
    if array.dtype not in DTYPES:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64 in native byte order")
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; parameters are updated in place and must be writeable")
    if _overlaps_itself(array):
        raise ValueError(f"{name} has elements that share memory (strides {array.strides}); pass a copy")
    return array


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements of an array share a byte, as `as_strided` can make them."""
    if array.size == 0:
        return False
    steps = sorted((abs(stride), n) for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)
    reach = array.itemsize
    for stride, n in steps:
        if stride < reach:
            break
        reach += stride * (n - 1)
    else:  # every axis steps over the reach of the finer axes
        return False
    offsets = np.zeros(1, dtype=np.int64)
    for stride, n in steps:
        offsets = np.add.outer(offsets, stride * np.arange(n)).ravel()
    offsets.sort()
    return bool(np.any(np.diff(offsets) < array.itemsize))


def reject_shared_memory(parameters: Sequence[Array]) -> None:
    """Reject parameters that share an element, which would be updated twice.

    Raises:
        ValueError: two of them share memory, or one comes twice.
    """
    reaching: list[tuple[Span, int]] = []
    for current, i in sorted((memory_span(array), i) for i, array in enumerate(parameters) if array.size):
        reaching = [(other, j) for other, j in reaching if other.stop > current.start]
        for _, j in reaching:
            if _share_element(parameters[i], parameters[j]):
                one, other = sorted((i, j))
                raise ValueError(f"parameters {one} and {other} share memory; pass each array once")
        reaching.append((current, i))


def _share_element(one: Array, other: Array) -> bool:
    """Whether the arrays share an element, or it takes too long to find out."""
    try:
        return np.shares_memory(one, other, max_work=_SHARING_CANDIDATES)  # type: ignore[arg-type]  # NumPy's stub
    except np.exceptions.TooHardError:
        return True


class GradientChecker:
    """A check of a step's gradients, quick for many small arrays."""

    def __init__(self, parameters: Sequence[Array]) -> None:
        self._parameters = parameters
        self._shapes = [array.shape for array in parameters]
        self._dtypes = [array.dtype for array in parameters]

    def check(self, gradients: object) -> Sequence[Array]:
        """Check the gradients, one for each parameter in their order, without a copy.

        Raises:
            TypeError: not a tuple or list of NumPy arrays, or a dtype other than its parameter's.
            ValueError: a wrong number of them, or a shape other than its parameter's.
        """
        if not isinstance(gradients, (tuple, list)):
            raise TypeError(f"gradients is of type {type(gradients).__name__}; it must be a tuple of arrays")
        if len(gradients) != len(self._parameters):
            raise ValueError(f"{len(gradients)} gradients came for {len(self._parameters)} parameters")
        # `check_like` on each takes ten times as long, and there may be ten thousand.
        for gradient, shape, dtype in zip(gradients, self._shapes, self._dtypes):  # noqa: B905 - as many
            if type(gradient) is not _ARRAY or gradient.shape != shape or gradient.dtype is not dtype:
                break
        else:
            return gradients
        return [
            check_like(gradient, theta, f"gradient {i}")
            for i, (gradient, theta) in enumerate(zip(gradients, self._parameters, strict=True))
        ]


_ARRAY: Final = np.ndarray


def _owner(array: Array) -> int | None:
    """The `id` of the array that owns this one's memory.

    None if NumPy did not allocate it.
    """
    base = array if array.base is None else array.base
    return id(base) if type(base) is np.ndarray and base.flags.owndata else None


class WrittenMemory:
    """The memory that a step writes to; a gradient in it must be read before."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        merged: list[Span] = []
        for current in sorted(memory_span(array) for array in arrays if array.size):
            if merged and current.start <= merged[-1].stop:
                merged[-1] = Span(merged[-1].start, max(merged[-1].stop, current.stop))
            else:
                merged.append(current)
        self._starts = [each.start for each in merged]
        self._stops = [each.stop for each in merged]
        owners = [_owner(array) for array in arrays]
        self._owners = None if None in owners else set(owners)

    def overlaps(self, array: Array) -> bool:
        """Whether a byte between the array's first and last may be written to.

        Two arrays that NumPy allocated each on its own lie apart: then no address is needed.
        """
        if self._owners is not None:
            owner = array if array.base is None else array.base
            if type(owner) is _ARRAY and owner.flags.owndata and id(owner) not in self._owners:
                return False
        start, stop = memory_span(array)
        i = bisect_right(self._stops, start)
        return i < len(self._starts) and self._starts[i] < stop
