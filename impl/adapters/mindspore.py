"""The adapters of MindSpore, where learning rates are parameters with names.

Translated, of `mindspore.nn.AdaMax` only: `lr` is its `learning_rate`, and `betas` its `beta1` and `beta2`; its
groups have `lr` and `weight_decay` of their own, and share the rest. It has no `maximize`.
"""

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
from ..protocol.errors import SkippedError, UnsupportedDeviceError
from ..protocol.messages import ARGUMENTS, DTYPES, FloatArray, Schedule, SubjectInfo
from . import schedulers
from .base import HAS_ALL, Adapter, describe_runtime, read_signature

os.environ.setdefault("GLOG_v", "3")  # errors only; MindSpore reads it when it is imported

import mindspore as ms
from mindspore.experimental.optim import Adamax, lr_scheduler

DEVICES: Final[Mapping[str, str]] = {"cpu": "CPU", "cuda": "GPU", "npu": "Ascend"}
"""MindSpore's names of the devices."""


class MindSporeAdapter(Adapter):
    """`mindspore.experimental.optim.Adamax`.

    Attributes:
        device: one of `DEVICES` that is there.
        mode: empty for MindSpore's default (eager, the step compiled), `pynative` for nothing compiled, `graph`
            for all of it compiled.
    """

    constructor: Any = Adamax
    tensor_types = (ms.Tensor,)
    layout_reason = "a mindspore.Tensor copies what it is made from, so none is {layout}"

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        if device not in DEVICES:
            raise UnsupportedDeviceError(f"mindspore runs on {', '.join(DEVICES)}, not on {device}")
        # MindSpore reads it at each call of a compiled function, so every mode must set it.
        os.environ["MS_JIT"] = "0" if mode == "pynative" else "1"
        try:
            ms.set_context(
                mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE, device_target=DEVICES[device]
            )
        except (RuntimeError, ValueError) as error:
            raise UnsupportedDeviceError(f"mindspore {ms.__version__}: {_first_line(error)}") from None
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            parameter = self.make_parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            ms.ops.assign(parameter, parameter + self.make_gradient(np.ones(1), dtype, Layout.CONTIGUOUS))
            self.to_numpy(parameter)
        except (RuntimeError, TypeError, ValueError) as error:
            return _first_line(error)
        return ""

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = self.read_signature()
        return SubjectInfo(
            name="",
            framework="mindspore",
            version=ms.__version__,
            mode=self.mode,
            runtime=describe_runtime(),
            dtypes=self.accepted_dtypes,
            devices=tuple(name for name, own in DEVICES.items() if ms.hal.is_available(own)),
            device=self.device,
            has=HAS_ALL,
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            schedulers=schedulers.scheduler_names(lr_scheduler),
            layouts=(Layout.CONTIGUOUS,),
        )

    def read_signature(self) -> tuple[bool | None, dict[str, Any] | None]:
        """Read the constructor's signature; see `base.read_signature`."""
        return read_signature(self.constructor)

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> Any:
        parameter = ms.Parameter(self.make_gradient(value, dtype, layout), name=f"parameter_{index}")
        if not value.size:
            try:
                parameter.clone(init="zeros")
            except ValueError as error:
                raise SkippedError(_first_line(error)) from None
        return parameter

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:
        return ms.Tensor(np.array(value), getattr(ms, dtype))

    def to_numpy(self, native: Any) -> FloatArray:
        array: FloatArray = native.asnumpy().astype(np.float64)
        return array

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        return self.constructor(params, *positional, **keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        optimizer(tuple(gradients))

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        return optimizer.exp_avg, optimizer.exp_inf

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        # As its learning rate schedulers do: the parameter stays, and nothing is compiled again.
        ms.ops.assign(self.learning_rates(optimizer)[group], ms.Tensor(lr, ms.float32))

    def learning_rates(self, optimizer: Any) -> Sequence[Any]:
        """The parameter of each group that holds its learning rate."""
        return [group["lr"] for group in optimizer.param_groups]

    def save(self, optimizer: Any) -> str:
        handle, file = tempfile.mkstemp(suffix=".ckpt", dir=Path.cwd())
        os.close(handle)
        ms.save_checkpoint(optimizer, file)
        return file

    def load(self, optimizer: Any, checkpoint: str) -> None:
        ms.load_param_into_net(optimizer, ms.load_checkpoint(checkpoint))

    def make_scheduler(self, optimizer: Any, schedule: Schedule) -> Any:
        return schedulers.build_scheduler(lr_scheduler, optimizer, schedule)

    def to_native(self, value: npt.NDArray[Any]) -> Any:
        return ms.Tensor(value.copy())


class MindSporeNNAdapter(MindSporeAdapter):
    """`mindspore.nn.AdaMax`, with other arguments and another formula."""

    constructor = ms.nn.AdaMax

    def describe(self) -> SubjectInfo:
        arguments = tuple(name for name in ARGUMENTS if name != "maximize")
        return replace(
            super().describe(), arguments=arguments, group_options=("lr", "weight_decay"), schedulers=()
        )

    def read_signature(self) -> tuple[bool | None, dict[str, Any] | None]:
        return None, None  # a decorator hides its signature

    def make_scheduler(self, optimizer: Any, schedule: Schedule) -> Any:
        raise SkippedError("the schedulers of mindspore.experimental drive its experimental optimizers only")

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        shared = dict(keywords)
        for group in params:
            if isinstance(group, dict):
                self._move_shared(group, shared)
        if "lr" in shared:
            shared["learning_rate"] = shared.pop("lr")
        if "betas" in shared:
            shared["beta1"], shared["beta2"] = shared.pop("betas")
        optimizer = self.constructor(params, *positional, **shared)
        sizes = [len(group["params"]) if isinstance(group, dict) else 1 for group in params]
        is_grouped = bool(params) and isinstance(params[0], dict)
        # Where its groups have learning rates of their own, it has one for each parameter.
        optimizer.first_indices = [sum(sizes[:group]) for group in range(len(sizes))] if is_grouped else [0]
        return optimizer

    @staticmethod
    def _move_shared(group: dict[str, Any], shared: dict[str, Any]) -> None:
        """Move the options that its groups do not have to the arguments that all share."""
        for name in ("betas", "eps"):
            if name in group and shared.setdefault(name, group[name]) != group.pop(name):
                raise SkippedError(f"the groups of mindspore.nn.AdaMax share {name}")

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        return optimizer.moment1, optimizer.moment2

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:
        return [{"lr": lr} for lr in self.learning_rates(optimizer)]

    def learning_rates(self, optimizer: Any) -> Sequence[Any]:
        rates = optimizer.learning_rate
        return [rates[first] if optimizer.is_group_lr else rates for first in optimizer.first_indices]


def _first_line(error: Exception) -> str:
    """The first lines with words.

    The others are rules of dashes and positions in MindSpore's source.
    """
    lines = [line.strip(" -") for line in str(error).splitlines()]
    return " ".join([line for line in lines if line][:2])[:300]
