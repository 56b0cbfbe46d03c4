"""The adapter of Keras, whose optimizers a backend runs.

An optimizer is built for variables, and applied to gradients.

Translated: `lr` is `learning_rate`, `betas` are `beta_1` and `beta_2`, `eps` is `epsilon`. The mode is the backend
(`KERAS_BACKEND`); a bare `keras` takes the one that this variable names, or else the first installed. m and u are
the optimizer's variables `momentum` and `norm`; a checkpoint is what `save_own_variables` saves. `floatx` is left at its
default float32. On JAX, float64 needs `jax_enable_x64`, which is set for float64 variables alone.

Not there: `maximize`; groups; layouts, since a variable has its array for itself. Its schedules are functions of the
step, without the names and formulas that the suite knows from PyTorch. The suite does not use them; it sets the rate
before each step.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import SkippedError, UnavailableError, UnsupportedDeviceError
from ..protocol.messages import DTYPES, FloatArray, SubjectInfo
from .argument_names import ArgumentNames
from .base import Adapter, describe_runtime

BACKENDS: Final = ("tensorflow", "jax", "torch")
"""In the order in which a bare `keras` looks for them; Keras' own default comes first."""

_NAMES: Final = ArgumentNames(
    "keras.optimizers.Adamax",
    {"lr": "learning_rate", "betas": ("beta_1", "beta_2"), "eps": "epsilon", "weight_decay": "weight_decay"},
)


class KerasAdapter(Adapter):
    """`keras.optimizers.Adamax` on one backend.

    Attributes:
        device: `cpu`.
        backend: the mode, or the installed one.
    """

    layout_reason = "a keras.Variable has an array for itself, so none is {layout}"

    def __init__(self, device: str, mode: str = "") -> None:
        if device != "cpu":
            raise UnsupportedDeviceError(f"keras runs on the cpu here, not on {device}")
        self.device = device
        self.backend = mode or _default_backend()
        if self.backend == "jax":
            self.whole_float64 = "JAX's float64 is a setting of the whole process, not of one parameter"
        # Keras reads it when it is imported, which therefore comes last.
        os.environ["KERAS_BACKEND"] = self.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self.keras: Any = importlib.import_module("keras")
        self.refusals = {dtype: reason for dtype in DTYPES if (reason := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            variable = self.make_parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            self.step(
                self.make_optimizer([variable], (), {}),
                [variable],
                [self.make_gradient(np.ones(1), dtype, Layout.CONTIGUOUS)],
            )
        except (RuntimeError, TypeError, ValueError) as error:
            return " ".join(str(error).split())[:300]
        return ""

    def describe(self) -> SubjectInfo:
        backend = sys.modules[self.backend]
        return SubjectInfo(
            name="",
            framework="keras",
            version=self.keras.__version__,
            mode=self.backend,
            runtime=f"{describe_runtime()}, {self.backend} {backend.__version__}",
            dtypes=self.accepted_dtypes,
            device=self.device,
            has={"state": True, "groups": False, "set_lr": True, "save": True},
            defaults=_NAMES.defaults(self.keras.optimizers.Adamax),
            arguments=_NAMES.arguments,
            group_options=(),
            layouts=(Layout.CONTIGUOUS,),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> Any:
        return self.keras.Variable(
            self.make_gradient(value, dtype, layout), dtype=dtype, name=f"parameter_{index}"
        )

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:
        if self.backend == "jax":
            # Every request that computes comes through here first.
            importlib.import_module("jax").config.update("jax_enable_x64", dtype == "float64")
        array = value.astype(np.float64 if dtype == "float64" else np.float32)
        return self.keras.ops.convert_to_tensor(array, dtype=dtype)

    def to_numpy(self, native: Any) -> FloatArray:
        # With a dimension: NumPy 2 does not take TensorFlow's bfloat16 without one.
        flat = self.keras.ops.reshape(native, (-1,))
        return np.array(self.keras.ops.convert_to_numpy(flat)).astype(np.float64).reshape(native.shape)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        if positional:
            raise SkippedError(
                "keras.optimizers.Adamax begins with the learning rate; it is built for variables later"
            )
        if any(isinstance(group, dict) for group in params):
            if len(params) > 1 or "params" not in params[0]:
                raise SkippedError("keras.optimizers.Adamax has no parameter groups")
            keywords = {**keywords, **{name: x for name, x in params[0].items() if name != "params"}}
            params = params[0]["params"]
        optimizer = self.keras.optimizers.Adamax(**_NAMES.translate(keywords))
        optimizer.build(params)
        return optimizer

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        optimizer.apply(list(gradients), list(params))

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        m, u = (
            [variable for variable in optimizer.variables if variable.name.endswith(name)]
            for name in ("_momentum", "_norm")
        )
        return m, u

    def save(self, optimizer: Any) -> dict[str, Any]:
        store: dict[str, Any] = {}
        optimizer.save_own_variables(store)
        return {name: np.array(value) for name, value in store.items()}

    def load(self, optimizer: Any, checkpoint: dict[str, Any]) -> None:
        optimizer.load_own_variables(checkpoint)

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:
        own = optimizer.get_config()
        return [
            {
                "lr": own["learning_rate"],
                "betas": (own["beta_1"], own["beta_2"]),
                "eps": own["epsilon"],
                "weight_decay": own["weight_decay"],
            }
        ]

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        optimizer.learning_rate = self.to_argument(lr)

    def to_native(self, value: npt.NDArray[Any]) -> Any:
        return self.keras.ops.convert_to_tensor(value)

    def to_plain(self, value: Any) -> Any:
        if self.keras.ops.is_tensor(value) or isinstance(value, self.keras.Variable):
            return self.to_numpy(value)
        return super().to_plain(value)


def _default_backend() -> str:
    """The backend that a bare `keras` takes."""
    named = os.environ.get("KERAS_BACKEND")
    if named in BACKENDS:
        return named
    for backend in BACKENDS:
        if find_spec(backend) is not None:
            return backend
    raise UnavailableError(
        f"keras has no backend here; get one with: {sys.executable} -m pip install jax (or torch, or tensorflow)"
    )
