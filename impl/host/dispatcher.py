"""The answers to requests about one subject, without input and output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ..adapters.base import Adapter
from ..protocol import messages
from ..protocol.errors import (
    RejectedError,
    RequestRefusedError,
    SkippedError,
    SubjectError,
    UnsupportedDtypeError,
)
from .framework import FrameworkPerformer


@dataclass
class _LiveOptimizer:
    """An optimizer in use, with its parameters, its request and its scheduler."""

    optimizer: Any
    params: Sequence[Any]
    request: messages.Construct
    scheduler: Any = None


@contextmanager
def _attribute_errors() -> Iterator[None]:
    """Report an exception, SystemExit included, as the subject's.

    A `SubjectError` is the adapter's own and passes.
    """
    try:
        yield
    except (KeyboardInterrupt, SubjectError):
        raise
    except BaseException as error:
        raise RejectedError.from_exception(error) from error


def _stacked(
    values: Sequence[tuple[messages.FloatArray, ...] | None],
) -> tuple[messages.FloatArray, ...] | None:
    """Stack the arrays of each step, array by array; None where they cannot be seen.

    Raises:
        SkippedError: they are seen after some steps only.
    """
    seen = [value for value in values if value is not None]
    if not seen:
        return None
    if len(seen) != len(values):
        raise SkippedError("its state is shown after some steps only")
    return tuple(np.stack(arrays) for arrays in zip(*seen, strict=True))


class Dispatcher:
    """Answers requests about one subject.

    Args:
        open_adapter: the function that opens the adapter of a `start`.
    """

    def __init__(self, open_adapter: Callable[[messages.Start], Adapter]) -> None:
        self._open_adapter = open_adapter
        self._adapter: Adapter | None = None
        self._info: messages.SubjectInfo | None = None
        self._live: dict[int, _LiveOptimizer] = {}
        self._checkpoints: dict[int, Any] = {}
        self._numbers = count(1)

    def answer(self, request: messages.Request) -> messages.Answer:
        """The answer to a request.

        Raises:
            SubjectError: the answer is not a result.
        """
        match request:
            case messages.Start():
                answer: messages.Answer = self._start(request)
            case messages.Construct():
                answer = self._construct(request)
            case messages.Step():
                answer = self._step(request)
            case messages.Run():
                answer = self._run(request)
            case messages.Read():
                answer = self._read(request)
            case messages.Save():
                answer = self._save(request)
            case messages.Load():
                answer = self._load(request)
            case messages.Live():
                answer = self._live_through(request)
            case messages.Release() | messages.Stop():
                answer = self._forget(request)
        return answer

    def _start(self, request: messages.Start) -> messages.SubjectInfo:
        self._adapter = self._open_adapter(request)
        described = self._adapter.describe()
        self._info = replace(
            described,
            name=request.subject,
            has={**described.has, "lives": True, "runs": True, "features": self._adapter.has_features},
            language="Python",
            encodings=tuple(messages.Encoding),
        )
        return self._info

    @property
    def _opened(self) -> tuple[Adapter, messages.SubjectInfo]:
        if self._adapter is None or self._info is None:
            raise RequestRefusedError("the first request must be start")
        return self._adapter, self._info

    def _find(self, handle: int) -> _LiveOptimizer:
        if handle not in self._live:
            raise RequestRefusedError(f"handle {handle} is unknown")
        return self._live[handle]

    def _construct(self, request: messages.Construct) -> messages.Constructed:
        handle = next(self._numbers)
        self._live[handle] = self._make(request)
        return messages.Constructed(handle)

    def _make(self, request: messages.Construct) -> _LiveOptimizer:
        adapter, info = self._opened
        if request.dtype not in info.dtypes:
            reason = adapter.refusals.get(request.dtype, f"known are {', '.join(info.dtypes)}")
            raise UnsupportedDtypeError(f"{info.name} has no {request.dtype}: {reason}")
        if request.layout not in info.layouts:
            raise SkippedError(adapter.explain_layout(request.layout))
        if request.plain and (len(request.groups) != 1 or request.groups[0].options):
            raise RequestRefusedError("a plain list has one group, without options")
        index = count()
        by_group = [
            None
            if group.params is None
            else [adapter.make_parameter(p, request.dtype, request.layout, next(index)) for p in group.params]
            for group in request.groups
        ]
        if request.share and by_group and by_group[0]:
            by_group[0] = by_group[0][:1] * len(by_group[0])
        parameters = [parameter for params in by_group for parameter in params or ()]
        if request.plain:
            argument: list[Any] = list(parameters)
        else:
            argument = [
                {name: adapter.to_argument(x) for name, x in group.options.items()}
                | ({} if params is None else {"params": list(params)})
                for group, params in zip(request.groups, by_group, strict=True)
            ]
        positional = [adapter.to_argument(x) for x in request.positional]
        keywords = {name: adapter.to_argument(x) for name, x in request.defaults.items()}
        try:
            with _attribute_errors():
                live = _LiveOptimizer(
                    adapter.make_optimizer(argument, positional, keywords), parameters, request
                )
        except RejectedError as error:
            initial = [p for group in request.groups for p in group.params or ()]
            error.changed = any(
                not np.array_equal(adapter.to_numpy(now), then, equal_nan=True)
                for now, then in zip(parameters, initial, strict=True)
            )
            raise
        if request.schedule is not None:
            with _attribute_errors():
                live.scheduler = adapter.make_scheduler(live.optimizer, request.schedule)
        return live

    def _step(self, request: messages.Step) -> messages.StepResult:
        adapter, _ = self._opened
        live = self._find(request.handle)
        if [g.shape for g in request.gradients] != [
            p.shape for g in live.request.groups for p in g.params or ()
        ]:
            raise RequestRefusedError("want one gradient of its shape for each parameter")
        dtype, layout = live.request.dtype, live.request.layout
        gradients = [adapter.make_gradient(g, dtype, layout) for g in request.gradients]
        with _attribute_errors():
            for group, lr in enumerate(request.lr or ()):
                if lr is not None:
                    adapter.set_lr(live.optimizer, group, lr)
            adapter.step(live.optimizer, live.params, gradients)
            used = tuple(adapter.to_numpy(g) for g in gradients)
            result = messages.StepResult(self._read_state(live), used, self._read_lr(live))
            if live.scheduler is not None:
                live.scheduler.step(*([] if request.metric is None else [request.metric]))
        return result

    def _run(self, request: messages.Run) -> messages.RunResult:
        steps = {gradient.shape[:1] for gradient in request.gradients}
        if len(steps) != 1 or not all(map(all, steps)):
            raise RequestRefusedError("want gradients of as many steps for each parameter")
        ((taken,),) = steps
        rates = request.lr or (None,) * taken
        if len(rates) != taken:
            raise RequestRefusedError("want as many learning rates as steps")
        results = [
            self._step(messages.Step(request.handle, tuple(g[t, ...] for g in request.gradients), lr))
            for t, lr in enumerate(rates)
        ]
        theta, m, u, gradients = (
            _stacked([getattr(result, name) for result in results])
            for name in ("theta", "m", "u", "gradients")
        )
        assert theta is not None
        assert gradients is not None
        shown = _stacked([None if result.lr is None else (np.array(result.lr),) for result in results])
        lr = None if shown is None else shown[0]
        return messages.RunResult(messages.State(theta, m, u), gradients, lr)

    def _read_state(self, live: _LiveOptimizer) -> messages.State:
        adapter, _ = self._opened
        m, u = (
            None if arrays is None else tuple(adapter.to_numpy(a) for a in arrays)
            for arrays in adapter.moments(live.optimizer, live.params)
        )
        return messages.State(tuple(adapter.to_numpy(p) for p in live.params), m, u)

    def _read_lr(self, live: _LiveOptimizer) -> tuple[float, ...] | None:
        adapter, _ = self._opened
        groups = adapter.groups(live.optimizer)
        if groups is None:
            return None
        try:
            return tuple(float(adapter.to_plain(group["lr"])) for group in groups)
        except (KeyError, TypeError, ValueError):
            return None

    def _read(self, request: messages.Read) -> messages.Readout:
        adapter, _ = self._opened
        live = self._find(request.handle)
        with _attribute_errors():
            groups = adapter.groups(live.optimizer)
            shown = None
            if groups is not None:
                shown = tuple(
                    {str(name): adapter.to_plain(x) for name, x in group.items() if name != "params"}
                    for group in groups
                )
            return messages.Readout(self._read_state(live), shown)

    def _save(self, request: messages.Save) -> messages.Saved:
        adapter, _ = self._opened
        live = self._find(request.handle)
        with _attribute_errors():
            checkpoint = adapter.save(live.optimizer)
        number = next(self._numbers)
        self._checkpoints[number] = checkpoint
        return messages.Saved(number)

    def _load(self, request: messages.Load) -> messages.Done:
        adapter, _ = self._opened
        live = self._find(request.handle)
        if live.scheduler is not None:
            raise SkippedError("a checkpoint of an optimizer does not hold its scheduler")
        if request.checkpoint not in self._checkpoints:
            raise RequestRefusedError(f"checkpoint {request.checkpoint} is unknown")
        theta = iter([adapter.to_numpy(p) for p in live.params])
        groups = tuple(
            group if group.params is None else replace(group, params=tuple(next(theta) for _ in group.params))
            for group in live.request.groups
        )
        renewed = self._make(replace(live.request, groups=groups))
        with _attribute_errors():
            adapter.load(renewed.optimizer, self._checkpoints[request.checkpoint])
        self._live[request.handle] = renewed
        return messages.Done()

    def _forget(self, request: messages.Release | messages.Stop) -> messages.Done:
        if isinstance(request, messages.Release):
            self._find(request.handle)
            del self._live[request.handle]
        else:
            self._live.clear()
            self._checkpoints.clear()
        return messages.Done()

    def _live_through(self, request: messages.Live) -> messages.Lived:
        adapter, info = self._opened
        return messages.Lived(FrameworkPerformer(adapter, info).perform(request.life))
