"""How is a MindSpore optimizer asked? Parameters have names, and learning rates are parameters.

Translated, of `mindspore.nn.AdaMax` only: `lr` is its `learning_rate`, and `betas` its `beta1` and `beta2`; its
groups have `lr` and `weight_decay` of their own, and share the rest. It has no `maximize`.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import Skipped, UnsupportedDevice
from ..protocol.messages import ARGUMENTS, DTYPES, FloatArray, Schedule, SubjectInfo
from . import schedulers
from .base import Adapter, runtime, signature_facts

os.environ.setdefault("GLOG_v", "3")  # errors only; read when it is imported

import mindspore as ms
from mindspore.experimental.optim import Adamax, lr_scheduler

DEVICES: Final[Mapping[str, str]] = {"cpu": "CPU", "cuda": "GPU", "npu": "Ascend"}
"""What MindSpore calls them."""


class MindSporeAdapter(Adapter):
    """`mindspore.experimental.optim.Adamax`.

    Attributes:
        device: one of `DEVICES` that is there.
        mode: empty for what a user gets without doing anything (eager, the step compiled), `pynative` for
            nothing compiled, `graph` for all of it compiled.
    """

    constructor: Any = Adamax

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        if device not in DEVICES:
            raise UnsupportedDevice(f"mindspore runs on {', '.join(DEVICES)}, not on {device}")
        # Read whenever a compiled function is called, so no other mode may find it set.
        os.environ["MS_JIT"] = "0" if mode == "pynative" else "1"
        try:
            ms.set_context(
                mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE, device_target=DEVICES[device]
            )
        except (RuntimeError, ValueError) as error:
            raise UnsupportedDevice(f"mindspore {ms.__version__}: {_first_line(error)}") from None
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            parameter = self.parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            ms.ops.assign(parameter, parameter + self.gradient(np.ones(1), dtype, Layout.CONTIGUOUS))
            self.to_numpy(parameter)
        except (RuntimeError, TypeError, ValueError) as error:
            return _first_line(error)
        return ""

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = self.facts()
        return SubjectInfo(
            name="",
            framework="mindspore",
            version=ms.__version__,
            mode=self.mode,
            runtime=runtime(),
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            devices=tuple(name for name, own in DEVICES.items() if ms.hal.is_available(own)),
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": True},
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            schedulers=schedulers.names(lr_scheduler),
            layouts=(Layout.CONTIGUOUS,),
        )

    def facts(self) -> tuple[bool | None, dict[str, Any] | None]:
        """What the constructor's signature tells; see `signature_facts`."""
        return signature_facts(self.constructor)

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Any:  # noqa: ANN401
        parameter = ms.Parameter(self.gradient(value, dtype, layout), name=f"parameter_{place}")
        if not value.size:
            try:
                parameter.clone(init="zeros")
            except ValueError as error:
                raise Skipped(_first_line(error)) from None
        return parameter

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:  # noqa: ANN401, ARG002
        return ms.Tensor(np.array(value), getattr(ms, dtype))

    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        array: FloatArray = native.asnumpy().astype(np.float64)
        return array

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return self.constructor(params, *positional, **keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401, ARG002
        optimizer(tuple(gradients))

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],  # noqa: ARG002
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        return optimizer.exp_avg, optimizer.exp_inf

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401
        # As its learning rate schedulers do: the parameter stays, and nothing is compiled anew.
        ms.ops.assign(self.learning_rates(optimizer)[group], ms.Tensor(lr, ms.float32))

    def learning_rates(self, optimizer: Any) -> Sequence[Any]:  # noqa: ANN401
        """The parameter of each group that holds its learning rate."""
        return [group["lr"] for group in optimizer.param_groups]

    def save(self, optimizer: Any) -> str:  # noqa: ANN401
        handle, file = tempfile.mkstemp(suffix=".ckpt", dir=Path.cwd())
        os.close(handle)
        ms.save_checkpoint(optimizer, file)
        return file

    def load(self, optimizer: Any, checkpoint: str) -> None:  # noqa: ANN401
        ms.load_param_into_net(optimizer, ms.load_checkpoint(checkpoint))

    def scheduler(self, optimizer: Any, schedule: Schedule) -> Any:  # noqa: ANN401
        return schedulers.build(lr_scheduler, optimizer, schedule)

    def words_about(self, layout: Layout) -> str:
        return f"a mindspore.Tensor copies what it is made from, so none is {layout.value}"

    def native(self, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401
        return ms.Tensor(value.copy())

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        return self.to_numpy(value) if isinstance(value, ms.Tensor) else super().plain(value)


class MindSporeNNAdapter(MindSporeAdapter):
    """`mindspore.nn.AdaMax`, an optimizer of another name, other arguments and another formula."""

    constructor = ms.nn.AdaMax

    def describe(self) -> SubjectInfo:
        arguments = tuple(name for name in ARGUMENTS if name != "maximize")
        return replace(
            super().describe(), arguments=arguments, group_options=("lr", "weight_decay"), schedulers=()
        )

    def facts(self) -> tuple[bool | None, dict[str, Any] | None]:
        return None, None  # a decorator hides its signature

    def scheduler(self, optimizer: Any, schedule: Schedule) -> Any:  # noqa: ANN401, ARG002
        raise Skipped("the schedulers of mindspore.experimental drive its experimental optimizers only")

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        shared = dict(keywords)
        for group in params:
            if isinstance(group, dict):
                self._share(group, shared)
        if "lr" in shared:
            shared["learning_rate"] = shared.pop("lr")
        if "betas" in shared:
            shared["beta1"], shared["beta2"] = shared.pop("betas")
        optimizer = self.constructor(params, *positional, **shared)
        sizes = [len(group["params"]) if isinstance(group, dict) else 1 for group in params]
        is_grouped = bool(params) and isinstance(params[0], dict)
        # Where its groups have learning rates of their own, it has one for each parameter.
        optimizer.firsts = [sum(sizes[:place]) for place in range(len(sizes))] if is_grouped else [0]
        return optimizer

    @staticmethod
    def _share(group: dict[str, Any], shared: dict[str, Any]) -> None:
        """Move what its groups do not have to the arguments that all share."""
        for name in ("betas", "eps"):
            if name in group and shared.setdefault(name, group[name]) != group.pop(name):
                raise Skipped(f"the groups of mindspore.nn.AdaMax share {name}")

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],  # noqa: ARG002
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        return optimizer.moment1, optimizer.moment2

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:  # noqa: ANN401
        return [{"lr": lr} for lr in self.learning_rates(optimizer)]

    def learning_rates(self, optimizer: Any) -> Sequence[Any]:  # noqa: ANN401
        rates = optimizer.learning_rate
        return [rates[first] if optimizer.is_group_lr else rates for first in optimizer.firsts]


def _first_line(error: Exception) -> str:
    """The first lines that say something: others are rules of dashes and the place in MindSpore's source."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    return " ".join([line for line in lines if line][:2])[:300]
