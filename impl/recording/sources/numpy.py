"""The source of our own Adamax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from ....reference.hyperparameters import Hyperparameters
from ...adamax.arrays import Array
from ...adamax.optimizer import Adamax
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState


class NumPySource:
    """`adamax_conformance.impl.Adamax`."""

    def __init__(self, optimizer: Adamax) -> None:
        self._optimizer = optimizer
        self._gradients: Sequence[Array] = ()
        self._options: Sequence[Hyperparameters] = ()

    @property
    def facts(self) -> OptimizerFacts:
        try:
            own = version("adamax-conformance")
        except PackageNotFoundError:
            own = ""
        return OptimizerFacts("numpy", "numpy", own, "adamax_conformance.impl.Adamax", "cpu")

    def parameters(self) -> Sequence[ParameterInfo]:
        return [
            ParameterInfo("", n)
            for n, group in enumerate(self._optimizer.param_groups)
            for _ in group["params"]
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return self._options

    def steps_taken(self) -> Sequence[int]:
        optimizer = self._optimizer
        groups = zip(optimizer.param_groups, optimizer.group_steps, strict=True)
        return [t for group, t in groups for _ in group["params"]]

    def gradients(self) -> Sequence[RawTensor | None]:
        return [RawTensor.from_array(gradient) for gradient in self._gradients]

    def state(self, index: int) -> ParameterState:
        optimizer = self._optimizer
        arrays = (optimizer.parameters[index], optimizer.exp_avg[index], optimizer.exp_inf[index])
        theta, m, u = (RawTensor.from_array(array) for array in arrays)
        return theta, m, u

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def keep(gradients: Sequence[Array], options: Sequence[Hyperparameters]) -> None:
            self._gradients, self._options = gradients, options
            before()

        return self._optimizer.watch(keep, after)
