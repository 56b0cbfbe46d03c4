"""What does the file of a recorded step hold, and where does each array lie in it?

Everything is checked before a number is read: the header against the manifest's digest, the tensors' places
against the file's size, and what the description says against what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from ...impl.recording.format import CODES, RAW, STATE, Before
from ...reference.hyperparameters import Hyperparameters
from ..escape import one_line
from .manifest import Damage, Listed

_LENGTH: Final = 8
_LONGEST_HEADER: Final = 1 << 30
_DTYPES: Final = {code: dtype for dtype, code in CODES.items()}


class DamagedError(Exception):
    """A step's file, or a part of it, cannot be read; carries which, and why."""

    def __init__(self, file: str, what: str) -> None:
        self.damage = Damage(file, what)
        super().__init__(str(self.damage))


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies.

    Attributes:
        file: the file's name.
        name: its name in the file.
        dtype: one of `layout.RAW`.
        shape: of the array.
        start: the first byte, from the file's beginning.
        checksums: a CRC-32 of each chunk.
    """

    file: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    checksums: Sequence[str]

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Parameter:
    """One parameter's part of a step.

    Attributes:
        place: among all parameters.
        name: as the framework knows it; may be empty.
        t: the number of its step, from 1.
        options: the hyperparameters in force.
        before: where each of theta, m and u before the step lies.
    """

    place: int
    name: str
    t: int
    options: Hyperparameters
    before: Mapping[str, Before]


@dataclass(frozen=True)
class Step:
    """The file of a recorded step.

    Attributes:
        number: its place among the recorded steps, from 1.
        file: its name.
        parameters: those that took part.
        tensors: by name.
    """

    number: int
    file: str
    parameters: tuple[Parameter, ...]
    tensors: Mapping[str, Tensor]


def read_step(folder: Path, listed: Listed, chunk: int) -> Step:
    """Read the header of a step's file.

    Args:
        folder: of the recording.
        listed: what the manifest says of it.
        chunk: elements under one checksum.

    Raises:
        DamagedError: it is missing, cut off, changed, or not what belongs there.
    """
    name = listed.file
    header, start = _header(folder, listed)
    try:
        values = json.loads(header)
        description = json.loads(values.pop("__metadata__")["step"])
        if description["number"] != listed.number:
            raise DamagedError(name, f"it holds the recorded step {description['number']}")
        tensors = {
            key: _tensor(name, key, value, start, description["checksums"][key], chunk, listed.size)
            for key, value in values.items()
        }
        groups = [_options(own) for own in description["groups"]]
        parameters = tuple(_parameter(own, groups) for own in description["parameters"])
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        words = (
            f"its header is not that of a recorded step ({type(error).__name__}: {one_line(str(error), 100)})"
        )
        raise DamagedError(name, words) from error
    return Step(listed.number, name, parameters, tensors)


def _header(folder: Path, listed: Listed) -> tuple[bytes, int]:
    """The header's JSON, and where the tensors begin."""
    name = listed.file
    try:
        with (folder / name).open("rb") as file:
            size = file.seek(0, 2)
            if size != listed.size:
                what = "cut off" if size < listed.size else "too long"
                raise DamagedError(name, f"it is {what}: {size} bytes; the manifest says {listed.size}")
            file.seek(0)
            length = int.from_bytes(file.read(_LENGTH), "little")
            if length > min(size - _LENGTH, _LONGEST_HEADER):
                raise DamagedError(name, "it is no safetensors file: its header is longer than the file")
            file.seek(0)
            head = file.read(_LENGTH + length)
    except OSError as error:
        raise DamagedError(name, f"it cannot be read ({error.strerror})") from error
    if hashlib.sha256(head).hexdigest() != listed.header:
        raise DamagedError(name, "its header was changed, or it is another file than the manifest lists")
    return head[_LENGTH:], len(head)


def _tensor(
    file: str, name: str, value: Mapping[str, Any], start: int, sums: Sequence[str], chunk: int, size: int
) -> Tensor:
    dtype = _DTYPES.get(value["dtype"])
    if dtype is None:
        raise DamagedError(
            file, f"{name} has the dtype {value['dtype']}; one of {', '.join(_DTYPES)} is judged"
        )
    shape = tuple(int(n) for n in value["shape"])
    first, end = (int(n) for n in value["data_offsets"])
    count = prod(shape)
    if (
        min(shape, default=0) < 0
        or first < 0
        or end - first != count * RAW[dtype].itemsize
        or start + end > size
    ):
        raise DamagedError(file, f"{name} of shape {list(shape)} does not lie within the file")
    if len(sums) != -(-count // chunk):
        raise DamagedError(file, f"{name} has {len(sums)} checksums; want {-(-count // chunk)}")
    return Tensor(file, name, dtype, shape, start + first, tuple(sums))


def _options(own: Mapping[str, Any]) -> Hyperparameters:
    numbers = {name: float.fromhex(value) for name, value in own.items() if name != "maximize"}
    return Hyperparameters(**numbers, maximize=bool(own["maximize"]))


def _parameter(own: Mapping[str, Any], groups: Sequence[Hyperparameters]) -> Parameter:
    if own["t"] < 1:
        raise ValueError(f"t is {own['t']}; steps are counted from 1")
    before = {quantity: Before(own["before"][quantity]) for quantity in STATE}
    return Parameter(int(own["place"]), str(own["name"]), int(own["t"]), groups[own["group"]], before)
