"""In which parts is a recording judged, and what does one of them show?

A part is some whole steps, or a share of one large step; it needs the recording's folder and nothing else, so any
process on any machine that sees the folder can take it. Within a step, the chunks of large parameters are judged
one at a time, and small parameters of one group together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...impl.recording.format import STATE, Before
from ...oracles.batch.block import widened
from ...oracles.batch.lockstep import QUANTITIES, Block, judge_block
from ...oracles.error_model import Assumption
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters
from .chunks import Array, read_chunk
from .manifest import Damage, Listed, Manifest
from .step_file import DamagedError, Parameter, Step, Tensor, read_step
from .tallies import NonFinite, Place, Result, Tally, merge, tally_of

_PART: Final = 1 << 27
"""Bytes of a part: enough that handing it out costs nothing, and little enough to lose."""

_ROLES: Final = ("theta", "m", "u", "gradient", "theta_after", "m_after", "u_after")
"""The arrays of a block, in its order."""

Places = Callable[[int], Place]
"""Where an element is, by its index in a block."""


@dataclass(frozen=True)
class Part:
    """Some steps, or one of several shares of a step.

    Attributes:
        steps: each as the manifest lists it, with the step before it where that is there.
        share: which share, from 0.
        shares: how many shares there are.
        size: bytes, about.
    """

    steps: tuple[tuple[Listed, Listed | None], ...]
    share: int
    shares: int
    size: int

    @property
    def name(self) -> str:
        """The same for the same part of the same recording."""
        first, last = self.steps[0][0].number, self.steps[-1][0].number
        return f"{first}-{last}:{self.share}/{self.shares}"


def plan(manifest: Manifest, numbers: Sequence[int] | None = None) -> list[Part]:
    """The parts of a recording, or of some steps of it."""
    parts: list[Part] = []
    waiting: list[tuple[Listed, Listed | None]] = []

    def hand_out() -> None:
        if waiting:
            parts.append(Part(tuple(waiting), 0, 1, sum(step.size for step, _ in waiting)))
            waiting.clear()

    for number in sorted(manifest.steps if numbers is None else set(numbers) & set(manifest.steps)):
        step = manifest.steps[number]
        pair = (step, manifest.steps.get(number - 1))
        if step.size <= _PART:
            waiting.append(pair)
            if sum(step.size for step, _ in waiting) >= _PART:
                hand_out()
            continue
        hand_out()
        shares = -(-step.size // _PART)
        parts += [Part((pair,), share, shares, step.size // shares) for share in range(shares)]
    hand_out()
    return parts


@dataclass(frozen=True)
class Piece:
    """One chunk of a parameter in a step.

    Attributes:
        parameter: whose it is.
        dtype: of all its arrays.
        shape: of the parameter.
        tensors: by role; None for zeros.
        chunk: the number of the chunk.
        size: its elements.
    """

    parameter: Parameter
    dtype: str
    shape: tuple[int, ...]
    tensors: Mapping[str, Tensor | None]
    chunk: int
    size: int


@dataclass
class StepReader:
    """The pieces of a recorded step, and their numbers.

    Attributes:
        folder: of the recording.
        chunk: elements under one checksum.
        damages: what could not be read.
        unjudged: what cannot be judged.
    """

    folder: Path
    chunk: int
    damages: set[Damage] = field(default_factory=set)
    unjudged: set[Damage] = field(default_factory=set)
    _read: dict[int, Step | None] = field(default_factory=dict)

    def step(self, listed: Listed) -> Step | None:
        """A step's file; None for one that is damaged."""
        if listed.number not in self._read:
            while len(self._read) > 1:
                del self._read[min(self._read)]
            try:
                self._read[listed.number] = read_step(self.folder, listed, self.chunk)
            except DamagedError as error:
                self.damages.add(error.damage)
                self._read[listed.number] = None
        return self._read[listed.number]

    def pieces(self, step: Step, listed_before: Listed | None) -> list[Piece]:
        """The chunks of every parameter that took part in a step."""
        previous = None
        if any(where is Before.PREVIOUS for p in step.parameters for where in p.before.values()):
            previous = None if listed_before is None else self.step(listed_before)
        found: list[Piece] = []
        for parameter in step.parameters:
            try:
                found += _pieces(step, previous, parameter, self.chunk)
            except DamagedError as error:
                self.damages.add(error.damage)
            except _Unjudged as error:
                self.unjudged.add(Damage(step.file, str(error)))
        return found

    def arrays(self, piece: Piece) -> tuple[Array, ...] | None:
        """The seven arrays of a piece; None where one is damaged."""
        read: dict[str, Array] = {}
        for role, tensor in piece.tensors.items():
            if tensor is not None:
                try:
                    read[role] = read_chunk(self.folder, tensor, piece.chunk, self.chunk)
                except DamagedError as error:
                    self.damages.add(error.damage)
                    return None
        zeros = np.zeros(0 if len(read) == len(_ROLES) else piece.size, read["gradient"].dtype)
        return tuple(read.get(role, zeros) for role in _ROLES)


class _Unjudged(Exception):  # noqa: N818 - not an error: the recording is whole
    """A parameter cannot be judged; says why."""


def _pieces(step: Step, previous: Step | None, parameter: Parameter, chunk: int) -> Iterator[Piece]:
    n = parameter.place
    name = f"parameter {n}" + (f" ({parameter.name})" if parameter.name else "")
    tensors: dict[str, Tensor | None] = {}
    for quantity in STATE:
        match parameter.before[quantity]:
            case Before.ZERO:
                tensors[quantity] = None
            case Before.OWN:
                tensors[quantity] = _found(step, f"before.{quantity}.{n}")
            case Before.PREVIOUS:
                if previous is None:
                    what = f"the state of {name} before it is in the recorded step {step.number - 1}, which is not whole"
                    raise DamagedError(step.file, what)
                tensors[quantity] = _found(previous, f"{quantity}.{n}")
    tensors["gradient"] = gradient = _found(step, f"gradient.{n}")
    tensors |= {f"{quantity}_after": _found(step, f"{quantity}.{n}") for quantity in STATE}
    present = [tensor for tensor in tensors.values() if tensor is not None]
    for tensor in present:
        if tensor.shape != gradient.shape:
            raise DamagedError(
                tensor.file,
                f"{tensor.name} has the shape {list(tensor.shape)}; its gradient has {list(gradient.shape)}",
            )
    dtypes = {tensor.name: tensor.dtype for tensor in present}
    if len(set(dtypes.values())) > 1:
        words = ", ".join(f"{key} is {value}" for key, value in dtypes.items())
        raise _Unjudged(f"{name} has arrays of several dtypes, for which no bound is proven: {words}")
    for number in range(-(-gradient.size // chunk)):
        size = min(chunk, gradient.size - number * chunk)
        yield Piece(parameter, gradient.dtype, gradient.shape, tensors, number, size)


def _found(step: Step, name: str) -> Tensor:
    if name not in step.tensors:
        raise DamagedError(step.file, f"it lacks {name}")
    return step.tensors[name]


@dataclass(frozen=True)
class Unit:
    """Pieces that are judged as one block: of one dtype, with the same hyperparameters and t."""

    pieces: tuple[Piece, ...]

    @property
    def dtype(self) -> str:
        """Of its arrays."""
        return self.pieces[0].dtype

    @property
    def options(self) -> Hyperparameters:
        """In force."""
        return self.pieces[0].parameter.options

    @property
    def t(self) -> int:
        """The number of the step."""
        return self.pieces[0].parameter.t


def units(pieces: Sequence[Piece], chunk: int) -> list[Unit]:
    """Pieces gathered so that no unit is larger than a chunk."""
    gathered: dict[Any, list[Piece]] = {}
    done: list[Unit] = []
    for piece in pieces:
        key = (piece.dtype, piece.parameter.options, piece.parameter.t)
        waiting = gathered.setdefault(key, [])
        if waiting and sum(other.size for other in waiting) + piece.size > chunk:
            done.append(Unit(tuple(waiting)))
            waiting.clear()
        waiting.append(piece)
    return done + [Unit(tuple(waiting)) for waiting in gathered.values() if waiting]


def read_unit(reader: StepReader, unit: Unit) -> tuple[Block, list[Piece]] | None:
    """A unit's numbers, and the pieces of it that are whole; None where none is."""
    read = [(piece, arrays) for piece in unit.pieces if (arrays := reader.arrays(piece)) is not None]
    if not read:
        return None
    if len(read) == 1:
        return Block(*read[0][1]), [read[0][0]]
    return Block(*(np.concatenate(each) for each in zip(*(a for _, a in read), strict=True))), [
        p for p, _ in read
    ]


def audit_part(folder: Path, chunk: int, part: Part, assumptions: Mapping[str, Assumption]) -> Result:
    """Judge every element of a part.

    Args:
        folder: of the recording.
        chunk: elements under one checksum.
        part: which steps, and which share of them.
        assumptions: what each dtype is judged against; one that is missing is left out.
    """
    reader = StepReader(folder, chunk)
    results: list[Result] = []
    for listed, before in part.steps:
        step = reader.step(listed)
        if step is None:
            continue
        all_units = units(reader.pieces(step, before), chunk)
        first, last = (len(all_units) * share // part.shares for share in (part.share, part.share + 1))
        for unit in all_units[first:last]:
            if unit.dtype in assumptions and (read := read_unit(reader, unit)) is not None:
                place = places_of(read[1], step.number, chunk)
                results.append(_judged(read[0], place, unit, assumptions[unit.dtype]))
    return merge([*results, Result(damages=frozenset(reader.damages), unjudged=frozenset(reader.unjudged))])


def places_of(pieces: Sequence[Piece], number: int, chunk: int) -> Places:
    """The place of each index of a block that was made of some pieces."""
    starts = list(accumulate((piece.size for piece in pieces), initial=0))

    def place(index: int) -> Place:
        which = bisect_right(starts, index) - 1
        piece = pieces[which]
        return Place(number, piece.parameter.place, piece.chunk * chunk + index - starts[which])

    return place


def _judged(block: Block, place: Places, unit: Unit, assumption: Assumption) -> Result:
    found = judge_block(block, unit.options, unit.t, assumption)
    tallies: dict[tuple[str, Quantity], Tally] = {
        (unit.dtype, quantity): tally_of(found[quantity], place) for quantity in QUANTITIES
    }
    non_finite = {}
    if found[Quantity.M].skipped:
        non_finite[unit.dtype] = _special(block, place)
    return Result(tallies, non_finite)


def _special(block: Block, place: Places) -> NonFinite:
    """What became of the elements that were not finite.

    A NaN stays one: that of a gradient in all three, that of a quantity in itself. An infinite gradient leaves
    neither u nor theta finite.
    """
    arrays = (getattr(block, role) for role in _ROLES)
    theta, m, u, g, theta_after, m_after, u_after = (
        widened(a, np.promote_types(a.dtype, np.float32)) for a in arrays
    )
    lost = ~np.isfinite(g)
    special = lost | ~np.isfinite(theta) | ~np.isfinite(m) | ~np.isfinite(u)
    wrong = np.zeros_like(special)
    nan = np.isnan(g)
    for before, after in ((theta, theta_after), (m, m_after), (u, u_after)):
        wrong |= (nan | np.isnan(before)) & ~np.isnan(after)
    wrong |= lost & (np.isfinite(u_after) | np.isfinite(theta_after))
    where, where_wrong = np.flatnonzero(special), np.flatnonzero(wrong)
    return NonFinite(
        count=len(where),
        first=place(int(where[0])) if len(where) else None,
        wrong=len(where_wrong),
        first_wrong=place(int(where_wrong[0])) if len(where_wrong) else None,
    )
