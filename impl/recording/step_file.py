"""How is one step's file written: tensor by tensor, as the step is taken?

A safetensors file is the length of its header, the header as JSON, and the tensors' bytes one after the other.
It is written here, rather than with the safetensors package, for three reasons: a gradient has to be on disk before
the step that may change it is taken, which takes no copy in memory that way; the package's NumPy interface has no
bfloat16; and the environment of a device need not have the package. What is written is read by it (tested).
Source: the format's specification, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from .format import CHUNK, CODES, PART, RAW, checksums

_ROOM_EACH: Final = 400
"""Bytes of the header that a tensor's entry, and its part of the description, stay below (names apart)."""
_LENGTH: Final = 8
_ALIGNED: Final = 64


@dataclass(frozen=True)
class Raw:
    """A tensor's numbers as they lie in memory.

    Attributes:
        dtype: one of `layout.RAW`.
        shape: of the tensor.
        data: its elements in row-major order, flat, of the type `layout.RAW` gives.
    """

    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[Any]

    @classmethod
    def of(cls, array: npt.NDArray[Any], dtype: str = "") -> Raw:
        """From an array; for bfloat16, of the integers of its bits."""
        name = dtype or array.dtype.name
        if name not in RAW:
            raise TypeError(f"an array of dtype {name} cannot be recorded; one of {', '.join(RAW)} can")
        flat = np.ascontiguousarray(array).reshape(-1)
        return cls(name, tuple(array.shape), flat.astype(RAW[name], copy=False))


class StepFile:
    """One step's file, of which only the whole gets the name that is asked for."""

    def __init__(self, path: Path, names: int, elements: int) -> None:
        """Open a file for about so many tensors, of so many elements in all."""
        self.path = path
        self._part = path.with_name(path.name + PART)
        self._tensors: dict[str, dict[str, Any]] = {}
        self.checksums: dict[str, list[str]] = {}
        # So that the tensors begin where a memory map may.
        self._room = -(-(4096 + names * _ROOM_EACH + elements // CHUNK * 16) // _ALIGNED) * _ALIGNED - _LENGTH
        self._at = 0
        self._file: IO[bytes] = self._part.open("wb")
        self._file.seek(_LENGTH + self._room)

    def add(self, name: str, tensor: Raw, sums: list[str] | None = None) -> None:
        """Write a tensor; its checksums are made where they are not there yet."""
        self.checksums[name] = checksums(tensor.data) if sums is None else sums
        end = self._at + tensor.data.nbytes
        self._tensors[name] = {
            "dtype": CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [self._at, end],
        }
        self._file.write(tensor.data.view(np.uint8).data)
        self._at = end

    def finish(self, description: Mapping[str, Any]) -> tuple[int, str]:
        """Write the header, and give the file its name.

        Returns:
            The file's size in bytes, and the SHA-256 of all that comes before the tensors.
        """
        metadata = {"format": "adamax-conformance", "step": json.dumps(description, separators=(",", ":"))}
        header = json.dumps({"__metadata__": metadata, **self._tensors}, separators=(",", ":")).encode()
        if len(header) > self._room:
            self._make_room(-(-(len(header) + _LENGTH) // _ALIGNED) * _ALIGNED - _LENGTH)
        head = self._room.to_bytes(_LENGTH, "little") + header.ljust(self._room)
        self._file.seek(0)
        self._file.write(head)
        self._file.close()
        self._part.replace(self.path)
        return _LENGTH + self._room + self._at, hashlib.sha256(head).hexdigest()

    def abandon(self) -> None:
        """Take the file away: the step did not end."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _make_room(self, room: int) -> None:
        """Move the tensors, where names were longer than expected."""
        self._file.close()
        moved = self._part.with_name(self._part.name + PART)
        with self._part.open("rb") as old, moved.open("wb") as new:
            old.seek(_LENGTH + self._room)
            new.seek(_LENGTH + room)
            while block := old.read(1 << 24):
                new.write(block)
        moved.replace(self._part)
        self._room = room
        self._file = self._part.open("r+b")
