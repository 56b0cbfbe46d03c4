"""What does a subject answer? Requests in, answers out, with an adapter in between; no input or output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ..adapters.base import Adapter
from ..protocol import messages
from ..protocol.errors import Rejected, RequestRefused, Skipped, SubjectError, UnsupportedDtype


@dataclass
class _Live:
    """An optimizer that is in use, and what moves its learning rates on."""

    optimizer: Any
    params: Sequence[Any]
    request: messages.Construct
    scheduler: Any = None


@contextmanager
def _subject_speaks() -> Iterator[None]:
    """What is raised within is the subject's, SystemExit included, unless an adapter refuses."""
    try:
        yield
    except (KeyboardInterrupt, SubjectError):
        raise
    except BaseException as error:
        raise Rejected.from_exception(error) from error


class Dispatcher:
    """Answers requests about one subject.

    Args:
        open_adapter: the adapter for what `start` asks for.
    """

    def __init__(self, open_adapter: Callable[[messages.Start], Adapter]) -> None:
        self._open_adapter = open_adapter
        self._adapter: Adapter | None = None
        self._info: messages.SubjectInfo | None = None
        self._live: dict[int, _Live] = {}
        self._checkpoints: dict[int, Any] = {}
        self._numbers = count(1)

    def answer(self, request: messages.Request) -> messages.Answer:
        """The answer to a request.

        Raises:
            SubjectError: there is an answer, and it is no result.
        """
        match request:
            case messages.Start():
                answer: messages.Answer = self._start(request)
            case messages.Construct():
                answer = self._construct(request)
            case messages.Step():
                answer = self._step(request)
            case messages.Read():
                answer = self._read(request)
            case messages.Save():
                answer = self._save(request)
            case messages.Load():
                answer = self._load(request)
            case messages.Release():
                self._find(request.handle)
                del self._live[request.handle]
                answer = messages.Done()
            case messages.Stop():
                self._live.clear()
                self._checkpoints.clear()
                answer = messages.Done()
        return answer

    def _start(self, request: messages.Start) -> messages.SubjectInfo:
        if request.protocol != messages.PROTOCOL_VERSION:
            raise RequestRefused(
                f"protocol {request.protocol} is unknown; known is {messages.PROTOCOL_VERSION}"
            )
        self._adapter = self._open_adapter(request)
        self._info = replace(self._adapter.describe(), name=request.subject)
        return self._info

    @property
    def _open(self) -> tuple[Adapter, messages.SubjectInfo]:
        if self._adapter is None or self._info is None:
            raise RequestRefused("the first request is start")
        return self._adapter, self._info

    def _find(self, handle: int) -> _Live:
        if handle not in self._live:
            raise RequestRefused(f"handle {handle} is unknown")
        return self._live[handle]

    def _construct(self, request: messages.Construct) -> messages.Constructed:
        handle = next(self._numbers)
        self._live[handle] = self._make(request)
        return messages.Constructed(handle)

    def _make(self, request: messages.Construct) -> _Live:
        adapter, info = self._open
        if request.dtype not in info.dtypes:
            words = adapter.refusals.get(request.dtype, f"known are {', '.join(info.dtypes)}")
            raise UnsupportedDtype(f"{info.name} has no {request.dtype}: {words}")
        if request.layout not in info.layouts:
            raise Skipped(adapter.words_about(request.layout))
        if request.plain and (len(request.groups) != 1 or request.groups[0].options):
            raise RequestRefused("a plain list has one group, without options")
        place = count()
        by_group = [
            None
            if group.params is None
            else [adapter.parameter(p, request.dtype, request.layout, next(place)) for p in group.params]
            for group in request.groups
        ]
        if request.share and by_group and by_group[0]:
            by_group[0] = by_group[0][:1] * len(by_group[0])
        native = [parameter for params in by_group for parameter in params or ()]
        if request.plain:
            argument: list[Any] = list(native)
        else:
            argument = [
                {name: adapter.argument(x) for name, x in group.options.items()}
                | ({} if params is None else {"params": list(params)})
                for group, params in zip(request.groups, by_group, strict=True)
            ]
        positional = [adapter.argument(x) for x in request.positional]
        keywords = {name: adapter.argument(x) for name, x in request.defaults.items()}
        try:
            with _subject_speaks():
                live = _Live(adapter.make(argument, positional, keywords), native, request)
        except Rejected as error:
            given = [p for group in request.groups for p in group.params or ()]
            error.changed = any(
                not np.array_equal(adapter.to_numpy(now), then, equal_nan=True)
                for now, then in zip(native, given, strict=True)
            )
            raise
        if request.schedule is not None:
            with _subject_speaks():
                live.scheduler = adapter.scheduler(live.optimizer, request.schedule)
        return live

    def _step(self, request: messages.Step) -> messages.StepResult:
        adapter, _ = self._open
        live = self._find(request.handle)
        if [g.shape for g in request.gradients] != [
            p.shape for g in live.request.groups for p in g.params or ()
        ]:
            raise RequestRefused("want one gradient of its shape for each parameter")
        dtype, layout = live.request.dtype, live.request.layout
        gradients = [adapter.gradient(g, dtype, layout) for g in request.gradients]
        with _subject_speaks():
            for group, lr in enumerate(request.lr or ()):
                if lr is not None:
                    adapter.set_lr(live.optimizer, group, lr)
            adapter.step(live.optimizer, live.params, gradients)
            left = tuple(adapter.to_numpy(g) for g in gradients)
            state = self._state(live)
            result = messages.StepResult(state.theta, state.m, state.u, left, self._lr(live))
            if live.scheduler is not None:
                live.scheduler.step(*([] if request.metric is None else [request.metric]))
        return result

    def _state(self, live: _Live) -> messages.State:
        adapter, _ = self._open
        m, u = (
            None if arrays is None else tuple(adapter.to_numpy(a) for a in arrays)
            for arrays in adapter.moments(live.optimizer, live.params)
        )
        return messages.State(tuple(adapter.to_numpy(p) for p in live.params), m, u)

    def _lr(self, live: _Live) -> tuple[float, ...] | None:
        adapter, _ = self._open
        groups = adapter.groups(live.optimizer)
        if groups is None:
            return None
        try:
            return tuple(float(adapter.plain(group["lr"])) for group in groups)
        except (KeyError, TypeError, ValueError):
            return None

    def _read(self, request: messages.Read) -> messages.Readout:
        adapter, _ = self._open
        live = self._find(request.handle)
        with _subject_speaks():
            groups = adapter.groups(live.optimizer)
            shown = None
            if groups is not None:
                shown = tuple(
                    {str(name): adapter.plain(x) for name, x in group.items() if name != "params"}
                    for group in groups
                )
            return messages.Readout(self._state(live), shown)

    def _save(self, request: messages.Save) -> messages.Saved:
        adapter, _ = self._open
        live = self._find(request.handle)
        with _subject_speaks():
            checkpoint = adapter.save(live.optimizer)
        number = next(self._numbers)
        self._checkpoints[number] = checkpoint
        return messages.Saved(number)

    def _load(self, request: messages.Load) -> messages.Done:
        adapter, _ = self._open
        live = self._find(request.handle)
        if live.scheduler is not None:
            raise Skipped("a checkpoint of an optimizer does not hold its scheduler")
        if request.checkpoint not in self._checkpoints:
            raise RequestRefused(f"checkpoint {request.checkpoint} is unknown")
        theta = iter([adapter.to_numpy(p) for p in live.params])
        groups = tuple(
            group if group.params is None else replace(group, params=tuple(next(theta) for _ in group.params))
            for group in live.request.groups
        )
        renewed = self._make(replace(live.request, groups=groups))
        with _subject_speaks():
            adapter.load(renewed.optimizer, self._checkpoints[request.checkpoint])
        self._live[request.handle] = renewed
        return messages.Done()
