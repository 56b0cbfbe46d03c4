"""The sources of MindSpore's optimizers: a cell's hooks, which eager mode calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import mindspore as ms
import numpy as np

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState

_DEVICES: Final = {"CPU": "cpu", "GPU": "cuda", "Ascend": "npu"}
_SUBJECTS: Final = {ms.experimental.optim.Adamax: "mindspore", ms.nn.AdaMax: "mindspore[nn]"}


def open_source(optimizer: Any) -> ExperimentalSource | NNSource:
    """Open a `mindspore.experimental.optim.Adamax` or a `mindspore.nn.AdaMax`.

    Raises:
        TypeError: another optimizer.
        ValueError: its steps are compiled as a whole, without hooks before and after them; or it changes the gradients
            before its step, so that they are not those that were passed.
    """
    kinds = ((ExperimentalSource, ("exp_avg", "exp_inf")), (NNSource, ("moment1", "moment2")))
    kind = next((k for k, names in kinds if all(hasattr(optimizer, name) for name in names)), None)
    if kind is None:
        own = type(optimizer)
        raise TypeError(
            f"optimizer is a {own.__module__}.{own.__qualname__}, which has neither exp_avg and exp_inf nor moment1 "
            "and moment2; mindspore.experimental.optim.Adamax and mindspore.nn.AdaMax can be recorded"
        )
    if ms.get_context("mode") == ms.GRAPH_MODE:
        raise ValueError(
            "MindSpore is in graph mode, where steps have no hooks; "
            "call mindspore.set_context(mode=mindspore.PYNATIVE_MODE)"
        )
    return kind(optimizer)


class _MindSporeSource:
    """An optimizer that is called outside of compiled functions."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._gradients: Sequence[Any] = ()

    @property
    def facts(self) -> OptimizerFacts:
        kind = type(self._optimizer)
        name = f"{kind.__module__}.{kind.__qualname__}"
        device = str(ms.get_context("device_target"))
        return OptimizerFacts(
            _SUBJECTS.get(kind, name), "mindspore", ms.__version__, name, _DEVICES.get(device, device.lower())
        )

    def gradient(self, parameter: ParameterInfo) -> RawTensor:
        return _to_raw(self._gradients[parameter.index])

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def begin(gradients: Sequence[Any]) -> None:
            self._gradients = gradients
            before()

        watch = _Watch(begin)

        def pre_hook(_: Any, args: tuple[Any, ...]) -> None:
            watch(args[0])

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


class _Watch(ms.ops.PrimitiveWithInfer):  # type: ignore[misc]
    """A call of the recorder that a compiled function refuses.

    The compiler reads hooks, and infers the types of what they call. In eager mode this is a call like any other.
    """

    def __init__(self, begin: Callable[[Sequence[Any]], None]) -> None:
        super().__init__("adamax_conformance_watch")
        self._begin = begin

    def __call__(self, gradients: Sequence[Any]) -> None:
        """Call the recorder."""
        self._begin(gradients)

    def __infer__(self, *_: Any) -> None:
        """Refuse to be compiled."""
        raise RuntimeError(
            "a step inside of a function that mindspore.jit compiles cannot be recorded; call the optimizer outside"
        )


class ExperimentalSource(_MindSporeSource):
    """`mindspore.experimental.optim.Adamax`."""

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
                lr=_to_float(group["lr"]),
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

    def state(self, parameter: ParameterInfo) -> ParameterState:
        optimizer = self._optimizer
        theta, m, u = (
            _to_raw(tensors[parameter.index])
            for tensors in (optimizer.parameters, optimizer.exp_avg, optimizer.exp_inf)
        )
        return theta, m, u


class NNSource(_MindSporeSource):
    """`mindspore.nn.AdaMax`, whose parameters have options each."""

    def __init__(self, optimizer: Any) -> None:
        super().__init__(optimizer)
        centres = optimizer.is_group and any(optimizer.grad_centralization_flags)
        if optimizer.need_scale or centres:
            what = "grad_centralization" if centres else f"loss_scale={optimizer.loss_scale}"
            raise ValueError(
                f"optimizer has {what}, which changes the gradients inside of its step: they cannot be seen; "
                "change them before it"
            )

    def parameters(self) -> Sequence[ParameterInfo]:
        own = self._each()
        groups = list(dict.fromkeys(own))
        return [
            ParameterInfo(str(theta.name), groups.index(own[index]), index, theta)
            for index, theta in enumerate(self._optimizer.parameters)
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return list(dict.fromkeys(self._each()))

    def _each(self) -> list[Hyperparameters]:
        """The options in force for each parameter."""
        optimizer = self._optimizer
        rates, decays = optimizer.get_lr(), optimizer.get_weight_decay()
        return [
            Hyperparameters(
                lr=_to_float(rates[index] if optimizer.is_group_lr else rates),
                beta1=_to_float(optimizer.beta1),
                beta2=_to_float(optimizer.beta2),
                eps=_to_float(optimizer.eps),
                weight_decay=_to_float(decays[index] if optimizer.is_group else decays) if decays_it else 0.0,
                maximize=False,
            )
            for index, decays_it in enumerate(optimizer.decay_flags)
        ]

    def count(self, _: ParameterInfo) -> int:
        return int(self._optimizer.global_step.asnumpy()[0])

    def state(self, parameter: ParameterInfo) -> ParameterState:
        optimizer = self._optimizer
        theta, m, u = (
            _to_raw(tensors[parameter.index])
            for tensors in (optimizer.parameters, optimizer.moment1, optimizer.moment2)
        )
        return theta, m, u


def _to_float(value: Any) -> float:
    return float(value.asnumpy() if isinstance(value, ms.Tensor) else value)


def _to_raw(tensor: Any) -> RawTensor:
    if tensor.dtype == ms.bfloat16:  # NumPy has no bfloat16; float32 has all its numbers
        bits = tensor.astype(ms.float32).asnumpy().view(np.uint32) >> 16
        return RawTensor.from_array(bits.astype(np.uint16), "bfloat16")
    return RawTensor.from_array(tensor.asnumpy())
