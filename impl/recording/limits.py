"""Limits of a recording: some tensors, the last steps, or a number of bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .format import selects

_FEWEST = 2
"""Steps that are always kept: the state before a step is in the file of the one before it."""


@dataclass
class Limits:
    """The tensors and the steps that a recording keeps.

    Attributes:
        tensors: names, numbers or patterns as of `fnmatch`; empty for all tensors.
        last: how many of the last steps are kept; None for all.
        most_bytes: of the files that are kept; None for any number.
    """

    tensors: Sequence[str] = ()
    last: int | None = None
    most_bytes: int | None = None
    _kept: deque[tuple[int, int]] = field(default_factory=deque)
    _bytes: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.tensors, str):
            raise TypeError(f"tensors is {self.tensors!r}; it must be a list of names or patterns")
        for name in ("last", "most_bytes"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r}; it must be an integer of at least 1")

    def has(self, name: str, number: int) -> bool:
        """Whether a tensor of a name and a number is recorded."""
        return selects(self.tensors, name, number)

    def add(self, number: int, size: int) -> Iterator[int]:
        """Count a step's file, and yield the steps whose files are to be removed."""
        self._kept.append((number, size))
        self._bytes += size
        while len(self._kept) > _FEWEST and self._is_too_much():
            oldest, freed = self._kept.popleft()
            self._bytes -= freed
            yield oldest

    def _is_too_much(self) -> bool:
        # The oldest file only has the state before the step after it.
        too_many = self.last is not None and len(self._kept) > self.last + 1
        return too_many or (self.most_bytes is not None and self._bytes > self.most_bytes)
