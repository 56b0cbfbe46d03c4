"""The layout of a recording on disk, for writers and readers.

A recording is a folder. `recording.jsonl` is its manifest: a header, one line for each recorded step in the order
in which they were taken, one for each step that was skipped, one for each whose file was removed again (`dropped`), and
an end. Each line carries the digest of itself and of the line before (`chain`), which shows a line that was changed,
lost or moved. Each recorded step is one safetensors file:

    gradient.N                       the gradient of parameter N, as it was passed
    theta.N, m.N, u.N                the state after the step
    before.theta.N, before.m.N, ...  the state before it, where that is not the state after the recorded step before

and its metadata holds, under `step`, the step's description as JSON (`schema/recording.schema.json`): the
hyperparameters in force, the number t of the step of each parameter, the location of its state before, and a CRC-32 of
each `CHUNK` elements of every tensor, which locates damage. From format 2 on it says of each parameter what the
optimizer's own count was before and after the step, and what was changed since the step before; and it names the
parameters that moved without a gradient. The manifest holds the SHA-256 of the file's header, which protects the
description.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FORMAT: Final = 2
"""The version of this layout."""

MANIFEST: Final = "recording.jsonl"
PARTIAL_SUFFIX: Final = ".part"
"""The suffix of a file that is being written, or that a crash left."""

CHUNK: Final = 1 << 20
"""Elements under one checksum."""

STORAGE_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
"""NumPy's types for the elements of a dtype; integers hold the bits of bfloat16, which NumPy lacks."""

SAFETENSORS_DTYPES: Final[Mapping[str, str]] = {
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
"""Safetensors' names of the dtypes."""

QUANTITIES: Final = ("theta", "m", "u")


class BeforeLocation(Enum):
    """The location of the state before a step."""

    OWN = "own"
    """In the step's own file."""
    PREVIOUS = "previous"
    """It is the state after the recorded step before."""
    ZERO = "zero"
    """It is zero: m and u before the first step."""


def selects(tensors: Sequence[str], name: str, index: int) -> bool:
    """Whether a tensor is one of some.

    Args:
        tensors: names, numbers or patterns as of `fnmatch`; empty for all.
        name: of the tensor; may be empty.
        index: of the tensor in the recording.
    """
    return not tensors or any(each == str(index) or fnmatchcase(name, each) for each in tensors)


def file_name(number: int) -> str:
    """The name of a recorded step's file; the recorded steps have numbers from 1."""
    return f"step-{number:08d}.safetensors"


def checksums(raw: npt.NDArray[Any]) -> list[str]:
    """A CRC-32 of each `CHUNK` elements of a flat array."""
    return [crc(raw[start : start + CHUNK]) for start in range(0, raw.size, CHUNK)]


def crc(raw: npt.NDArray[Any]) -> str:
    """The CRC-32 of a contiguous array's bytes, as eight hexadecimal digits."""
    return f"{zlib.crc32(raw.view(np.uint8).data):08x}"


def chain_digest(line: Mapping[str, Any], before: str) -> str:
    """The right `chain` of a manifest line.

    It is the digest of the line without it, and of the chain before.
    """
    text = json.dumps({**line, "chain": before}, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
