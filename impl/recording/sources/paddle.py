"""The source of a PaddlePaddle optimizer, in dynamic mode: its `step` is wrapped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import paddle

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState
from .replacing import Method, replace_method

_DEVICES: Final = {"gpu": "cuda"}
_LARGEST_BETA: Final = 0.999
_LEAST_POWER: Final = 1e-30
"""With a larger beta1, or a smaller power of it, float32's power does not show how many factors it has."""


def open_source(optimizer: Any) -> PaddleSource:
    """Open a `paddle.optimizer.Adamax`.

    Raises:
        TypeError: another optimizer.
        ValueError: its decay is not L2, or it keeps finer copies of its parameters.
    """
    if not isinstance(optimizer, paddle.optimizer.Adamax):
        kind = type(optimizer)
        raise TypeError(
            f"optimizer is a {kind.__module__}.{kind.__qualname__}; paddle.optimizer.Adamax can be recorded"
        )
    if optimizer._multi_precision:  # noqa: SLF001 - only here does it show that
        raise ValueError("optimizer has multi_precision, whose copies of the parameters cannot be recorded")
    source = PaddleSource(optimizer)
    source.options()
    return source


class PaddleSource:
    """`paddle.optimizer.Adamax`, whose parameters have options each."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._gradients: dict[int, Any] = {}
        self._beta1: dict[int, float] = {}

    @property
    def facts(self) -> OptimizerFacts:
        kind = type(self._optimizer)
        name = f"{kind.__module__}.{kind.__qualname__}"
        subject = "paddle" if kind is paddle.optimizer.Adamax else name
        device = str(paddle.get_device()).partition(":")[0]
        return OptimizerFacts(subject, "paddle", paddle.__version__, name, _DEVICES.get(device, device))

    def parameters(self) -> Sequence[ParameterInfo]:
        own = self._each()
        self._beta1 = {id(parameter): options.beta1 for parameter, _, options in own}
        groups = list(dict.fromkeys(options for _, _, options in own))
        return [
            ParameterInfo(str(parameter.name), groups.index(options), index, parameter)
            for index, (parameter, _, options) in enumerate(own)
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return list(dict.fromkeys(options for _, _, options in self._each()))

    def _each(self) -> list[tuple[Any, Any, Hyperparameters]]:
        """The parameters, each with what clips its gradient and its options."""
        own = self._optimizer
        groups = own._param_groups  # noqa: SLF001 - as above
        if not isinstance(groups[0], dict):
            groups = [{"params": groups, "grad_clip": own._grad_clip}]  # noqa: SLF001 - as above
        return [
            (p, group.get("grad_clip"), self._options_of(p, group))
            for group in groups
            for p in group["params"]
        ]

    def _options_of(self, parameter: Any, group: dict[str, Any]) -> Hyperparameters:
        own = self._optimizer
        defaults = {"beta1": own._beta1, "beta2": own._beta2, "epsilon": own._epsilon, **own._default_dict}  # noqa: SLF001 - as above
        beta1, beta2, eps = (float(group.get(name, defaults[name])) for name in ("beta1", "beta2", "epsilon"))
        decay = own.regularization if parameter.regularizer is None else parameter.regularizer
        if decay is not None and not isinstance(decay, paddle.regularizer.L2Decay):
            raise ValueError(
                f"parameter {parameter.name} has the regularizer {type(decay).__name__}; L2Decay can be recorded"
            )
        return Hyperparameters(
            lr=float(own.get_lr()) * float(parameter.optimize_attr["learning_rate"]),
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=0.0 if decay is None else float(decay._coeff),  # noqa: SLF001 - as above
            maximize=False,
        )

    def _accumulator(self, parameter: ParameterInfo, name: str) -> Any:
        return self._optimizer._accumulators.get(name, {}).get(parameter.key.name)  # noqa: SLF001 - as above

    def count(self, parameter: ParameterInfo) -> int | None:
        power = self._accumulator(parameter, "beta1_pow_acc")
        if power is None:
            return 0
        value, beta1 = float(power.numpy().reshape(-1)[0]), self._beta1[id(parameter.key)]
        if not 0 < beta1 <= _LARGEST_BETA or value < _LEAST_POWER:
            return None
        # It begins as beta1, and is multiplied by it after each step.
        return round(math.log(value) / math.log(beta1)) - 1

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        gradient = self._gradients.get(id(parameter.key))
        return None if gradient is None else _to_raw(gradient)

    def state(self, parameter: ParameterInfo) -> ParameterState:
        m, u = (self._accumulator(parameter, name) for name in ("moment", "inf_norm"))
        return _to_raw(parameter.key), None if m is None else _to_raw(m), None if u is None else _to_raw(u)

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def watch(step: Method) -> Method:
            def watched() -> Any:
                self._gradients = self._clipped()
                before()
                result = step()
                after()
                return result

            return watched

        return replace_method(self._optimizer, "step", watch)

    def _clipped(self) -> dict[int, Any]:
        """The gradients by parameter, clipped: that is not a part of the formula."""
        pairs: dict[int, tuple[Any, list[tuple[Any, Any]]]] = {}
        for parameter, clip, _ in self._each():
            if parameter.grad is not None and not parameter.stop_gradient:
                pairs.setdefault(id(clip), (clip, []))[1].append((parameter, parameter.grad))
        found = [pair for clip, own in pairs.values() for pair in (own if clip is None else clip(own))]
        return {id(parameter): gradient for parameter, gradient in found}


def _to_raw(tensor: Any) -> RawTensor:
    array = tensor.detach().numpy()
    if tensor.dtype == paddle.bfloat16:
        return RawTensor.from_array(np.ascontiguousarray(array).view(np.uint16), "bfloat16")
    return RawTensor.from_array(array)
