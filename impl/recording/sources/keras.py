"""The source of a Keras optimizer, on any backend.

It wraps the method that takes a step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState
from .replacing import Method, replace_method

_STEP: Final = "_backend_apply_gradients"
"""The method that takes a step: after the loss scale is taken off, before constraints act on the variables."""
_HIDDEN: Final = ("gradient_accumulation_steps", "ema_overwrite_frequency")
"""Options with which a step does something else besides."""


def open_source(optimizer: Any) -> KerasSource:
    """Open a `keras.optimizers.Adamax`.

    Raises:
        TypeError: another optimizer.
        ValueError: an option with which not every call is a step, or a step is not the formula's alone.
    """
    if not isinstance(optimizer, keras.optimizers.Adamax):
        kind = type(optimizer)
        raise TypeError(
            f"optimizer is a {kind.__module__}.{kind.__qualname__}; keras.optimizers.Adamax can be recorded"
        )
    for name in _HIDDEN:
        if getattr(optimizer, name, None):
            raise ValueError(
                f"optimizer has {name}={getattr(optimizer, name)}, with which it cannot be recorded"
            )
    return KerasSource(optimizer)


class KerasSource:
    """`keras.optimizers.Adamax`, called outside of compiled functions."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._gradients: dict[int, Any] = {}
        self._is_past = False

    @property
    def facts(self) -> OptimizerFacts:
        kind = type(self._optimizer)
        name = f"{kind.__module__}.{kind.__qualname__}"
        own = f"keras[{keras.backend.backend()}]"
        # A backend may have a class of its own, which Keras puts in the place of the optimizer's.
        subject = own if name.startswith("keras.") and kind.__name__ == "Adamax" else name
        return OptimizerFacts(subject, "keras", keras.__version__, name, "cpu")

    def parameters(self) -> Sequence[ParameterInfo]:
        variables = self._optimizer._trainable_variables if self._optimizer.built else []  # noqa: SLF001 - only here is a list
        each = [self._decays(variable) for variable in variables]
        groups = list(dict.fromkeys(each))
        return [
            ParameterInfo(str(variable.path), groups.index(each[index]), index, variable)
            for index, variable in enumerate(variables)
        ]

    def _decays(self, variable: Any) -> bool:
        return bool(self._optimizer.weight_decay) and self._optimizer._use_weight_decay(variable)  # noqa: SLF001 - as above

    def options(self) -> Sequence[Hyperparameters]:
        own = self._optimizer
        decays = dict.fromkeys(self._decays(variable) for variable in own._trainable_variables)  # noqa: SLF001 - as above
        return [
            Hyperparameters(
                lr=float(_to_array(own.learning_rate)),
                beta1=float(own.beta_1),
                beta2=float(own.beta_2),
                eps=float(own.epsilon),
                weight_decay=float(own.weight_decay) if decays_it else 0.0,
                maximize=False,
            )
            for decays_it in decays
        ]

    def count(self, _: ParameterInfo) -> int:
        # It goes up once the step is over.
        return int(_to_array(self._optimizer.iterations)) + self._is_past

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        gradient = self._gradients.get(id(parameter.key))
        return None if gradient is None else RawTensor.from_array(_to_array(gradient))

    def state(self, parameter: ParameterInfo) -> ParameterState:
        own = self._optimizer
        arrays = (each.value for each in (parameter.key, own._m[parameter.index], own._u[parameter.index]))  # noqa: SLF001 - as above
        theta, m, u = (RawTensor.from_array(_to_array(array)) for array in arrays)
        return theta, m, u

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        errors: list[Exception] = []

        def watch(step: Method) -> Method:
            def watched(grads: Sequence[Any], variables: Sequence[Any]) -> Any:
                grads = list(grads)
                _require_eager(grads)
                # The gradients as the step sees them: clipping is not a part of the formula.
                clipped = self._optimizer._clip_gradients(grads)  # noqa: SLF001 - as above
                self._gradients = {id(v): g for v, g in zip(variables, clipped, strict=True)}
                before()
                result = step(grads, variables)
                self._is_past = True
                try:
                    after()
                except Exception as error:  # noqa: BLE001 - it is raised once Keras has counted the step
                    errors.append(error)
                self._is_past = False
                return result

            return watched

        def raise_errors(apply: Method) -> Method:
            def applied(*args: Any, **kwargs: Any) -> Any:
                result = apply(*args, **kwargs)
                if errors:
                    raise errors.pop()
                return result

            return applied

        restorers = [
            replace_method(self._optimizer, name, make)
            for name, make in ((_STEP, watch), ("apply", raise_errors))
        ]

        def detach() -> None:
            for restore in restorers:
                restore()

        return detach


def _require_eager(gradients: Sequence[Any]) -> None:
    """Refuse a step that the backend compiles: there are no numbers yet."""
    jax, tensorflow = sys.modules.get("jax"), sys.modules.get("tensorflow")
    traced = jax is not None and any(isinstance(each, jax.core.Tracer) for each in gradients)
    if traced or (
        keras.backend.backend() == "tensorflow" and tensorflow is not None and tensorflow.inside_function()
    ):
        raise RuntimeError(
            "a step inside of a compiled function cannot be recorded; compile the model with run_eagerly=True"
        )


def _to_array(tensor: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(tensor)))
