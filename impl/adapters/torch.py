"""The adapter of PyTorch: gradients go to `.grad`, m and u are in `state`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ...reference.case import Layout
from ..protocol.errors import UnsupportedDeviceError
from ..protocol.messages import DEVICES, DTYPES, FloatArray, Schedule, SubjectInfo
from . import schedulers
from .base import HAS_ALL, describe_runtime, neighbouring, read_signature, signature_arguments
from .layouts import allocate
from .torch_features import TorchFeatures, real_view

MODES: Final[Mapping[str, Mapping[str, Any]]] = {
    "": {"foreach": False},
    "foreach": {"foreach": True},
    "capturable": {"foreach": False, "capturable": True},
    "capturable-foreach": {"foreach": True, "capturable": True},
    "differentiable": {"foreach": False, "differentiable": True},
    "tensor-lr": {"foreach": False},
    "compile": {},
}
"""The keyword arguments of each mode; the empty one is the for-loop."""

_TENSOR_LR: Final = ("tensor-lr", "compile")
"""The modes in which the adapter passes a learning rate that is a number as a tensor."""

_CYCLING: Final = ("CyclicLR", "OneCycleLR")
"""These move beta1 as well unless an argument forbids it; the suite checks the learning rate alone."""


class TorchAdapter(TorchFeatures):
    """`torch.optim.Adamax` in a mode, or an optimizer with its arguments.

    Attributes:
        device: `cpu` or an accelerator that is there.
        mode: one of `MODES`.
        optimizer_class: instead of `torch.optim.Adamax`; it gets only documented arguments.
    """

    tensor_types = (torch.Tensor,)

    def __init__(
        self, device: str, mode: str = "", optimizer_class: Callable[..., Any] | None = None
    ) -> None:
        super().__init__()
        self.device = device
        self.mode = mode
        # A mode is one of the arguments under which the features are tried: they are those of the plain optimizer.
        self.has_features = type(self).has_features and not mode
        # A parameter that is not a leaf is one in its copy.
        self.is_copied = mode != "differentiable"
        self.mode_arguments = MODES[mode] if optimizer_class is None else {}
        self.optimizer_class = optimizer_class or torch.optim.Adamax
        usual = tuple(name for name in DEVICES if _is_available(name))
        self.devices = usual if device in usual or not _is_usable(device) else (*usual, device)
        if device not in self.devices:
            raise UnsupportedDeviceError(
                f"torch {torch.__version__} finds no {device} here; there is {', '.join(self.devices)}"
            )
        if self.mode_arguments.get("capturable") and device == "cpu":
            others = ", ".join(self.devices[1:]) or "none"
            raise UnsupportedDeviceError(
                f"torch[{mode}] needs an accelerator (--device); here there is {others}"
            )
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            torch.zeros(1, dtype=getattr(torch, dtype), device=self.device).add_(1)
        except (RuntimeError, TypeError) as error:
            return str(error)
        return ""

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = read_signature(self.optimizer_class)
        arguments = signature_arguments(self.optimizer_class)
        return SubjectInfo(
            name="",
            framework="torch",
            version=torch.__version__,
            mode=self.mode,
            runtime=describe_runtime(),
            dtypes=self.accepted_dtypes,
            devices=self.devices,
            device=self.device,
            has=HAS_ALL,
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            arguments=arguments,
            group_options=arguments,
            schedulers=schedulers.scheduler_names(torch.optim.lr_scheduler),
            layouts=tuple(layout for layout in Layout if layout is not Layout.REVERSED),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> torch.Tensor:
        tensor = self.make_gradient(value, dtype, layout).requires_grad_()
        if self.mode != "differentiable":
            return tensor
        # A leaf that requires a gradient cannot be changed in place where the step is recorded.
        inner = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=tensor.device)
        return inner.copy_(tensor.clone())

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> torch.Tensor:
        native: torch.Tensor = allocate(
            value.shape,
            layout,
            lambda shape: torch.empty(shape, dtype=getattr(torch, dtype), device=self.device),
            lambda tensor: tensor.permute(*reversed(range(tensor.ndim))),
        )
        # The conversion comes first: not every device has float64.
        return native.copy_(torch.tensor(value).to(native.dtype))

    def to_numpy(self, native: torch.Tensor) -> FloatArray:
        array: FloatArray = real_view(native.detach()).cpu().to(torch.float64, copy=True).numpy()
        return array

    def view_as_numpy(self, native: torch.Tensor) -> FloatArray:
        array: FloatArray = real_view(native.detach()).cpu().to(torch.float64).numpy()
        return array

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        keywords = {**self.mode_arguments, **keywords}
        if self.mode in _TENSOR_LR:
            params = list(params)
            for options in [keywords, *(p for p in params if isinstance(p, dict))]:
                if "lr" in options:
                    options["lr"] = self._convert_lr(options["lr"])
        return self.optimizer_class(params, *positional, **keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        for parameter, gradient in zip(params, gradients, strict=True):
            if not parameter.is_leaf:
                parameter.retain_grad()
            parameter.grad = gradient
        self.call_step(optimizer)

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        states = [optimizer.state.get(parameter, {}) for parameter in params]
        m, u = (
            [state[name] for state in states] if all(name in state for state in states) else None
            for name in self.state_names
        )
        return m, u

    takes_absent_gradients = True
    takes_generators = True

    def make_broadcast(self, value: FloatArray, dtype: str) -> torch.Tensor:
        if not value.size:
            return self.make_gradient(value, dtype, Layout.CONTIGUOUS)
        return self.make_gradient(value.reshape(-1)[0], dtype, Layout.CONTIGUOUS).expand(value.shape)

    def make_neighbours(self, values: Sequence[FloatArray], dtype: str) -> list[torch.Tensor]:
        if self.mode == "differentiable":
            return super().make_neighbours(values, dtype)
        places = neighbouring([value.size for value in values])
        numbers = np.empty(sum(value.size for value in values))
        for value, place in zip(values, places, strict=True):
            numbers[place] = value.reshape(-1)
        block = self.make_gradient(numbers, dtype, Layout.CONTIGUOUS)
        return [
            block[place].view(value.shape).detach().requires_grad_()
            for value, place in zip(values, places, strict=True)
        ]

    def memory_of(self, parameter: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return parameter.detach().view(like.shape)

    def moments_so_far(
        self, optimizer: Any, params: Sequence[Any]
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        states = [optimizer.state.get(parameter, {}) for parameter in params]
        made = [state for state in states if state]
        # Names that no state has are not those of an optimizer that has stepped: it keeps m and u elsewhere.
        m, u = (
            None if made and not any(name in state for state in made) else [s.get(name) for s in states]
            for name in self.state_names
        )
        return m, u

    def save_live(self, optimizer: Any) -> Any:
        return optimizer.state_dict()

    def load_live(self, optimizer: Any, checkpoint: Any) -> None:
        optimizer.load_state_dict(checkpoint)

    def save(self, optimizer: Any) -> bytes:
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        return file.getvalue()

    def load(self, optimizer: Any, checkpoint: bytes) -> None:
        # This process saved the checkpoint, which may hold any object of a user's own optimizer.
        optimizer.load_state_dict(torch.load(io.BytesIO(checkpoint), weights_only=False))

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        super().set_lr(optimizer, group, self._convert_lr(lr))

    def _convert_lr(self, lr: Any) -> Any:
        is_number = isinstance(lr, int | float) and not isinstance(lr, bool)
        return torch.tensor(float(lr), dtype=torch.float64) if self.mode in _TENSOR_LR and is_number else lr

    def to_native(self, value: npt.NDArray[Any]) -> torch.Tensor:
        return torch.tensor(value)

    def make_scheduler(self, optimizer: Any, schedule: Schedule) -> Any:
        if schedule.name in _CYCLING:
            schedule = replace(schedule, options={"cycle_momentum": False, **schedule.options})
        return schedulers.build_scheduler(torch.optim.lr_scheduler, optimizer, schedule)

    def explain_layout(self, layout: Layout) -> str:
        try:
            torch.from_numpy(np.zeros(2)[::-1])
        except ValueError as error:
            return str(error)
        return super().explain_layout(layout)


def _is_available(device: str) -> bool:
    if device == "cpu":
        return True
    backend = getattr(torch, device, None)  # torch.npu comes with torch_npu
    return backend is not None and bool(backend.is_available())


def _is_usable(device: str) -> bool:
    """Whether a device that has to be named holds numbers; `meta` and its like do not."""
    try:
        return bool(torch.ones(1, device=device).tolist() == [1.0])
    except (
        RuntimeError,
        NotImplementedError,
        AssertionError,
        ImportError,
    ):  # it is not compiled in, or has no package
        return False
