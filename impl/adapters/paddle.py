"""How is a PaddlePaddle optimizer asked? Gradients go to `.grad`, m and u are accumulators by name.

Translated: `lr` is `learning_rate`, `betas` are `beta1` and `beta2`, `eps` is `epsilon`. A group's `learning_rate` is
"the scale of base learning_rate" there: so the base is 1 where groups are passed, and the scale their learning
rate. That of a plain list is set by `set_lr`, that of a group by the scale of its parameters (`optimize_attr`).
`weight_decay` is the coefficient of `paddle.regularizer.L2Decay`; a group's 0 is passed as none. A checkpoint is what
`paddle.save` writes of `state_dict()`. It goes by names, of which a program has each but once: so an optimizer that
loads gets the names of the one that saved, as in a program that is started anew.

Five of the schedulers that PyTorch and MindSpore name are there under other names (`SCHEDULERS`), with the same formula;
`set_lr_scheduler` sets one, and groups scale its rate. The others differ in their formula, scale what a group should
not, or, as `MultiStepDecay`, take fewer arguments: its milestones must grow.

Not there: `maximize`; float16 and bfloat16 on the CPU; layouts other than contiguous.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

import io
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import paddle

from ...reference.case import Layout
from ..protocol.errors import Skipped, UnsupportedDevice
from ..protocol.messages import DTYPES, FloatArray, Schedule, SubjectInfo
from .argument_names import Names
from .base import Adapter, runtime

_NAMES: Final = Names(
    "paddle.optimizer.Adamax",
    {"lr": "learning_rate", "betas": ("beta1", "beta2"), "eps": "epsilon", "weight_decay": "weight_decay"},
)
PLACES: Final[Mapping[str, str]] = {"cpu": "cpu", "cuda": "gpu", "xpu": "xpu", "npu": "npu"}
"""What PaddlePaddle calls the devices."""
SCHEDULERS: Final[Mapping[str, str]] = {
    "ExponentialLR": "ExponentialDecay",
    "LambdaLR": "LambdaDecay",
    "LinearLR": "LinearLR",
    "MultiplicativeLR": "MultiplicativeDecay",
    "StepLR": "StepDecay",
}
"""What PaddlePaddle calls the schedulers that it has as the others have them."""
_M: Final = "moment_0"
_U: Final = "inf_norm_0"


class PaddleAdapter(Adapter):
    """`paddle.optimizer.Adamax`, dynamic graph.

    Attributes:
        device: one of `PLACES` that is there.
    """

    def __init__(self, device: str, mode: str = "") -> None:  # noqa: ARG002 - it has one mode
        self.device = device
        if device not in PLACES:
            raise UnsupportedDevice(f"paddle runs on {', '.join(PLACES)}, not on {device}")
        try:
            paddle.set_device(PLACES[device])
        except (RuntimeError, ValueError) as error:
            raise UnsupportedDevice(f"paddle {paddle.__version__}: {_one_line(error)}") from None
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            parameter = self.parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            optimizer = paddle.optimizer.Adamax(parameters=[parameter])
            self.step(optimizer, [parameter], [self.gradient(np.ones(1), dtype, Layout.CONTIGUOUS)])
        except (RuntimeError, TypeError, ValueError) as error:
            return _one_line(error)
        return ""

    def describe(self) -> SubjectInfo:
        return SubjectInfo(
            name="",
            framework="paddle",
            version=paddle.__version__,
            runtime=runtime(),
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            devices=("cpu", *(("cuda",) if paddle.is_compiled_with_cuda() else ())),
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": True},
            defaults=_NAMES.defaults(paddle.optimizer.Adamax),
            arguments=_NAMES.arguments,
            group_options=_NAMES.arguments,
            schedulers=tuple(SCHEDULERS),
            layouts=(Layout.CONTIGUOUS,),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Any:  # noqa: ANN401, ARG002
        parameter = paddle.create_parameter(
            list(value.shape), dtype, default_initializer=paddle.nn.initializer.Constant(0.0)
        )
        parameter.set_value(self.gradient(value, dtype, layout))
        return parameter

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:  # noqa: ANN401, ARG002
        return paddle.to_tensor(value).astype(dtype)

    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        array: FloatArray = native.detach().astype("float64").numpy()
        return np.array(array)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        if positional:
            raise Skipped("paddle.optimizer.Adamax begins with the learning rate; its parameters come fifth")
        if not params or not isinstance(params[0], dict):
            return paddle.optimizer.Adamax(parameters=params, **_NAMES.translated(keywords))
        shared = _NAMES.translated(keywords)
        scale = {"learning_rate": shared.pop("learning_rate")} if "learning_rate" in shared else {}
        groups = [{**scale, **_NAMES.translated(group)} for group in params]
        for group in groups:
            if not group.get("weight_decay", True):
                # None is the constructor's decay; 0 is one by which theta is multiplied.
                group["weight_decay"] = 0.0 if shared.get("weight_decay") else None
        return paddle.optimizer.Adamax(1.0, parameters=groups, **shared)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401
        for parameter, gradient in zip(params, gradients, strict=True):
            parameter.grad = gradient
        # The first step names m and u; a second optimizer in one program would get other names.
        with paddle.utils.unique_name.guard():
            optimizer.step()

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        state = optimizer.state_dict()
        m, u = (
            [state[name] for name in names] if all(name in state for name in names) else None
            for names in ([f"{p.name}_{kind}" for p in params] for kind in (_M, _U))
        )
        return m, u

    def save(self, optimizer: Any) -> tuple[bytes, list[str]]:  # noqa: ANN401
        file = io.BytesIO()
        paddle.save(optimizer.state_dict(), file)
        return file.getvalue(), [parameter.name for parameter in _parameters(optimizer)]

    def load(self, optimizer: Any, checkpoint: tuple[bytes, list[str]]) -> None:  # noqa: ANN401
        saved, names = checkpoint
        # As in a program that is started anew, where parameters are made in the same order.
        for parameter, name in zip(_parameters(optimizer), names, strict=True):
            parameter.name = name
        optimizer.set_state_dict(paddle.load(io.BytesIO(saved)))

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:  # noqa: ANN401
        if not _grouped(optimizer):
            return [{"lr": optimizer.get_lr()}]
        return [
            {"lr": optimizer.get_lr() * group["params"][0].optimize_attr["learning_rate"]}
            for group in optimizer._param_groups  # noqa: SLF001 - there is no other way to see them
        ]

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401
        if not _grouped(optimizer):
            optimizer.set_lr(lr)
            return
        for parameter in optimizer._param_groups[group]["params"]:  # noqa: SLF001 - likewise
            parameter.optimize_attr["learning_rate"] = lr

    def scheduler(self, optimizer: Any, schedule: Schedule) -> Any:  # noqa: ANN401
        if schedule.name not in SCHEDULERS:
            raise Skipped(f"paddle.optimizer.lr has no {schedule.name} of this formula")
        options = dict(schedule.options)
        if "lr_lambda" in options:
            factors = options["lr_lambda"]
            if isinstance(factors, list):
                raise Skipped("the groups of paddle.optimizer.Adamax scale the rate of one scheduler")
            options["lr_lambda"] = lambda epoch: factors[epoch]
        if "total_iters" in options:
            options["total_steps"] = options.pop("total_iters")
        scheduler = getattr(paddle.optimizer.lr, SCHEDULERS[schedule.name])(optimizer.get_lr(), **options)
        optimizer.set_lr_scheduler(scheduler)
        return scheduler

    def words_about(self, layout: Layout) -> str:
        return f"paddle.to_tensor copies what it is given, so no parameter is {layout.value}"

    def native(self, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401
        return paddle.to_tensor(value)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        return self.to_numpy(value) if isinstance(value, paddle.Tensor) else super().plain(value)


def _grouped(optimizer: Any) -> bool:  # noqa: ANN401 - paddle's
    groups = optimizer._param_groups  # noqa: SLF001 - likewise
    return bool(groups) and isinstance(groups[0], dict)


def _parameters(optimizer: Any) -> list[Any]:  # noqa: ANN401 - paddle's
    groups = optimizer._param_groups  # noqa: SLF001 - likewise
    return [p for group in groups for p in group["params"]] if _grouped(optimizer) else list(groups)


def _one_line(error: Exception) -> str:
    """The lines that say something: others are of a C++ traceback, or of dashes."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("[", "C++ Traceback", "Error Message"))]
    return " ".join(told)[:300]
