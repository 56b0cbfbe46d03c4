"""Perform a life with what only some frameworks have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...reference.features import PLAIN_CALL
from ...reference.life import (
    Ask,
    Change,
    Container,
    EditCheckpoint,
    GradientSpec,
    Life,
    Memory,
    Number,
    NumberKind,
    Observation,
    Options,
    Refusal,
    Refuse,
    SetLr,
    Step,
    Watched,
)
from ...reference.values import FloatArray
from ..adapters.base import Adapter
from ..protocol.errors import SkippedError
from ..protocol.messages import SubjectInfo
from .life import LifePerformer
from .watching import fingerprint

_REFUSALS = (Refusal.CLOSURE_RAISES, Refusal.SPARSE_GRADIENT, Refusal.PARAMETER_TWICE, Refusal.NOT_A_LEAF)


class FrameworkPerformer(LifePerformer):
    """Performs one life on a subject, with the features of its framework."""

    def __init__(self, adapter: Adapter, info: SubjectInfo) -> None:
        super().__init__(adapter, info)
        self._arrays: list[tuple[Any, float]] = []
        self._refusal = ""

    def perform(self, life: Life) -> tuple[Observation, ...]:
        """Perform the actions of a life, until the subject does not do one."""
        if life.switches:
            try:
                self._adapter = self._adapter.switched(life.switches)
            except SkippedError as error:
                self._refusal = str(error)
        return super().perform(life)

    def _act(self, action: Any) -> None:
        if self._refusal:
            raise SkippedError(self._refusal)
        match action:
            case SetLr():
                self._set_lr(action)
            case Refuse() if action.refusal in _REFUSALS:
                optimizer = self._optimizers[action.optimizer]
                self._adapter.refuse(optimizer.native, optimizer.params, action.refusal)
            case EditCheckpoint():
                kept = self._checkpoints[action.checkpoint]
                kept.native = self._adapter.edit_checkpoint(kept.native, action.edit, kept.steps)
                kept.fingerprint = fingerprint(kept.native, self._adapter)
            case Ask():
                optimizer = self._optimizers[action.optimizer]
                for words in self._adapter.ask(optimizer.native, optimizer.params, action.question):
                    self._changed.append(Change(Watched.CALL, words))
            case _:
                super()._act(action)

    def _call(self, optimizer: Any, gradients: Sequence[Any], action: Step) -> None:
        if action.call == PLAIN_CALL and not self._adapter.has_features:
            super()._call(optimizer, gradients, action)
            return
        found = self._adapter.step_by(optimizer.native, optimizer.params, gradients, action.call)
        self._changed += [Change(Watched.CALL, words) for words in found]

    def _set_lr(self, action: SetLr) -> None:
        native = self._optimizers[action.optimizer].native
        if action.lr.kind is NumberKind.FILLED:
            self._adapter.fill_lr(native, action.group, action.lr.value)
            held = self._adapter.groups(native)
            filled = None if held is None else held[action.group]["lr"]
            self._arrays = [(a, action.lr.value if a is filled else x) for a, x in self._arrays]
            return
        number = self._number(action.lr)
        if isinstance(number, np.ndarray):
            number = self._held(number)
        self._adapter.set_lr(native, action.group, number)

    def _held(self, number: Any) -> Any:
        """The native array of a number, which the subject must not write to."""
        native = self._adapter.to_argument(number)
        self._arrays.append((native, float(number)))
        return native

    def _number(self, number: Number) -> Any:
        if number.kind is NumberKind.FILLED:
            return float(number.value)
        return super()._number(number)

    def _options(self, options: Options) -> dict[str, Any]:
        made = super()._options(options)
        if options.lr is not None and options.lr.kind is NumberKind.ARRAY:
            made["lr"] = self._held(self._number(options.lr))
        return made

    def _passed(self, container: Container, params: Sequence[Any], dicts: list[dict[str, Any]]) -> Any:
        if container is Container.NAMED:
            return self._adapter.name_parameters(params)
        return super()._passed(container, params, dicts)

    def _parameter(self, value: FloatArray, dtype: str, memory: Memory, index: int) -> Any:
        if memory.is_special:
            return self._adapter.make_special_parameter(value, dtype, memory)
        return super()._parameter(value, dtype, memory, index)

    def _gradients(self, optimizer: Any, specs: Sequence[GradientSpec]) -> list[Any]:
        special = {
            i: spec
            for i, spec in enumerate(specs)
            if spec.values is not None and (spec.memory.is_special or self._is_complex(optimizer, i))
        }
        if not special:
            return super()._gradients(optimizer, specs)
        # One stands in for each special gradient, so that the others keep their indices.
        made = super()._gradients(
            optimizer,
            [
                GradientSpec(s.values, same_as=s.same_as, parameter=s.parameter) if i in special else s
                for i, s in enumerate(specs)
            ],
        )
        for i, spec in special.items():
            assert spec.values is not None
            made[i] = self._adapter.make_special_gradient(
                optimizer.params[i], spec.values.expand(), optimizer.dtypes[i], spec.memory
            )
        for i, spec in enumerate(specs):
            if spec.same_as is not None:
                made[i] = made[spec.same_as]
        return made

    def _is_complex(self, optimizer: Any, index: int) -> bool:
        specs = [spec for group in optimizer.groups for spec in group.parameters]
        return specs[index].memory is Memory.COMPLEX

    def _watch(self) -> None:
        super()._watch()
        for index, (native, value) in enumerate(self._arrays):
            now = float(self._adapter.to_numpy(native).reshape(-1)[0])
            if now != value:
                self._changed.append(
                    Change(
                        Watched.OPTION, f"a learning rate that was passed as an array of {value!r} is {now!r}"
                    )
                )
                self._arrays[index] = (native, now)
