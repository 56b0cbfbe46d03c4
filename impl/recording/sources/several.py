"""The source of several optimizers, which step one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState, Source


class SeveralSource:
    """Optimizers that take turns, as in a backward pass.

    A step shows the parameters and the options of the one that takes it.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._turn: int | None = None

    @property
    def turn(self) -> int:
        """The index of the optimizer whose step is in progress, or was the last."""
        return self._turn or 0

    @property
    def facts(self) -> OptimizerFacts:
        return self._sources[0].facts

    def parameters(self) -> Sequence[ParameterInfo]:
        if self._turn is not None:
            return self._now.parameters()
        return [info for source in self._sources for info in source.parameters()]

    def options(self) -> Sequence[Hyperparameters]:
        return self._now.options()

    def count(self, parameter: ParameterInfo) -> int | None:
        return self._now.count(parameter)

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        return self._now.gradient(parameter)

    def state(self, parameter: ParameterInfo) -> ParameterState:
        return self._now.state(parameter)

    def is_rounded(self, parameter: ParameterInfo) -> bool | None:
        return self._now.is_rounded(parameter)

    @property
    def _now(self) -> Source:
        return self._sources[self.turn]

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        def begin(turn: int) -> Callable[[], None]:
            def take_turn() -> None:
                self._turn = turn
                before()

            return take_turn

        detachers = [source.attach(begin(turn), after) for turn, source in enumerate(self._sources)]

        def detach() -> None:
            for each in detachers:
                each()

        return detach
