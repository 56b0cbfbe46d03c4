"""The suite's client of a subject, the same for every subject.

with Subject.open("torch") as subject:
    handle = subject.construct([({"lr": 1e-3}, [theta])], dtype="float32")
    after = subject.step(handle, (gradient,))
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from ...reference import life as life_values
from ...reference.case import Case, Layout
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ...reference.life import Life, Observation
from ..adapters.factory import FactoryAdapter
from ..adapters.registry import SubjectKind, open_adapter, parse_name
from ..protocol import messages
from ..protocol.errors import (
    InvalidAnswerError,
    RejectedError,
    SkippedError,
    SubjectBrokenError,
    SubjectDiedError,
    UnsupportedDeviceError,
)
from ..protocol.messages import FloatArray, Readout, Schedule, State, StepResult, SubjectInfo
from ..protocol.representable import first_unrepresentable
from .capabilities import select_options
from .observations import find_misfit
from .transports import Deadlines, InProcessTransport, ProcessTransport, TotalTime, Transport

A = TypeVar("A", bound=messages.Answer)


@dataclass(frozen=True)
class Handle:
    """An optimizer of a subject; a restart of the subject makes it useless.

    Attributes:
        number: the subject's own.
        generation: the number of the subject's start that it belongs to.
        dtype: of the parameters.
        shapes: of the parameters, group by group.
        groups: how many there are.
    """

    number: int
    generation: int
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    groups: int

    @property
    def elements(self) -> int:
        """The number of elements of all parameters together."""
        return sum(map(math.prod, self.shapes))


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a subject; a restart of the subject makes it useless."""

    number: int
    generation: int


_STEPS_AT_ONCE: Final = 64
"""So that the time for an answer is still about that of steps, and a hang is noticed."""
_ELEMENTS_AT_ONCE: Final = 1 << 16


def _set(rates: Sequence[Any]) -> Sequence[Any] | None:
    """The learning rates of a step's request; None if it sets none."""
    return rates if any(rate is not None for rate in rates) else None


def _at(step: int, arrays: Sequence[FloatArray] | None) -> tuple[FloatArray, ...] | None:
    """The part of a step in arrays of several."""
    return None if arrays is None else tuple(array[step, ...] for array in arrays)


class Subject:
    """An implementation under test.

    The constructor starts it. After it died, hung or gave an invalid answer, the next `construct` starts it again.

    Every method raises `SubjectError`: `RejectedError`, `SkippedError` or `UnsupportedDtypeError` if the subject
    answers so, `SubjectBrokenError` if no answer came.
    """

    def __init__(self, name: str, connect: Callable[[], Transport], start: messages.Start) -> None:
        """Start a subject; `open` and `in_process` are the ways to call this."""
        self.name = name
        self._connect = connect
        self._start = start
        self._generation = 0
        self._transport: Transport | None = None
        self.info: SubjectInfo = self._restart()

    @classmethod
    def open(
        cls,
        name: str,
        *,
        device: str = "cpu",
        python: str | None = None,
        in_process: bool = False,
        deadlines: Deadlines | None = None,
        state: tuple[str, str] | None = None,
    ) -> Self:
        """Open a subject by its name on the command line.

        Args:
            name: see `registry`. `numpy` runs in this process unless an interpreter is named.
            device: its name in the framework, such as `cuda` or `cuda:1`.
            python: the interpreter that runs our host; this one if None.
            in_process: run it in this process, without any protection.
            deadlines: the limits of the time for answers.
            state: the names under which an optimizer of the user's own keeps m and u.

        Raises:
            UnknownSubjectError: there is no subject of that name.
            UnavailableError: it is not here; `UnsupportedDeviceError` if it does not run on that device.
            SubjectBrokenError: it did not start.
        """
        parsed = parse_name(name)
        folders = () if parsed.is_builtin else (os.getcwd(),)  # noqa: PTH109
        start = messages.Start(name, device, folders, state=state)
        if in_process or (parsed.kind is SubjectKind.NUMPY and python is None):
            return cls(name, lambda: InProcessTransport(open_adapter), start)
        total = TotalTime(deadlines or Deadlines())
        return cls(name, lambda: ProcessTransport(parsed, python, deadlines, total), start)

    @classmethod
    def in_process(
        cls, factory: Callable[..., Any], name: str = "in-process", dtypes: tuple[str, ...] | None = None
    ) -> Self:
        """Open a factory as a subject in this process; see `FactoryAdapter`."""
        return cls(
            name, lambda: InProcessTransport(lambda _: FactoryAdapter(factory, dtypes)), messages.Start(name)
        )

    def construct(
        self,
        groups: Sequence[tuple[Mapping[str, Any], Sequence[npt.ArrayLike] | None]],
        dtype: str,
        *,
        layout: Layout = Layout.CONTIGUOUS,
        plain: bool | None = None,
        defaults: Mapping[str, Any] | None = None,
        positional: Sequence[Any] = (),
        share: bool = False,
        schedule: Schedule | None = None,
    ) -> Handle:
        """Make an optimizer.

        Args:
            groups: for each group its options and its parameters. One group is passed as a plain list, its
                options as the constructor's; several are passed as dicts, each with its own options.
            dtype: the format of the parameters; it must have each of their elements, and of the gradients'.
            layout: the layout of parameters and gradients in memory.
            plain: False passes a single group as a dict too.
            defaults: further keyword arguments of the constructor.
            positional: positional arguments after the parameters.
            share: each parameter of the first group is the same array; all are given equal.
            schedule: one of `info.schedulers`, which moves the learning rates on after each step.
        """
        specs = tuple(
            messages.GroupSpec(options, None if params is None else _to_arrays("parameter", params, dtype))
            for options, params in groups
        )
        keywords = dict(defaults or {})
        if plain or (plain is None and len(specs) == 1 and specs[0].params is not None):
            keywords = {**specs[0].options, **keywords}
            specs = (replace(specs[0], options={}),)
            plain = True
        request = messages.Construct(
            dtype, specs, keywords, tuple(positional), bool(plain), share, layout, schedule
        )
        if self._transport is None:
            self._restart()
        shapes = tuple(p.shape for spec in specs for p in spec.params or ())
        answer = self._ask(request, messages.Constructed)
        return Handle(answer.handle, self._generation, dtype, shapes, len(specs))

    def step(
        self,
        handle: Handle,
        gradients: Sequence[npt.ArrayLike],
        lr: Sequence[Any] | None = None,
        metric: float | None = None,
    ) -> StepResult:
        """Take one step.

        Args:
            handle: of the optimizer.
            gradients: one for each parameter, group by group.
            lr: each group's learning rate from this step on; None for a group leaves its rate alone.
            metric: the argument of the scheduler's step, where it takes one.

        Returns:
            theta, m and u after the step (m and u are None if they cannot be seen), the gradients as the step
            left them, and each group's learning rate that was in force, as it is read back.
        """
        arrays = _to_arrays("gradient", gradients, handle.dtype)
        request = messages.Step(handle.number, arrays, None if lr is None else tuple(lr), metric)
        result = self._ask(request, StepResult, handle)
        self._check_shapes("gradients", result.gradients, handle)
        self._check_state(result.state, handle)
        if result.lr is not None and len(result.lr) != handle.groups:
            self._reject_answer(f"{len(result.lr)} learning rates for {handle.groups} groups")
        return result

    def read(self, handle: Handle) -> Readout:
        """Show the state and the groups."""
        result = self._ask(messages.Read(handle.number), Readout, handle)
        self._check_state(result.state, handle)
        if result.groups is not None and len(result.groups) != handle.groups:
            self._reject_answer(f"{len(result.groups)} groups where {handle.groups} were made")
        return result

    def save(self, handle: Handle) -> Checkpoint:
        """Keep a checkpoint, by the framework's own means."""
        return Checkpoint(
            self._ask(messages.Save(handle.number), messages.Saved, handle).checkpoint, handle.generation
        )

    def load(self, handle: Handle, checkpoint: Checkpoint) -> None:
        """Construct the optimizer again, and load a checkpoint into it.

        The new one starts from the parameters as they are.
        """
        self._check_generation(checkpoint.generation)
        self._ask(messages.Load(handle.number, checkpoint.number), messages.Done, handle)

    def release(self, handle: Handle) -> None:
        """Forget an optimizer; nothing happens if it is gone already."""
        if self._transport is not None and handle.generation == self._generation:
            self._ask(messages.Release(handle.number), messages.Done, handle)

    def groups(self, case: Case) -> list[tuple[dict[str, Any], list[FloatArray]]]:
        """The groups of a case for `construct`: supported arguments and theta."""
        return [
            (select_options(g.hyperparameters, self.info), [p.theta for p in g.parameters])
            for g in case.groups
        ]

    def accepts_zero_betas(self, dtype: str) -> bool:
        """Whether the constructor takes betas of 0, which the specification allows."""
        return self._accepts(replace(DEFAULTS, beta1=0.0, beta2=0.0), dtype)

    def accepts_zero_eps(self, dtype: str) -> bool:
        """Whether an eps of 0, which the specification leaves open, is taken as 0.

        Then the first step does not depend on the gradient's size: it is the same for a power of two of it.
        """
        given = select_options(replace(DEFAULTS, eps=0.0), self.info)
        try:
            handle = self.construct([(given, [np.zeros(2)])], dtype)
            (theta,) = self.step(handle, [[1.0, 2.0**-10 if dtype == "float16" else 2.0**-30]]).theta
        except RejectedError:
            return False
        self.release(handle)
        return bool(theta[0] == theta[1])

    def _accepts(self, options: Hyperparameters, dtype: str) -> bool:
        given = select_options(options, self.info)
        try:
            handle = self.construct([(given, [np.zeros(1)])], dtype)
        except RejectedError:
            return False
        self.release(handle)
        return True

    def observe(self, case: Case, dtype: str) -> list[StepResult]:
        """Run a case whose arguments the subject has; return each step's result."""
        gradients = [case.gradients(t) for t in range(1, case.steps + 1)]
        rates = [[g.learning_rates and g.learning_rates[t] for g in case.groups] for t in range(case.steps)]
        handle = self.construct(self.groups(case), dtype, layout=case.layout)
        try:
            results = self.run(handle, gradients, rates)
        except SkippedError:  # perhaps the state is shown after some steps only
            handle = self.construct(self.groups(case), dtype, layout=case.layout)
            results = [self.step(handle, g, _set(lr)) for g, lr in zip(gradients, rates, strict=True)]
        self.release(handle)
        return results

    def run(
        self,
        handle: Handle,
        gradients: Sequence[Sequence[npt.ArrayLike]],
        rates: Sequence[Sequence[Any]],
    ) -> list[StepResult]:
        """Take several steps, with few requests if the subject answers such.

        Args:
            handle: of the optimizer.
            gradients: of each step, as in `step`.
            rates: of each step each group's learning rate; None leaves it alone.

        Raises:
            SkippedError: the subject shows its state after some of the steps only.
        """
        # The first step alone: it may have to be compiled, which takes most of the time that an answer has.
        alone = 1 if self.info.has.get("runs") and handle.shapes else len(gradients)
        results = [
            self.step(handle, g, _set(lr)) for g, lr in zip(gradients[:alone], rates[:alone], strict=True)
        ]
        at_once = max(1, min(_STEPS_AT_ONCE, _ELEMENTS_AT_ONCE // max(1, handle.elements)))
        for start in range(alone, len(gradients), at_once):
            part = slice(start, start + at_once)
            results += self._run(handle, gradients[part], rates[part])
        return results

    def _run(
        self,
        handle: Handle,
        gradients: Sequence[Sequence[npt.ArrayLike]],
        rates: Sequence[Sequence[Any]],
    ) -> list[StepResult]:
        arrays = _to_arrays(
            "gradient", [np.stack(each) for each in zip(*gradients, strict=True)], handle.dtype
        )
        given = tuple(map(tuple, rates)) if any(map(_set, rates)) else None
        request = messages.Run(handle.number, arrays, given)
        result = self._ask(request, messages.RunResult, handle, elements=len(rates) * handle.elements)
        whole = replace(handle, shapes=tuple((len(rates), *shape) for shape in handle.shapes))
        self._check_shapes("gradients", result.gradients, whole)
        self._check_state(result.state, whole)
        if result.lr is not None and result.lr.shape != (len(rates), handle.groups):
            self._reject_answer(f"learning rates of shape {result.lr.shape} for {handle.groups} groups")
        state = result.state
        return [
            StepResult(
                State(_at(t, state.theta) or (), _at(t, state.m), _at(t, state.u)),
                _at(t, result.gradients) or (),
                None if result.lr is None else tuple(result.lr[t].tolist()),
            )
            for t in range(len(rates))
        ]

    def live(self, life: Life) -> list[Observation]:
        """Perform a whole life, and return what could be seen after each action."""
        if self._transport is None:
            self._restart()
        answer = self._ask(messages.Live(life), messages.Lived, elements=_most_elements(life))
        if misfit := find_misfit(life, answer.observations):
            self._reject_answer(misfit)
        return list(answer.observations)

    @property
    def printed(self) -> str:
        """The end of what the subject's process printed; its own output and errors."""
        return "" if self._transport is None else self._transport.printed

    def close(self) -> None:
        """End the subject."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _restart(self) -> SubjectInfo:
        self._transport = self._connect()
        self._generation += 1
        try:
            info = self._ask(self._start, SubjectInfo)
        except BaseException:
            self.close()
            raise
        if info.device != self._start.device:
            self.close()
            raise UnsupportedDeviceError(f"{self.name} runs on {info.device}, not on {self._start.device}")
        if info.mode and self.name == info.framework:
            # The mode was the subject's choice: a verdict is about that mode.
            self.name = f"{self.name}[{info.mode}]"
        return replace(info, name=self.name)

    def _ask(
        self, request: messages.Request, kind: type[A], handle: Handle | None = None, *, elements: int = 0
    ) -> A:
        if handle is not None:
            self._check_generation(handle.generation)
            elements = elements or handle.elements
        assert self._transport is not None
        try:
            answer = self._transport.ask(request, elements)
        except SubjectBrokenError:
            self._transport = None
            raise
        assert isinstance(answer, kind)
        return answer

    def _check_generation(self, generation: int) -> None:
        if self._transport is None or generation != self._generation:
            raise SubjectDiedError("the process that held this optimizer is gone")

    def _check_state(self, state: State, handle: Handle) -> None:
        for name, arrays in (("theta", state.theta), ("m", state.m), ("u", state.u)):
            if arrays is not None:
                self._check_shapes(name, arrays, handle)
        for index, array in enumerate(state.theta):
            if (element := first_unrepresentable(array, handle.dtype)) is not None:
                self._reject_answer(
                    f"theta {index} has the element {element.hex()}, which is not a {handle.dtype}"
                )

    def _check_shapes(self, name: str, arrays: Sequence[FloatArray], handle: Handle) -> None:
        shapes = tuple(a.shape for a in arrays)
        if shapes != handle.shapes:
            self._reject_answer(
                f"{name} has shapes {list(shapes)}; the parameters have {list(handle.shapes)}"
            )

    def _reject_answer(self, what: str) -> None:
        self.close()
        raise InvalidAnswerError(what)


def _most_elements(life: Life) -> int:
    """The most numbers that the observations of a life have, with room for the rest."""
    made: dict[int, int] = {}
    total = 0
    for action in life.actions:
        match action:
            case life_values.Construct():
                made[action.optimizer] = sum(map(_room, action.groups))
            case life_values.AddGroup():
                made[action.optimizer] += _room(action.group)
            case life_values.Copy():
                made[action.copy] = made[action.optimizer]
        total += 1 + sum(made.values())
    return total


def _room(group: life_values.GroupSpec) -> int:
    return sum(p.values.size + _AROUND for p in group.parameters)


_AROUND: Final = 8
"""The elements whose characters a parameter's shape and names take as well."""


def _to_arrays(what: str, values: Sequence[npt.ArrayLike], dtype: str) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in values)
    for index, array in enumerate(arrays):
        if (element := first_unrepresentable(array, dtype)) is not None:
            raise ValueError(f"{what} {index} has the element {element.hex()}, which is not a {dtype}")
    return arrays
