"""How is a factory over NumPy arrays asked? By the documented signature, and what else it happens to have."""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import Skipped
from ..protocol.messages import FloatArray, SubjectInfo
from .base import Adapter, arguments_of, runtime, signature_facts
from .layouts import allocate

NUMPY_DTYPES: Final = ("float16", "float32", "float64")


class FactoryAdapter(Adapter):
    """Anything with the documented signature.

        optimizer = factory(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=...)
        optimizer(gradients)

    `exp_avg`, `exp_inf`, `param_groups`, `state_dict` and `load_state_dict` are used where they are there.

    Attributes:
        factory: the callable.
        dtypes: what it computes in; by default what its attribute `dtypes` says, or all that NumPy has.
    """

    refusals: Mapping[str, str] = {"bfloat16": "NumPy has no bfloat16"}

    def __init__(self, factory: Callable[..., Any], dtypes: tuple[str, ...] | None = None) -> None:
        self.factory = factory
        self.dtypes = dtypes or tuple(getattr(factory, "dtypes", NUMPY_DTYPES))

    def describe(self) -> SubjectInfo:
        keyword_only, defaults = signature_facts(self.factory)
        # A function's result, and what a constructor adds, can only be tried.
        saves = hasattr(self.factory, "state_dict") and hasattr(self.factory, "load_state_dict")
        known = True if inspect.isclass(self.factory) and saves else None
        return SubjectInfo(
            name="",
            framework="numpy",
            version=np.__version__,
            runtime=runtime(),
            dtypes=self.dtypes,
            has={"state": None, "groups": None, "set_lr": None, "save": known},
            keyword_only_maximize=keyword_only,
            defaults=defaults,
            arguments=arguments_of(self.factory),
        )

    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> npt.NDArray[Any]:  # noqa: ARG002
        return self.gradient(value, dtype, layout)

    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> npt.NDArray[Any]:
        if layout is Layout.CONTIGUOUS:
            return value.astype(dtype)
        array: npt.NDArray[Any] = allocate(
            value.shape, layout, lambda shape: np.empty(shape, dtype), lambda array: array.transpose()
        )
        array[...] = value
        return array

    def to_numpy(self, native: object) -> FloatArray:
        return np.array(native, dtype=np.float64)

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return self.factory(params, *positional, **keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401, ARG002
        optimizer(tuple(gradients))

    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],  # noqa: ARG002
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        return _seen(getattr(optimizer, "exp_avg", None)), _seen(getattr(optimizer, "exp_inf", None))

    def save(self, optimizer: Any) -> Any:  # noqa: ANN401
        if not hasattr(optimizer, "state_dict"):
            raise Skipped("the subject has no state_dict")
        return copy.deepcopy(optimizer.state_dict())

    def load(self, optimizer: Any, checkpoint: Any) -> None:  # noqa: ANN401
        if not hasattr(optimizer, "load_state_dict"):
            raise Skipped("the subject has no load_state_dict")
        optimizer.load_state_dict(copy.deepcopy(checkpoint))


def _seen(arrays: Sequence[Any] | None) -> Sequence[Any] | None:
    """Arrays that are there; a subject may make them at its first step only."""
    if arrays is None or len(arrays) == 0 or any(array is None for array in arrays):
        return None
    return arrays
