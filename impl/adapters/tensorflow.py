"""How is TensorFlow's ResourceApplyAdaMax asked? It is an operation on three variables, and no optimizer.

Translated: `var`, `m` and `v` are variables that the host program keeps, made with zeros; `lr`, `betas`, `eps` are its
`lr`, `beta1`, `beta2` and `epsilon`, each a tensor of the parameters' dtype, as the operation wants it. It takes
`beta1_power` and does not advance it: the host program hands it beta1 to the power of the step, computed in double and
rounded once. A group is a set of variables that are called with the same arguments.

Not there: `weight_decay` and `maximize`; a state to save but the variables; layouts: a tensor has none to choose.
(`keras` is the optimizer that TensorFlow's users have today; it does not use the operation.)
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import Skipped, UnsupportedDevice
from ..protocol.messages import DTYPES, FloatArray, SubjectInfo
from .base import Adapter, runtime

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; read when it is imported

import tensorflow as tf

_OPTIONS: Final = {"lr": None, "betas": (None, None), "eps": None}
DEVICES: Final[Mapping[str, str]] = {"cpu": "CPU", "cuda": "GPU"}
"""What TensorFlow calls them."""


@dataclass
class Host:
    """What the program around the operation keeps.

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

    def __init__(self, device: str, mode: str = "") -> None:  # noqa: ARG002 - it has one mode
        self.device = device
        there = {d.device_type for d in tf.config.list_physical_devices()}
        self.devices = tuple(name for name, own in DEVICES.items() if own in there)
        if device not in self.devices:
            raise UnsupportedDevice(
                f"tensorflow {tf.__version__} finds no {device}; there is {', '.join(self.devices)}"
            )
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        parameter = self.parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
        host = self.make([parameter], (), {"lr": 1.0, "betas": (0.0, 0.0), "eps": 1.0})
        try:
            self.step(host, [parameter], [self.gradient(np.ones(1), dtype, Layout.CONTIGUOUS)])
        except tf.errors.InvalidArgumentError as error:
            return str(error).splitlines()[0][:300]
        return ""

    def describe(self) -> SubjectInfo:
        arguments = tuple(_OPTIONS)
        return SubjectInfo(
            name="",
            framework="tensorflow",
            version=tf.__version__,
            runtime=runtime(),
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            devices=self.devices,
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": False},
            arguments=arguments,
            group_options=arguments,
            layouts=(Layout.CONTIGUOUS,),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Any:  # noqa: ANN401, ARG002
        return tf.Variable(self.gradient(value, dtype, layout))

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:  # noqa: ANN401, ARG002
        return tf.constant(value, dtype=dtype)

    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        array: FloatArray = native.numpy()
        return np.array(array).astype(np.float64)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Host:
        if positional:
            raise Skipped("an operation is called with all its arguments by name")
        listed = params if any(isinstance(group, dict) for group in params) else [{"params": params}]
        groups = [{**keywords, **group} for group in listed]
        if any("params" not in group for group in groups):
            raise Skipped("a group is variables that are called alike, so none is without")
        for group in groups:
            if unknown := [name for name in group if name not in {"params", *_OPTIONS}]:
                raise Skipped(f"ResourceApplyAdaMax has no argument {' and '.join(unknown)}")
            if missing := [name for name in _OPTIONS if name not in group]:
                raise Skipped(f"ResourceApplyAdaMax has no default for {' and '.join(missing)}")
        variables = [variable for group in groups for variable in group["params"]]
        return Host(
            groups=[({name: group[name] for name in _OPTIONS}, len(group["params"])) for group in groups],
            m=[tf.Variable(tf.zeros_like(variable)) for variable in variables],
            v=[tf.Variable(tf.zeros_like(variable)) for variable in variables],
        )

    def step(self, optimizer: Host, params: Sequence[Any], gradients: Sequence[Any]) -> None:
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

    def moments(self, optimizer: Host, params: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:  # noqa: ARG002
        return optimizer.m, optimizer.v

    def save(self, optimizer: Host) -> Any:  # noqa: ANN401, ARG002
        raise Skipped("an operation has no state to save; its variables are the host program's")

    def load(self, optimizer: Host, checkpoint: Any) -> None:  # noqa: ANN401, ARG002
        raise Skipped("an operation has no state to load; its variables are the host program's")

    def groups(self, optimizer: Host) -> Sequence[MutableMapping[str, Any]]:
        return [options for options, _ in optimizer.groups]

    def words_about(self, layout: Layout) -> str:
        return f"a tf.Tensor copies what it is made from, so none is {layout.value}"

    def native(self, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401
        return tf.constant(value)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        is_tensor = isinstance(value, tf.Tensor | tf.Variable)
        return self.to_numpy(value) if is_tensor else super().plain(value)
