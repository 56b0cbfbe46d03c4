"""Read single elements of a recording, and judge them with the exact oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ...oracles.batch.lockstep import Block
from ...oracles.error_model import ErrorModel
from ...oracles.judgement import Judgement
from ...oracles.verdict import Quantity
from .dtypes import judge_one
from .manifest import Manifest
from .tallies import ElementIndex
from .work_items import Batch, ChunkReader, index_lookup, make_batches, read_batch


@dataclass(frozen=True, eq=False)
class ElementSample:
    """Some elements of one step of one batch, copied.

    Attributes:
        batch: that they belong to, with their hyperparameters, t and dtype.
        block: their numbers.
        elements: the index of each of them.
    """

    batch: Batch
    block: Block
    elements: tuple[ElementIndex, ...]

    def select(self, kept: Iterable[int]) -> ElementSample:
        """The sample with only the elements at some indices."""
        indices = np.fromiter(kept, np.intp)
        return ElementSample(self.batch, self.block.take(indices), tuple(self.elements[i] for i in indices))


class ElementReader:
    """Reads single elements of a recording."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.chunk_size: int = manifest.facts["chunk"]
        self.chunk_reader = ChunkReader(manifest.folder, self.chunk_size, manifest.tensors)
        self._last: tuple[int, list[Batch]] = (0, [])
        self._elements: dict[ElementIndex, ElementSample | None] = {}

    def batches(self, number: int) -> list[Batch]:
        """The batches of a recorded step; none where it is damaged or not judged."""
        if self._last[0] != number:
            self._last = (number, self._make_batches(number))
        return self._last[1]

    def _make_batches(self, number: int) -> list[Batch]:
        entry = self.manifest.steps.get(number)
        step = None if entry is None or entry.is_base else self.chunk_reader.step(entry)
        if step is None:
            return []
        return make_batches(
            self.chunk_reader.chunks(step, self.manifest.steps.get(number - 1)), self.chunk_size
        )

    def sample(
        self, number: int, batch: Batch, choose: Callable[[Block], npt.NDArray[np.intp]]
    ) -> ElementSample | None:
        """Read those elements of a batch whose indices `choose` returns for its block."""
        read = read_batch(self.chunk_reader, batch)
        if read is None:
            return None
        block, chunks = read
        indices = choose(block)
        element_at = index_lookup(chunks, number, self.chunk_size)
        return ElementSample(batch, block.take(indices), tuple(element_at(int(i)) for i in indices))

    def element(self, index: ElementIndex) -> ElementSample | None:
        """Read one element; None where what it needs is damaged."""
        if index not in self._elements:
            self._elements[index] = self._read(index)
        return self._elements[index]

    def read_ahead(self, indices: Iterable[ElementIndex]) -> None:
        """Read elements step by step: the file of a step has a header of all its tensors."""
        for index in sorted(set(indices)):
            self.element(index)

    def _read(self, index: ElementIndex) -> ElementSample | None:
        for batch in self.batches(index.number):
            for chunk in batch.chunks:
                inside = index.flat_index - chunk.number * self.chunk_size
                if chunk.parameter.index == index.parameter and 0 <= inside < chunk.size:
                    only = Batch((chunk,))
                    return self.sample(index.number, only, partial(_at, inside))
        return None


def _at(index: int, _: Block) -> npt.NDArray[np.intp]:
    return np.array([index], np.intp)


def judge_exactly(sampled: ElementSample, index: int, error_model: ErrorModel) -> dict[Quantity, Judgement]:
    """Judge one element of a sample with the exact oracle."""
    batch = sampled.batch
    return judge_one(sampled.block, index, batch.dtype, batch.options, batch.t, error_model)
