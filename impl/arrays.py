"""Which arrays can be optimized, and where do they lie in memory?

Everything is checked before anything is changed: one wrong array leaves all of them as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

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


def plain(array: Any, name: str) -> Array:
    """The array without a subclass of NumPy's (a memory map, say), over the same memory.

    Raises:
        TypeError: it is no NumPy array, or a masked one.
    """
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is of type {type(array).__name__}; it must be a NumPy array")
    return array if type(array) is np.ndarray else array.view(np.ndarray)


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements of one array share a byte (only `as_strided` makes such arrays)."""
    steps = sorted((abs(stride), n) for n, stride in zip(array.shape, array.strides, strict=True) if n > 1)
    reach = array.itemsize
    for stride, n in steps:
        if stride < reach:
            break
        reach += stride * (n - 1)
    else:
        return False
    if array.size == 0:
        return False
    offsets = np.zeros(1, dtype=np.int64)
    for stride, n in steps:
        offsets = np.add.outer(offsets, stride * np.arange(n)).ravel()
    offsets.sort()
    return bool(np.any(np.diff(offsets) < array.itemsize))


def checked_parameter(value: Any, name: str) -> Array:
    """A parameter that can be updated in place.

    Raises:
        TypeError: no NumPy array, or of a dtype other than float32 and float64.
        ValueError: read-only, or with elements that share memory.
    """
    array = plain(value, name)
    if array.dtype not in DTYPES:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be float32 or float64 in native byte order")
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; parameters are updated in place and must be writeable")
    if _overlaps_itself(array):
        raise ValueError(f"{name} has elements that share memory (strides {array.strides}); pass a copy")
    return array


def _share(one: Array, other: Array) -> bool:
    """Whether the arrays share an element; where that takes too long to find out, as if they did."""
    try:
        return np.shares_memory(one, other, max_work=_SHARING_EFFORT)
    except np.exceptions.TooHardError:
        return True


def reject_shared_memory(parameters: Sequence[Array]) -> None:
    """Parameters that share an element would be updated twice.

    Raises:
        ValueError: two of them share memory, the same array twice included.
    """
    placed = sorted((span(array), i) for i, array in enumerate(parameters) if array.size)
    reaching: list[tuple[Span, int]] = []
    for current, i in placed:
        reaching = [(other, j) for other, j in reaching if other.stop > current.start]
        for _, j in reaching:
            if _share(parameters[i], parameters[j]):
                first, second = sorted((i, j))
                raise ValueError(
                    f"parameters {first} and {second} share memory; each array may be passed once"
                )
        reaching.append((current, i))


class Gradients:
    """Checks the gradients of a step against the parameters, quickly for many small arrays."""

    def __init__(self, parameters: Sequence[Array]) -> None:
        self._shapes = [array.shape for array in parameters]
        self._dtypes = [array.dtype for array in parameters]

    def checked(self, gradients: Any) -> Sequence[Array]:
        """The gradients, one for each parameter and in their order; the arrays are not copied.

        Raises:
            TypeError: not a tuple or list of NumPy arrays, or a dtype other than its parameter's.
            ValueError: a wrong number of them, or a shape other than its parameter's.
        """
        if not isinstance(gradients, tuple | list):
            raise TypeError(
                f"gradients is of type {type(gradients).__name__}; it must be a tuple of arrays, one for each parameter"
            )
        if len(gradients) != len(self._shapes):
            raise ValueError(f"{len(gradients)} gradients came for {len(self._shapes)} parameters")
        # Three passes in C: the loop below costs ten times as much, which ten thousand arrays would feel.
        if not (
            set(map(type, gradients)) <= {np.ndarray}
            and list(map(_shape, gradients)) == self._shapes
            and list(map(_dtype, gradients)) == self._dtypes
        ):
            return [self._one(i, g) for i, g in enumerate(gradients)]
        return gradients

    def _one(self, i: int, gradient: Any) -> Array:
        """What the passes in C did not take: a NumPy scalar for a 0-d parameter, a subclass, or an error."""
        if isinstance(gradient, np.generic):
            gradient = np.asarray(gradient)
        array = plain(gradient, f"gradient {i}")
        if array.shape != self._shapes[i]:
            raise ValueError(f"gradient {i} has shape {array.shape}; its parameter has {self._shapes[i]}")
        if array.dtype != self._dtypes[i]:
            raise TypeError(f"gradient {i} has dtype {array.dtype}; its parameter has {self._dtypes[i]}")
        return array


_shape = attrgetter("shape")
_dtype = attrgetter("dtype")


class Occupied:
    """The memory that a step writes to: a gradient that lies there must be read before."""

    def __init__(self, arrays: Iterable[Array]) -> None:
        spans = sorted(span(array) for array in arrays if array.size)
        merged = spans[:1]
        for _, current in pairwise(spans):
            last = merged[-1]
            if current.start <= last.stop:
                merged[-1] = Span(last.start, max(last.stop, current.stop))
            else:
                merged.append(current)
        self._starts = [s.start for s in merged]
        self._stops = [s.stop for s in merged]

    def meets(self, array: Array) -> bool:
        """Whether a byte between the array's first and last may be written to."""
        start, stop = span(array)
        i = bisect_right(self._stops, start)
        return i < len(self._starts) and self._starts[i] < stop
