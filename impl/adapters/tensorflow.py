"""The adapter of TensorFlow's ResourceApplyAdaMax, which is an operation.

It is not an optimizer: it updates three variables.

Translated: `var`, `m` and `v` are variables that the adapter keeps, made with zeros; `lr`, `betas`, `eps` are its
`lr`, `beta1`, `beta2` and `epsilon`, each a tensor of the parameters' dtype, as the operation wants it. It takes
`beta1_power` and does not advance it: the adapter passes beta1 to the power of the step, computed in double and
rounded once. A group is a set of variables whose calls have the same arguments.

Not there: `weight_decay` and `maximize`; a state to save but the variables; layouts: a tensor has none to choose.
(`keras` is the optimizer that TensorFlow's users have today; it does not use the operation.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import SkippedError, UnsupportedDeviceError
from ..protocol.messages import DTYPES, FloatArray, SubjectInfo
from .base import Adapter, describe_runtime

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; TensorFlow reads it when it is imported

import tensorflow as tf

_OPTIONS: Final = {"lr": None, "betas": (None, None), "eps": None}
DEVICES: Final[Mapping[str, str]] = {"cpu": "CPU", "cuda": "GPU"}
"""TensorFlow's names of the devices."""


@dataclass
class Optimizer:
    """The arguments and variables of the operation's calls.

    Attributes:
        groups: for each group, its arguments and its number of variables.
        m: a variable for each parameter.
        v: likewise.
        t: the number of steps taken.
    """

    groups: list[tuple[dict[str, Any], int]]
    m: list[Any]
    v: list[Any]
    t: int = 0


class TensorFlowAdapter(Adapter):
    """`tf.raw_ops.ResourceApplyAdaMax`, eagerly.

    Attributes:
        device: one of `DEVICES` that is there.
    """

    tensor_types = (tf.Tensor, tf.Variable)
    layout_reason = "a tf.Tensor copies what it is made from, so none is {layout}"

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        there = {d.device_type for d in tf.config.list_physical_devices()}
        self.devices = tuple(name for name, own in DEVICES.items() if own in there)
        if device not in self.devices:
            raise UnsupportedDeviceError(
                f"tensorflow {tf.__version__} finds no {device}; there is {', '.join(self.devices)}"
            )
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        parameter = self.make_parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
        optimizer = self.make_optimizer([parameter], (), {"lr": 1.0, "betas": (0.0, 0.0), "eps": 1.0})
        try:
            self.step(optimizer, [parameter], [self.make_gradient(np.ones(1), dtype, Layout.CONTIGUOUS)])
        except tf.errors.InvalidArgumentError as error:
            return str(error).splitlines()[0][:300]
        return ""

    def describe(self) -> SubjectInfo:
        arguments = tuple(_OPTIONS)
        return SubjectInfo(
            name="",
            framework="tensorflow",
            version=tf.__version__,
            runtime=describe_runtime(),
            dtypes=self.accepted_dtypes,
            devices=self.devices,
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": False},
            arguments=arguments,
            group_options=arguments,
            layouts=(Layout.CONTIGUOUS,),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> Any:
        return tf.Variable(self.make_gradient(value, dtype, layout))

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:
        return tf.constant(value, dtype=dtype)

    def to_numpy(self, native: Any) -> FloatArray:
        array: FloatArray = native.numpy()
        return np.array(array).astype(np.float64)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Optimizer:
        if positional:
            raise SkippedError("an operation takes all its arguments by name")
        listed = params if any(isinstance(group, dict) for group in params) else [{"params": params}]
        groups = [{**keywords, **group} for group in listed]
        if any("params" not in group for group in groups):
            raise SkippedError("a group is variables with the same arguments, so it needs variables")
        for group in groups:
            if unknown := [name for name in group if name not in {"params", *_OPTIONS}]:
                raise SkippedError(f"ResourceApplyAdaMax has no argument {' and '.join(unknown)}")
            if missing := [name for name in _OPTIONS if name not in group]:
                raise SkippedError(f"ResourceApplyAdaMax has no default for {' and '.join(missing)}")
        variables = [variable for group in groups for variable in group["params"]]
        return Optimizer(
            groups=[({name: group[name] for name in _OPTIONS}, len(group["params"])) for group in groups],
            m=[tf.Variable(tf.zeros_like(variable)) for variable in variables],
            v=[tf.Variable(tf.zeros_like(variable)) for variable in variables],
        )

    def step(self, optimizer: Optimizer, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        optimizer.t += 1
        options = [options for options, size in optimizer.groups for _ in range(size)]
        for variable, m, v, gradient, own in zip(
            params, optimizer.m, optimizer.v, gradients, options, strict=True
        ):
            beta1, beta2 = own["betas"]
            scalars = {
                "beta1_power": beta1**optimizer.t,
                "lr": own["lr"],
                "beta1": beta1,
                "beta2": beta2,
                "epsilon": own["eps"],
            }
            tf.raw_ops.ResourceApplyAdaMax(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                grad=gradient,
                **{name: tf.constant(value, dtype=variable.dtype) for name, value in scalars.items()},
            )

    def moments(self, optimizer: Optimizer, params: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return optimizer.m, optimizer.v

    def save(self, optimizer: Optimizer) -> Any:
        raise SkippedError("an operation has no state to save; its variables belong to the program")

    def load(self, optimizer: Optimizer, checkpoint: Any) -> None:
        raise SkippedError("an operation has no state to load; its variables belong to the program")

    def groups(self, optimizer: Optimizer) -> Sequence[MutableMapping[str, Any]]:
        return [options for options, _ in optimizer.groups]

    def to_native(self, value: npt.NDArray[Any]) -> Any:
        return tf.constant(value)
