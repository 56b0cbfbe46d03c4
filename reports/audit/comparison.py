"""The comparison of two recordings: the first step where they part, and why.

Two ranks, two devices or two versions take the same steps as long as they are given the same. The steps are compared in
their order, and in each what a step reads before what it writes. Tensors whose checksums agree are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...impl.recording.format import QUANTITIES, BeforeLocation
from ...oracles.batch.block import widen
from .chunks import Array, read_chunk
from .manifest import Manifest
from .step_file import DamagedError, ParameterInfo, StepFile, Tensor, read_step_file

_READ: Final = (*(f"before.{quantity}" for quantity in QUANTITIES), "gradient")
_WRITTEN: Final = ("m", "u", "theta")
"""In the order in which a step computes them."""
_WORDS: Final = {
    "before.theta": "theta before it",
    "before.m": "m before it",
    "before.u": "u before it",
    "gradient": "the gradient",
}


@dataclass(frozen=True)
class Parting:
    """The first difference of two recordings.

    Attributes:
        number: of the recorded step.
        what: `gradient`, `m`, `u`, `theta`, `before.theta`, ..., or in words what else differs.
        parameter: its name, or its number.
        elements: how many differ; 0 for what has no elements.
        size: how many there are.
        first: the first of them.
        in_ulp: the largest difference, in ulp of the larger number.
        steps: how many recorded steps were the same before it.
    """

    number: int
    what: str
    parameter: str
    steps: int
    elements: int = 0
    size: int = 0
    first: tuple[int, ...] = ()
    in_ulp: float = 0.0

    @property
    def is_by_optimizers(self) -> bool:
        """Whether the steps were given the same, and made something else of it."""
        return self.what in _WRITTEN

    @property
    def sentence(self) -> str:
        """The difference in one line."""
        if not self.elements:
            return f"they part at the recorded step {self.number}: {self.what}"
        what = _WORDS.get(self.what, f"{self.what} after it")
        return (
            f"they part at the recorded step {self.number}, in {what} of {self.parameter}: {self.elements} of "
            f"{self.size} elements differ, the first {list(self.first)}, by up to {self.in_ulp:.3g} ulp"
        )

    @property
    def cause(self) -> str:
        """The part of the training that makes the difference, in one line."""
        if self.is_by_optimizers:
            return f"the optimizers: from the same state and the same gradient they form another {self.what}"
        if self.what == "gradient":
            return "not the optimizers: from the same theta, the gradients differ before the step"
        return "not the optimizers: the step was given something else"


class Comparison:
    """Two recordings, step by step.

    Args:
        one: the manifest of the first.
        other: that of the second.
    """

    def __init__(self, one: Manifest, other: Manifest) -> None:
        self._manifests = (one, other)
        self.common = sorted({*one.judged} & {*other.judged})

    def parting(self) -> Parting | None:
        """Find the first difference; None where every common step is the same.

        Raises:
            DamagedError: a step that is needed cannot be read.
        """
        previous: tuple[StepFile, StepFile] | None = None
        for count, number in enumerate(self.common):
            steps = (self._read(0, number), self._read(1, number))
            before = previous if previous is not None and previous[0].number == number - 1 else None
            if before is None and all(number - 1 in each.steps for each in self._manifests):
                before = self._read(0, number - 1), self._read(1, number - 1)
            for found in self._differences(steps, before, count):
                return found
            previous = steps
        return None

    def _read(self, which: int, number: int) -> StepFile:
        manifest = self._manifests[which]
        return read_step_file(manifest.folder, manifest.steps[number], manifest.facts["chunk"])

    def _differences(
        self, steps: tuple[StepFile, StepFile], previous: tuple[StepFile, StepFile] | None, count: int
    ) -> Iterator[Parting]:
        one, other = ({p.index: p for p in step.parameters} for step in steps)
        number = steps[0].number
        for words in _given(one, other):
            yield Parting(number, words, "", count)
        for what in (*_READ, *_WRITTEN):
            for index, info in sorted(one.items()):
                name = info.name or f"parameter {index}"
                tensors = [
                    _tensor(step, None if previous is None else previous[k], each[index], what)
                    for k, (step, each) in enumerate(zip(steps, (one, other), strict=True))
                ]
                found = self._compare(tensors)
                if found is not None:
                    yield Parting(number, what, name, count, *found)

    def _compare(self, tensors: list[Tensor | None]) -> tuple[int, int, tuple[int, ...], float] | None:
        """The counts of elements that differ and of all; the first; the largest in ulp."""
        a, b = tensors
        if a is None and b is None:
            return None
        if a is not None and b is not None:
            alike = (a.dtype, a.shape) == (b.dtype, b.shape)
            same_chunks = self._manifests[0].facts["chunk"] == self._manifests[1].facts["chunk"]
            if alike and same_chunks and a.checksums == b.checksums:
                return None
            if a.shape != b.shape:
                return max(a.size, b.size), max(a.size, b.size), (), np.inf
        shape = next(tensor.shape for tensor in tensors if tensor is not None)
        x, y = (
            np.zeros(shape) if tensor is None else self._array(k, tensor) for k, tensor in enumerate(tensors)
        )
        apart = (x != y) & ~(np.isnan(x) & np.isnan(y))
        if not apart.any():
            return None
        dtype = next(tensor.dtype for tensor in tensors if tensor is not None)
        with np.errstate(all="ignore"):
            ulp = np.abs(x - y) / _spacing(np.maximum(np.abs(x), np.abs(y)), dtype)
        largest = float(np.nanmax(ulp[apart], initial=0.0))
        first = tuple(int(i) for i in np.argwhere(apart)[0])
        return int(apart.sum()), int(apart.size), first, largest

    def _array(self, which: int, tensor: Tensor) -> Array:
        manifest = self._manifests[which]
        chunk = manifest.facts["chunk"]
        parts = [read_chunk(manifest.folder, tensor, k, chunk) for k in range(len(tensor.checksums))]
        return widen(np.concatenate([np.zeros(0), *map(widen, parts)])).reshape(tensor.shape)


def _given(one: Mapping[int, ParameterInfo], other: Mapping[int, ParameterInfo]) -> Iterator[str]:
    """The differences, in words, of what two steps are given besides arrays."""
    if one.keys() != other.keys():
        apart = sorted(one.keys() ^ other.keys())
        yield f"parameter {apart[0]} takes part in one of them alone"
        return
    for index, own in sorted(one.items()):
        name = own.name or f"parameter {index}"
        if own.t != other[index].t:
            yield f"it is step {own.t} of {name} in one, and step {other[index].t} in the other"
        theirs = other[index].options.options()
        for option, value in own.options.options().items():
            if value != theirs[option]:
                yield f"{option} of {name} is {value} in one, and {theirs[option]} in the other"


def _tensor(step: StepFile, previous: StepFile | None, info: ParameterInfo, what: str) -> Tensor | None:
    """A tensor of a step, wherever it lies; None for zeros."""
    quantity = what.removeprefix("before.")
    if quantity == what:
        return step.tensors[f"{what}.{info.index}"]
    match info.before[quantity]:
        case BeforeLocation.OWN:
            return step.tensors[f"{what}.{info.index}"]
        case BeforeLocation.PREVIOUS if previous is not None:
            return previous.tensors[f"{quantity}.{info.index}"]
        case BeforeLocation.PREVIOUS:
            raise DamagedError(step.file, "the state before it is in a step that the other recording lacks")
        case _:
            return None


def _spacing(x: Array, dtype: str) -> Any:
    """The distance of a number of a format to the next larger one."""
    if dtype == "bfloat16":
        return np.spacing(x.astype(np.float32)).astype(np.float64) * 2**16
    return np.spacing(x.astype(dtype)).astype(np.float64)
