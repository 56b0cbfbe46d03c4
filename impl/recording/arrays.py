"""Recording of any optimizer, from the arrays that its steps read and write."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from .folder import RecordingFolder, open_folder
from .recorder import Recorder
from .sources.base import OptimizerFacts, ParameterInfo, ParameterState
from .step_file import RawTensor

State = tuple[Sequence[Any], Sequence[Any], Sequence[Any]]
"""theta, m and u: an array for each parameter."""


def record_arrays(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    *,
    subject: str,
    version: str = "",
    device: str = "cpu",
    on_error: Literal["raise", "warn"] = "raise",
) -> ArrayRecorder:
    """Record the steps of an optimizer that cannot be watched, step by step.

    Args:
        directory: the folder of the recording; it is made if need be, and must be empty.
        names: of the parameters, in the order of the arrays of each step.
        subject: the optimizer's name, as in `optax`.
        version: of the optimizer's framework.
        device: where it runs.
        on_error: what `step` does when it cannot record: `raise` the error, or `warn` and record nothing more.

    Returns:
        A context manager; call its `step` for each step.

    Raises:
        ValueError: the directory is not empty.
        OSError: the recording cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> theta, m, u, g = np.zeros(3), np.zeros(3), np.zeros(3), np.ones(3)
        >>> with record_arrays(tempfile.mkdtemp(), ["w"], subject="mine") as recording:
        ...     after = theta - 0.1, 0.1 * g, g + 1e-8
        ...     recording.step(1, [g], ([theta], [m], [u]), tuple([a] for a in after), Hyperparameters(lr=0.1))
        >>> recording.recorded
        1
    """
    source = _ArraySource(list(names), OptimizerFacts(subject, subject, version, subject, device))
    return ArrayRecorder(source, open_folder(directory, source, on_error), on_error)


class ArrayRecorder:
    """A recording in progress, of arrays."""

    def __init__(self, source: _ArraySource, folder: RecordingFolder, on_error: str) -> None:
        self._source = source
        self._recorder = Recorder(source, folder, 1, on_error)

    @property
    def recorded(self) -> int:
        """The number of steps on disk."""
        return self._recorder.recorded

    def __enter__(self) -> Self:
        """Begin the recording."""
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the recording's end."""
        self._recorder.__exit__(kind, error, traceback)

    def step(
        self,
        t: int,
        gradients: Sequence[Any],
        before: State,
        after: State,
        hyperparameters: Hyperparameters | Sequence[Hyperparameters],
    ) -> None:
        """Record one step.

        Args:
            t: the number of the step, from 1, by the optimizer's own count.
            gradients: an array for each parameter, or None, as they were passed.
            before: theta, m and u before the step: three lists of arrays. m and u may hold None before the first step.
            after: the same after it.
            hyperparameters: in force at the step: for all parameters, or for each.

        Raises:
            ValueError: a list has another length than there are names.
            TypeError: an array of a dtype other than the four.
            OSError: the recording cannot be written.
        """
        names = self._source.names
        each = (
            [hyperparameters] * len(names)
            if isinstance(hyperparameters, Hyperparameters)
            else hyperparameters
        )
        for what, arrays in (
            ("gradients", gradients),
            ("hyperparameters", each),
            *(
                (f"{when}[{k}]", state[k])
                for when, state in (("before", before), ("after", after))
                for k in range(3)
            ),
        ):
            if len(arrays) != len(names):
                raise ValueError(f"{what} has {len(arrays)} entries; there are {len(names)} names")
        self._source.take(t, gradients, before, after, each)


class _ArraySource:
    """Arrays that a caller passes, as if they were an optimizer."""

    def __init__(self, names: list[str], facts: OptimizerFacts) -> None:
        self.names, self.facts = names, facts
        self._keys = [_Key() for _ in names]
        self._gradients: Sequence[Any] = ()
        self._state: State = ((), (), ())
        self._options: Sequence[Hyperparameters] = ()
        self._t = 0
        self._callbacks: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def take(
        self,
        t: int,
        gradients: Sequence[Any],
        before: State,
        after: State,
        options: Sequence[Hyperparameters],
    ) -> None:
        """Show a step to those who watch."""
        self._gradients, self._options = gradients, options
        self._state, self._t = before, t - 1
        for begins, _ in list(self._callbacks):
            begins()
        self._state, self._t = after, t
        for _, ends in list(self._callbacks):
            ends()

    def parameters(self) -> Sequence[ParameterInfo]:
        groups = self.options()
        numbers = [groups.index(own) for own in self._options] or [0] * len(self.names)
        return [
            ParameterInfo(name, number, index, self._keys[index])
            for index, (name, number) in enumerate(zip(self.names, numbers, strict=True))
        ]

    def options(self) -> Sequence[Hyperparameters]:
        return list(dict.fromkeys(self._options))

    def count(self, _: ParameterInfo) -> int:
        return self._t

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        return _to_raw(self._gradients[parameter.index])

    def state(self, parameter: ParameterInfo) -> ParameterState:
        theta, m, u = (_to_raw(each[parameter.index]) for each in self._state)
        if theta is None:
            raise TypeError(f"theta of {parameter.name} is None; it must be an array")
        return theta, m, u

    def is_rounded(self, _: ParameterInfo) -> None:
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        callbacks = (before, after)
        self._callbacks.append(callbacks)

        def detach() -> None:
            if callbacks in self._callbacks:
                self._callbacks.remove(callbacks)

        return detach


class _Key:
    """The identity of a parameter whose arrays are others after each step."""


def _to_raw(array: Any) -> RawTensor | None:
    return None if array is None else RawTensor.from_array(np.asarray(array))
