"""The file of one step, written tensor by tensor during the step.

A safetensors file is the length of its header, the header as JSON, and the tensors' bytes one after the other.
This module writes it without the safetensors package, for three reasons. A gradient must be on disk before the step
that may change it, which needs no copy in memory this way. The package's NumPy interface has no bfloat16. The
environment of a device need not have the package. The package reads these files (tested).
Source: the format's specification, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from .format import CHUNK, PARTIAL_SUFFIX, SAFETENSORS_DTYPES, STORAGE_DTYPES, checksums

_HEADER_BYTES_EACH: Final = 160
"""Bytes of the header for a tensor's entry and its part of the description, long names apart; some 95 are usual."""
_LENGTH: Final = 8
_ALIGNED: Final = 64


@cache
def _name_of(dtype: np.dtype[Any]) -> str:
    """The name of a type; NumPy forms it again each time."""
    return dtype.name


@dataclass(frozen=True)
class RawTensor:
    """A tensor's numbers as they are in memory.

    Attributes:
        dtype: one of `format.STORAGE_DTYPES`.
        shape: of the tensor.
        data: its elements in row-major order, flat, of the type in `format.STORAGE_DTYPES`.
    """

    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[Any]

    @classmethod
    def from_array(cls, array: npt.NDArray[Any], dtype: str = "") -> RawTensor:
        """Make it from an array; for bfloat16, from its bits or from ml_dtypes' own."""
        own = _name_of(array.dtype)
        name = dtype or own
        if own == "bfloat16":
            array = np.ascontiguousarray(array).reshape(array.shape).view(np.uint16)
        if name not in STORAGE_DTYPES:
            raise TypeError(
                f"an array of dtype {name} cannot be recorded; one of {', '.join(STORAGE_DTYPES)} can"
            )
        flat = np.ascontiguousarray(array).reshape(-1)
        return cls(name, tuple(array.shape), flat.astype(STORAGE_DTYPES[name], copy=False))


class StepFile:
    """One step's file, which gets its name when it is whole."""

    def __init__(self, path: Path, names: int, elements: int) -> None:
        """Open a file for about so many tensors, of so many elements in all."""
        self.path = path
        self._partial = path.with_name(path.name + PARTIAL_SUFFIX)
        self._tensors: dict[str, dict[str, Any]] = {}
        self.checksums: dict[str, list[str]] = {}
        # The tensors begin where a memory map may.
        self._header_size = (
            -(-(4096 + names * _HEADER_BYTES_EACH + elements // CHUNK * 16) // _ALIGNED) * _ALIGNED - _LENGTH
        )
        self._offset = 0
        self._file: IO[bytes] = self._partial.open("wb")
        self._file.seek(_LENGTH + self._header_size)

    def add(self, name: str, tensor: RawTensor, sums: list[str] | None = None) -> None:
        """Write a tensor; compute its checksums unless they are given."""
        self.checksums[name] = checksums(tensor.data) if sums is None else sums
        end = self._offset + tensor.data.nbytes
        self._tensors[name] = {
            "dtype": SAFETENSORS_DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [self._offset, end],
        }
        self._file.write(tensor.data.view(np.uint8).data)
        self._offset = end

    def finish(self, description: Mapping[str, Any]) -> tuple[int, str]:
        """Write the header, and give the file its name.

        Returns:
            The file's size in bytes, and the SHA-256 of the bytes before the tensors.
        """
        metadata = {"format": "adamax-conformance", "step": json.dumps(description, separators=(",", ":"))}
        header = json.dumps({"__metadata__": metadata, **self._tensors}, separators=(",", ":")).encode()
        if len(header) > self._header_size:
            self._enlarge_header(-(-(len(header) + _LENGTH) // _ALIGNED) * _ALIGNED - _LENGTH)
        head = self._header_size.to_bytes(_LENGTH, "little") + header.ljust(self._header_size)
        self._file.seek(0)
        self._file.write(head)
        self._file.close()
        self._partial.replace(self.path)
        return _LENGTH + self._header_size + self._offset, hashlib.sha256(head).hexdigest()

    def discard(self) -> None:
        """Remove the file of a step that did not end."""
        with suppress(OSError):  # what a full disk does not take is thrown away
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _enlarge_header(self, size: int) -> None:
        """Move the tensors, if names were longer than expected."""
        self._file.close()
        moved = self._partial.with_name(self._partial.name + PARTIAL_SUFFIX)
        with self._partial.open("rb") as old, moved.open("wb") as new:
            old.seek(_LENGTH + self._header_size)
            new.seek(_LENGTH + size)
            while block := old.read(1 << 24):
                new.write(block)
        moved.replace(self._partial)
        self._header_size = size
        self._file = self._partial.open("r+b")
