"""How is a Keras optimizer asked? It is built for variables, and applied to gradients; a backend computes.

Translated: `lr` is `learning_rate`, `betas` are `beta_1` and `beta_2`, `eps` is `epsilon`. The mode is the backend
(`KERAS_BACKEND`); a bare `keras` takes the one that this variable names, or else the first installed. m and u are
the optimizer's variables `momentum` and `norm`; a checkpoint is what `save_own_variables` saves. `floatx` is left at its
default float32. On JAX, float64 needs `jax_enable_x64`, which is set for float64 variables alone.

Not there: `maximize`; groups; layouts, since a variable has its array for itself. Its schedules are functions of the
step, without the names and formulas that the suite knows from PyTorch: they are not asked; rates are set step by step.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

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
from ..protocol.errors import Skipped, Unavailable, UnsupportedDevice
from ..protocol.messages import DTYPES, FloatArray, SubjectInfo
from .argument_names import Names
from .base import Adapter, runtime

BACKENDS: Final = ("tensorflow", "jax", "torch")
"""In the order in which a bare `keras` looks for them; Keras' own default comes first."""

_NAMES: Final = Names(
    "keras.optimizers.Adamax",
    {"lr": "learning_rate", "betas": ("beta_1", "beta_2"), "eps": "epsilon", "weight_decay": "weight_decay"},
)


class KerasAdapter(Adapter):
    """`keras.optimizers.Adamax` on one backend.

    Attributes:
        device: `cpu`.
        backend: the backend: the mode, or the one that is there.
    """

    def __init__(self, device: str, mode: str = "") -> None:
        if device != "cpu":
            raise UnsupportedDevice(f"keras is asked on the cpu here, not on {device}")
        self.device = device
        self.backend = mode or _installed()
        # Read when Keras is imported, which therefore comes last.
        os.environ["KERAS_BACKEND"] = self.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self.keras: Any = importlib.import_module("keras")
        self.refusals = {dtype: words for dtype in DTYPES if (words := self._refusal(dtype))}

    def _refusal(self, dtype: str) -> str:
        try:
            variable = self.parameter(np.ones(1), dtype, Layout.CONTIGUOUS, 0)
            self.step(
                self.make([variable], (), {}),
                [variable],
                [self.gradient(np.ones(1), dtype, Layout.CONTIGUOUS)],
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
            runtime=f"{runtime()}, {self.backend} {backend.__version__}",
            dtypes=tuple(dtype for dtype in DTYPES if dtype not in self.refusals),
            device=self.device,
            has={"state": True, "groups": False, "set_lr": True, "save": True},
            defaults=_NAMES.defaults(self.keras.optimizers.Adamax),
            arguments=_NAMES.arguments,
            group_options=(),
            layouts=(Layout.CONTIGUOUS,),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Any:  # noqa: ANN401
        return self.keras.Variable(
            self.gradient(value, dtype, layout), dtype=dtype, name=f"parameter_{place}"
        )

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:  # noqa: ANN401, ARG002
        if self.backend == "jax":
            # Every request that computes comes by here first.
            importlib.import_module("jax").config.update("jax_enable_x64", dtype == "float64")
        array = value.astype(np.float64 if dtype == "float64" else np.float32)
        return self.keras.ops.convert_to_tensor(array, dtype=dtype)

    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        # With a dimension: NumPy 2 does not take TensorFlow's bfloat16 without one.
        flat = self.keras.ops.reshape(native, (-1,))
        return np.array(self.keras.ops.convert_to_numpy(flat)).astype(np.float64).reshape(native.shape)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        if positional:
            raise Skipped(
                "keras.optimizers.Adamax begins with the learning rate; it is built for variables later"
            )
        if any(isinstance(group, dict) for group in params):
            if len(params) > 1 or "params" not in params[0]:
                raise Skipped("keras.optimizers.Adamax has no parameter groups")
            keywords = {**keywords, **{name: x for name, x in params[0].items() if name != "params"}}
            params = params[0]["params"]
        optimizer = self.keras.optimizers.Adamax(**_NAMES.translated(keywords))
        optimizer.build(params)
        return optimizer

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401
        optimizer.apply(list(gradients), list(params))

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],  # noqa: ARG002
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        m, u = (
            [variable for variable in optimizer.variables if variable.name.endswith(name)]
            for name in ("_momentum", "_norm")
        )
        return m, u

    def save(self, optimizer: Any) -> dict[str, Any]:  # noqa: ANN401
        store: dict[str, Any] = {}
        optimizer.save_own_variables(store)
        return {name: np.array(value) for name, value in store.items()}

    def load(self, optimizer: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ANN401
        optimizer.load_own_variables(checkpoint)

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]]:  # noqa: ANN401
        own = optimizer.get_config()
        return [
            {
                "lr": own["learning_rate"],
                "betas": (own["beta_1"], own["beta_2"]),
                "eps": own["epsilon"],
                "weight_decay": own["weight_decay"],
            }
        ]

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401, ARG002
        optimizer.learning_rate = self.argument(lr)

    def words_about(self, layout: Layout) -> str:
        return f"a keras.Variable has an array for itself, so none is {layout.value}"

    def native(self, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401
        return self.keras.ops.convert_to_tensor(value)

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        if self.keras.ops.is_tensor(value) or isinstance(value, self.keras.Variable):
            return self.to_numpy(value)
        return super().plain(value)


def _installed() -> str:
    """The backend that a bare `keras` takes."""
    named = os.environ.get("KERAS_BACKEND")
    if named in BACKENDS:
        return named
    for backend in BACKENDS:
        if find_spec(backend) is not None:
            return backend
    raise Unavailable(
        f"keras has no backend here; get one with: {sys.executable} -m pip install jax (or torch, or tensorflow)"
    )
