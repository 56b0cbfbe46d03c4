"""The largest errors of each tensor, and the learning rates of each group.

Steps in a row make a column, so that a recording of any length has at most `COLUMNS` of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

COLUMNS: Final = 64
"""The most columns that a recording is divided into."""


@dataclass(frozen=True)
class Columns:
    """The division of recorded steps into columns.

    Attributes:
        first: the number of the first step.
        width: how many steps make a column.
    """

    first: int = 1
    width: int = 1

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Columns:
        """The columns of some recorded steps."""
        if not numbers:
            return cls()
        first, last = min(numbers), max(numbers)
        return cls(first, -(-(last - first + 1) // COLUMNS))

    def start(self, number: int) -> int:
        """The first step of the column that a step belongs to."""
        return number - (number - self.first) % self.width


@dataclass(frozen=True)
class TensorErrors:
    """The largest errors of a tensor in a column.

    Attributes:
        number: the first recorded step that it took part in.
        name: of the tensor then; may be empty.
        group: the index of its group then.
        over_bound: the largest error as a fraction of its bound, of each quantity by its name.
        exceeded: how many elements of each quantity are beyond their bounds; those with none are left out.
        wrong: of each such quantity, the first recorded step in which an element is.
    """

    number: int
    name: str
    group: int
    over_bound: Mapping[str, float] = field(default_factory=dict)
    exceeded: Mapping[str, int] = field(default_factory=dict)
    wrong: Mapping[str, int] = field(default_factory=dict)


TensorKey = tuple[str, int, int]
"""The dtype and the index of a tensor, and the first step of a column."""

RateKey = tuple[int, int]
"""A group, and the first step of a column."""

Rate = tuple[int, float]
"""A recorded step, and the learning rate of a group in it."""


def merge_errors(a: TensorErrors, b: TensorErrors) -> TensorErrors:
    """Merge the errors of a tensor in two parts of a column, in any order."""
    early = min(a, b, key=lambda each: (each.number, each.name, each.group))
    return replace(
        early,
        over_bound=merge_by_key(a.over_bound, b.over_bound, max),
        exceeded=merge_by_key(a.exceeded, b.exceeded, operator.add),
        wrong=merge_by_key(a.wrong, b.wrong, min),
    )


_K = TypeVar("_K")
_V = TypeVar("_V")


def merge_by_key(a: Mapping[_K, _V], b: Mapping[_K, _V], merge: Callable[[_V, _V], _V]) -> dict[_K, _V]:
    """Merge two mappings, and the values of the keys that both have."""
    return {**a, **{key: merge(a[key], value) if key in a else value for key, value in b.items()}}
