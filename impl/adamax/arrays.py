"""Which arrays can be optimized, and where do they lie in memory?

Everything is checked before anything is changed: one wrong array leaves all of them as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

DTYPES: Final = (np.dtype(np.float32), np.dtype(np.float64))

_SHARING_EFFORT: Final = 100_000
"""How many candidates NumPy may try when it decides whether two strided arrays share an element."""


class Span(NamedTuple):
    """The addresses from the first byte of an array to one past its last."""

    start: int
    stop: int


def span(array: Array) -> Span:
    """Where the array lies, whatever its strides."""
    start = stop = array.__array_interface__["data"][0]
    if array.size:
        reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
        start += sum(r for r in reach if r < 0)
        stop += sum(r for r in reach if r > 0) + array.itemsize
    return Span(start, stop)


def _plain(array: object, name: str) -> Array:
    """The array without a subclass of NumPy's (a memory map, say), over the same memory."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is of type {type(array).__name__}; it must be a NumPy array")
    return array if type(array) is np.ndarray else array.view(np.ndarray)


def same_kind(value: object, parameter: Array, name: str) -> Array:
    """An array of a parameter's shape and dtype, in any layout; a NumPy scalar stands for a 0-d array.

    Raises:
        ValueError: another shape.
        TypeError: no NumPy array, or another dtype.
    """
    array = _plain(np.asarray(value) if isinstance(value, np.generic) else value, name)
    if array.shape != parameter.shape:
        raise ValueError(f"{name} has shape {array.shape}; its parameter has {parameter.shape}")
    if array.dtype != parameter.dtype:
        raise TypeError(f"{name} has dtype {array.dtype}; its parameter has {parameter.dtype}")
    return array


def checked_parameter(value: object, name: str) -> Array:
    """A parameter that can be updated in place.

    Raises:
        TypeError: no NumPy array, or of a dtype other than float32 and float64.
        ValueError: read-only, or with elements that share memory.
    """
    array = _plain(value, name)
    if array.dtype not in DTYPES:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64 in native byte order")
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; parameters are updated in place and must be writeable")
    if _overlaps_itself(array):
        raise ValueError(f"{name} has elements that share memory (strides {array.strides}); pass a copy")
    return array


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements of one array share a byte (only `as_strided` makes such arrays)."""
    if array.size == 0:
        return False
    steps = sorted((abs(stride), n) for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)
    reach = array.itemsize
    for stride, n in steps:
        if stride < reach:
            break
        reach += stride * (n - 1)
    else:  # every axis steps over all that the finer axes reach
        return False
    offsets = np.zeros(1, dtype=np.int64)
    for stride, n in steps:
        offsets = np.add.outer(offsets, stride * np.arange(n)).ravel()
    offsets.sort()
    return bool(np.any(np.diff(offsets) < array.itemsize))


def reject_shared_memory(parameters: Sequence[Array]) -> None:
    """Parameters that share an element would be updated twice.

    Raises:
        ValueError: two of them share memory, the same array twice included.
    """
    reaching: list[tuple[Span, int]] = []
    for current, i in sorted((span(array), i) for i, array in enumerate(parameters) if array.size):
        reaching = [(other, j) for other, j in reaching if other.stop > current.start]
        for _, j in reaching:
            if _share(parameters[i], parameters[j]):
                one, other = sorted((i, j))
                raise ValueError(f"parameters {one} and {other} share memory; pass each array once")
        reaching.append((current, i))


def _share(one: Array, other: Array) -> bool:
    """Whether the arrays share an element; where that takes too long to find out, as if they did."""
    try:
        return np.shares_memory(one, other, max_work=_SHARING_EFFORT)  # type: ignore[arg-type]  # NumPy's stub
    except np.exceptions.TooHardError:
        return True


class Gradients:
    """Checks the gradients of a step against the parameters, quickly for many small arrays."""

    def __init__(self, parameters: Sequence[Array]) -> None:
        self._parameters = parameters
        self._shapes = [array.shape for array in parameters]
        self._dtypes = [array.dtype for array in parameters]

    def checked(self, gradients: object) -> Sequence[Array]:
        """The gradients, one for each parameter and in their order; the arrays are not copied.

        Raises:
            TypeError: not a tuple or list of NumPy arrays, or a dtype other than its parameter's.
            ValueError: a wrong number of them, or a shape other than its parameter's.
        """
        if not isinstance(gradients, tuple | list):
            raise TypeError(f"gradients is of type {type(gradients).__name__}; it must be a tuple of arrays")
        if len(gradients) != len(self._parameters):
            raise ValueError(f"{len(gradients)} gradients came for {len(self._parameters)} parameters")
        # Three passes in C: `same_kind` on each takes ten times as long, and there may be ten thousand.
        if (
            set(map(type, gradients)) <= {np.ndarray}
            and list(map(_SHAPE, gradients)) == self._shapes
            and list(map(_DTYPE, gradients)) == self._dtypes
        ):
            return cast("Sequence[Array]", gradients)
        return [
            same_kind(gradient, theta, f"gradient {i}")
            for i, (gradient, theta) in enumerate(zip(gradients, self._parameters, strict=True))
        ]


_SHAPE: Final = attrgetter("shape")
_DTYPE: Final = attrgetter("dtype")


class Occupied:
    """The memory that a step writes to: a gradient that lies there must be read before."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        merged: list[Span] = []
        for current in sorted(span(array) for array in arrays if array.size):
            if merged and current.start <= merged[-1].stop:
                merged[-1] = Span(merged[-1].start, max(merged[-1].stop, current.stop))
            else:
                merged.append(current)
        self._starts = [each.start for each in merged]
        self._stops = [each.stop for each in merged]

    def meets(self, array: Array) -> bool:
        """Whether a byte between the array's first and last may be written to."""
        start, stop = span(array)
        i = bisect_right(self._stops, start)
        return i < len(self._starts) and self._starts[i] < stop
