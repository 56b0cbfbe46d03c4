"""The adapter of MLX, whose optimizers map parameters to new parameters.

An optimizer holds no parameters: it maps gradients and parameters to new parameters.

Translated: `lr` is its `learning_rate`; a parameter is an entry of the tree that its `apply_gradients` takes
and returns; groups are the optimizers of a `MultiOptimizer`, chosen by the parameters' names. A checkpoint is what its
documentation recommends, `save_safetensors` of its flattened state. Its schedules are functions of the step,
which the constructor takes. `step_decay`, `exponential_decay` and `linear_schedule` are StepLR, ExponentialLR and
LinearLR.

What it cannot express: it has neither `weight_decay` nor `maximize`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx import optimizers
from mlx.utils import tree_flatten, tree_unflatten

from ...reference.case import Layout
from ..protocol.errors import SkippedError, UnsupportedDeviceError
from ..protocol.messages import DTYPES, FloatArray, Schedule, SubjectInfo
from .base import HAS_ALL, Adapter, describe_runtime

DEVICES: Final[Mapping[str, Callable[[], bool]]] = {
    "cpu": lambda: True,
    "cuda": lambda: hasattr(mx, "cuda") and bool(mx.cuda.is_available()),
    "mps": lambda: bool(mx.metal.is_available()),
}
"""A predicate for each device; MLX calls the latter two its gpu."""

_SCHEDULES: Final[Mapping[str, Callable[[float, Mapping[str, Any]], Any]]] = {
    "ExponentialLR": lambda lr, o: optimizers.exponential_decay(lr, o["gamma"]),
    "LinearLR": lambda lr, o: optimizers.linear_schedule(
        lr * o["start_factor"], lr * o["end_factor"], o["total_iters"]
    ),
    "StepLR": lambda lr, o: optimizers.step_decay(lr, o["gamma"], o["step_size"]),
}
"""Its schedules, by the names and with the arguments of PyTorch's and MindSpore's schedulers."""


@dataclass
class _Parameter:
    """An entry of the tree of parameters, with its present array.

    MLX never changes an array in place.
    """

    name: str
    array: Any


@dataclass
class _Optimizer:
    """An optimizer with its groups' options and the names of their parameters."""

    native: Any
    options: list[dict[str, Any]]
    members: list[list[str]]

    @property
    def group_optimizers(self) -> list[Any]:
        """The optimizer of each group."""
        return self.native.optimizers if len(self.members) > 1 else [self.native]


class _SelfAdvancing:
    """A schedule that MLX itself moves on, by the optimizer's own count of steps."""

    def step(self) -> None:
        """Do nothing."""


class MLXAdapter(Adapter):
    """`mlx.optimizers.Adamax`.

    Attributes:
        device: one of `DEVICES` that is there.
        mode: empty, the only one.
    """

    tensor_types = (mx.array,)
    whole_float64 = "mx.save_safetensors has no float64, so a life with it has no checkpoints"

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        self.devices = tuple(name for name, is_available in DEVICES.items() if is_available())
        if device not in self.devices:
            raise UnsupportedDeviceError(
                f"mlx {version('mlx')} finds no {device} here; there is {', '.join(self.devices)}"
            )
        mx.set_default_device(mx.cpu if device == "cpu" else mx.gpu)
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            mx.eval(mx.array([1.0], dtype=getattr(mx, dtype)) + 1)
        except (RuntimeError, ValueError) as error:
            return str(error)
        return ""

    def describe(self) -> SubjectInfo:
        return SubjectInfo(
            name="",
            framework="mlx",
            version=version("mlx"),
            mode=self.mode,
            runtime=describe_runtime(),
            dtypes=self.accepted_dtypes,
            devices=self.devices,
            device=self.device,
            has=HAS_ALL,
            defaults={"betas": (0.9, 0.999), "eps": 1e-8},
            arguments=("lr", "betas", "eps"),
            group_options=("lr", "betas", "eps"),
            schedulers=tuple(_SCHEDULES),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> _Parameter:
        return _Parameter(f"parameter_{index}", self.make_gradient(value, dtype, layout))

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> mx.array:
        native = mx.array(_base_values(value, layout).copy(), dtype=getattr(mx, dtype))
        if value.ndim:
            match layout:
                case Layout.STRIDED:
                    native = native[..., ::2]
                case Layout.TRANSPOSED:
                    native = native.transpose()
                case Layout.REVERSED:
                    native = native[::-1]
        mx.eval(native)
        return native

    def to_numpy(self, native: Any) -> FloatArray:
        array = native.array if isinstance(native, _Parameter) else native
        # NumPy has no bfloat16, and the GPU no float64.
        return np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array).astype(np.float64)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> _Optimizer:
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        if positional or not all("params" in group for group in groups):
            raise SkippedError("the constructor of an MLX optimizer takes no parameters")
        options = [
            {**keywords, **{name: x for name, x in group.items() if name != "params"}} for group in groups
        ]
        members = [[parameter.name for parameter in group["params"]] for group in groups]
        return _Optimizer(_build_optimizer(options, members), options, members)

    def step(self, optimizer: _Optimizer, params: Sequence[_Parameter], gradients: Sequence[Any]) -> None:
        native = optimizer.native
        after = native.apply_gradients(
            {p.name: g for p, g in zip(params, gradients, strict=True)}, {p.name: p.array for p in params}
        )
        mx.eval(after, native.state)
        for parameter in params:
            parameter.array = after[parameter.name]

    def moments(
        self, optimizer: _Optimizer, params: Sequence[_Parameter]
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        states = {
            name: s
            for part in optimizer.group_optimizers
            for name, s in part.state.items()
            if isinstance(s, dict)
        }
        if not all(p.name in states and {"m", "v"} <= states[p.name].keys() for p in params):
            return None, None
        return [states[p.name]["m"] for p in params], [states[p.name]["v"] for p in params]

    def save(self, optimizer: _Optimizer) -> str:
        handle, file = tempfile.mkstemp(suffix=".safetensors", dir=Path.cwd())
        os.close(handle)
        mx.save_safetensors(file, dict(tree_flatten(optimizer.native.state)))
        return file

    def load(self, optimizer: _Optimizer, checkpoint: str) -> None:
        optimizer.native.state = tree_unflatten(list(mx.load(checkpoint).items()))

    def groups(self, optimizer: _Optimizer) -> Sequence[MutableMapping[str, Any]]:
        return [
            {"lr": part.learning_rate, "betas": part.betas, "eps": part.eps}
            for part in optimizer.group_optimizers
        ]

    def set_lr(self, optimizer: _Optimizer, group: int, lr: Any) -> None:
        optimizer.group_optimizers[group].learning_rate = self.to_argument(lr)

    def make_scheduler(self, optimizer: _Optimizer, schedule: Schedule) -> _SelfAdvancing:
        if schedule.name not in _SCHEDULES:
            raise SkippedError(f"MLX has no {schedule.name}; the suite uses {', '.join(_SCHEDULES)}")
        build = _SCHEDULES[schedule.name]
        scheduled = [{**own, "lr": build(own["lr"], schedule.options)} for own in optimizer.options]
        optimizer.native = _build_optimizer(scheduled, optimizer.members)
        return _SelfAdvancing()

    def to_native(self, value: npt.NDArray[Any]) -> mx.array:
        return mx.array(value)


def _build_optimizer(options: Sequence[Mapping[str, Any]], members: Sequence[Sequence[str]]) -> Any:
    """Build one optimizer, or one for each group behind a `MultiOptimizer`."""
    parts = [
        optimizers.Adamax(**{"learning_rate" if name == "lr" else name: x for name, x in own.items()})
        for own in options
    ]
    if len(parts) == 1:
        return parts[0]
    filters = [lambda path, _, names=frozenset(names): path in names for names in members[:-1]]
    return optimizers.MultiOptimizer(parts, filters)


def _base_values(value: FloatArray, layout: Layout) -> FloatArray:
    """The values of the array whose view is the array in the wanted layout."""
    if not value.ndim:
        return value
    match layout:
        case Layout.STRIDED:
            return np.repeat(value, 2, axis=-1)
        case Layout.TRANSPOSED:
            return value.transpose()
        case Layout.REVERSED:
            return value[::-1]
    return value
