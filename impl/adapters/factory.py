"""The adapter of a factory over NumPy arrays with the documented signature."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import SkippedError
from ..protocol.messages import FloatArray, SubjectInfo
from .base import Adapter, describe_runtime, neighbouring, read_signature, signature_arguments
from .layouts import allocate

NUMPY_DTYPES: Final = ("float16", "float32", "float64")


class FactoryAdapter(Adapter):
    """Anything with the documented signature.

        optimizer = factory(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=...)
        optimizer(gradients)

    The adapter uses `exp_avg`, `exp_inf`, `param_groups`, `state_dict` and `load_state_dict` if they are there. A
    factory whose m and u have other names says so by an attribute: `state_names = ("m", "u")`. One that bridges to
    another package names it by `package`: its name and version are then the subject's framework.

    Attributes:
        factory: the callable.
        dtypes: the formats that it computes in; by default its attribute `dtypes`, or all that NumPy has.
    """

    refusals: Mapping[str, str] = {"bfloat16": "NumPy has no bfloat16"}

    def __init__(self, factory: Callable[..., Any], dtypes: tuple[str, ...] | None = None) -> None:
        self.factory = factory
        self.dtypes = dtypes or tuple(getattr(factory, "dtypes", NUMPY_DTYPES))

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = read_signature(self.factory)
        # Only a trial shows the result of a function, or what a constructor adds.
        saves = hasattr(self.factory, "state_dict") and hasattr(self.factory, "load_state_dict")
        save = True if inspect.isclass(self.factory) and saves else None
        package = getattr(self.factory, "package", None)
        return SubjectInfo(
            name="",
            framework=package or "numpy",
            version=metadata.version(package) if package else np.__version__,
            runtime=describe_runtime(),
            dtypes=self.dtypes,
            has={"state": None, "groups": None, "set_lr": None, "save": save},
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            arguments=signature_arguments(self.factory),
        )

    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> npt.NDArray[Any]:
        return self.make_gradient(value, dtype, layout)

    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> npt.NDArray[Any]:
        if layout is Layout.CONTIGUOUS:
            return value.astype(dtype)
        array: npt.NDArray[Any] = allocate(
            value.shape, layout, lambda shape: np.empty(shape, dtype), lambda array: array.transpose()
        )
        array[...] = value
        return array

    def to_numpy(self, native: object) -> FloatArray:
        return np.array(native, dtype=np.float64)

    def view_as_numpy(self, native: object) -> FloatArray:
        return np.asarray(native, dtype=np.float64)

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        optimizer = self.factory(params, *positional, **keywords)
        if not callable(optimizer):
            given = type(optimizer).__name__
            raise TypeError(
                f"the factory returns {given}; want an optimizer to be called with the gradients of a step"
            )
        return optimizer

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        optimizer(tuple(gradients))

    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        m, u = (_visible_arrays(getattr(optimizer, name, None)) for name in self.state_names)
        return m, u

    takes_absent_gradients = False
    passes_gradients = True
    takes_other_dtypes = True
    is_copied = True
    takes_generators = True

    def make_broadcast(self, value: FloatArray, dtype: str) -> npt.NDArray[Any]:
        if not value.size:
            return value.astype(dtype)
        return np.broadcast_to(np.array(value.reshape(-1)[0], dtype), value.shape)

    def make_neighbours(self, values: Sequence[FloatArray], dtype: str) -> list[npt.NDArray[Any]]:
        block = np.empty(sum(value.size for value in values), dtype)
        made = []
        for value, place in zip(values, neighbouring([value.size for value in values]), strict=True):
            block[place] = value.reshape(-1)
            made.append(block[place].reshape(value.shape))
        return made

    def memory_of(self, parameter: npt.NDArray[Any], like: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return parameter.reshape(like.shape)

    def save_live(self, optimizer: Any) -> Any:
        if not hasattr(optimizer, "state_dict"):
            raise SkippedError("the subject has no state_dict")
        return optimizer.state_dict()

    def load_live(self, optimizer: Any, checkpoint: Any) -> None:
        if not hasattr(optimizer, "load_state_dict"):
            raise SkippedError("the subject has no load_state_dict")
        optimizer.load_state_dict(checkpoint)

    def save(self, optimizer: Any) -> Any:
        if not hasattr(optimizer, "state_dict"):
            raise SkippedError("the subject has no state_dict")
        return copy.deepcopy(optimizer.state_dict())

    def load(self, optimizer: Any, checkpoint: Any) -> None:
        if not hasattr(optimizer, "load_state_dict"):
            raise SkippedError("the subject has no load_state_dict")
        optimizer.load_state_dict(copy.deepcopy(checkpoint))


def _visible_arrays(arrays: Sequence[Any] | None) -> Sequence[Any] | None:
    """The arrays if all are there; a subject may make them at its first step."""
    if arrays is None or len(arrays) == 0 or any(array is None for array in arrays):
        return None
    return arrays
