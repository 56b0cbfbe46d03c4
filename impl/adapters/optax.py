"""How is an optax optimizer asked? It is a pair of pure functions; parameters and state are whatever they return.

Translated: `lr` is `learning_rate`, and `betas` are `b1` and `b2`. The learning rate is injected
(`optax.inject_hyperparams`, the rest static), so that it can be set; groups are the labels of
`optax.partition`. A checkpoint is the state as `jax.device_get` gives it. JAX has float64 only where `jax_enable_x64`
is set: it is for float64 parameters alone, since it also changes in which precision the scalars of the other
formats are computed.

Not there: `maximize`; a default of `learning_rate`; `weight_decay`, but in the mode `adamaxw` (`optax.adamaxw`);
layouts: an array of JAX has none that could be chosen. Its schedules are functions of the step, without the names and
formulas that the suite knows from PyTorch: they are not asked; rates are set step by step.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

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
from ..protocol.errors import Skipped, UnsupportedDevice
from ..protocol.messages import DTYPES, FloatArray, SubjectInfo
from .argument_names import Names
from .base import Adapter, runtime

_ADAMAX: Final[Mapping[str, str | tuple[str, str]]] = {
    "lr": "learning_rate",
    "betas": ("b1", "b2"),
    "eps": "eps",
}
PLATFORMS: Final[Mapping[str, str]] = {"cpu": "cpu", "cuda": "gpu"}
"""What JAX calls the devices."""


class Cell:
    """A parameter: the place of an array, since an array of JAX never changes."""

    def __init__(self, array: jax.Array) -> None:
        self.array = array


@dataclass
class Running:
    """A transformation at work.

    Attributes:
        transformation: the pair of functions.
        state: its state.
        groups: the options of each group, as they are told.
        labels: the group of each parameter; None where they were passed as a plain list.
    """

    transformation: optax.GradientTransformation
    state: Any
    groups: list[dict[str, Any]]
    labels: list[str] | None

    def injected(self) -> list[Any]:
        """The state of each group, which holds its learning rate."""
        if self.labels is None:
            return [self.state]
        return [self.state.inner_states[str(place)].inner_state for place in range(len(self.groups))]


class OptaxAdapter(Adapter):
    """`optax.adamax`, or `optax.adamaxw`.

    Attributes:
        device: one of `PLATFORMS` that is there.
        mode: empty, or `adamaxw`.
    """

    def __init__(self, device: str, mode: str = "") -> None:
        self.device = device
        self.mode = mode
        self.factory = optax.adamaxw if mode == "adamaxw" else optax.adamax
        own = {**_ADAMAX, "weight_decay": "weight_decay"} if mode == "adamaxw" else _ADAMAX
        self.names = Names(f"optax.{self.factory.__name__}", own)
        self.devices = tuple(name for name, own in PLATFORMS.items() if _is_there(own))
        if device not in self.devices:
            raise UnsupportedDevice(
                f"jax {jax.__version__} finds no {device}; there is {', '.join(self.devices)}"
            )
        jax.config.update("jax_default_device", jax.devices(PLATFORMS[device])[0])

    def describe(self) -> SubjectInfo:
        return SubjectInfo(
            name="",
            framework="optax",
            version=optax.__version__,
            mode=self.mode,
            runtime=f"{runtime()}, JAX {jax.__version__}",
            dtypes=DTYPES,
            devices=self.devices,
            device=self.device,
            has={"state": True, "groups": True, "set_lr": True, "save": True},
            defaults=self.names.defaults(self.factory),
            arguments=self.names.arguments,
            group_options=self.names.arguments,
            layouts=(Layout.CONTIGUOUS,),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Cell:  # noqa: ARG002
        return Cell(self.gradient(value, dtype, layout))

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> jax.Array:  # noqa: ARG002
        # Every request that computes comes by here first.
        jax.config.update("jax_enable_x64", dtype == "float64")
        return jnp.asarray(value.astype(dtype if dtype == "float64" else np.float32)).astype(dtype)

    def to_numpy(self, native: Cell | jax.Array) -> FloatArray:
        array = native.array if isinstance(native, Cell) else native
        return np.array(array).astype(np.float64)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Running:
        if positional:
            raise Skipped(f"after the parameters, {self.names.framework} takes its own arguments by position")
        if not all(isinstance(group, dict) for group in params):
            options = self.names.translated(keywords)
            transformation = self._transformation(options)
            return Running(transformation, transformation.init([p.array for p in params]), [options], None)
        groups = [{**keywords, **group} for group in params]
        if any("params" not in group for group in groups):
            raise Skipped("a group is the parameters with a label, so none is without")
        listed = [self.names.translated({k: x for k, x in g.items() if k != "params"}) for g in groups]
        labels = [str(place) for place, group in enumerate(groups) for _ in group["params"]]
        transformation = optax.partition(
            {str(place): self._transformation(options) for place, options in enumerate(listed)}, labels
        )
        cells = [cell for group in groups for cell in group["params"]]
        return Running(transformation, transformation.init([cell.array for cell in cells]), listed, labels)

    def _transformation(self, options: Mapping[str, Any]) -> optax.GradientTransformation:
        static = ("b1", "b2", "eps", *(("weight_decay",) if self.mode == "adamaxw" else ()))
        return optax.inject_hyperparams(self.factory, static_args=static)(**options)

    def step(self, optimizer: Running, params: Sequence[Cell], gradients: Sequence[jax.Array]) -> None:
        arrays = [cell.array for cell in params]
        updates, optimizer.state = optimizer.transformation.update(list(gradients), optimizer.state, arrays)
        for cell, array in zip(params, optax.apply_updates(arrays, updates), strict=True):
            cell.array = array

    def moments(
        self, optimizer: Running, params: Sequence[Cell]
    ) -> tuple[Sequence[jax.Array] | None, Sequence[jax.Array] | None]:
        labels = optimizer.labels or ["0"] * len(params)
        states = [group.inner_state[0] for group in optimizer.injected()]
        m, u = (
            [getattr(states[int(label)], name)[place] for place, label in enumerate(labels)]
            for name in ("mu", "nu")
        )
        return m, u

    def save(self, optimizer: Running) -> Any:  # noqa: ANN401
        return jax.device_get(optimizer.state)

    def load(self, optimizer: Running, checkpoint: Any) -> None:  # noqa: ANN401
        optimizer.state = jax.tree.map(jnp.asarray, checkpoint)

    def groups(self, optimizer: Running) -> Sequence[MutableMapping[str, Any]]:
        rates = [state.hyperparams.get("learning_rate") for state in optimizer.injected()]
        return [
            {"lr": rate if rate is not None else group.get("learning_rate"), **_told(group)}
            for group, rate in zip(optimizer.groups, rates, strict=True)
        ]

    def set_lr(self, optimizer: Running, group: int, lr: Any) -> None:  # noqa: ANN401
        optimizer.injected()[group].hyperparams["learning_rate"] = self.argument(lr)

    def words_about(self, layout: Layout) -> str:
        return f"an array of JAX copies what it is made from, so none is {layout.value}"

    def native(self, value: npt.NDArray[Any]) -> jax.Array:
        return jnp.asarray(value)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        return self.to_numpy(value) if isinstance(value, jax.Array) else super().plain(value)


def _told(group: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: group[name] for name in ("eps", "weight_decay") if name in group}
    if "b1" in group:
        told["betas"] = (group["b1"], group["b2"])
    return told


def _is_there(platform: str) -> bool:
    try:
        return bool(jax.devices(platform))
    except RuntimeError:
        return False
