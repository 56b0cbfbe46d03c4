"""The source of a MindSpore optimizer: a cell's hooks, which eager mode calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import mindspore as ms
import numpy as np

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState

_DEVICES: Final = {"CPU": "cpu", "GPU": "cuda", "Ascend": "npu"}


def open_source(optimizer: Any) -> MindSporeSource:
    """Open a `mindspore.experimental.optim.Adamax`.

    Raises:
        TypeError: another optimizer.
        ValueError: its steps are compiled as a whole, without hooks before and after them.
    """
    if not hasattr(optimizer, "exp_avg") or not hasattr(optimizer, "exp_inf"):
        kind = type(optimizer)
        raise TypeError(
            f"optimizer is a {kind.__module__}.{kind.__qualname__}, which has no exp_avg and exp_inf; "
            "mindspore.experimental.optim.Adamax can be recorded"
        )
    if ms.get_context("mode") == ms.GRAPH_MODE:
        raise ValueError(
            "MindSpore is in graph mode, where steps have no hooks; "
            "call mindspore.set_context(mode=mindspore.PYNATIVE_MODE)"
        )
    return MindSporeSource(optimizer)


class MindSporeSource:
    """`mindspore.experimental.optim.Adamax`, called outside of compiled functions."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._gradients: Sequence[Any] = ()

    @property
    def facts(self) -> OptimizerFacts:
        kind = type(self._optimizer)
        name = f"{kind.__module__}.{kind.__qualname__}"
        device = str(ms.get_context("device_target"))
        own = "mindspore" if kind is ms.experimental.optim.Adamax else name
        return OptimizerFacts(own, "mindspore", ms.__version__, name, _DEVICES.get(device, device.lower()))

    def parameters(self) -> Sequence[ParameterInfo]:
        groups = [
            (n, theta) for n, group in enumerate(self._optimizer.param_groups) for theta in group["params"]
        ]
        return [
            ParameterInfo(str(theta.name), group, index, theta) for index, (group, theta) in enumerate(groups)
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

    def count(self, _: ParameterInfo) -> int:
        return int(self._optimizer.step_t.asnumpy())

    def gradient(self, parameter: ParameterInfo) -> RawTensor:
        return _to_raw(self._gradients[parameter.index])

    def state(self, parameter: ParameterInfo) -> ParameterState:
        optimizer = self._optimizer
        theta, m, u = (
            _to_raw(tensors[parameter.index])
            for tensors in (optimizer.parameters, optimizer.exp_avg, optimizer.exp_inf)
        )
        return theta, m, u

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def pre_hook(_: Any, args: tuple[Any, ...]) -> None:
            self._gradients = args[0]
            before()

        def post_hook(_: Any, __: Any, ___: Any) -> None:
            # A hook that was registered later comes before ours all the same.
            self._optimizer._forward_pre_hook.move_to_end(handles[0].handle_id)  # noqa: SLF001 - only here is an order
            after()

        handles = [
            self._optimizer.register_forward_pre_hook(pre_hook),
            self._optimizer.register_forward_hook(post_hook, prepend=True),
        ]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach


def _to_raw(tensor: Any) -> RawTensor:
    if tensor.dtype == ms.bfloat16:  # NumPy has no bfloat16; float32 has all its numbers
        bits = tensor.astype(ms.float32).asnumpy().view(np.uint32) >> 16
        return RawTensor.from_array(bits.astype(np.uint16), "bfloat16")
    return RawTensor.from_array(tensor.asnumpy())
