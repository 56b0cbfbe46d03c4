"""The adapter of PaddlePaddle, where m and u are accumulators by name.

Gradients go to `.grad`.

Translated: `lr` is `learning_rate`, `betas` are `beta1` and `beta2`, `eps` is `epsilon`. A group's `learning_rate` is
"the scale of base learning_rate" there: so the base is 1 where there are groups, and the scale is their learning
rate. `set_lr` sets the rate of a plain list; the scale of its parameters (`optimize_attr`) is a group's.
`weight_decay` is the coefficient of `paddle.regularizer.L2Decay`; the adapter passes a group's 0 as None. A checkpoint
is what `paddle.save` writes of `state_dict()`. It goes by names, which are unique in a program. So the optimizer that
loads gets the names of the one that saved, as in a program that is started again.

Five of the schedulers that PyTorch and MindSpore name are there under other names (`SCHEDULERS`), with the same formula;
`set_lr_scheduler` sets one, and groups scale its rate. The others have another formula, scale what a group should not,
or, as `MultiStepDecay`, take fewer arguments: its milestones must grow.

Not there: `maximize`; float16 and bfloat16 on the CPU; layouts other than contiguous.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import paddle

from ...reference.case import Layout
from ..protocol.errors import SkippedError, UnsupportedDeviceError
from ..protocol.messages import DTYPES, FloatArray, Schedule, SubjectInfo
from .argument_names import ArgumentNames
from .base import HAS_ALL, Adapter, describe_runtime

_NAMES: Final = ArgumentNames(
    "paddle.optimizer.Adamax",
    {"lr": "learning_rate", "betas": ("beta1", "beta2"), "eps": "epsilon", "weight_decay": "weight_decay"},
)
DEVICE_NAMES: Final[Mapping[str, str]] = {"cpu": "cpu", "cuda": "gpu", "xpu": "xpu", "npu": "npu"}
"""PaddlePaddle's names of the devices."""
SCHEDULERS: Final[Mapping[str, str]] = {
    "ExponentialLR": "ExponentialDecay",
    "LambdaLR": "LambdaDecay",
    "LinearLR": "LinearLR",
    "MultiplicativeLR": "MultiplicativeDecay",
    "StepLR": "StepDecay",
}
"""PaddlePaddle's names of the schedulers that it has as the others have them."""
_M: Final = "moment_0"
_U: Final = "inf_norm_0"


class PaddleAdapter(Adapter):
    """`paddle.optimizer.Adamax`, dynamic graph.

    Attributes:
        device: one of `DEVICE_NAMES` that is there.
    """

    tensor_types = (paddle.Tensor,)
    layout_reason = "paddle.to_tensor copies its argument, so no parameter is {layout}"

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        if device not in DEVICE_NAMES:
            raise UnsupportedDeviceError(f"paddle runs on {', '.join(DEVICE_NAMES)}, not on {device}")
        try:
            paddle.set_device(DEVICE_NAMES[device])
        except (RuntimeError, ValueError) as error:
            raise UnsupportedDeviceError(f"paddle {paddle.__version__}: {_one_line(error)}") from None
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            parameter = self.make_parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            optimizer = paddle.optimizer.Adamax(parameters=[parameter])
            self.step(optimizer, [parameter], [self.make_gradient(np.ones(1), dtype, Layout.CONTIGUOUS)])
        except (RuntimeError, TypeError, ValueError) as error:
            return _one_line(error)
        return ""

    def describe(self) -> SubjectInfo:
        return SubjectInfo(
            name="",
            framework="paddle",
            version=paddle.__version__,
            runtime=describe_runtime(),
            dtypes=self.accepted_dtypes,
            devices=("cpu", *(("cuda",) if paddle.is_compiled_with_cuda() else ())),
            device=self.device,
            has=HAS_ALL,
            defaults=_NAMES.defaults(paddle.optimizer.Adamax),
            arguments=_NAMES.arguments,
            group_options=_NAMES.arguments,
            schedulers=tuple(SCHEDULERS),
            layouts=(Layout.CONTIGUOUS,),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> Any:
        parameter = paddle.create_parameter(
            list(value.shape), dtype, default_initializer=paddle.nn.initializer.Constant(0.0)
        )
        parameter.set_value(self.make_gradient(value, dtype, layout))
        return parameter

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:
        return paddle.to_tensor(value).astype(dtype)

    def to_numpy(self, native: Any) -> FloatArray:
        array: FloatArray = native.detach().astype("float64").numpy()
        return np.array(array)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        if positional:
            raise SkippedError(
                "paddle.optimizer.Adamax begins with the learning rate; its parameters come fifth"
            )
        if not params or not isinstance(params[0], dict):
            return paddle.optimizer.Adamax(parameters=params, **_NAMES.translate(keywords))
        shared = _NAMES.translate(keywords)
        scale = {"learning_rate": shared.pop("learning_rate")} if "learning_rate" in shared else {}
        groups = [{**scale, **_NAMES.translate(group)} for group in params]
        for group in groups:
            if not group.get("weight_decay", True):
                # None is the constructor's decay; 0 multiplies theta.
                group["weight_decay"] = 0.0 if shared.get("weight_decay") else None
        return paddle.optimizer.Adamax(1.0, parameters=groups, **shared)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        for parameter, gradient in zip(params, gradients, strict=True):
            parameter.grad = gradient
        # The first step names m and u; a second optimizer in one program would get other names.
        with paddle.utils.unique_name.guard():
            optimizer.step()

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        state = optimizer.state_dict()
        # Paddle 3.0 steps over a parameter without elements, and makes no m and u for it.
        empty = {f"{p.name}_{kind}": p for p in params if not math.prod(p.shape) for kind in (_M, _U)}
        state = {**empty, **state}
        m, u = (
            [state[name] for name in names] if all(name in state for name in names) else None
            for names in ([f"{p.name}_{kind}" for p in params] for kind in (_M, _U))
        )
        return m, u

    def save(self, optimizer: Any) -> tuple[bytes, list[str]]:
        file = io.BytesIO()
        paddle.save(optimizer.state_dict(), file)
        return file.getvalue(), [parameter.name for parameter in _parameters(optimizer)]

    def load(self, optimizer: Any, checkpoint: tuple[bytes, list[str]]) -> None:
        saved, names = checkpoint
        # As in a program that is started again, where parameters are made in the same order.
        for parameter, name in zip(_parameters(optimizer), names, strict=True):
            parameter.name = name
        optimizer.set_state_dict(paddle.load(io.BytesIO(saved)))

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:
        if not _has_groups(optimizer):
            return [{"lr": optimizer.get_lr()}]
        return [
            {"lr": optimizer.get_lr() * group["params"][0].optimize_attr["learning_rate"]}
            for group in optimizer._param_groups
        ]

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        if not _has_groups(optimizer):
            if isinstance(lr, paddle.Tensor):
                raise SkippedError("set_lr of Paddle takes a float, as documented")
            optimizer.set_lr(lr)
            return
        for parameter in optimizer._param_groups[group]["params"]:
            parameter.optimize_attr["learning_rate"] = lr

    def make_scheduler(self, optimizer: Any, schedule: Schedule) -> Any:
        if schedule.name not in SCHEDULERS:
            raise SkippedError(f"paddle.optimizer.lr has no {schedule.name} of this formula")
        options = dict(schedule.options)
        if "lr_lambda" in options:
            factors = options["lr_lambda"]
            if isinstance(factors, list):
                raise SkippedError("the groups of paddle.optimizer.Adamax scale the rate of one scheduler")
            options["lr_lambda"] = lambda epoch: factors[epoch]
        if "total_iters" in options:
            options["total_steps"] = options.pop("total_iters")
        scheduler = getattr(paddle.optimizer.lr, SCHEDULERS[schedule.name])(optimizer.get_lr(), **options)
        optimizer.set_lr_scheduler(scheduler)
        return scheduler

    def to_native(self, value: npt.NDArray[Any]) -> Any:
        return paddle.to_tensor(value)


def _has_groups(optimizer: Any) -> bool:
    groups = optimizer._param_groups
    return bool(groups) and isinstance(groups[0], dict)


def _parameters(optimizer: Any) -> list[Any]:
    groups = optimizer._param_groups
    return [p for group in groups for p in group["params"]] if _has_groups(optimizer) else list(groups)


def _one_line(error: Exception) -> str:
    """The lines with words; others are of a C++ traceback, or of dashes."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    words = [line for line in lines if line and not line.startswith(("[", "C++ Traceback", "Error Message"))]
    return " ".join(words)[:300]
