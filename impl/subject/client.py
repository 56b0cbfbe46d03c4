"""How does the suite use a subject? The same way, whatever and wherever it is.

with Subject.open("torch") as subject:
    handle = subject.construct([({"lr": 1e-3}, [theta])], dtype="float32")
    after = subject.step(handle, (gradient,))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from ...reference.case import Case, Layout
from ...reference.hyperparameters import DEFAULTS
from ..adapters.factory import FactoryAdapter
from ..adapters.registry import Kind, open_adapter, parse
from ..protocol import messages
from ..protocol.errors import Rejected, SubjectBroken, SubjectDied, SubjectGarbled, UnsupportedDevice
from ..protocol.messages import FloatArray, Readout, Schedule, State, StepResult, SubjectInfo
from ..protocol.representable import first_foreign
from .capabilities import options
from .transports import Deadlines, Direct, Piped, Transport

A = TypeVar("A", bound=messages.Answer)


@dataclass(frozen=True)
class Handle:
    """An optimizer of a subject; it is of no more use once the subject was started anew.

    Attributes:
        number: the subject's own.
        life: which start of the subject it belongs to.
        dtype: of the parameters.
        shapes: of the parameters, group by group.
        groups: how many there are.
    """

    number: int
    life: int
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    groups: int

    @property
    def elements(self) -> int:
        """Of all parameters together."""
        return sum(int(np.prod(shape)) for shape in self.shapes)


@dataclass(frozen=True)
class Checkpoint:
    """What `save` kept; it is of no more use once the subject was started anew."""

    number: int
    life: int


class Subject:
    """An implementation under test.

    It is started when it is made. After it died, hung or spoke nonsense, the next `construct` starts it anew.

    Every method raises `SubjectError`: `Rejected`, `Skipped` or `UnsupportedDtype` where the subject says so,
    `SubjectBroken` where no answer came.
    """

    def __init__(self, name: str, connect: Callable[[], Transport], start: messages.Start) -> None:
        """Start a subject; `open` and `in_process` are the ways to call this."""
        self.name = name
        self._connect = connect
        self._start = start
        self._life = 0
        self._transport: Transport | None = None
        self.info: SubjectInfo = self._revive()

    @classmethod
    def open(
        cls,
        name: str,
        *,
        device: str = "cpu",
        python: str | None = None,
        in_process: bool = False,
        deadlines: Deadlines | None = None,
    ) -> Self:
        """A subject by its name on the command line.

        Args:
            name: see `registry`. `numpy` always runs in this process.
            device: one of `messages.DEVICES`.
            python: the interpreter in which our host runs; this one where None.
            in_process: run it in this process, without any protection.
            deadlines: how long is waited for answers.

        Raises:
            UnknownSubject: the name names nothing.
            Unavailable: it is not here; `UnsupportedDevice` where it does not run on that device.
            SubjectBroken: it did not start.
        """
        named = parse(name)
        start = messages.Start(name, device, () if named.is_builtin else (os.getcwd(),))  # noqa: PTH109
        if named.kind is Kind.NUMPY or in_process:
            return cls(name, lambda: Direct(open_adapter), start)
        return cls(name, lambda: Piped(named, python, deadlines), start)

    @classmethod
    def in_process(
        cls, factory: Callable[..., Any], name: str = "in-process", dtypes: tuple[str, ...] | None = None
    ) -> Self:
        """A subject from a factory at hand, in this process; see `FactoryAdapter`."""
        return cls(name, lambda: Direct(lambda _: FactoryAdapter(factory, dtypes)), messages.Start(name))

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
            dtype: the format of the parameters; each of their elements, and of the gradients', is one of it.
            layout: how parameters and gradients lie in memory.
            plain: False passes a single group as a dict too.
            defaults: further keyword arguments of the constructor.
            positional: positional arguments after the parameters.
            share: each parameter of the first group is the same array; all are given equal.
            schedule: one of `info.schedulers`, which moves the learning rates on after each step.
        """
        specs = tuple(
            messages.GroupSpec(options, None if params is None else _arrays("parameter", params, dtype))
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
            self._revive()
        shapes = tuple(p.shape for spec in specs for p in spec.params or ())
        answer = self._ask(request, messages.Constructed)
        return Handle(answer.handle, self._life, dtype, shapes, len(specs))

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
            lr: what each group's learning rate is set to before; None in a place leaves that group's alone.
            metric: what the scheduler is told, where it wants to know.

        Returns:
            theta, m and u after the step (None for what cannot be seen), the gradients as the step left them,
            and each group's learning rate that was in force, as it is read back.
        """
        arrays = _arrays("gradient", gradients, handle.dtype)
        request = messages.Step(handle.number, arrays, None if lr is None else tuple(lr), metric)
        result = self._ask(request, StepResult, handle)
        self._check_shapes("gradients", result.gradients, handle)
        self._check_state(result, handle)
        if result.lr is not None and len(result.lr) != handle.groups:
            self._garbled(f"{len(result.lr)} learning rates for {handle.groups} groups")
        return result

    def read(self, handle: Handle) -> Readout:
        """Show the state and the groups."""
        result = self._ask(messages.Read(handle.number), Readout, handle)
        self._check_state(result.state, handle)
        if result.groups is not None and len(result.groups) != handle.groups:
            self._garbled(f"{len(result.groups)} groups where {handle.groups} were made")
        return result

    def save(self, handle: Handle) -> Checkpoint:
        """Keep a checkpoint, by the framework's own means."""
        return Checkpoint(
            self._ask(messages.Save(handle.number), messages.Saved, handle).checkpoint, handle.life
        )

    def load(self, handle: Handle, checkpoint: Checkpoint) -> None:
        """Load a checkpoint into an optimizer made anew from the parameters as they are now."""
        self._check_life(checkpoint.life)
        self._ask(messages.Load(handle.number, checkpoint.number), messages.Done, handle)

    def release(self, handle: Handle) -> None:
        """Forget an optimizer; one that is gone already is none to complain about."""
        if self._transport is not None and handle.life == self._life:
            self._ask(messages.Release(handle.number), messages.Done, handle)

    def groups(self, case: Case) -> list[tuple[dict[str, Any], list[FloatArray]]]:
        """The groups of a case, as `construct` takes them: the arguments that the subject has, and theta."""
        return [(options(g.hyperparameters, self.info), [p.theta for p in g.parameters]) for g in case.groups]

    def takes_zero_betas(self, dtype: str) -> bool:
        """Whether the constructor takes betas of 0, which the page allows."""
        given = options(replace(DEFAULTS, beta1=0.0, beta2=0.0), self.info)
        try:
            handle = self.construct([(given, [np.zeros(1)])], dtype)
        except Rejected:
            return False
        self.release(handle)
        return True

    def observe(self, case: Case, dtype: str) -> list[StepResult]:
        """Run a whole case, of which the subject has all arguments, and return what could be seen after each step."""
        handle = self.construct(
            self.groups(case),
            dtype,
            layout=case.layout,
        )
        results = []
        for t in range(1, case.steps + 1):
            rates = [g.learning_rates and g.learning_rates[t - 1] for g in case.groups]
            scheduled = any(rate is not None for rate in rates)
            results.append(self.step(handle, case.gradients(t), rates if scheduled else None))
        self.release(handle)
        return results

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

    def _revive(self) -> SubjectInfo:
        self._transport = self._connect()
        self._life += 1
        try:
            info = self._ask(self._start, SubjectInfo)
        except BaseException:
            self.close()
            raise
        if info.device != self._start.device:
            self.close()
            raise UnsupportedDevice(f"{self.name} runs on {info.device}, not on {self._start.device}")
        if info.mode and self.name == info.framework:
            # Its mode was left to it: what is found is found of that one.
            self.name = f"{self.name}[{info.mode}]"
        return replace(info, name=self.name)

    def _ask(self, request: messages.Request, kind: type[A], handle: Handle | None = None) -> A:
        if handle is not None:
            self._check_life(handle.life)
        assert self._transport is not None
        try:
            answer = self._transport.ask(request, 0 if handle is None else handle.elements)
        except SubjectBroken:
            self._transport = None
            raise
        assert isinstance(answer, kind)
        return answer

    def _check_life(self, life: int) -> None:
        if self._transport is None or life != self._life:
            raise SubjectDied("the process that held this optimizer is gone")

    def _check_state(self, state: State, handle: Handle) -> None:
        for name, arrays in (("theta", state.theta), ("m", state.m), ("u", state.u)):
            if arrays is not None:
                self._check_shapes(name, arrays, handle)
        for place, array in enumerate(state.theta):
            if (foreign := first_foreign(array, handle.dtype)) is not None:
                self._garbled(f"theta {place} has the element {foreign.hex()}, which is no {handle.dtype}")

    def _check_shapes(self, name: str, arrays: Sequence[FloatArray], handle: Handle) -> None:
        shapes = tuple(a.shape for a in arrays)
        if shapes != handle.shapes:
            self._garbled(f"{name} has shapes {list(shapes)}; the parameters have {list(handle.shapes)}")

    def _garbled(self, what: str) -> None:
        self.close()
        raise SubjectGarbled(what)


def _arrays(what: str, values: Sequence[npt.ArrayLike], dtype: str) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in values)
    for place, array in enumerate(arrays):
        if (foreign := first_foreign(array, dtype)) is not None:
            raise ValueError(f"{what} {place} has the element {foreign.hex()}, which is no {dtype}")
    return arrays
