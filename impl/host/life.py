"""Perform a life: every action on the subject, and what can be seen after each."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any, Final

import numpy as np

from ...reference.case import Layout
from ...reference.features import PLAIN_CALL
from ...reference.life import (
    Action,
    AddGroup,
    Change,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
    Observation,
    OptimizerState,
    Options,
    Outcome,
    ParameterSpec,
    Refusal,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from ...reference.values import FloatArray, Values
from ..adapters.base import Adapter
from ..protocol.errors import SkippedError, SubjectError
from ..protocol.messages import SubjectInfo
from .watching import describe_change, fingerprint, held_values, replace_count

_LAYOUTS: Final = {
    Memory.COLUMN_MAJOR: Layout.TRANSPOSED,
    Memory.STRIDED: Layout.STRIDED,
    Memory.REVERSED: Layout.REVERSED,
}

_GENERATORS: Final = (Container.GENERATOR, Container.GENERATOR_OF_DICTS)

_SMALL: Final = 1 << 12
"""The elements of an array up to which its bytes are kept."""

_PERIOD: Final = 64
"""The period that is looked for in an array whose recipe has none."""


@dataclass
class _Optimizer:
    """An optimizer that is alive.

    Attributes:
        native: the subject's object.
        params: its parameters, in the order of the groups.
        periods: of each parameter's recipe.
        dtypes: of each parameter.
        groups: how it was constructed, groups that were added included.
        options: the constructor's keywords.
        container: what was passed as `params`.
        steps: how many it took.
        owned: the dicts and lists that the caller passed and still holds, with what they held.
        folded: each array of theta, m and u as it was last seen: its bytes, and its recipe.
    """

    native: Any
    params: list[Any]
    periods: list[int]
    dtypes: list[str]
    groups: list[GroupSpec]
    options: Options
    container: Container
    steps: int = 0
    owned: list[tuple[Any, Any]] = field(default_factory=list)
    folded: dict[tuple[str, int], tuple[bytes, Values]] = field(default_factory=dict)


@dataclass
class _Checkpoint:
    """A checkpoint in hand, how the optimizer was then, and what it held."""

    native: Any
    groups: list[GroupSpec]
    options: Options
    container: Container
    steps: int
    fingerprint: str
    copied: bool


class _MiscountError(Exception):
    """A subject that shows state of more or fewer parameters than it has."""


class LifePerformer:
    """Performs one life on a subject.

    Args:
        adapter: of the subject.
        info: its description.
    """

    def __init__(self, adapter: Adapter, info: SubjectInfo) -> None:
        self._adapter = adapter
        self._dtype = "float32"
        self._dtypes = info.dtypes
        self._layouts = {memory: layout for memory, layout in _LAYOUTS.items() if layout in info.layouts}
        self._optimizers: dict[int, _Optimizer] = {}
        self._checkpoints: dict[int, _Checkpoint] = {}
        self._changed: list[Change] = []

    def perform(self, life: Life) -> tuple[Observation, ...]:
        """Perform the actions of a life, until the subject does not do one.

        An action ends the life if the subject does not support it, or refuses it against expectation.
        """
        self._dtype = life.dtype
        observations = []
        for action in life.actions:
            self._changed = []
            outcome, message = self._outcome(action)
            self._watch()
            try:
                states = {number: self._state(each) for number, each in self._optimizers.items()}
            except _MiscountError as error:
                outcome, message, states = Outcome.REFUSED, f"nothing, but {error}", {}
            observations.append(Observation(outcome, message, states, tuple(self._changed)))
            if outcome is Outcome.UNSUPPORTED:
                break
            if outcome is Outcome.REFUSED and not isinstance(action, Refuse):
                break
        return tuple(observations)

    def _outcome(self, action: Action) -> tuple[Outcome, str]:
        try:
            self._act(action)
        except SkippedError as error:
            return Outcome.UNSUPPORTED, str(error)
        except (KeyboardInterrupt, SubjectError):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the subject raises is an observation
            return Outcome.REFUSED, f"{type(error).__name__}: {error}"
        return Outcome.DONE, ""

    @singledispatchmethod
    def _act(self, action: Any) -> None:
        """Perform one action."""
        raise TypeError(f"{action!r} is not an action of a life")

    # Constructing --------------------------------------------------------------------------------------------

    @_act.register
    def _(self, action: Construct) -> None:
        made = self._construct(list(action.groups), action.options, action.container, None)
        self._optimizers[action.optimizer] = made

    def _construct(
        self, groups: list[GroupSpec], options: Options, container: Container, theta: list[Any] | None
    ) -> _Optimizer:
        """A new optimizer: over new parameters, or over those that are there."""
        if container in _GENERATORS and not self._adapter.takes_generators:
            raise SkippedError("params of the subject are a list")
        specs = [spec for group in groups for spec in group.parameters]
        params = theta if theta is not None else self._parameters(specs)
        remaining = iter(params)
        members = [[next(remaining) for _ in group.parameters] for group in groups]
        keywords = self._options(options)
        dicts: list[dict[str, Any]] = [
            {**self._options(group.options), "params": list(each)}
            for group, each in zip(groups, members, strict=True)
        ]
        passed = self._passed(container, params, dicts)
        owned: list[tuple[Any, Any]] = (
            [] if container.is_plain else [(each, held_values(each)) for each in dicts]
        )
        if isinstance(passed, list):
            owned.append((passed, held_values(passed)))
        native = self._adapter.make_optimizer(passed, (), keywords)
        return _Optimizer(
            native,
            list(params),
            [len(spec.values.pattern) for spec in specs],
            [spec.dtype or self._dtype for spec in specs],
            list(groups),
            options,
            container,
            owned=owned,
        )

    def _passed(self, container: Container, params: Sequence[Any], dicts: list[dict[str, Any]]) -> Any:
        """The argument `params` of the constructor."""
        passed: Any
        match container:
            case Container.LIST:
                passed = list(params)
            case Container.TUPLE:
                passed = tuple(params) if self._adapter.takes_generators else list(params)
            case Container.GENERATOR:
                passed = (each for each in list(params))
            case Container.DICTS:
                passed = dicts
            case Container.GENERATOR_OF_DICTS:
                passed = (each for each in dicts)
        return passed

    def _parameters(self, specs: Sequence[ParameterSpec], first: int = 0) -> list[Any]:
        dtypes = [spec.dtype or self._dtype for spec in specs]
        for each in dtypes:
            if each not in self._dtypes:
                raise SkippedError(f"the subject has no {each}")
        if self._adapter.whole_float64 and "float64" in (used := {*dtypes, self._dtype}) and len(used) > 1:
            raise SkippedError(self._adapter.whole_float64)
        if specs and all(spec.memory is Memory.NEIGHBOURS for spec in specs) and len(set(dtypes)) == 1:
            return self._adapter.make_neighbours([spec.values.expand() for spec in specs], dtypes[0])
        return [
            self._parameter(spec.values.expand(), each, spec.memory, index)
            for index, (spec, each) in enumerate(zip(specs, dtypes, strict=True), first)
        ]

    def _parameter(self, value: FloatArray, dtype: str, memory: Memory, index: int) -> Any:
        return self._adapter.make_parameter(value, dtype, self._layouts.get(memory, Layout.CONTIGUOUS), index)

    def _gradient(self, value: FloatArray, dtype: str, memory: Memory) -> Any:
        if memory is Memory.BROADCAST:
            return self._adapter.make_broadcast(value, dtype)
        return self._adapter.make_gradient(value, dtype, self._layouts.get(memory, Layout.CONTIGUOUS))

    def _options(self, options: Options) -> dict[str, Any]:
        made = options.passed()
        if options.lr is not None:
            made["lr"] = self._adapter.to_argument(self._number(options.lr))
        return made

    def _number(self, number: Number) -> Any:
        match number.kind:
            case NumberKind.FLOAT:
                return float(number.value)
            case NumberKind.INT:
                return int(number.value)
            case NumberKind.ARRAY:
                return np.array(number.value, np.float32 if self._dtype == "float32" else np.float64)

    @_act.register
    def _(self, action: AddGroup) -> None:
        optimizer, group = self._optimizers[action.optimizer], action.group
        params = self._parameters(group.parameters, len(optimizer.params))
        made = {**self._options(group.options), "params": list(params)}
        held = held_values(made)
        self._adapter.add_group(optimizer.native, made)
        optimizer.owned.append((made, held))
        optimizer.params += params
        optimizer.periods += [len(spec.values.pattern) for spec in group.parameters]
        optimizer.dtypes += [spec.dtype or self._dtype for spec in group.parameters]
        optimizer.groups.append(group)
        if optimizer.container.is_plain:
            optimizer.container = Container.DICTS  # constructed again, it has several groups

    @_act.register
    def _(self, action: Drop) -> None:
        del self._optimizers[action.optimizer]

    # Options -------------------------------------------------------------------------------------------------

    @_act.register
    def _(self, action: SetLr) -> None:
        native = self._optimizers[action.optimizer].native
        self._adapter.set_lr(native, action.group, self._number(action.lr))

    @_act.register
    def _(self, action: SetOption) -> None:
        native = self._optimizers[action.optimizer].native
        self._adapter.set_option(native, action.group, action.name, action.value)

    # Stepping ------------------------------------------------------------------------------------------------

    def _gradients(self, optimizer: _Optimizer, specs: Sequence[GradientSpec]) -> list[Any]:
        made: list[Any] = []
        for spec, parameter, dtype in zip(specs, optimizer.params, optimizer.dtypes, strict=True):
            if spec.same_as is not None:
                made.append(made[spec.same_as])
            elif spec.parameter is not None:
                made.append(self._adapter.memory_of(optimizer.params[spec.parameter], parameter))
            elif spec.values is None:
                if not self._adapter.takes_absent_gradients:
                    raise SkippedError("every parameter of the subject has a gradient at each step")
                made.append(None)
            else:
                if spec.dtype and not self._adapter.takes_other_dtypes:
                    raise SkippedError("a gradient of the subject has its parameter's dtype")
                made.append(self._gradient(spec.values.expand(), spec.dtype or dtype, spec.memory))
        return made

    @_act.register
    def _(self, action: Step) -> None:
        optimizer, specs = self._optimizers[action.optimizer], action.gradients
        gradients = self._gradients(optimizer, specs)
        before = self._own_gradients(gradients, specs)
        try:
            self._call(optimizer, gradients, action)
        except (TypeError, ValueError) as error:
            if not any(spec.dtype for spec in specs):
                raise
            raise SkippedError(f"a gradient of another dtype is refused: {error}") from error
        optimizer.steps += 1
        self._watch_gradients(gradients, before)

    def _call(self, optimizer: Any, gradients: Sequence[Any], action: Step) -> None:
        """Call the subject's step."""
        if action.call != PLAIN_CALL:
            raise SkippedError("the subject has no closures, hooks or scalers")
        self._adapter.step(optimizer.native, optimizer.params, gradients)

    def _own_gradients(
        self, gradients: Sequence[Any], specs: Sequence[GradientSpec]
    ) -> dict[int, FloatArray]:
        """The numbers of each gradient that has an array of its own, by its index."""
        own = (i for i, spec in enumerate(specs) if spec.values is not None and spec.same_as is None)
        return {i: self._adapter.to_numpy(gradients[i]) for i in own}

    def _watch_gradients(self, gradients: Sequence[Any], before: Mapping[int, FloatArray]) -> None:
        """Note each gradient that a step changed."""
        for i, then in before.items():
            now = self._adapter.view_as_numpy(gradients[i])
            if np.array_equal(now, then) or np.array_equal(now, then, equal_nan=True):
                continue
            words = f"gradient {i} is not as it was passed"
            if now.shape == then.shape:
                element = np.argwhere((now != then) & ~(np.isnan(now) & np.isnan(then)))[0]
                was, came = float(then[tuple(element)]), float(now[tuple(element)])
                words = f"element {element.tolist()} of gradient {i} is {came!r}, and was passed as {was!r}"
            self._changed.append(Change(Watched.GRADIENT, words))

    @_act.register
    def _(self, action: Run) -> None:
        optimizer = self._optimizers[action.optimizer]
        cycle = [
            [
                self._gradient(values.expand(), dtype, Memory.CONTIGUOUS)
                for values, dtype in zip(gradients, optimizer.dtypes, strict=True)
            ]
            for gradients in action.gradients
        ]
        for t in range(action.steps):
            self._adapter.step(optimizer.native, optimizer.params, list(cycle[t % len(cycle)]))
        optimizer.steps += action.steps

    @_act.register
    def _(self, action: Refuse) -> None:
        optimizer, refusal = self._optimizers[action.optimizer], action.refusal
        if refusal is Refusal.NEGATIVE_LR:
            parameter = self._parameter(np.ones(1), self._dtype, Memory.CONTIGUOUS, len(optimizer.params))
            self._adapter.add_group(optimizer.native, {"params": [parameter], "lr": -1.0})
            return
        if not self._adapter.passes_gradients:
            raise SkippedError("the subject is not passed its gradients by the call")
        gradients = [
            self._gradient(np.ones(self._adapter.view_as_numpy(p).shape), each, Memory.CONTIGUOUS)
            for p, each in zip(optimizer.params, optimizer.dtypes, strict=True)
        ]
        match refusal:
            case Refusal.TOO_FEW_GRADIENTS:
                gradients = gradients[:-1]
            case Refusal.TOO_MANY_GRADIENTS:
                gradients = [*gradients, gradients[-1]]
            case Refusal.WRONG_SHAPE:
                shape = (*self._adapter.view_as_numpy(optimizer.params[-1]).shape, 3)
                gradients[-1] = self._gradient(np.ones(shape), optimizer.dtypes[-1], Memory.CONTIGUOUS)
        self._adapter.step(optimizer.native, optimizer.params, gradients)

    # Checkpoints and copies ------------------------------------------------------------------------------------

    @_act.register
    def _(self, action: Save) -> None:
        optimizer = self._optimizers[action.optimizer]
        native = self._adapter.save_live(optimizer.native)
        if action.copied:
            native = copy.deepcopy(native)
        self._checkpoints[action.checkpoint] = _Checkpoint(
            native,
            list(optimizer.groups),
            optimizer.options,
            optimizer.container,
            optimizer.steps,
            fingerprint(native, self._adapter),
            action.copied,
        )

    @_act.register
    def _(self, action: SetCount) -> None:
        kept = self._checkpoints[action.checkpoint]
        native = copy.deepcopy(kept.native)
        if not replace_count(native, kept.steps, action.count):
            raise SkippedError("the number of steps is not found in the subject's checkpoint")
        kept.native, kept.steps = native, action.count
        kept.fingerprint = fingerprint(native, self._adapter)

    @_act.register
    def _(self, action: Load) -> None:
        optimizer, kept = self._optimizers[action.optimizer], self._checkpoints[action.checkpoint]
        native = copy.deepcopy(kept.native) if kept.copied else kept.native
        if action.fresh:
            count = sum(len(group.parameters) for group in kept.groups)
            renewed = self._construct(kept.groups, kept.options, kept.container, [*optimizer.params[:count]])
            self._adapter.load_live(renewed.native, native)
            self._optimizers[action.optimizer] = optimizer = renewed
        else:
            self._adapter.load_live(optimizer.native, native)
        optimizer.steps = kept.steps

    @_act.register
    def _(self, action: Copy) -> None:
        if not self._adapter.is_copied:
            raise SkippedError("an optimizer of the subject is not copied")
        optimizer = self._optimizers[action.optimizer]
        together = (optimizer.native, optimizer.params)
        try:
            if action.method is CopyMethod.DEEPCOPY:
                native, params = copy.deepcopy(together)
            else:
                native, params = pickle.loads(pickle.dumps(together))  # noqa: S301 - what was pickled here
        except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
            raise SkippedError(f"the subject cannot be copied by {action.method.value}: {error}") from error
        shown = self._adapter.groups(native)
        if shown is None:
            raise SkippedError("whether a copy steps its own parameters cannot be seen: it shows no groups")
        held = [each for group in shown for each in group.get("params", ())]
        if len(held) != len(params) or any(a is not b for a, b in zip(held, params, strict=True)):
            raise SkippedError("a copy of the subject does not hold the copied parameters")
        self._optimizers[action.copy] = _Optimizer(
            native,
            params,
            list(optimizer.periods),
            list(optimizer.dtypes),
            list(optimizer.groups),
            optimizer.options,
            optimizer.container,
            optimizer.steps,
        )

    # Watching ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Note what is held by the caller and is not as it was."""
        for number, optimizer in self._optimizers.items():
            for index, (held, then) in enumerate(optimizer.owned):
                now = held_values(held)
                if now != then:
                    words = f"of the caller's own params of optimizer {number}, {describe_change(then, now)}"
                    self._changed.append(Change(Watched.PARAMS, words))
                    optimizer.owned[index] = (held, now)
        for number, kept in self._checkpoints.items():
            now = fingerprint(kept.native, self._adapter)
            if now != kept.fingerprint:
                self._changed.append(
                    Change(Watched.CHECKPOINT, f"checkpoint {number} is not as it was saved")
                )
                kept.fingerprint = now

    def _state(self, optimizer: _Optimizer) -> OptimizerState:
        def fold(name: str, arrays: Sequence[Any | None]) -> tuple[Values | None, ...]:
            each = zip(arrays, optimizer.periods, strict=True)
            return tuple(
                None if native is None else self._fold(optimizer.folded, (name, i), native, period)
                for i, (native, period) in enumerate(each)
            )

        shown = self._adapter.moments_so_far(optimizer.native, optimizer.params)
        for name, arrays in zip(("m", "u"), shown, strict=True):
            if arrays is not None and len(arrays) != len(optimizer.params):
                raise _MiscountError(
                    f"shows {len(arrays)} arrays as {name} of {len(optimizer.params)} parameters"
                )
        m, u = (
            None if arrays is None else fold(name, arrays)
            for name, arrays in zip(("m", "u"), shown, strict=True)
        )
        theta: Any = fold("theta", optimizer.params)
        return OptimizerState(theta, m, u, self._rates(optimizer))

    def _fold(
        self,
        known: dict[tuple[str, int], tuple[bytes, Values]],
        key: tuple[str, int],
        native: Any,
        period: int,
    ) -> Values:
        """The recipe of an array: of a small one without a change, the one that it had."""
        array = self._adapter.view_as_numpy(native)
        if array.size > _SMALL:
            return Values.folded(array, period or _PERIOD)
        bits, then = array.tobytes(), known.get(key)
        if then is None or then[0] != bits or then[1].shape != array.shape:
            known[key] = then = bits, Values.folded(array, period or _PERIOD)
        return then[1]

    def _rates(self, optimizer: _Optimizer) -> tuple[float | None, ...] | None:
        groups = self._adapter.groups(optimizer.native)
        if groups is None:
            return None
        rates: list[float | None] = []
        for group in groups:
            try:
                rates.append(float(self._adapter.to_plain(group["lr"])))
            except (KeyError, TypeError, ValueError):
                rates.append(None)
        return tuple(rates)
