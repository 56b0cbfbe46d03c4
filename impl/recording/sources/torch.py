"""The source of a PyTorch optimizer: its hooks on the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState

_MODES = ("capturable", "foreach", "differentiable")


def open_source(optimizer: Any) -> TorchSource:
    """Open a `torch.optim.Optimizer` whose groups have Adamax's options.

    Raises:
        TypeError: they do not.
    """
    for name in ("lr", "betas", "eps"):
        if name not in optimizer.param_groups[0]:
            kind = type(optimizer)
            raise TypeError(
                f"optimizer is a {kind.__module__}.{kind.__qualname__}, whose groups have no {name!r}; "
                "one with Adamax's options can be recorded"
            )
    return TorchSource(optimizer)


class TorchSource:
    """A `torch.optim.Optimizer` with Adamax's options and state.

    The state has `exp_avg` and `exp_inf`.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    @property
    def facts(self) -> OptimizerFacts:
        optimizer = self._optimizer
        kind = type(optimizer)
        group = optimizer.param_groups[0]
        name = f"{kind.__module__}.{kind.__qualname__}"
        subject = f"torch:{name}"
        if kind is torch.optim.Adamax:
            mode = "-".join(mode for mode in _MODES if group.get(mode))
            subject = f"torch[{mode}]" if mode else "torch"
        return OptimizerFacts(subject, "torch", torch.__version__, name, self._tensors()[0].device.type)

    def _tensors(self) -> list[Any]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]

    def parameters(self) -> Sequence[ParameterInfo]:
        infos = []
        for number, group in enumerate(self._optimizer.param_groups):
            names = group.get("param_names") or [""] * len(group["params"])
            infos += [ParameterInfo(str(name), number) for name in names]
        return infos

    def options(self) -> Sequence[Hyperparameters]:
        return [
            Hyperparameters(
                lr=float(group["lr"]),
                beta1=float(group["betas"][0]),
                beta2=float(group["betas"][1]),
                eps=float(group["eps"]),
                weight_decay=float(group.get("weight_decay", 0.0)),
                maximize=bool(group.get("maximize", False)),
            )
            for group in self._optimizer.param_groups
        ]

    def steps_taken(self) -> Sequence[int]:
        state = self._optimizer.state
        return [int(state[p]["step"]) if "step" in state.get(p, {}) else 0 for p in self._tensors()]

    def gradients(self) -> Sequence[RawTensor | None]:
        return [None if p.grad is None else _to_raw(p.grad) for p in self._tensors()]

    def state(self, index: int) -> ParameterState:
        parameter = self._tensors()[index]
        state = self._optimizer.state.get(parameter, {})
        m, u = (_to_raw(state[name]) if name in state else None for name in ("exp_avg", "exp_inf"))
        return _to_raw(parameter), m, u

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def pre_hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
            if closure is None:
                before()
                return None

            def closure_then_before() -> Any:
                loss = closure()
                before()
                return loss

            return (args[0], closure_then_before), {k: v for k, v in kwargs.items() if k != "closure"}

        handles = [
            self._optimizer.register_step_pre_hook(pre_hook),
            self._optimizer.register_step_post_hook(lambda *_: after()),
        ]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach


def _to_raw(tensor: Any) -> RawTensor:
    """A tensor's numbers, copied from another device if need be."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype is torch.bfloat16:
        return RawTensor.from_array(tensor.view(torch.int16).numpy().view("u2"), "bfloat16")
    return RawTensor.from_array(tensor.numpy())
