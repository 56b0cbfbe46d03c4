"""How is our own Adamax watched?"""

# ruff: noqa: D102 - what each method does is said where `Source` declares it

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from ....reference.hyperparameters import Hyperparameters
from ...adamax.arrays import Array
from ...adamax.optimizer import Adamax
from ..step_file import Raw
from .base import Facts, Place, State


class NumPySource:
    """`adamax_conformance.impl.Adamax`."""

    def __init__(self, optimizer: Adamax) -> None:
        self._optimizer = optimizer
        self._gradients: Sequence[Array] = ()
        self._options: Sequence[Hyperparameters] = ()

    @property
    def facts(self) -> Facts:
        try:
            own = version("adamax-conformance")
        except PackageNotFoundError:
            own = ""
        return Facts("numpy", "numpy", own, "adamax_conformance.impl.Adamax", "cpu")

    def places(self) -> Sequence[Place]:
        return [Place("", n) for n, group in enumerate(self._optimizer.param_groups) for _ in group["params"]]

    def options(self) -> Sequence[Hyperparameters]:
        return self._options

    def steps_taken(self) -> Sequence[int]:
        optimizer = self._optimizer
        groups = zip(optimizer.param_groups, optimizer.group_steps, strict=True)
        return [t for group, t in groups for _ in group["params"]]

    def gradients(self) -> Sequence[Raw | None]:
        return [Raw.of(gradient) for gradient in self._gradients]

    def state(self, place: int) -> State:
        optimizer = self._optimizer
        arrays = (optimizer.parameters[place], optimizer.exp_avg[place], optimizer.exp_inf[place])
        theta, m, u = (Raw.of(array) for array in arrays)
        return theta, m, u

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def watch(gradients: Sequence[Array], options: Sequence[Hyperparameters]) -> None:
            self._gradients, self._options = gradients, options
            before()

        return self._optimizer.watch(watch, after)
