"""How is a MindSpore optimizer watched? By the hooks of a cell, which eager mode calls."""

# ruff: noqa: D102 - what each method does is said where `Source` declares it

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import mindspore as ms
import numpy as np

from ....reference.hyperparameters import Hyperparameters
from ..step_file import Raw
from .base import Facts, Place, State

_DEVICES: Final = {"CPU": "cpu", "GPU": "cuda", "Ascend": "npu"}


def open_source(optimizer: Any) -> MindSporeSource:  # noqa: ANN401
    """A `mindspore.experimental.optim.Adamax`.

    Raises:
        TypeError: another optimizer.
        ValueError: its steps are compiled as a whole, so that nothing is called before and after them.
    """
    if not hasattr(optimizer, "exp_avg") or not hasattr(optimizer, "exp_inf"):
        kind = type(optimizer)
        raise TypeError(
            f"optimizer is a {kind.__module__}.{kind.__qualname__}, which has no exp_avg and exp_inf; "
            "mindspore.experimental.optim.Adamax can be recorded"
        )
    if ms.get_context("mode") == ms.GRAPH_MODE:
        raise ValueError(
            "MindSpore is in graph mode, where no step can be watched; "
            "call mindspore.set_context(mode=mindspore.PYNATIVE_MODE)"
        )
    return MindSporeSource(optimizer)


class MindSporeSource:
    """`mindspore.experimental.optim.Adamax`, called outside of compiled functions."""

    def __init__(self, optimizer: Any) -> None:  # noqa: ANN401
        self._optimizer = optimizer
        self._gradients: Sequence[Any] = ()

    @property
    def facts(self) -> Facts:
        kind = type(self._optimizer)
        name = f"{kind.__module__}.{kind.__qualname__}"
        device = str(ms.get_context("device_target"))
        own = "mindspore" if kind is ms.experimental.optim.Adamax else name
        return Facts(own, "mindspore", ms.__version__, name, _DEVICES.get(device, device.lower()))

    def places(self) -> Sequence[Place]:
        groups = enumerate(self._optimizer.param_groups)
        return [
            Place(str(parameter.name), number) for number, group in groups for parameter in group["params"]
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return [
            Hyperparameters(
                lr=float(group["lr"].asnumpy() if isinstance(group["lr"], ms.Tensor) else group["lr"]),
                beta1=float(group["betas"][0]),
                beta2=float(group["betas"][1]),
                eps=float(group["eps"]),
                weight_decay=float(group["weight_decay"]),
                maximize=bool(group["maximize"]),
            )
            for group in self._optimizer.param_groups
        ]

    def steps_taken(self) -> Sequence[int]:
        return [int(self._optimizer.step_t.asnumpy())] * len(self._optimizer.parameters)

    def gradients(self) -> Sequence[Raw | None]:
        return [_raw(gradient) for gradient in self._gradients]

    def state(self, place: int) -> State:
        optimizer = self._optimizer
        theta, m, u = (
            _raw(tensors[place]) for tensors in (optimizer.parameters, optimizer.exp_avg, optimizer.exp_inf)
        )
        return theta, m, u

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def pre_hook(_: Any, args: tuple[Any, ...]) -> None:  # noqa: ANN401
            self._gradients = args[0]
            before()

        def post_hook(_: Any, __: Any, ___: Any) -> None:  # noqa: ANN401
            after()

        handles = [
            self._optimizer.register_forward_pre_hook(pre_hook),
            self._optimizer.register_forward_hook(post_hook),
        ]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach


def _raw(tensor: Any) -> Raw:  # noqa: ANN401
    if tensor.dtype == ms.bfloat16:  # NumPy has none; every number of it is one of float32's
        bits = tensor.astype(ms.float32).asnumpy().view(np.uint32) >> 16
        return Raw.of(bits.astype(np.uint16), "bfloat16")
    return Raw.of(tensor.asnumpy())
