"""Read a recording's numbers, one chunk at a time, with its checksum verified."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...impl.recording.format import STORAGE_DTYPES, crc
from ..untrusted import open_regular, read_file
from .location import file_state
from .step_file import DamagedError, Tensor

Array = npt.NDArray[Any]

_WHOLE: Final = 1 << 24
"""A file of at most so many bytes is read once, rather than for each of its chunks."""


def read_chunk(folder: Path, tensor: Tensor, number: int, chunk_size: int) -> Array:
    """Read one chunk of a tensor, as a flat array.

    Args:
        folder: of the recording.
        tensor: which one, and where it lies.
        number: of the chunk, from 0.
        chunk_size: elements under one checksum.

    Raises:
        DamagedError: the file cannot be read, or the bytes are not those that were written.
    """
    dtype = STORAGE_DTYPES[tensor.dtype]
    first = number * chunk_size
    count = min(chunk_size, tensor.size - first)
    start, size = tensor.start + first * dtype.itemsize, count * dtype.itemsize
    path = folder / tensor.file
    try:
        whole, modified = file_state(path)
        if whole <= _WHOLE:
            content = _read_whole(path, whole, modified)[start : start + size]
        else:
            with open_regular(path) as file:
                file.seek(start)
                content = file.read(size)
        array = np.frombuffer(content, dtype)
    except (OSError, ValueError) as error:
        raise DamagedError(tensor.file, f"{tensor.name} cannot be read ({error})") from error
    # An array of another dtype before it in the file may have left it unaligned.
    array = np.require(array, requirements="A")
    if array.size != count or crc(array) != tensor.checksums[number]:
        raise DamagedError(
            tensor.file,
            f"the elements {first} to {first + count - 1} of {tensor.name} are not those that were written",
        )
    return array


@lru_cache(maxsize=4)
def _read_whole(path: Path, size: int, modified: int) -> bytes:  # noqa: ARG001 - a file that was changed is read again
    """Read a small file.

    It is not mapped: if it were cut off meanwhile, that would end this process.
    """
    return read_file(path, size, follow=False)
