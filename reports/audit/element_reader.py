"""What are the numbers of one element, and what does the exact oracle say of it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ...oracles.batch.lockstep import Block, judge_element
from ...oracles.error_model import Assumption
from ...oracles.judgement import Judgement
from ...oracles.verdict import Quantity
from .manifest import Manifest
from .tallies import Place
from .work_items import StepReader, Unit, places_of, read_unit, units


@dataclass(frozen=True, eq=False)
class Sampled:
    """Some elements of one step of one unit, copied.

    Attributes:
        unit: what they belong to: their hyperparameters, t and dtype.
        block: their numbers.
        places: where each of them is.
    """

    unit: Unit
    block: Block
    places: tuple[Place, ...]

    def only(self, kept: Iterable[int]) -> Sampled:
        """The elements at some indices."""
        indices = np.fromiter(kept, np.intp)
        return Sampled(self.unit, self.block.taken(indices), tuple(self.places[i] for i in indices))


class Looker:
    """Reads single elements of a recording."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.chunk: int = manifest.facts["chunk"]
        self.reader = StepReader(manifest.folder, self.chunk)

    def units(self, number: int) -> list[Unit]:
        """The units of a recorded step; none where it is damaged."""
        listed = self.manifest.steps.get(number)
        step = None if listed is None else self.reader.step(listed)
        if step is None:
            return []
        return units(self.reader.pieces(step, self.manifest.steps.get(number - 1)), self.chunk)

    def sample(
        self, number: int, unit: Unit, choose: Callable[[Block], npt.NDArray[np.intp]]
    ) -> Sampled | None:
        """Some elements of a unit: those whose indices `choose` returns for its block."""
        read = read_unit(self.reader, unit)
        if read is None:
            return None
        block, pieces = read
        indices = choose(block)
        place = places_of(pieces, number, self.chunk)
        return Sampled(unit, block.taken(indices), tuple(place(int(i)) for i in indices))

    def element(self, place: Place) -> Sampled | None:
        """One element; None where what it needs is damaged."""
        for unit in self.units(place.number):
            for piece in unit.pieces:
                inside = place.index - piece.chunk * self.chunk
                if piece.parameter.place == place.parameter and 0 <= inside < piece.size:
                    only = Unit((piece,))
                    return self.sample(place.number, only, partial(_at, inside))
        return None


def _at(index: int, _: Block) -> npt.NDArray[np.intp]:
    return np.array([index], np.intp)


def judged_exactly(sampled: Sampled, index: int, assumption: Assumption) -> dict[Quantity, Judgement]:
    """One element of a sample, judged by the exact oracle."""
    return judge_element(sampled.block, index, sampled.unit.options, sampled.unit.t, assumption)
