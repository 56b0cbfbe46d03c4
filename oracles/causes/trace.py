"""The reading of observed lives: into rows, and events of machines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...reference.causes.machine import Machine, Origin, Source
from ...reference.life import (
    Action,
    AddGroup,
    Construct,
    Copy,
    Life,
    Load,
    Memory,
    Number,
    Observation,
    OptimizerState,
    Outcome,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)
from ...reference.values import Values
from ..life.model import gradient_values, initial_state, options_in_force
from .rows import Array, Books, Check, LifeTrace, Row

Indices: TypeAlias = npt.NDArray[np.intp]

_NAMES: Final = ("lr", "beta1", "beta2", "eps", "weight_decay", "maximize")
_SAMPLE: Final = 24
"""The elements at either end of a long array that are judged."""


@dataclass
class _Known:
    """An optimizer as it was seen last, and how it was constructed."""

    state: OptimizerState
    shapes: list[tuple[int, ...]]
    groups: list[int]
    options: list[dict[str, Any]]
    own: list[set[str]]
    memories: list[Memory]
    keywords: Any
    dtypes: list[str | None]
    counts: list[int]
    old: dict[int, tuple[Values, Values, float]] = field(default_factory=dict)
    last: dict[int, int | None] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)


def _make(books: Books, optimizer: int) -> None:
    """Make the machine of an optimizer as it was constructed."""
    options, members = books.made[optimizer]
    books.machines[optimizer] = books.kind(books.process)
    books.machines[optimizer].construct([dict(each) for each in options], members)


def _run(machine: Machine, steps: int) -> None:
    """Let a machine count many steps."""
    kind = type(machine)
    if kind.count is Machine.count and kind.begin is Machine.begin:
        machine.counts = [n + steps for n in machine.counts]
    else:
        zero = [False] * len(machine.counts)
        for _ in range(steps):
            machine.begin(zero)
            for i in range(len(machine.counts)):
                machine.count(i)
    machine.end()


def _kind(lr: Number | None) -> str:
    return "float" if lr is None else lr.kind.value


class _Tracer:
    """Reads one life."""

    def __init__(self, index: int, life: Life, indices: Mapping[int, Indices]) -> None:
        self.index, self.trace, self.indices = index, LifeTrace(life), indices
        self.known: dict[int, _Known] = {}
        self.savers: dict[int, int] = {}
        self.checkpoints: dict[int, tuple[OptimizerState, tuple[int, ...], dict[int, int | None]]] = {}

    def take(self, number: int, action: Action, seen: Observation) -> bool:
        """Take one action; whether the life goes on."""
        if seen.outcome is Outcome.UNSUPPORTED:
            self.trace.unsupported = f"{type(action).__name__}: {seen.message}"
            return False
        if isinstance(action, Refuse):
            if seen.outcome is Outcome.DONE:
                return False
        elif seen.outcome is Outcome.REFUSED:
            self.trace.refused = f"{type(action).__name__}: {seen.message}"
            return False
        if isinstance(action, Load) and self._brings_theta(action, seen):
            self.trace.unsupported = "a checkpoint of another optimizer brings its theta along"
            return False
        self._act(action, number, seen)
        for optimizer, state in seen.optimizers.items():
            known = self.known[optimizer]
            stepped = isinstance(action, Step | Run) and action.optimizer == optimizer
            loaded = isinstance(action, Load) and action.optimizer == optimizer
            if not stepped and not isinstance(action, Construct | Copy | AddGroup):
                self._still(number, action, optimizer, known, state, loaded=loaded)
            known.state = state
        return True

    def _brings_theta(self, action: Load, seen: Observation) -> bool:
        """Whether another optimizer's checkpoint also has its parameters.

        That is the optimizer's own affair.
        """
        before, after = self.known[action.optimizer].state.theta, seen.optimizers[action.optimizer].theta
        moved = any(not same_numbers(a, b) for a, b in zip(before, after, strict=False))
        return moved and self.savers[action.checkpoint] != action.optimizer

    # Actions -------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def _act(self, action: Action, _: int, __: Observation) -> None:
        raise TypeError(f"{action!r} is not an action of the lives of causes")

    @_act.register
    def _(self, action: Construct, _: int, __: Observation) -> None:
        specs = [spec for group in action.groups for spec in group.parameters]
        options = [_named(options_in_force(group.options, action.options)) for group in action.groups]
        members = [[spec.values.shape for spec in group.parameters] for group in action.groups]
        self.known[action.optimizer] = _Known(
            initial_state(specs),
            [spec.values.shape for spec in specs],
            [index for index, group in enumerate(action.groups) for _ in group.parameters],
            [dict(each) for each in options],
            [set(group.options.passed()) for group in action.groups],
            [spec.memory for spec in specs],
            action.options,
            [spec.dtype for spec in specs],
            [0] * len(specs),
            kinds=[_kind(group.options.lr or action.options.lr) for group in action.groups],
        )
        key = action.optimizer

        def construct(books: Books) -> None:
            books.made[key] = options, members
            _make(books, key)

        self.trace.events.append(construct)

    @_act.register
    def _(self, action: AddGroup, _: int, __: Observation) -> None:
        known = self.known[action.optimizer]
        options = _named(options_in_force(action.group.options, known.keywords))
        shapes = [spec.values.shape for spec in action.group.parameters]
        known.shapes += shapes
        known.groups += [len(known.options)] * len(shapes)
        known.options.append(dict(options))
        known.own.append(set(action.group.options.passed()))
        known.memories += [spec.memory for spec in action.group.parameters]
        known.dtypes += [spec.dtype for spec in action.group.parameters]
        known.counts += [0] * len(shapes)
        known.kinds.append(_kind(action.group.options.lr))
        key = action.optimizer
        self.trace.events.append(lambda books: books.machines[key].add_group(dict(options), shapes))

    @_act.register
    def _(self, action: SetLr, _: int, __: Observation) -> None:
        known = self.known[action.optimizer]
        known.kinds[action.group] = action.lr.kind.value
        known.since["lr was set"] = 0
        self._set(action.optimizer, action.group, {"lr": action.lr.value})

    @_act.register
    def _(self, action: SetOption, _: int, __: Observation) -> None:
        self.known[action.optimizer].since[f"{action.name} was set"] = 0
        value = action.value
        parts = {"beta1": value[0], "beta2": value[1]} if action.name == "betas" else {action.name: value}
        self._set(action.optimizer, action.group, parts)

    def _set(self, optimizer: int, group: int, parts: Mapping[str, Any]) -> None:
        self.known[optimizer].options[group].update(parts)

        def set_(books: Books) -> None:
            for name, value in parts.items():
                books.machines[optimizer].set(group, name, value)

        self.trace.events.append(set_)

    @_act.register
    def _(self, action: Save, _: int, __: Observation) -> None:
        known = self.known[action.optimizer]
        self.checkpoints[action.checkpoint] = known.state, tuple(known.counts), dict(known.last)
        self.savers[action.checkpoint] = action.optimizer
        known.since["a checkpoint was saved"] = 0

        def save(books: Books) -> None:
            books.saved[action.checkpoint] = deepcopy(books.machines[action.optimizer].save())

        self.trace.events.append(save)

    @_act.register
    def _(self, action: SetCount, _: int, __: Observation) -> None:
        saved, counts, last = self.checkpoints[action.checkpoint]
        more = action.count - max(counts)
        self.checkpoints[action.checkpoint] = saved, tuple(n + more for n in counts), last

        def set_count(books: Books) -> None:
            kept = books.saved[action.checkpoint]
            kept.counts = [n + more for n in kept.counts]

        self.trace.events.append(set_count)

    @_act.register
    def _(self, action: Load, _: int, __: Observation) -> None:
        known = self.known[action.optimizer]
        _saved, counts, last = self.checkpoints[action.checkpoint]
        known.counts, known.last = list(counts), dict(last)
        known.since["a checkpoint was loaded"] = 0
        if action.fresh:
            known.old = {}

        def load(books: Books) -> None:
            if action.fresh:
                _make(books, action.optimizer)
            books.machines[action.optimizer].load(deepcopy(books.saved[action.checkpoint]))

        self.trace.events.append(load)

    @_act.register
    def _(self, action: Copy, _: int, __: Observation) -> None:
        self.known[action.copy] = deepcopy(self.known[action.optimizer])
        self.known[action.copy].since["it was copied"] = 0

        def copy(books: Books) -> None:
            machine = books.machines[action.optimizer]
            books.machines[action.copy] = deepcopy(machine, {id(machine.process): machine.process})

        self.trace.events.append(copy)

    @_act.register
    def _(self, action: Refuse, _: int, __: Observation) -> None:
        self.known[action.optimizer].since["a call was refused"] = 0
        self.trace.events.append(lambda books: books.machines[action.optimizer].refuse())

    @_act.register
    def _(self, action: Run, _: int, __: Observation) -> None:
        known = self.known[action.optimizer]
        known.counts = [n + action.steps for n in known.counts]
        last = action.gradients[(action.steps - 1) % len(action.gradients)]
        for i, values in enumerate(last):
            decay = known.options[known.groups[i]]["weight_decay"]
            known.old[i] = values, Values(values.shape, (math.nan,)), decay
            known.last[i] = None
        self.trace.events.append(lambda books: _run(books.machines[action.optimizer], action.steps))

    # Steps ---------------------------------------------------------------------------------------------------

    @_act.register
    def _(self, action: Step, number: int, seen: Observation) -> None:
        state = seen.optimizers[action.optimizer]
        known = self.known[action.optimizer]
        gradients = gradient_values(action.gradients, known.state.theta)
        zero = [g is not None and not any(g.pattern) and not g.exceptions for g in gradients]
        others: dict[int, int] = {}
        for i, gradient in enumerate(gradients):
            if gradient is None:
                continue
            known.counts[i] += 1
            others[i] = len(self.trace.rows)
            self.trace.rows.append(self._row(number, action, i, gradient, known, state, others))
            decay = known.options[known.groups[i]]["weight_decay"]
            known.old[i] = gradient, known.state.theta[i], decay
            known.last[i] = others[i]
        for name in list(known.since):
            known.since[name] += 1

        def step(books: Books) -> None:
            machine = books.machines[action.optimizer]
            machine.begin(zero)
            for i, gradient in enumerate(gradients):
                if gradient is None:
                    machine.skip(i)
                    continue
                machine.count(i)
                books.inputs.append(machine.inputs(i))
            machine.end()

        self.trace.events.append(step)

    def _row(
        self,
        number: int,
        action: Step,
        i: int,
        gradient: Values,
        known: _Known,
        state: OptimizerState,
        others: dict[int, int],
    ) -> Row:
        size, old = gradient.size, known.old.get(i)
        indices = self.indices[size]

        def moment(arrays: Sequence[Values | None] | None, *, first: bool) -> Array | None:
            found = arrays[i] if arrays is not None and i < len(arrays) else None
            if found is None:
                return np.zeros(indices.size) if first else None
            return found.take(indices)

        first = known.counts[i] == 1
        spec = action.gradients[i]
        options = known.options[known.groups[i]]
        passed = known.own[known.groups[i]]
        features: dict[str, Any] = {
            "step": known.counts[i],
            "group": known.groups[i],
            "last group": known.groups[i] == len(known.options) - 1 > 0,
            "parameter": i,
            "last parameter": i == len(known.shapes) - 1 > 0,
            "parameters": len(known.shapes),
            "size": size,
            "dims": len(gradient.shape),
            "rows": gradient.shape[0] if gradient.shape else 1,
            "square": len(gradient.shape) < 2 or gradient.shape[0] == gradient.shape[-1],
            "memory": known.memories[i].value,
            "gradient memory": spec.memory.value,
            "gradient dtype": spec.dtype,
            "dtype": known.dtypes[i] or self.trace.life.dtype,
            "own options": frozenset(passed),
            "lr kind": known.kinds[known.groups[i]],
            "all zero": not any(gradient.pattern) and not gradient.exceptions,
            "same gradient": spec.same_as is not None,
            "since": dict(known.since),
            "optimizers": len(self.known),
            **options,
        }
        return Row(
            self.index,
            number,
            action.optimizer,
            i,
            others,
            known.state.theta[i].take(indices),
            moment(known.state.m, first=first),
            moment(known.state.u, first=first),
            gradient.take(indices),
            (
                state.theta[i].take(indices),
                moment(state.m, first=False),
                moment(state.u, first=False),
            ),
            _norm(gradient),
            None if old is None else (old[0].take(indices), old[1].take(indices), old[2]),
            known.last.get(i, -1),
            indices,
            gradient.shape,
            features,
        )

    # What must be still ----------------------------------------------------------------------------------------

    def _still(
        self,
        number: int,
        action: Action,
        optimizer: int,
        known: _Known,
        state: OptimizerState,
        *,
        loaded: bool,
    ) -> None:
        checkpoint = action.checkpoint if isinstance(action, Load) else 0
        before = known.state
        checks = [
            Check(self.index, number, optimizer, i, "theta", lambda source: source.origin is Origin.ANY)
            for i, (then, now) in enumerate(zip(before.theta, state.theta, strict=False))
            if not same_numbers(then, now)
        ]
        for moment, then, now in (("m", before.m, state.m), ("u", before.u, state.u)):
            if now is None or then is None:
                continue
            kept = self.checkpoints[checkpoint][0] if loaded else None
            saved = None if kept is None else (kept.m if moment == "m" else kept.u)
            for i, seen in enumerate(now):
                if seen is not None:
                    checks.append(
                        Check(self.index, number, optimizer, i, moment, _compared(seen, then, saved))
                    )
        if not checks:
            return

        def check(books: Books) -> None:
            machine = books.machines[optimizer]
            for each in checks:
                source = (
                    machine.restored(each.moment, each.parameter, checkpoint)
                    if loaded and each.moment != "theta"
                    else machine.kept(each.moment, each.parameter)
                )
                if not each.equals(source):
                    books.wrong.append(each)

        self.trace.events.append(check)


def _norm(gradient: Values) -> float:
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(gradient.expand()))


def _indices(life: Life, observations: Sequence[Observation], *, whole: bool) -> dict[int, Indices]:
    """The elements that are judged, by the size of an array, in all steps of a life."""
    arrays: dict[int, list[Values]] = {}
    found: list[Values | None] = []
    for action in life.actions:
        match action:
            case Construct():
                found += [spec.values for group in action.groups for spec in group.parameters]
            case AddGroup():
                found += [spec.values for spec in action.group.parameters]
            case Step():
                found += [spec.values for spec in action.gradients]
    for state in (state for seen in observations for state in seen.optimizers.values()):
        found += [each for moment in (state.theta, state.m, state.u) for each in moment or ()]
    for each in found:
        if each is not None:
            arrays.setdefault(each.size, []).append(each)
    return {size: (different_elements if whole else _sample)(some, size) for size, some in arrays.items()}


def _sample(arrays: Sequence[Values], size: int) -> Indices:
    """The indices of a sample of long arrays; all of short ones."""
    indices = np.arange(size)
    if size <= 2 * _SAMPLE:
        return indices
    middle = np.linspace(0, size - 1, 3 * _SAMPLE).astype(np.intp)
    odd = np.array([k for each in arrays for k, _ in each.exceptions[:_SAMPLE]], np.intp)
    return np.unique(np.concatenate([indices[:_SAMPLE], indices[-_SAMPLE:], middle, odd]))


def different_elements(arrays: Sequence[Values], size: int) -> Indices:
    """The indices of a first one of all that is different in arrays of one size.

    Where the arrays repeat their first elements, every later element is as one of the first ones.
    """
    period = math.lcm(*(len(each.pattern) for each in arrays))
    odd = np.array([k for each in arrays for k, _ in each.exceptions], np.intp)
    return np.unique(np.concatenate([np.arange(min(period, size)), odd]))


def _compared(
    seen: Values, then: Sequence[Values | None], saved: Sequence[Values | None] | None
) -> Callable[[Source], bool]:
    known: dict[Source, bool] = {}

    def equals(source: Source) -> bool:
        if source not in known:
            match source.origin:
                case Origin.ANY:
                    known[source] = True
                case Origin.ZERO:
                    known[source] = not any(seen.pattern) and not seen.exceptions
                case _:
                    arrays = saved if source.origin is Origin.SAVED else then
                    other = None if arrays is None else arrays[source.parameter]
                    known[source] = not any(seen.pattern) if other is None else same_numbers(other, seen)
        return known[source]

    return equals


def same_numbers(a: Values, b: Values) -> bool:
    """Whether two arrays are equal bit for bit, any NaN being any other."""
    if a.shape == b.shape and a.pattern == b.pattern and a.exceptions == b.exceptions:
        return True
    return a.shape == b.shape and np.array_equal(_bits(a.expand()), _bits(b.expand()))


def _bits(array: Array) -> npt.NDArray[np.int64]:
    return np.asarray(np.where(np.isnan(array), np.nan, array), np.float64).view(np.int64)


def _named(options: Any) -> dict[str, Any]:
    return {name: getattr(options, name) for name in _NAMES}


def trace(lives: Iterable[tuple[Life, Sequence[Observation]]], *, whole: bool = False) -> list[LifeTrace]:
    """Read what was observed of some lives.

    Args:
        lives: with what was observed of each.
        whole: whether every element of a long array is judged, and not a sample. Of equal ones it is the first.
    """
    result = []
    for index, (life, observations) in enumerate(lives):
        tracer = _Tracer(index, life, _indices(life, observations, whole=whole))
        for number, (action, seen) in enumerate(zip(life.actions, observations, strict=False)):
            if not tracer.take(number, action, seen):
                break
        result.append(tracer.trace)
    return result
