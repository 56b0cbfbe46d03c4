"""Arrays by recipe: one of 2^24 elements costs as little as one of ten."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]

LONGEST_PATTERN: Final = 4096
"""The longest period that is looked for in an array."""


@dataclass(frozen=True)
class Values:
    """An array by recipe: a repeated pattern, and the elements that differ.

    Attributes:
        shape: of the array.
        pattern: the first elements in row-major order; repeated to its end.
        exceptions: (index in row-major order, value) of each element that is something else.
    """

    shape: tuple[int, ...]
    pattern: tuple[float, ...]
    exceptions: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, array: npt.ArrayLike) -> Values:
        """The recipe that names every element of an array."""
        values = np.asarray(array, np.float64)
        return cls(values.shape, tuple(values.ravel().tolist()))

    @classmethod
    def folded(cls, array: FloatArray, period: int) -> Values:
        """An array as its first `period` elements, repeated, and what differs.

        It stays whole where too much differs.
        """
        if array.size <= period:
            return cls(array.shape, tuple(array.ravel().tolist()))
        flat = np.ascontiguousarray(array).reshape(-1)
        bits = flat.view(np.int64)
        whole = flat.size // period * period
        rows, tail = bits[:whole].reshape(-1, period), bits[whole:]
        different = np.concatenate([(rows != bits[:period]).reshape(-1), tail != bits[: tail.size]])
        places = np.flatnonzero(different)
        if places.size > max(LONGEST_PATTERN, flat.size // 8):
            return cls.of(array)
        exceptions = tuple(zip(places.tolist(), flat[places].tolist(), strict=True))
        return cls(array.shape, tuple(flat[:period].tolist()), exceptions)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def mapped(self, function: Callable[[float], float]) -> Values:
        """The array with a function of each element."""
        exceptions = tuple((index, function(value)) for index, value in self.exceptions)
        return Values(self.shape, tuple(map(function, self.pattern)), exceptions)

    def expand(self) -> FloatArray:
        """The array."""
        size, period = self.size, len(self.pattern)
        result = self._repeated.copy()
        if size != period:
            result = np.resize(result, size) if size else np.zeros(0)
        for index, value in self.exceptions:
            result[index] = value
        return result.reshape(self.shape)

    @cached_property
    def _repeated(self) -> FloatArray:
        return np.array(self.pattern, np.float64)

    @property
    def is_whole(self) -> bool:
        """Whether the pattern names every element."""
        return not self.exceptions and len(self.pattern) == self.size

    def take(self, indices: npt.NDArray[np.intp]) -> FloatArray:
        """The elements at some row-major indices, without the rest."""
        period = self._repeated.size
        result = self._repeated[indices if period == self.size else indices % max(period, 1)]
        if self.exceptions:
            at = np.array([index for index, _ in self.exceptions], np.intp)
            order = np.argsort(at)
            found = order[np.minimum(np.searchsorted(at[order], indices), at.size - 1)]
            hit = at[found] == indices
            result[hit] = np.array([value for _, value in self.exceptions])[found[hit]]
        return result
