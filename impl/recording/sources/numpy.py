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
        self._thetas: Sequence[Array] = ()
        self._m: Sequence[Array] = ()
        self._u: Sequence[Array] = ()

    @property
    def facts(self) -> OptimizerFacts:
        try:
            own = version("adamax-conformance")
        except PackageNotFoundError:
            own = ""
        return OptimizerFacts("numpy", "numpy", own, "adamax_conformance.impl.Adamax", "cpu")

    def parameters(self) -> Sequence[ParameterInfo]:
        optimizer = self._optimizer
        self._thetas, self._m, self._u = optimizer.parameters, optimizer.exp_avg, optimizer.exp_inf
        groups = [n for n, group in enumerate(optimizer.param_groups) for _ in group["params"]]
        return [
            ParameterInfo("", group, index, theta)
            for index, (group, theta) in enumerate(zip(groups, self._thetas, strict=True))
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return self._options

    def count(self, parameter: ParameterInfo) -> int:
        return self._optimizer.group_steps[parameter.group]

    def gradient(self, parameter: ParameterInfo) -> RawTensor:
        return RawTensor.from_array(self._gradients[parameter.index])

    def state(self, parameter: ParameterInfo) -> ParameterState:
        arrays = (each[parameter.index] for each in (self._thetas, self._m, self._u))
        theta, m, u = (RawTensor.from_array(array) for array in arrays)
        return theta, m, u

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def keep(gradients: Sequence[Array], options: Sequence[Hyperparameters]) -> None:
            self._gradients, self._options = gradients, options
            before()

        return self._optimizer.watch(keep, after)
