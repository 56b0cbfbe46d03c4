"""The adapter of optax, whose optimizer is a pair of pure functions.

Parameters and state are what the functions return.

Translated: `lr` is `learning_rate`, and `betas` are `b1` and `b2`. The learning rate is injected
(`optax.inject_hyperparams`, the rest static), so that it can be set; groups are the labels of
`optax.partition`. A checkpoint is the state as `jax.device_get` gives it. JAX has float64 only where `jax_enable_x64`
is set. The adapter sets it for float64 parameters alone, since it also changes the precision of the scalars of the
other formats.

Not there: `maximize`; a default of `learning_rate`; `weight_decay`, but in the mode `adamaxw` (`optax.adamaxw`);
layouts: those of an array of JAX cannot be chosen. Its schedules are functions of the step, without the names and
formulas that the suite knows from PyTorch. The suite does not use them; it sets the rate before each step.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from ...reference.case import Layout
from ..protocol.errors import SkippedError, UnsupportedDeviceError
from ..protocol.messages import FloatArray, SubjectInfo
from .argument_names import ArgumentNames
from .base import HAS_ALL, Adapter, describe_runtime

_ADAMAX: Final[Mapping[str, str | tuple[str, str]]] = {
    "lr": "learning_rate",
    "betas": ("b1", "b2"),
    "eps": "eps",
}
PLATFORMS: Final[Mapping[str, str]] = {"cpu": "cpu", "cuda": "gpu"}
"""JAX's names of the devices."""


class ParameterCell:
    """A parameter that holds its present array, since an array of JAX never changes."""

    def __init__(self, array: jax.Array) -> None:
        self.array = array


@dataclass
class Optimizer:
    """A transformation with its state.

    Attributes:
        transformation: the pair of functions.
        state: its state.
        groups: the options of each group, under optax's names.
        labels: the group of each parameter; None if they came as a plain list.
    """

    transformation: optax.GradientTransformation
    state: Any
    groups: list[dict[str, Any]]
    labels: list[str] | None

    def group_states(self) -> list[Any]:
        """The state of each group, which holds its learning rate."""
        if self.labels is None:
            return [self.state]
        return [self.state.inner_states[str(index)].inner_state for index in range(len(self.groups))]


class OptaxAdapter(Adapter):
    """`optax.adamax`, or `optax.adamaxw`.

    Attributes:
        device: one of `PLATFORMS` that is there.
        mode: empty, or `adamaxw`.
    """

    tensor_types = (jax.Array,)
    layout_reason = "an array of JAX copies what it is made from, so none is {layout}"
    whole_float64 = "JAX's float64 is a setting of the whole process, not of one parameter"

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        self.factory = optax.adamaxw if mode == "adamaxw" else optax.adamax
        own = {**_ADAMAX, "weight_decay": "weight_decay"} if mode == "adamaxw" else _ADAMAX
        self.names = ArgumentNames(f"optax.{self.factory.__name__}", own)
        self.devices = tuple(name for name, own in PLATFORMS.items() if _is_available(own))
        if device not in self.devices:
            raise UnsupportedDeviceError(
                f"jax {jax.__version__} finds no {device}; there is {', '.join(self.devices)}"
            )
        jax.config.update("jax_default_device", jax.devices(PLATFORMS[device])[0])

    def describe(self) -> SubjectInfo:
        return SubjectInfo(
            name="",
            framework="optax",
            version=optax.__version__,
            mode=self.mode,
            runtime=f"{describe_runtime()}, JAX {jax.__version__}",
            dtypes=self.accepted_dtypes,
            devices=self.devices,
            device=self.device,
            has=HAS_ALL,
            defaults=self.names.defaults(self.factory),
            arguments=self.names.arguments,
            group_options=self.names.arguments,
            layouts=(Layout.CONTIGUOUS,),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> ParameterCell:
        return ParameterCell(self.make_gradient(value, dtype, layout))

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> jax.Array:
        # Every request that computes comes through here first.
        jax.config.update("jax_enable_x64", dtype == "float64")
        return jnp.asarray(value.astype(dtype if dtype == "float64" else np.float32)).astype(dtype)

    def to_numpy(self, native: ParameterCell | jax.Array) -> FloatArray:
        array = native.array if isinstance(native, ParameterCell) else native
        return np.array(array).astype(np.float64)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Optimizer:
        if positional:
            raise SkippedError(
                f"after the parameters, {self.names.framework} takes its own arguments by position"
            )
        if not all(isinstance(group, dict) for group in params):
            options = self.names.translate(keywords)
            transformation = self._transformation(options)
            return Optimizer(transformation, transformation.init([p.array for p in params]), [options], None)
        groups = [{**keywords, **group} for group in params]
        if any("params" not in group for group in groups):
            raise SkippedError("a group is the parameters with a label, so it needs parameters")
        listed = [self.names.translate({k: x for k, x in g.items() if k != "params"}) for g in groups]
        labels = [str(index) for index, group in enumerate(groups) for _ in group["params"]]
        transformation = optax.partition(
            {str(index): self._transformation(options) for index, options in enumerate(listed)}, labels
        )
        cells = [cell for group in groups for cell in group["params"]]
        return Optimizer(transformation, transformation.init([cell.array for cell in cells]), listed, labels)

    def _transformation(self, options: Mapping[str, Any]) -> optax.GradientTransformation:
        static = ("b1", "b2", "eps", *(("weight_decay",) if self.mode == "adamaxw" else ()))
        return optax.inject_hyperparams(self.factory, static_args=static)(**options)

    def step(
        self, optimizer: Optimizer, params: Sequence[ParameterCell], gradients: Sequence[jax.Array]
    ) -> None:
        arrays = [cell.array for cell in params]
        updates, optimizer.state = optimizer.transformation.update(list(gradients), optimizer.state, arrays)
        for cell, array in zip(params, optax.apply_updates(arrays, updates), strict=True):
            cell.array = array

    def moments(
        self, optimizer: Optimizer, params: Sequence[ParameterCell]
    ) -> tuple[Sequence[jax.Array] | None, Sequence[jax.Array] | None]:
        labels = optimizer.labels or ["0"] * len(params)
        states = [group.inner_state[0] for group in optimizer.group_states()]
        m, u = (
            [getattr(states[int(label)], name)[index] for index, label in enumerate(labels)]
            for name in ("mu", "nu")
        )
        return m, u

    def save(self, optimizer: Optimizer) -> Any:
        return jax.device_get(optimizer.state)

    def load(self, optimizer: Optimizer, checkpoint: Any) -> None:
        optimizer.state = jax.tree.map(jnp.asarray, checkpoint)

    def groups(self, optimizer: Optimizer) -> Sequence[MutableMapping[str, Any]]:
        rates = [state.hyperparams.get("learning_rate") for state in optimizer.group_states()]
        return [
            {"lr": rate if rate is not None else group.get("learning_rate"), **_documented_options(group)}
            for group, rate in zip(optimizer.groups, rates, strict=True)
        ]

    def set_lr(self, optimizer: Optimizer, group: int, lr: Any) -> None:
        optimizer.group_states()[group].hyperparams["learning_rate"] = self.to_argument(lr)

    def to_native(self, value: npt.NDArray[Any]) -> jax.Array:
        return jnp.asarray(value)


def _documented_options(group: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: group[name] for name in ("eps", "weight_decay") if name in group}
    if "b1" in group:
        options["betas"] = (group["b1"], group["b2"])
    return options


def _is_available(platform: str) -> bool:
    try:
        return bool(jax.devices(platform))
    except RuntimeError:
        return False
