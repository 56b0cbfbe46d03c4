"""Split a recording into work items, and audit one of them.

A work item is some whole steps, or a share of one large step. It needs the recording's folder and nothing else, so
any process on any machine that sees the folder can take it. Within a step, the chunks of parameters are judged one
at a time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...impl.recording.format import QUANTITIES as QUANTITY_NAMES
from ...impl.recording.format import BeforeLocation, selects
from ...oracles.batch.block import widen
from ...oracles.batch.lockstep import QUANTITIES, Block, QuantityTally, merge
from ...oracles.error_model import ErrorModel
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters
from .chunks import Array, read_chunk
from .dtypes import holds, join, judge_step, of_state
from .location import file_state
from .manifest import Damage, Manifest, ManifestEntry
from .step_file import COUNT, DamagedError, ParameterInfo, StepFile, Tensor, read_step_file
from .tallies import (
    AuditResult,
    ElementIndex,
    Event,
    EventKey,
    NonFinite,
    Occurrence,
    RecordedTally,
    merge_results,
)
from .tensors import Columns, TensorErrors, TensorKey, merge_errors

_ITEM: Final = 1 << 27
"""Bytes of a work item: enough that handing it out costs nothing, and few enough to lose."""

_ROLES: Final = ("theta", "m", "u", "gradient", "theta_after", "m_after", "u_after")
"""The arrays of a block, in its order."""

IndexLookup = Callable[[int], ElementIndex]
"""Gives the index of an element in the recording for its index in a block."""


@dataclass(frozen=True)
class WorkItem:
    """Some steps, or one of several shares of a step.

    Attributes:
        steps: each as the manifest lists it, with the step before it if there is one.
        share: which share, from 0.
        shares: how many shares there are.
        size: bytes, about.
        columns: of the recording's pictures.
        tensors: names, numbers or patterns of the tensors that are judged; empty for all.
    """

    steps: tuple[tuple[ManifestEntry, ManifestEntry | None], ...]
    share: int
    shares: int
    size: int
    columns: Columns
    tensors: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name that is the same for the same work item of the same recording."""
        first, last = self.steps[0][0].number, self.steps[-1][0].number
        return f"{first}-{last}:{self.share}/{self.shares}"


def plan(manifest: Manifest, numbers: Sequence[int] | None = None) -> list[WorkItem]:
    """Split a recording, or some steps of it, into work items."""
    items: list[WorkItem] = []
    waiting: list[tuple[ManifestEntry, ManifestEntry | None]] = []
    bytes_waiting = 0
    wanted = set(numbers or ())
    chosen = [n for n in manifest.judged if numbers is None or n in wanted]
    columns = Columns.of(chosen)

    def hand_out() -> None:
        if waiting:
            items.append(WorkItem(tuple(waiting), 0, 1, bytes_waiting, columns, manifest.tensors))
            waiting.clear()

    for number in chosen:
        step = manifest.steps[number]
        pair = (step, manifest.steps.get(number - 1))
        size = min(step.size, _size_on_disk(manifest.folder / step.file))
        if size <= _ITEM:
            waiting.append(pair)
            bytes_waiting += size
            if bytes_waiting >= _ITEM:
                hand_out()
                bytes_waiting = 0
            continue
        hand_out()
        bytes_waiting = 0
        shares = -(-size // _ITEM)
        items += [
            WorkItem((pair,), share, shares, size // shares, columns, manifest.tensors)
            for share in range(shares)
        ]
    hand_out()
    return items


def _size_on_disk(path: Path) -> int:
    """The size of a file; 0 for one that cannot be read.

    It bounds what the manifest says of the file.
    """
    try:
        return file_state(path)[0]
    except OSError:
        return 0


@dataclass(frozen=True)
class Chunk:
    """One chunk of a parameter in a step.

    Attributes:
        parameter: whose it is.
        dtype: of the parameter and its state, as in `dtypes`.
        shape: of the parameter.
        tensors: by role; None for zeros.
        number: of the chunk, from 0.
        size: its elements.
    """

    parameter: ParameterInfo
    dtype: str
    shape: tuple[int, ...]
    tensors: Mapping[str, Tensor | None]
    number: int
    size: int


@dataclass
class ChunkReader:
    """Reads the chunks of recorded steps, and their numbers.

    Attributes:
        folder: of the recording.
        chunk_size: elements under one checksum.
        tensors: names, numbers or patterns of the tensors that are read; empty for all.
        damages: what could not be read.
        unjudged: what cannot be judged.
    """

    folder: Path
    chunk_size: int
    tensors: tuple[str, ...] = ()
    damages: set[Damage] = field(default_factory=set)
    unjudged: set[Damage] = field(default_factory=set)
    _read: dict[int, StepFile | None] = field(default_factory=dict)

    def step(self, entry: ManifestEntry) -> StepFile | None:
        """Read a step's file; None for one that is damaged."""
        if entry.number not in self._read:
            while len(self._read) > 1:
                del self._read[min(self._read)]
            try:
                self._read[entry.number] = read_step_file(self.folder, entry, self.chunk_size)
            except DamagedError as error:
                self.damages.add(error.damage)
                self._read[entry.number] = None
        return self._read[entry.number]

    def chunks(self, step: StepFile, entry_before: ManifestEntry | None) -> list[Chunk]:
        """The chunks of every parameter that took part in a step."""
        previous = None
        if any(where is BeforeLocation.PREVIOUS for p in self.selected(step) for where in p.before.values()):
            previous = None if entry_before is None else self.step(entry_before)
        found: list[Chunk] = []
        for parameter in self.selected(step):
            try:
                _require_range(parameter)
                found += _chunks_of(step, previous, parameter, self.chunk_size)
            except DamagedError as error:
                self.damages.add(error.damage)
            except _UnjudgedError as error:
                self.unjudged.add(Damage(step.file, str(error)))
        return found

    def selected(self, step: StepFile) -> list[ParameterInfo]:
        """The parameters of a step that are read."""
        return [each for each in step.parameters if selects(self.tensors, each.name, each.index)]

    def arrays(self, chunk: Chunk) -> tuple[Array, ...] | None:
        """Read the seven arrays of a chunk in the dtype of its state.

        It is None where one is damaged.
        """
        read: dict[str, Array] = {}
        state = of_state(chunk.dtype)
        for role, tensor in chunk.tensors.items():
            if tensor is not None:
                try:
                    array = read_chunk(self.folder, tensor, chunk.number, self.chunk_size)
                    read[role] = array if tensor.dtype == state else widen(array, np.dtype(state))
                except DamagedError as error:
                    self.damages.add(error.damage)
                    return None
        zeros = np.zeros(0 if len(read) == len(_ROLES) else chunk.size, read["gradient"].dtype)
        return tuple(read.get(role, zeros) for role in _ROLES)


class _UnjudgedError(Exception):
    """A parameter is whole and cannot be judged; says why."""


def _chunks_of(
    step: StepFile, previous: StepFile | None, parameter: ParameterInfo, chunk_size: int
) -> Iterator[Chunk]:
    n = parameter.index
    name = f"parameter {n}" + (f" ({parameter.name})" if parameter.name else "")
    tensors: dict[str, Tensor | None] = {}
    for quantity in QUANTITY_NAMES:
        match parameter.before[quantity]:
            case BeforeLocation.ZERO:
                tensors[quantity] = None
            case BeforeLocation.OWN:
                tensors[quantity] = _require_tensor(step, f"before.{quantity}.{n}")
            case BeforeLocation.PREVIOUS:
                if previous is None:
                    what = f"the state of {name} before it is in the recorded step {step.number - 1}, which is not whole"
                    raise DamagedError(step.file, what)
                tensors[quantity] = _require_tensor(previous, f"{quantity}.{n}")
    tensors["gradient"] = gradient = _require_tensor(step, f"gradient.{n}")
    tensors |= {f"{quantity}_after": _require_tensor(step, f"{quantity}.{n}") for quantity in QUANTITY_NAMES}
    present = [tensor for tensor in tensors.values() if tensor is not None]
    for tensor in present:
        if tensor.shape != gradient.shape:
            raise DamagedError(
                tensor.file,
                f"{tensor.name} has the shape {list(tensor.shape)}; its gradient has {list(gradient.shape)}",
            )
    dtype = _dtypes_of(tensors)
    if dtype is None:
        words = ", ".join(f"{tensor.name} is {tensor.dtype}" for tensor in present)
        raise _UnjudgedError(f"{name} has arrays of several dtypes, for which no bound is proven: {words}")
    for number in range(-(-gradient.size // chunk_size)):
        size = min(chunk_size, gradient.size - number * chunk_size)
        yield Chunk(parameter, dtype, gradient.shape, tensors, number, size)


def _dtypes_of(tensors: Mapping[str, Tensor | None]) -> str | None:
    """The dtypes of a parameter and its state; None where no bound is proven for them.

    The state has one dtype, which has the numbers of theta and of the gradient.
    """
    own = {role: tensor.dtype for role, tensor in tensors.items() if tensor is not None}
    theta, state = own["theta_after"], own["m_after"]
    is_one = all(own[role] == state for role in ("m", "u", "u_after") if role in own)
    # A copy in a finer dtype begins with the numbers of theta.
    is_one &= holds(theta, own["theta"])
    is_one &= holds(state, own["gradient"])
    return join(theta, state) if is_one and holds(state, theta) else None


def _require_range(parameter: ParameterInfo) -> None:
    """Refuse hyperparameters with which no step can be judged."""
    options = parameter.options
    numbers = (options.lr, options.beta1, options.beta2, options.eps, options.weight_decay)
    if not all(map(math.isfinite, numbers)) or not 0 <= min(numbers[1:3]) <= max(numbers[1:3]) < 1:
        words = ", ".join(f"{name}={value}" for name, value in options.options().items())
        raise _UnjudgedError(f"parameter {parameter.index} has {words}, for which no bound is proven")


def _require_tensor(step: StepFile, name: str) -> Tensor:
    if name not in step.tensors:
        raise DamagedError(step.file, f"it lacks {name}")
    return step.tensors[name]


@dataclass(frozen=True)
class Batch:
    """Chunks that are judged as one block.

    They have one dtype, and the same hyperparameters and t.
    """

    chunks: tuple[Chunk, ...]

    @property
    def dtype(self) -> str:
        """The dtype of its arrays."""
        return self.chunks[0].dtype

    @property
    def options(self) -> Hyperparameters:
        """The hyperparameters in force."""
        return self.chunks[0].parameter.options

    @property
    def t(self) -> int:
        """The number of the step."""
        return self.chunks[0].parameter.t


def make_batches(chunks: Sequence[Chunk], chunk_size: int) -> list[Batch]:
    """Gather chunks into batches no larger than a chunk may be."""
    gathered: dict[Any, list[Chunk]] = {}
    sizes: dict[Any, int] = {}
    done: list[Batch] = []
    for chunk in chunks:
        key = (chunk.dtype, chunk.parameter.options, chunk.parameter.t)
        waiting = gathered.setdefault(key, [])
        if waiting and sizes[key] + chunk.size > chunk_size:
            done.append(Batch(tuple(waiting)))
            waiting.clear()
        sizes[key] = chunk.size + (sizes[key] if waiting else 0)
        waiting.append(chunk)
    return done + [Batch(tuple(waiting)) for waiting in gathered.values() if waiting]


def read_batch(chunk_reader: ChunkReader, batch: Batch) -> tuple[Block, list[Chunk]] | None:
    """Read a batch's numbers, and which of its chunks are whole; None if none is."""
    read = [(chunk, arrays) for chunk in batch.chunks if (arrays := chunk_reader.arrays(chunk)) is not None]
    if not read:
        return None
    if len(read) == 1:
        return Block(*read[0][1]), [read[0][0]]
    return Block(*(np.concatenate(each) for each in zip(*(a for _, a in read), strict=True))), [
        p for p, _ in read
    ]


def audit_work_item(
    folder: Path, chunk_size: int, item: WorkItem, error_models: Mapping[str, ErrorModel]
) -> AuditResult:
    """Judge every element of a work item.

    Args:
        folder: of the recording.
        chunk_size: elements under one checksum.
        item: which steps, and which share of them.
        error_models: by dtype; a dtype without one is left out.
    """
    chunk_reader = ChunkReader(folder, chunk_size, item.tensors)
    results: list[AuditResult] = []
    for entry, before in item.steps:
        step = chunk_reader.step(entry)
        if step is None:
            continue
        if item.share == 0:
            results.append(_look_at_books(step, chunk_reader.selected(step), item))
        batches = make_batches(chunk_reader.chunks(step, before), chunk_size)
        first, last = (len(batches) * share // item.shares for share in (item.share, item.share + 1))
        for batch in batches[first:last]:
            if batch.dtype in error_models and (read := read_batch(chunk_reader, batch)) is not None:
                element_at = index_lookup(read[1], step.number, chunk_size)
                results.append(_judge_batch(*read, element_at, error_models[batch.dtype], item.columns))
    return merge_results(
        [
            *results,
            AuditResult(damages=frozenset(chunk_reader.damages), unjudged=frozenset(chunk_reader.unjudged)),
        ]
    )


def _look_at_books(step: StepFile, parameters: Sequence[ParameterInfo], item: WorkItem) -> AuditResult:
    """Find what happened besides the documented step, by what the recorder has seen."""
    events: dict[EventKey, Occurrence] = {}

    def add(event: Event, what: str, index: int, name: str, words: str = "") -> None:
        events[event, what, index] = Occurrence(1, step.number, step.number, name, words)

    for own in parameters:
        for what in own.changed:
            add(Event.CHANGED, what, own.index, own.name)
        if own.is_rounded is False:
            add(Event.NOT_ROUNDED, "theta", own.index, own.name)
        if own.count is not None and own.count[1] - own.count[0] != 1:
            words = f"it goes from {own.count[0]} to {own.count[1]}"
            # From no count at all it may begin anywhere: the steps after it show whether it goes on by 1.
            if own.count[0] != 0 or own.count[1] == 0:
                add(Event.COUNTED, COUNT, own.index, own.name, words)
    for idle in (each for each in step.idle if selects(item.tensors, each.name, each.index)):
        for what in idle.changed:
            add(Event.CHANGED, what, idle.index, idle.name)
        for what in idle.moved:
            add(Event.MOVED, what, idle.index, idle.name)
    counted = sum(own.count is not None for own in parameters)
    column = item.columns.start(step.number)
    rates = {(own.group, column): (step.number, own.options.lr) for own in parameters}
    return AuditResult(events=events, counted=counted, idle=step.without_gradient or 0, rates=rates)


def index_lookup(chunks: Sequence[Chunk], number: int, chunk_size: int) -> IndexLookup:
    """A function from the index in a block of some chunks to the recording's."""
    starts = list(accumulate((chunk.size for chunk in chunks), initial=0))

    def element_at(index: int) -> ElementIndex:
        which = bisect_right(starts, index) - 1
        chunk = chunks[which]
        return ElementIndex(number, chunk.parameter.index, chunk.number * chunk_size + index - starts[which])

    return element_at


def _judge_batch(
    block: Block,
    chunks: Sequence[Chunk],
    element_at: IndexLookup,
    error_model: ErrorModel,
    columns: Columns,
) -> AuditResult:
    info, dtype, number = chunks[0].parameter, chunks[0].dtype, element_at(0).number
    found = dict.fromkeys(QUANTITIES, QuantityTally[int]())
    tensors: dict[TensorKey, TensorErrors] = {}
    start = 0
    for chunk in chunks:
        part = block.cut(start, start + chunk.size)
        own = judge_step(part, dtype, info.options, info.t, error_model, start=start)
        found = {quantity: merge(found[quantity], own[quantity]) for quantity in QUANTITIES}
        key = (dtype, chunk.parameter.index, columns.start(number))
        errors = _errors_of(own, chunk.parameter, number)
        tensors[key] = merge_errors(tensors[key], errors) if key in tensors else errors
        start += chunk.size
    tallies: dict[tuple[str, Quantity], RecordedTally] = {
        (dtype, quantity): found[quantity].at(number, element_at) for quantity in QUANTITIES
    }
    if info.options.lr == 0:
        # That a theta stays where it is has been judged, and shows nothing of the formula.
        theta = tallies[dtype, Quantity.THETA]
        tallies[dtype, Quantity.THETA] = replace(theta, open=theta.judged)
    non_finite = {}
    if found[Quantity.M].skipped:
        non_finite[dtype] = _count_non_finite(block, element_at)
    return AuditResult(tallies, non_finite, tensors=tensors)


def _errors_of(
    found: Mapping[Quantity, QuantityTally[int]], info: ParameterInfo, number: int
) -> TensorErrors:
    """The largest errors of a chunk in a step."""
    exceeded = {q.value: tally.exceeded for q, tally in found.items() if tally.exceeded}
    return TensorErrors(
        number,
        info.name,
        info.group,
        {q.value: tally.worst[0].over_bound for q, tally in found.items() if tally.worst},
        exceeded,
        dict.fromkeys(exceeded, number),
    )


def _count_non_finite(block: Block, element_at: IndexLookup) -> NonFinite:
    """Count the elements that were not finite, and those that came out wrong.

    A NaN stays one: that of a gradient in all three quantities, that of a quantity in itself. An infinite gradient
    leaves neither u nor theta finite.
    """
    arrays = (getattr(block, role) for role in _ROLES)
    theta, m, u, g, theta_after, m_after, u_after = (
        widen(a, np.promote_types(a.dtype, np.float32)) for a in arrays
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
        first=element_at(int(where[0])) if len(where) else None,
        wrong=len(where_wrong),
        first_wrong=element_at(int(where_wrong[0])) if len(where_wrong) else None,
    )
