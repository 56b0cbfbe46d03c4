"""How is a PyTorch optimizer asked? Gradients go to `.grad`, m and u are in `state`."""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from ...reference.case import Layout
from ..protocol.errors import UnsupportedDevice
from ..protocol.messages import DEVICES, DTYPES, FloatArray, Schedule, SubjectInfo
from . import schedulers
from .base import Adapter, runtime, signature_facts
from .layouts import allocate

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
"""The modes in which a learning rate that is a number is passed as a tensor."""

_CYCLING: Final = ("CyclicLR", "OneCycleLR")
"""These move beta1 as well, unless they are told not to; what is asked of a scheduler is the learning rate."""


class TorchAdapter(Adapter):
    """`torch.optim.Adamax` in one of its modes, or anyone's `torch.optim.Optimizer` with Adamax's arguments.

    Attributes:
        device: `cpu` or an accelerator that is there.
        mode: one of `MODES`.
        optimizer_class: instead of `torch.optim.Adamax`; it gets no argument beyond the documented ones.
    """

    def __init__(
        self, device: str, mode: str = "", optimizer_class: Callable[..., Any] | None = None
    ) -> None:
        self.device = device
        self.mode = mode
        self.mode_arguments = MODES[mode] if optimizer_class is None else {}
        self.optimizer_class = optimizer_class or torch.optim.Adamax
        self.devices = tuple(name for name in DEVICES if _is_there(name))
        if device not in self.devices:
            raise UnsupportedDevice(
                f"torch {torch.__version__} finds no {device} here; there is {', '.join(self.devices)}"
            )
        if self.mode_arguments.get("capturable") and device == "cpu":
            others = ", ".join(self.devices[1:]) or "none"
            raise UnsupportedDevice(f"torch[{mode}] needs an accelerator (--device); here there is {others}")
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            torch.zeros(1, dtype=getattr(torch, dtype), device=self.device).add_(1)
        except (RuntimeError, TypeError) as error:
            return str(error)
        return ""

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = signature_facts(self.optimizer_class)
        return SubjectInfo(
            name="",
            framework="torch",
            version=torch.__version__,
            mode=self.mode,
            runtime=runtime(),
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            devices=self.devices,
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": True},
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            schedulers=schedulers.names(torch.optim.lr_scheduler),
            layouts=tuple(layout for layout in Layout if layout is not Layout.REVERSED),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> torch.Tensor:  # noqa: ARG002
        tensor = self.gradient(value, dtype, layout).requires_grad_()
        if self.mode != "differentiable":
            return tensor
        # A leaf that requires a gradient cannot be changed in place where the step is recorded.
        inner = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=tensor.device)
        return inner.copy_(tensor.clone())

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> torch.Tensor:
        native: torch.Tensor = allocate(
            value.shape,
            layout,
            lambda shape: torch.empty(shape, dtype=getattr(torch, dtype), device=self.device),
            lambda tensor: tensor.permute(*reversed(range(tensor.ndim))),
        )
        # The conversion comes first: not every device has float64.
        return native.copy_(torch.tensor(value).to(native.dtype))

    def to_numpy(self, native: torch.Tensor) -> FloatArray:
        array: FloatArray = native.detach().cpu().to(torch.float64, copy=True).numpy()
        return array

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        keywords = {**self.mode_arguments, **keywords}
        for options in [keywords, *(p for p in params if isinstance(p, dict))]:
            if "lr" in options:
                options["lr"] = self._lr(options["lr"])
        return self.optimizer_class(params, *positional, **keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401
        for parameter, gradient in zip(params, gradients, strict=True):
            if not parameter.is_leaf:
                parameter.retain_grad()
            parameter.grad = gradient
        self.advance(optimizer)

    def advance(self, optimizer: Any) -> None:  # noqa: ANN401
        """One step with the gradients that are in place."""
        optimizer.step()

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        states = [optimizer.state.get(parameter, {}) for parameter in params]
        m, u = (
            [state[name] for state in states] if all(name in state for state in states) else None
            for name in ("exp_avg", "exp_inf")
        )
        return m, u

    def save(self, optimizer: Any) -> bytes:  # noqa: ANN401
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        return file.getvalue()

    def load(self, optimizer: Any, checkpoint: bytes) -> None:  # noqa: ANN401
        # What is loaded was saved here, and holds what a user's own optimizer may hold.
        optimizer.load_state_dict(torch.load(io.BytesIO(checkpoint), weights_only=False))

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401
        super().set_lr(optimizer, group, self._lr(lr))

    def _lr(self, lr: Any) -> Any:  # noqa: ANN401
        is_number = isinstance(lr, int | float) and not isinstance(lr, bool)
        return torch.tensor(float(lr), dtype=torch.float64) if self.mode in _TENSOR_LR and is_number else lr

    def native(self, value: npt.NDArray[Any]) -> torch.Tensor:
        return torch.tensor(value)

    def scheduler(self, optimizer: Any, schedule: Schedule) -> Any:  # noqa: ANN401
        if schedule.name in _CYCLING:
            schedule = replace(schedule, options={"cycle_momentum": False, **schedule.options})
        return schedulers.build(torch.optim.lr_scheduler, optimizer, schedule)

    def words_about(self, layout: Layout) -> str:
        try:
            torch.from_numpy(np.zeros(2)[::-1])
        except ValueError as error:
            return str(error)
        return super().words_about(layout)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        return self.to_numpy(value) if isinstance(value, torch.Tensor) else super().plain(value)


def _is_there(device: str) -> bool:
    if device == "cpu":
        return True
    backend = getattr(torch, device, None)  # torch.npu comes with torch_npu
    return backend is not None and bool(backend.is_available())
