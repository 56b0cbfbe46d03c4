"""How is an MLX optimizer asked? It holds no parameters: it maps gradients and parameters to new parameters.

Translated: `lr` is its `learning_rate`; a parameter is an entry of the tree that its `apply_gradients` is given
and returns; groups are the optimizers of a `MultiOptimizer`, chosen by the parameters' names. It is saved as its
documentation says, by `save_safetensors` of its flattened state. Its schedules are functions of the step,
given to the constructor: `step_decay`, `exponential_decay` and `linear_schedule` are StepLR, ExponentialLR and LinearLR.

What it cannot express: it has neither `weight_decay` nor `maximize`.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

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
from ..protocol.errors import Skipped, UnsupportedDevice
from ..protocol.messages import DTYPES, FloatArray, Schedule, SubjectInfo
from .base import Adapter, runtime

DEVICES: Final[Mapping[str, Callable[[], bool]]] = {
    "cpu": lambda: True,
    "cuda": lambda: hasattr(mx, "cuda") and bool(mx.cuda.is_available()),
    "mps": lambda: bool(mx.metal.is_available()),
}
"""Whether a device is there; MLX calls the latter two its gpu."""

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
    """A place in the tree of parameters, and the array that is there now: MLX changes none in place."""

    name: str
    array: Any


@dataclass
class _Optimizer:
    """An optimizer, how it was made, and which parameters belong to which of its groups."""

    native: Any
    options: list[dict[str, Any]]
    members: list[list[str]]

    @property
    def parts(self) -> list[Any]:
        """The optimizer of each group."""
        return self.native.optimizers if len(self.members) > 1 else [self.native]


class _Advanced:
    """A schedule that MLX itself moves on: it is a function of the optimizer's own count of steps."""

    def step(self) -> None:
        """Do nothing."""


class MLXAdapter(Adapter):
    """`mlx.optimizers.Adamax`.

    Attributes:
        device: one of `DEVICES` that is there.
        mode: there is one only.
    """

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        self.devices = tuple(name for name, is_there in DEVICES.items() if is_there())
        if device not in self.devices:
            raise UnsupportedDevice(
                f"mlx {version('mlx')} finds no {device} here; there is {', '.join(self.devices)}"
            )
        mx.set_default_device(mx.cpu if device == "cpu" else mx.gpu)
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

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
            runtime=runtime(),
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            devices=self.devices,
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": True},
            defaults={"betas": (0.9, 0.999), "eps": 1e-8},
            arguments=("lr", "betas", "eps"),
            group_options=("lr", "betas", "eps"),
            schedulers=tuple(_SCHEDULES),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> _Parameter:
        return _Parameter(f"parameter_{place}", self.gradient(value, dtype, layout))

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> mx.array:
        native = mx.array(_spread(value, layout).copy(), dtype=getattr(mx, dtype))
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

    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        array = native.array if isinstance(native, _Parameter) else native
        # NumPy has no bfloat16, and the GPU no float64.
        return np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array).astype(np.float64)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> _Optimizer:
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        if positional or not all("params" in group for group in groups):
            raise Skipped("an optimizer of MLX is given no parameters when it is made")
        options = [
            {**keywords, **{name: x for name, x in group.items() if name != "params"}} for group in groups
        ]
        members = [[parameter.name for parameter in group["params"]] for group in groups]
        return _Optimizer(_made(options, members), options, members)

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
            name: s for part in optimizer.parts for name, s in part.state.items() if isinstance(s, dict)
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
        return [{"lr": part.learning_rate, "betas": part.betas, "eps": part.eps} for part in optimizer.parts]

    def set_lr(self, optimizer: _Optimizer, group: int, lr: Any) -> None:  # noqa: ANN401
        optimizer.parts[group].learning_rate = self.argument(lr)

    def scheduler(self, optimizer: _Optimizer, schedule: Schedule) -> _Advanced:
        if schedule.name not in _SCHEDULES:
            raise Skipped(f"MLX has no {schedule.name}; of those asked there are {', '.join(_SCHEDULES)}")
        build = _SCHEDULES[schedule.name]
        scheduled = [{**own, "lr": build(own["lr"], schedule.options)} for own in optimizer.options]
        optimizer.native = _made(scheduled, optimizer.members)
        return _Advanced()

    def native(self, value: npt.NDArray[Any]) -> mx.array:
        return mx.array(value)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        return self.to_numpy(value) if isinstance(value, mx.array) else super().plain(value)


def _made(options: Sequence[Mapping[str, Any]], members: Sequence[Sequence[str]]) -> Any:  # noqa: ANN401
    """One optimizer, or one for each group behind a `MultiOptimizer`."""
    parts = [
        optimizers.Adamax(**{"learning_rate" if name == "lr" else name: x for name, x in own.items()})
        for own in options
    ]
    if len(parts) == 1:
        return parts[0]
    filters = [lambda path, _, names=frozenset(names): path in names for names in members[:-1]]
    return optimizers.MultiOptimizer(parts, filters)


def _spread(value: FloatArray, layout: Layout) -> FloatArray:
    """The values as they lie in the array of which the one that is wanted is a view."""
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
