"""The causes of a recording's errors: what explains them, and where they are.

The catalogue's machines keep the books of the recorded steps, and their formulas are held to a sample of each
tensor's elements. A recorded step shows m and u before and after it, so each is judged from what was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ...oracles.batch.block import widen
from ...oracles.batch.lockstep import Block
from ...oracles.causes.diagnosis import Cause, causes_of
from ...oracles.causes.rows import Array, Books, LifeTrace, Row
from ...oracles.formats import Format
from ...reference.causes.machine import Inputs
from ...reference.hyperparameters import Hyperparameters
from ...reference.life import Life
from .dtypes import of_theta
from .element_reader import ElementReader
from .step_file import ParameterInfo
from .tallies import ElementIndex, RecordedTally
from .work_items import Chunk

_STEPS: Final = 24
"""The most recorded steps that are looked at."""
_ELEMENTS: Final = 32
"""Elements of a tensor's first chunk that are looked at, besides those with errors."""
_TENSORS: Final = 64
"""The most tensors that are looked at."""
_BYTES: Final = 1 << 28
"""Bytes of a recording that are read at most, beyond the first step."""
_SEARCH: Final = 3.0
"""Processor seconds of the search for two causes at once."""
_NAMED: Final = 3
"""Tensors, steps or elements up to which each is named."""


@dataclass(frozen=True)
class Findings:
    """The causes of the errors of one dtype of a recording, and their place.

    Attributes:
        causes: that explain every error in what was looked at; none if no known one does.
        where: where they are, in words: tensors, groups and steps.
        wrong: how many steps of tensors have an error, of those that were looked at.
        seen: how many were looked at.
        is_local: whether the documented step explains what is outside of some tensors and steps.
        explains_rule: whether a cause, or the place, stands for what was identified.
        is_by_element: whether single elements are named.
    """

    causes: tuple[Cause, ...]
    where: str
    wrong: int
    seen: int
    is_local: bool = False
    explains_rule: bool = False
    is_by_element: bool = False

    @property
    def sentence(self) -> str:
        """The cause, or where the errors are."""
        sentence = "; or ".join(cause.sentence for cause in self.causes)
        return ", ".join(part for part in (sentence, self.where) if part)


Place = tuple[int, int]
"""A recorded step and a parameter."""


def find_causes(
    reader: ElementReader, numbers: Sequence[int], dtype: str, tallies: Mapping[str, RecordedTally]
) -> Findings | None:
    """Find what explains the errors of a recording.

    Args:
        reader: of the recording.
        numbers: the recorded steps that were judged.
        dtype: of the elements.
        tallies: of each quantity by its name, against the documented step or another.

    Returns:
        None where nothing is wrong in what was looked at.
    """
    errors = sorted({e.index for t in tallies.values() for e in _errors(t)})
    steps = _Steps(reader, dtype, errors)
    chosen = _choose(reader, numbers, errors)
    traces, places = steps.traces(chosen)
    if not places:
        return None
    # All elements that are off are known where a tally names each of them.
    few = errors if all(t.exceeded <= len(t.worst) for t in tallies.values()) else []
    limit = _scopes(places)
    found = causes_of(traces, Format.of(of_theta(dtype)), _SEARCH, limit)
    wrong = {places[k] for k in found.wrong}
    if not wrong and not errors:
        return None
    causes = found.causes if len(wrong) > 1 or not few else ()
    is_by_element = not causes and bool(few) and len(few) <= max(_NAMED, len(wrong))
    if causes:
        held = set() if found.scope is None else {places[k] for k in found.scope}
        where = (
            _where(steps, set(places), held)
            if held
            else ("in all tensors" if _is_everywhere(wrong, set(places)) else "")
        )
    elif is_by_element:
        where = _elements_in_words(steps, few)
    else:
        wrong = wrong or {(e.number, e.parameter) for e in errors}
        words = _where(steps, set(places), wrong) or "in every step of all tensors"
        names = [name for name, tally in tallies.items() if tally.exceeded] or ["theta"]
        where = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} off {words}"
    scope = limit({k for k, place in enumerate(places) if place in wrong})
    is_local = len(scope) < len(places)
    return Findings(causes, where, len(wrong), len(places), is_local, is_by_element=is_by_element)


def _errors(tally: RecordedTally) -> Iterator[Any]:
    if tally.first is not None:
        yield tally.first
    yield from (error for error in tally.worst if error.over_bound > 1)


def _choose(reader: ElementReader, numbers: Sequence[int], errors: Sequence[ElementIndex]) -> list[int]:
    """The steps to look at: those around errors, the first, and some on the way."""
    steps = reader.manifest.steps
    share = max(1, _BYTES // max(1, *(step.size for step in steps.values())))
    most = min(_STEPS, share)
    wrong = [error.number for error in errors]
    around = [n + k for n in dict.fromkeys(wrong[:1] + wrong) for k in (0, -1, 1)]
    spread = [numbers[len(numbers) * k // most] for k in range(most)] if numbers else []
    known = set(numbers)
    order = [n for n in (*around[:6], *numbers[:4], *numbers[-1:], *around, *spread) if n in known]
    return sorted(list(dict.fromkeys(order))[: max(2, most)])


class _Steps:
    """Reads recorded steps as rows for the judge of causes."""

    def __init__(self, reader: ElementReader, dtype: str, errors: Sequence[ElementIndex]) -> None:
        self.reader, self.dtype = reader, dtype
        self.wrong = sorted({error.parameter for error in errors})
        # A cause may take the moments of one tensor for another's: of all tensors the same elements are looked at.
        self.elements = sorted({error.flat_index for error in errors})
        self.infos: dict[int, ParameterInfo] = {}
        self.indices: dict[int, npt.NDArray[np.intp]] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.kept: frozenset[int] | None = None

    def traces(self, numbers: Sequence[int]) -> tuple[list[LifeTrace], list[Place]]:
        """Each run of consecutive steps as a life; and the place of each row."""
        steps = {n: found for n in self._with_history(numbers) if (found := self._read(n))}
        first = min(steps, default=0)
        traces: list[LifeTrace] = []
        wanted, before = set(numbers), None
        for number, step in steps.items():
            follows = before == number - 1 and _follows(steps[number - 1], step)
            if not follows:
                traces.append(self._begin(len(traces), steps[first], step))
            history = steps[number - 1] if follows else None
            # The step before a run only shows what the run follows: what came before is not known there.
            self._add(traces[-1], number, step, history, judged=number in wanted)
            before = number
        return traces, [(row.action, row.parameter) for each in traces for row in each.rows]

    def _with_history(self, numbers: Sequence[int]) -> list[int]:
        known = self.reader.manifest.steps
        return sorted(
            {*numbers, *(n - 1 for n in numbers if n - 1 in known), *([min(known)] if known else [])}
        )

    def _read(self, number: int) -> _Step:
        """The chunks that are looked at, by parameter, with the info of each."""
        found: _Step = {}
        damaged: set[int] = set()
        for batch in self.reader.batches(number):
            if batch.dtype != self.dtype:
                continue
            for chunk in batch.chunks:
                info = chunk.parameter
                self.infos.setdefault(info.index, info)
                self.shapes.setdefault(info.index, chunk.shape)
                wanted = self._wanted(chunk)
                if wanted.size and self._is_kept(info.index):
                    arrays = self.reader.chunk_reader.arrays(chunk)
                    if arrays is None:
                        damaged.add(info.index)
                    else:
                        found.setdefault(info.index, _Tensor(info)).add(
                            chunk, wanted, arrays, self.reader.chunk_size
                        )
        return {index: tensor for index, tensor in found.items() if index not in damaged}

    def _is_kept(self, parameter: int) -> bool:
        """Whether a tensor is one of those that are looked at."""
        if self.kept is None:
            every = sorted({p.index for p in self._parameters()})
            spread = every[:: max(1, len(every) // _TENSORS)]
            self.kept = frozenset([*self.wrong, *spread][: _TENSORS + len(self.wrong)])
        return parameter in self.kept

    def _parameters(self) -> Iterable[ParameterInfo]:
        manifest = self.reader.manifest
        step = self.reader.chunk_reader.step(manifest.steps[min(manifest.steps)])
        return () if step is None else step.parameters

    def _wanted(self, chunk: Chunk) -> npt.NDArray[np.intp]:
        """The indices in a chunk of the elements that are looked at."""
        start = chunk.number * self.reader.chunk_size
        inside = [i - start for i in self.elements if 0 <= i - start < chunk.size]
        few = np.linspace(0, chunk.size - 1, min(_ELEMENTS, chunk.size)).astype(np.intp)
        return np.unique(np.array([*inside, *(few.tolist() if chunk.number == 0 else ())], np.intp))

    def _begin(self, index: int, first: _Step, now: _Step) -> LifeTrace:
        """A life that begins with a step, and with the options of the first of all."""
        size = max(self.infos, default=-1) + 1
        groups = max((info.group for info in self.infos.values()), default=0) + 1
        began, options = _options_of(first, groups), _options_of(now, groups)
        group_of = [self.infos[i].group if i in self.infos else 0 for i in range(size)]
        shapes = [self.shapes.get(i, ()) for i in range(size)]

        def construct(books: Books) -> None:
            machine = books.machines[0] = books.kind(books.process)
            machine.construct([dict(each or {}) for each in began], [[] for _ in began])
            machine.group_of, machine.shapes = list(group_of), list(shapes)
            machine.counts = [0] * size
            _take(books, first, size)
            _set_options(books, options)

        trace = LifeTrace(Life(f"window {index}", of_theta(self.dtype), ()))
        trace.events.append(construct)
        return trace

    def _add(
        self, trace: LifeTrace, number: int, step: _Step, history: _Step | None, *, judged: bool
    ) -> None:
        others: dict[int, int] = {}
        groups = max((info.group for info in self.infos.values()), default=0) + 1
        options = _options_of(step, groups)
        life = int(trace.life.name.rpartition(" ")[2])
        for i, tensor in sorted(step.items()):
            if judged:
                others[i] = len(trace.rows)
                trace.rows.append(self._row(life, number, i, tensor, history, others))
        size = max(self.infos, default=-1) + 1

        def take(books: Books) -> None:
            _set_options(books, options)
            inputs = _take(books, step, size)
            if judged:
                books.inputs += inputs

        trace.events.append(take)

    def _row(
        self, life: int, number: int, i: int, tensor: _Tensor, history: _Step | None, others: dict[int, int]
    ) -> Row:
        theta, m, u, g, theta_after, m_after, u_after = tensor.arrays
        old = None if history is None else history.get(i)
        shape, options = self.shapes[i], tensor.info.options
        features: dict[str, Any] = {
            "step": tensor.info.t,
            "group": tensor.info.group,
            "size": int(np.prod(shape, dtype=np.int64)),
            **_named(options),
        }
        kept = None if old is None or old.arrays[0].size != theta.size else old
        return Row(
            life,
            number,
            0,
            i,
            others,
            theta,
            m,
            u,
            g,
            (theta_after, m_after, u_after),
            tensor.norm,
            None if kept is None else (kept.arrays[3], kept.arrays[0], kept.info.options.weight_decay),
            None,
            tensor.indices,
            shape,
            features,
        )

    def name(self, parameter: int) -> str:
        """A tensor's name, or its number."""
        info = self.infos.get(parameter)
        return info.name if info is not None and info.name else f"parameter {parameter}"

    def group(self, parameter: int) -> int:
        """The index of a tensor's group."""
        return self.infos[parameter].group


class _Tensor:
    """Some elements of a tensor in a recorded step."""

    def __init__(self, info: ParameterInfo) -> None:
        self.info = info
        self.indices = np.zeros(0, np.intp)
        self.arrays: tuple[Array, ...] = tuple(np.zeros(0) for _ in range(7))
        self.norm, self.is_zero = np.nan, True

    def add(self, chunk: Chunk, wanted: npt.NDArray[np.intp], arrays: Sequence[Any], size: int) -> None:
        """Add elements of a chunk."""
        block = Block(*arrays)
        some = block.take(wanted).widen()
        self.arrays = tuple(
            np.concatenate([a, b]) for a, (_, b) in zip(self.arrays, some.arrays(), strict=True)
        )
        self.indices = np.concatenate([self.indices, wanted + chunk.number * size])
        gradient = widen(block.gradient)
        self.is_zero &= not gradient.any()
        if chunk.number == 0 and chunk.size == int(np.prod(chunk.shape, dtype=np.int64)):
            self.norm = float(np.linalg.norm(gradient))


_Step = dict[int, _Tensor]


def _follows(before: _Step, after: _Step) -> bool:
    """Whether no step was left out between two recorded ones."""
    return all(after[i].info.t == before[i].info.t + 1 for i in before if i in after)


def _named(own: Hyperparameters) -> dict[str, Any]:
    return {name: getattr(own, name) for name in ("lr", "beta1", "beta2", "eps", "weight_decay", "maximize")}


def _options_of(step: _Step, groups: int) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = [None] * groups
    for tensor in step.values():
        found[tensor.info.group] = _named(tensor.info.options)
    return found


def _set_options(books: Books, options: Sequence[dict[str, Any] | None]) -> None:
    machine = books.machines[0]
    for group, own in enumerate(options):
        for name, value in (own or {}).items():
            if machine.options[group].get(name) != value:
                machine.set(group, name, value)


def _take(books: Books, step: _Step, size: int) -> list[Inputs]:
    """Let a machine take a step; what it reads, of each tensor that took part."""
    machine, inputs = books.machines[0], []
    machine.begin([i in step and step[i].is_zero for i in range(size)])
    for i in range(size):
        if i not in step:
            machine.skip(i)
            continue
        machine.counts[i] = step[i].info.t - 1
        machine.count(i)
        inputs.append(machine.inputs(i))
    machine.end()
    return inputs


# In words ---------------------------------------------------------------------------------------------------------


def _scopes(rows: Sequence[Place]) -> Callable[[set[int]], set[int]]:
    """A function from wrong rows to all rows of their tensors and steps.

    The steps are those from the first to the last.
    """

    def scope(wrong: set[int]) -> set[int]:
        if not wrong:
            return set()
        tensors = {rows[k][1] for k in wrong}
        first, last = min(rows[k][0] for k in wrong), max(rows[k][0] for k in wrong)
        return {k for k, (n, i) in enumerate(rows) if i in tensors and first <= n <= last}

    return scope


def _is_everywhere(wrong: set[Place], all_: set[Place]) -> bool:
    tensors = {i for _, i in all_}
    return len(tensors) > 1 and {i for _, i in wrong} == tensors


def _where(steps: _Steps, all_: set[Place], wrong: set[Place]) -> str:
    """The tensors and the steps of some places, in words."""
    words = (tensors_in_words(steps, all_, wrong), _steps_in_words(all_, wrong))
    return " ".join(part for part in words if part)


class Named(Protocol):
    """Tensors with their names and groups."""

    def name(self, parameter: int) -> str:
        """A tensor's name, or its number."""

    def group(self, parameter: int) -> int:
        """The index of a tensor's group."""


def tensors_in_words(steps: Named, all_: Collection[Place], wrong: Collection[Place]) -> str:
    """The tensors of some places, among all, in words."""
    every, bad = {i for _, i in all_}, sorted({i for _, i in wrong})
    if len(bad) == len(every):
        return "in all tensors" if len(every) > 1 else ""
    groups = {steps.group(i) for i in bad}
    if len(groups) == 1 and set(bad) == {i for i in every if steps.group(i) in groups} and len(bad) > 1:
        return f"in all tensors of param_groups[{next(iter(groups))}]"
    if len(bad) <= _NAMED:
        return f"in {' and '.join(steps.name(i) for i in bad)}"
    return f"in {len(bad)} of {len(every)} tensors"


def _steps_in_words(all_: set[Place], wrong: set[Place]) -> str:
    tensors = {i for _, i in wrong}
    every, bad = sorted({n for n, i in all_ if i in tensors}), sorted({n for n, _ in wrong})
    if bad == every:
        return ""
    if len(bad) <= _NAMED and bad[-1] != every[-1]:
        return f"at step{'s' * (len(bad) > 1)} {' and '.join(map(str, bad))}"
    if bad == [n for n in every if n >= bad[0]]:
        return f"from step {bad[0]} on" if len(bad) > 1 else f"at step {bad[0]}"
    if bad == [n for n in every if n <= bad[-1]]:
        return f"up to step {bad[-1]}"
    return f"in {len(bad)} of {len(every)} steps, first at step {bad[0]}"


def _elements_in_words(steps: _Steps, elements: Sequence[ElementIndex]) -> str:
    """Single elements, by tensor and step."""
    counts: dict[tuple[int, int], int] = {}
    for each in elements:
        counts[each.parameter, each.number] = counts.get((each.parameter, each.number), 0) + 1
    words = [
        f"{'one element' if count == 1 else f'{count} elements'} of {steps.name(i)} at step {number}"
        for (i, number), count in counts.items()
    ]
    more = f" and {len(words) - _NAMED} more places" if len(words) > _NAMED else ""
    verb = "is" if sum(counts.values()) == 1 else "are"
    return f"{' and '.join(words[:_NAMED])}{more} {verb} off"
