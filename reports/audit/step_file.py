"""The file of a recorded step: its parameters, and where each array lies in it.

Everything is checked before a number is read: the header against the manifest's digest, the tensors' offsets
against the file's size, and the description against the tensors that are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from ...impl.recording.format import QUANTITIES, SAFETENSORS_DTYPES, STORAGE_DTYPES, BeforeLocation
from ...reference.hyperparameters import Hyperparameters
from ..escape import one_line
from ..untrusted import UntrustedError, open_regular, parse_json, shorten
from .manifest import Damage, ManifestEntry

_LENGTH: Final = 8
_LONGEST_HEADER: Final = 1 << 28
_MOST_DIMENSIONS: Final = 64
"""NumPy's limit."""
_LAST_STEP: Final = 1 << 53
COUNT: Final = "t"
"""The optimizer's count, among the things of a parameter that may be changed."""
_DTYPES: Final = {code: dtype for dtype, code in SAFETENSORS_DTYPES.items()}


class DamagedError(Exception):
    """A step's file, or a part of it, cannot be read; `damage` says which, and why."""

    def __init__(self, file: str, what: str) -> None:
        self.damage = Damage(file, shorten(what))
        super().__init__(str(self.damage))


@dataclass(frozen=True)
class Tensor:
    """A tensor in a step's file: its dtype, shape, offset and checksums.

    Attributes:
        file: the file's name.
        name: its name in the file.
        dtype: one of `format.STORAGE_DTYPES`.
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
        """The number of its elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter in a recorded step.

    Attributes:
        index: among all parameters.
        name: as the framework knows it; may be empty.
        t: the number of its step, from 1.
        group: the index of its group.
        options: the hyperparameters in force.
        before: where each of theta, m and u before the step lies.
        count: the optimizer's own count before and after the step; None where it shows none.
        changed: what is not as it was at the end of the step before: of theta, m, u and t.
        is_rounded: whether the parameter is theta, rounded, after the step, where theta is its finer copy; None
            where it is theta itself.
    """

    index: int
    name: str
    t: int
    group: int
    options: Hyperparameters
    before: Mapping[str, BeforeLocation]
    count: tuple[int, int] | None = None
    changed: tuple[str, ...] = ()
    is_rounded: bool | None = None


@dataclass(frozen=True)
class IdleParameter:
    """A parameter without a gradient that moved in a step, or was changed before it.

    Attributes:
        index: among all parameters.
        name: as the framework knows it; may be empty.
        changed: what is not as it was at the end of the step before.
        moved: what the step changed.
    """

    index: int
    name: str
    changed: tuple[str, ...]
    moved: tuple[str, ...]


@dataclass(frozen=True)
class StepFile:
    """The file of a recorded step.

    Attributes:
        number: among the recorded steps, from 1.
        file: its name.
        parameters: those that took part.
        tensors: by name.
        without_gradient: how many parameters have no gradient; None where the recording does not say.
        idle: those of them that moved or were changed.
    """

    number: int
    file: str
    parameters: tuple[ParameterInfo, ...]
    tensors: Mapping[str, Tensor]
    without_gradient: int | None = None
    idle: tuple[IdleParameter, ...] = ()


def read_step_file(folder: Path, entry: ManifestEntry, chunk_size: int) -> StepFile:
    """Read the header of a step's file.

    Args:
        folder: of the recording.
        entry: the line of the manifest for it.
        chunk_size: elements under one checksum.

    Raises:
        DamagedError: it is missing, cut off, changed, or another file than belongs there.
    """
    name = entry.file
    header, start = _header(folder, entry)
    try:
        values = parse_json(header)
        description = parse_json(values.pop("__metadata__")["step"].encode())
        if _integer(description["number"]) != entry.number:
            raise DamagedError(name, f"it holds the recorded step {description['number']}")
        tensors = {
            key: _tensor(name, key, value, start, description["checksums"][key], chunk_size, entry.size)
            for key, value in values.items()
        }
        groups = [_options(own) for own in description["groups"]]
        parameters = tuple(_parameter(own, groups) for own in description["parameters"])
        others = description.get("without gradient")
        without = None if others is None else _integer(others["count"])
        idle = () if others is None else tuple(map(_idle, others["notable"]))
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
    return StepFile(entry.number, name, parameters, tensors, without, idle)


def _header(folder: Path, entry: ManifestEntry) -> tuple[bytes, int]:
    """Read the header's JSON, and the offset where the tensors begin."""
    name = entry.file
    try:
        with open_regular(folder / name) as file:
            size = file.seek(0, 2)
            if size != entry.size:
                what = "cut off" if size < entry.size else "too long"
                raise DamagedError(name, f"it is {what}: {size} bytes; the manifest says {entry.size}")
            file.seek(0)
            length = int.from_bytes(file.read(_LENGTH), "little")
            if length > min(size - _LENGTH, _LONGEST_HEADER):
                raise DamagedError(name, "it is not a safetensors file: its header is longer than the file")
            file.seek(0)
            head = file.read(_LENGTH + length)
    except OSError as error:
        raise DamagedError(name, f"it cannot be read ({error.strerror})") from error
    except UntrustedError as error:
        raise DamagedError(name, f"it {error}") from error
    if hashlib.sha256(head).hexdigest() != entry.header:
        raise DamagedError(name, "its header was changed, or it is another file than the manifest lists")
    return head[_LENGTH:], len(head)


def _tensor(
    file: str,
    name: str,
    value: Mapping[str, Any],
    start: int,
    sums: Sequence[str],
    chunk_size: int,
    size: int,
) -> Tensor:
    dtype = _DTYPES.get(value["dtype"])
    if dtype is None:
        raise DamagedError(
            file, f"{name} has the dtype {value['dtype']}; one of {', '.join(_DTYPES)} is judged"
        )
    shape = tuple(_integer(n) for n in value["shape"])
    if len(shape) > _MOST_DIMENSIONS:
        raise DamagedError(file, f"{name} has {len(shape)} dimensions; at most {_MOST_DIMENSIONS} are judged")
    first, end = (_integer(n) for n in value["data_offsets"])
    count = prod(shape)
    if (
        min(shape, default=0) < 0
        or first < 0
        or end - first != count * STORAGE_DTYPES[dtype].itemsize
        or start + end > size
    ):
        raise DamagedError(file, f"{name} of shape {list(shape)} does not lie within the file")
    if len(sums) != -(-count // chunk_size):
        raise DamagedError(file, f"{name} has {len(sums)} checksums; want {-(-count // chunk_size)}")
    return Tensor(file, name, dtype, shape, start + first, tuple(sums))


def _options(own: Mapping[str, Any]) -> Hyperparameters:
    numbers = {name: float.fromhex(value) for name, value in own.items() if name != "maximize"}
    return Hyperparameters(**numbers, maximize=bool(own["maximize"]))


def _parameter(own: Mapping[str, Any], groups: Sequence[Hyperparameters]) -> ParameterInfo:
    if not 1 <= _integer(own["t"]) <= _LAST_STEP:
        raise ValueError(f"t is {own['t']}; steps are counted from 1, to 2^53")
    before = {quantity: BeforeLocation(own["before"][quantity]) for quantity in QUANTITIES}
    place, group = _integer(own["place"]), _integer(own["group"])
    if place < 0 or not 0 <= group < len(groups):
        raise ValueError(f"parameter {place} of group {group}; there are {len(groups)} groups, from 0")
    count = own.get("count")
    return ParameterInfo(
        place,
        str(own["name"]),
        own["t"],
        group,
        groups[group],
        before,
        None if count is None else (_integer(count[0]), _integer(count[1])),
        _changed(own.get("changed", [])),
        _is_rounded(own.get("rounded")),
    )


def _is_rounded(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{one_line(repr(value), 40)} is neither true nor false")
    return value


def _idle(own: Mapping[str, Any]) -> IdleParameter:
    place = _integer(own["place"])
    if place < 0:
        raise ValueError(f"parameter {place}; they are counted from 0")
    return IdleParameter(place, str(own["name"]), _changed(own["changed"]), _changed(own["moved"]))


def _changed(names: Sequence[Any]) -> tuple[str, ...]:
    """Some of theta, m, u and t, in this order."""
    if not isinstance(names, list) or not set(names) <= {*QUANTITIES, COUNT}:
        raise ValueError(f"{one_line(repr(names), 40)} is not a list of theta, m, u and t")
    return tuple(name for name in (*QUANTITIES, COUNT) if name in names)


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{one_line(repr(value), 40)} is not an integer")
    return value
