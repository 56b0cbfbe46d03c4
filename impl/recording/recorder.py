"""The recorder of a training run."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from types import TracebackType
from typing import IO, Any, Final, Literal, Self

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from ..adamax.optimizer import Adamax
from .folder import RecordingFolder, bytes_of, open_folder
from .format import CHUNK, FORMAT, MANIFEST, QUANTITIES, BeforeLocation, chain_digest, checksums, file_name
from .limits import Limits
from .sources.base import ParameterInfo, ParameterState, Source
from .sources.several import SeveralSource
from .step_file import RawTensor, StepFile

_FRAMEWORKS: Final = (
    ("torch", "torch.optim", "Optimizer"),
    ("mindspore", "mindspore.experimental.optim", "Optimizer"),
    ("mindspore", "mindspore.nn", "Optimizer"),
    ("keras", "keras.optimizers", "Optimizer"),
    ("paddle", "paddle.optimizer", "Optimizer"),
)
"""The frameworks whose optimizers can be recorded: package, module and class of the base class."""


def record(
    optimizer: Any,
    directory: str | os.PathLike[str],
    every: int = 1,
    *,
    on_error: Literal["raise", "warn"] = "raise",
    model: Any = None,
    tensors: Sequence[str] = (),
    last: int | None = None,
    most_bytes: int | None = None,
) -> Recorder:
    """Record the steps that an optimizer takes within a `with` block.

    Every recorded step is one safetensors file: the gradient, and theta, m and u before and after it. The file holds
    the state before only if it differs from the one after the previous recorded step. The recorder finishes a file
    and its line of the manifest right after the step, so a run that crashes leaves all its steps but the last.

    The number t of a step is read from the optimizer's own count. A step that changes neither the state nor the count,
    as under a loss scaler that skips it, is listed and has no file.

    Args:
        optimizer: a `torch.optim.Optimizer` with Adamax's options and state; `mindspore.experimental.optim.Adamax`,
            `mindspore.nn.AdaMax`, `keras.optimizers.Adamax` or `paddle.optimizer.Adamax`; or our own. It takes its steps
            outside of functions that are compiled as a whole. Or a list or dict of optimizers that step one after the
            other, as one for each parameter in the backward pass.
        directory: the folder of the recording; it is made if need be, and must be empty. Or an address of fsspec, as in
            `s3://bucket/recording`: the recording is made in a temporary folder, and each whole file is copied there.
        every: the distance of recorded steps; the first of the block is one.
        on_error: what a step does when it cannot be recorded: `raise` the error, or `warn` and go on without recording.
            The optimizer has taken the step in either case.
        model: a `torch.nn.Module` whose `named_parameters` name parameters that have no name in the optimizer.
        tensors: which are recorded: names, numbers or patterns as in `["blocks.1.*", "0"]`; by default all.
        last: how many of the last recorded steps are kept; by default all. The files of earlier ones are removed.
        most_bytes: of the files that are kept; by default any number. The last two files are always kept.

    Returns:
        The recorder, a context manager; its `recorded` counts the steps.

    Raises:
        TypeError: an optimizer that cannot be recorded, or an array of a dtype other than the four.
        ValueError: `every`, `last` or `most_bytes` is not a positive integer, the directory is not empty, or no tensor
            is one of `tensors`.
        OSError: the recording cannot be written, or has no room for one step; the optimizer's step raises it, too.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from adamax_conformance.impl import Adamax
        >>> theta = np.zeros(3)
        >>> optimizer = Adamax([theta])
        >>> with record(optimizer, tempfile.mkdtemp()) as recording:
        ...     optimizer((np.ones(3),))
        >>> recording.recorded
        1
    """
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise ValueError(f"every is {every!r}; it must be an integer of at least 1")
    source = _open_source(optimizer)
    if model is not None and not hasattr(model, "named_parameters"):
        raise TypeError(
            f"model is a {type(model).__name__}; it must have named_parameters, as a torch.nn.Module"
        )
    names = {} if model is None else {id(parameter): name for name, parameter in model.named_parameters()}
    limits = Limits(tensors, last, most_bytes)
    chosen = [
        info
        for place, info in enumerate(source.parameters())
        if limits.has(info.name or names.get(id(info.key), ""), place)
    ]
    if tensors and not chosen:
        raise ValueError(
            f"tensors is {list(tensors)!r}; no parameter of the optimizer has such a name or number"
        )
    return Recorder(source, open_folder(directory, source, on_error, chosen), every, on_error, names, limits)


def _open_source(optimizer: object) -> Source:
    if isinstance(optimizer, dict):
        optimizer = list(optimizer.values())
    if isinstance(optimizer, list | tuple):
        if not optimizer:
            raise TypeError("optimizer is an empty list; it must have at least one optimizer")
        return SeveralSource([_open_source(each) for each in optimizer])
    if isinstance(optimizer, Adamax):
        return import_module(".sources.numpy", __package__).NumPySource(optimizer)  # type: ignore[no-any-return]
    for package, module, base in _FRAMEWORKS:
        # An optimizer of a framework that was not imported cannot have been passed.
        kind = getattr(sys.modules.get(module), base, None)
        if kind is not None and isinstance(optimizer, kind):
            source: Source = import_module(f".sources.{package}", __package__).open_source(optimizer)
            return source
    kind = type(optimizer)
    raise TypeError(
        f"optimizer is of type {kind.__module__}.{kind.__qualname__}; an Adamax of torch, mindspore, keras, paddle or "
        "adamax_conformance.impl can be recorded, and any other optimizer by record_arrays"
    )


_Content = tuple[str, tuple[int, ...], tuple[str, ...]]
"""Dtype, shape and checksums of a tensor."""


@dataclass
class _Known:
    """The state of a parameter at the end of a step, as it was seen.

    Attributes:
        call: the number of the step among the optimizer's.
        number: the recorded step whose file holds the state; 0 for none.
        content: of theta, m and u; None for those that it did not have.
        count: the optimizer's own count; None where it shows none.
    """

    call: int = -1
    number: int = 0
    content: dict[str, _Content | None] = field(default_factory=dict)
    count: int | None = None


@dataclass
class _Watched:
    """A parameter in the step in progress.

    Attributes:
        place: its number in the recording, which it keeps.
        info: as it is at present.
        before: the content of its state before the step.
        count: the optimizer's own count before it.
        changed: what is not as it was at the end of the step before.
        entry: of the step's description, for a parameter that takes part.
    """

    place: int
    info: ParameterInfo
    before: dict[str, _Content | None]
    count: int | None
    changed: list[str]
    entry: dict[str, Any] | None = None


class Recorder:
    """A recording in progress, as a context manager.

    Attributes:
        recorded: the number of steps on disk.
        stopped: why the recorder stopped before the block's end; empty if it did not.
    """

    def __init__(
        self,
        source: Source,
        folder: RecordingFolder,
        every: int,
        on_error: str = "raise",
        names: Mapping[int, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.recorded = 0
        self.stopped = ""
        self._source = source
        self._folder = folder
        self._every = every
        self._on_error = on_error
        self._names = names or {}
        self._limits = limits or Limits()
        # By the turn of the optimizer, where there are several.
        self._calls: Counter[int] = Counter()
        self._is_seen = False
        self._is_open = False
        self._error: Exception | None = None
        self._places: dict[int, int] = {}
        # The parameters themselves: as long as they are held, no other has their identity.
        self._keys: list[Any] = []
        self._known: dict[int, _Known] = {}
        self._counts: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._seen: set[str] = set()
        self._file: StepFile | None = None
        self._begun: int | None = None
        self._step: list[_Watched] = []
        self._options: list[Hyperparameters] = []
        self._finite = True
        self._chain = ""
        self._manifest: IO[bytes] | None = None
        for info in source.parameters():
            self._place_of(info)
        self._detach = source.attach(self._warn_of_no_block, lambda: None)

    def _warn_of_no_block(self) -> None:
        self._detach()
        warnings.warn(
            f"nothing is recorded in {self._folder}: write `with record(optimizer, directory):` around the training",
            stacklevel=4,
        )

    def __enter__(self) -> Self:
        """Watch the optimizer."""
        if self._manifest is not None:
            raise ValueError(f"the recording {self._folder} has been made; make another one by `record`")
        self._detach()
        # Without a buffer: what a full disk does not take is not tried again as the file is closed.
        self._manifest = (self._folder.path / MANIFEST).open("xb", buffering=0)
        self._is_open = True
        self._write_line(
            {
                "kind": "recording",
                "format": FORMAT,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "chunk": CHUNK,
                "every": self._every,
                **{name: value for name, value in vars(self._source.facts).items() if value is not None},
                "python": ".".join(map(str, sys.version_info[:3])),
                "numpy": np.__version__,
            }
        )
        self._detach = self._source.attach(
            lambda: self._guard(self._before_step), lambda: self._guard(self._after_step, last=True)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Write the manifest's end, and warn if nobody has called the recorder."""
        self._detach()
        with ExitStack() as stack:
            assert self._manifest is not None
            stack.callback(self._manifest.close)
            try:
                if self._file is not None:
                    self._file.discard()
                end = {"kind": "end", "steps": self.recorded, "ended": "" if kind is None else kind.__name__}
                self._write_line({**end, "stopped": self.stopped} if self.stopped else end)
            except OSError as error:
                # A recording without its end is what a crash leaves; the block's own exception is not hidden by it.
                if kind is None and self._on_error == "raise":
                    raise
                self._warn(error)
        self._close_folder(is_error_shown=kind is None)
        if kind is None and not self._is_seen:
            warnings.warn(
                f"no step was seen, so the recording {self._folder} has none: a step inside of a compiled function "
                "calls no hooks, and cannot be recorded",
                stacklevel=2,
            )

    def _close_folder(self, *, is_error_shown: bool) -> None:
        """Copy what is left to the recording's address, if it has one."""
        try:
            self._folder.close()
        except OSError as error:
            if is_error_shown and self._on_error == "raise":
                raise
            warnings.warn(f"the recording is not copied: {error}", stacklevel=3)

    def _warn(self, error: Exception) -> None:
        warnings.warn(f"the recording {self._folder} stopped: {_describe(error)}", stacklevel=2)

    def _guard(self, act: Callable[[], None], *, last: bool = False) -> None:
        """Act as long as nothing has gone wrong; raise errors after the step alone."""
        if self._is_open and self._error is None:
            try:
                act()
            except Exception as caught:  # noqa: BLE001 - whatever it is, it is raised or shown below
                self._error = caught
        if not last or self._error is None:
            return
        error, self._error = self._error, None
        self._is_open = False
        self.stopped = _describe(error)
        if self._on_error == "raise":
            raise error
        self._warn(error)

    def _write_line(self, values: Mapping[str, Any]) -> None:
        assert self._manifest is not None
        chain = chain_digest(values, self._chain)
        line = json.dumps({**values, "chain": chain}, separators=(",", ":")).encode() + b"\n"
        start, written = self._manifest.tell(), 0
        try:
            while written < len(line):
                written += self._manifest.write(line[written:])
        except OSError:
            self._manifest.seek(self._manifest.truncate(start))
            raise
        self._chain = chain

    def _before_step(self) -> None:
        """Write the gradients and the state that the next step reads."""
        self._is_seen = True
        turn = self._turn
        if self._begun != turn:
            self._calls[turn] += 1
        if self._file is not None:  # the step before raised, or a closure has made other gradients since
            self._file.discard()
            self._file = None
        self._begun = turn
        if (self._calls[turn] - 1) % self._every:
            return
        infos = [
            replace(info, name=info.name or self._names.get(id(info.key), ""))
            for info in self._source.parameters()
        ]
        # Each has its number by its place among all.
        infos = [info for info in infos if self._limits.has(info.name, self._place_of(info))]
        self._step, self._options, self._finite = [], list(self._source.options()), True
        longest = max((len(info.name) for info in infos), default=0)
        size = sum(map(bytes_of, infos))
        self._file = StepFile(
            self._folder.path / file_name(self.recorded + 1), len(infos) * (7 + longest // 50), 4 * size
        )
        for info in infos:
            self._step.append(self._write_before(info))

    def _write_before(self, info: ParameterInfo) -> _Watched:
        """Write what a parameter's step reads, and find what was changed before it."""
        place, count, state = self._place_of(info), self._source.count(info), self._source.state(info)
        before, changed = _contents(state), []
        known = self._known.get(place, _Known())
        if known.call == self._calls[self._turn] - 1:
            changed = [quantity for quantity in QUANTITIES if before[quantity] != known.content[quantity]]
            changed += ["t"] if count != known.count else []
        watched = _Watched(place, info, before, count, changed)
        gradient = self._source.gradient(info)
        if gradient is not None:
            assert self._file is not None
            self._file.add(f"gradient.{place}", gradient)
            self._finite = self._finite and _is_finite(gradient)
            t = self._number_of_step(watched)
            about = {"place": place, "name": info.name, "group": info.group, "t": t}
            watched.entry = {**about, "before": self._store_before(watched, state, t)}
        return watched

    @property
    def _turn(self) -> int:
        """The index of the optimizer that takes the step in progress."""
        return self._source.turn if isinstance(self._source, SeveralSource) else 0

    def _place_of(self, info: ParameterInfo) -> int:
        if id(info.key) not in self._places:
            self._places[id(info.key)] = len(self._keys)
            self._keys.append(info.key)
        return self._places[id(info.key)]

    def _number_of_step(self, each: _Watched) -> int:
        """The number t of a parameter's step: its count and 1, from 1 at the first step."""
        if each.count is None:
            return self._counts.get(each.place, 0) + 1
        if each.count == 0:
            self._offsets.pop(each.place, None)
        return max(1, each.count - self._offsets.get(each.place, 0) + 1)

    def _count_unseen(self) -> None:
        """Count a step that is not recorded, for an optimizer that shows no count."""
        for info in self._source.parameters():
            if self._source.count(info) is None and self._source.gradient(info) is not None:
                place = self._place_of(info)
                self._counts[place] = self._counts.get(place, 0) + 1

    def _store_before(self, each: _Watched, state: ParameterState, t: int) -> dict[str, str]:
        """Store the parts of a state that are not on disk; return the locations."""
        where = {}
        known = self._known.get(each.place, _Known())
        for quantity, raw in zip(QUANTITIES, state, strict=True):
            content = each.before[quantity]
            if raw is None or content is None or (quantity != "theta" and t == 1 and _is_zero(raw)):
                where[quantity] = BeforeLocation.ZERO.value
            elif known.number == self.recorded > 0 and known.content[quantity] == content:
                where[quantity] = BeforeLocation.PREVIOUS.value
            else:
                where[quantity] = BeforeLocation.OWN.value
                assert self._file is not None
                self._file.add(f"before.{quantity}.{each.place}", raw, list(content[2]))
        return where

    def _after_step(self) -> None:
        """Write the state that the step left, and the step's line of the manifest."""
        file, self._begun = self._file, None
        if file is None:
            self._count_unseen()
            return
        states = [self._source.state(each.info) for each in self._step]
        contents = [_contents(state) for state in states]
        counts = [self._source.count(each.info) for each in self._step]
        if self._is_skipped(contents, counts):
            file.discard()
            self._file = None
            self._calls[self._turn] -= 1
            self._write_line({"kind": "skipped", "after": self.recorded, "finite": self._finite})
            return
        self._require_state(states)
        entries, idle = [], []
        for each, state, content, count in zip(self._step, states, contents, counts, strict=True):
            if each.entry is None:
                moved = [quantity for quantity in QUANTITIES if content[quantity] != each.before[quantity]]
                if moved or each.changed:
                    about = {"place": each.place, "name": each.info.name}
                    idle.append({**about, "changed": each.changed, "moved": moved})
            else:
                entries.append(self._finish_entry(each, count, is_rounded=self._source.is_rounded(each.info)))
                for quantity, raw in zip(QUANTITIES, state, strict=True):
                    known = content[quantity]
                    file.add(
                        f"{quantity}.{each.place}",
                        _zeros_like(state[0]) if raw is None else raw,
                        None if known is None else list(known[2]),
                    )
        description = {
            "number": self.recorded + 1,
            "groups": [_encode_options(own) for own in self._options],
            "parameters": entries,
            "without gradient": {"count": len(self._step) - len(entries), "notable": idle},
            "checksums": file.checksums,
        }
        size, digest = file.finish(description)
        self._file = None
        line = {
            "kind": "step",
            "number": self.recorded + 1,
            "file": file.path.name,
            "bytes": size,
            "header": digest,
        }
        try:
            self._write_line(line)
        except OSError:
            file.path.unlink()  # a recording has the steps that its manifest lists
            raise
        self.recorded += 1
        for each, content, count in zip(self._step, contents, counts, strict=True):
            number = 0 if each.entry is None else self.recorded
            self._known[each.place] = _Known(self._calls[self._turn], number, content, count)
        dropped = list(self._limits.add(self.recorded, size))
        for number in dropped:
            self._write_line({"kind": "dropped", "number": number})
            (self._folder.path / file_name(number)).unlink()
        self._copy(file.path.name, [file_name(number) for number in dropped])

    def _copy(self, step: str, dropped: Sequence[str]) -> None:
        """Copy a whole step to the recording's address, if it has one."""
        try:
            self._folder.copy(step, dropped)
        except OSError as error:
            if self._on_error == "raise":
                raise
            # The recording itself goes on.
            warnings.warn(f"the recording is not copied: {error}", stacklevel=2)

    def _require_state(self, states: Sequence[ParameterState]) -> None:
        """Require that m and u of some parameter are seen, or were seen before."""
        taking_part = [k for k, each in enumerate(self._step) if each.entry is not None]
        for index, quantity in enumerate(QUANTITIES):
            if any(states[k][index] is not None for k in taking_part):
                self._seen.add(quantity)
            elif taking_part and quantity not in self._seen:
                place = self._step[taking_part[0]].place
                raise TypeError(
                    f"{quantity} of parameter {place} cannot be seen after a step; Adamax has one"
                )

    def _finish_entry(self, each: _Watched, count: int | None, *, is_rounded: bool | None) -> dict[str, Any]:
        """A parameter's part of the description of a step that it took."""
        assert each.entry is not None
        self._counts[each.place] = each.entry["t"]
        more: dict[str, Any] = {}
        if each.count is not None and count is not None:
            more["count"] = [each.count, count]
            if each.count == 0 and count > 0:
                self._offsets[each.place] = count - 1
        if each.changed:
            more["changed"] = each.changed
        if is_rounded is not None:
            more["rounded"] = is_rounded
        return {**each.entry, **more}

    def _is_skipped(
        self, contents: Sequence[Mapping[str, _Content | None]], counts: Sequence[int | None]
    ) -> bool:
        """Whether the step has done nothing: neither the state nor the count is another.

        Without a count, a step is skipped only if its gradients give a reason.
        """
        taking_part = [k for k, each in enumerate(self._step) if each.entry is not None]
        if not taking_part or any(contents[k] != each.before for k, each in enumerate(self._step)):
            return False
        known = [self._step[k].count is not None and counts[k] is not None for k in taking_part]
        if all(known):
            return all(self._step[k].count == counts[k] for k in taking_part)
        return not self._finite


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _contents(state: ParameterState) -> dict[str, _Content | None]:
    """The content of theta, m and u of a parameter."""
    return {
        quantity: None if raw is None else (raw.dtype, raw.shape, tuple(checksums(raw.data)))
        for quantity, raw in zip(QUANTITIES, state, strict=True)
    }


def _zeros_like(raw: RawTensor) -> RawTensor:
    return RawTensor(raw.dtype, raw.shape, np.zeros_like(raw.data))


def _is_finite(raw: RawTensor) -> bool:
    if raw.dtype == "bfloat16":
        return bool(((raw.data & 0x7F80) != 0x7F80).all())  # the bits of its exponent
    return bool(np.isfinite(raw.data).all())


def _is_zero(raw: RawTensor) -> bool:
    return not raw.data.view(np.uint8).any()


def _encode_options(own: Hyperparameters) -> dict[str, Any]:
    """Encode hyperparameters as JSON, every number as a hexadecimal string."""
    numbers = {name: float(value).hex() for name, value in vars(own).items() if name != "maximize"}
    return {**numbers, "maximize": bool(own.maximize)}
