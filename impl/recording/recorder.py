"""How is a training run recorded: which steps, and what of them?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from ..adamax.optimizer import Adamax
from .format import CHUNK, FORMAT, MANIFEST, STATE, Before, chained, checksums, file_name
from .sources.base import Source, State
from .step_file import Raw, StepFile

_FRAMEWORKS: Final = (
    ("torch", "torch.optim", "Optimizer"),
    ("mindspore", "mindspore.experimental.optim", "Optimizer"),
)
"""A framework whose optimizers can be recorded: its package, and where its base class is."""


@contextmanager
def record(optimizer: Any, directory: str | os.PathLike[str], every: int = 1) -> Iterator[Recorder]:  # noqa: ANN401
    """Record the steps that an optimizer takes within the block.

    Every recorded step is one safetensors file: the gradient, and theta, m and u before and after it, where the
    state before is stored only if it is not the one after the recorded step before. A file and its line of the
    manifest are written when its step has been taken, so that a run that crashes leaves all its steps but the last.

    Args:
        optimizer: a `torch.optim.Optimizer` with Adamax's options and state, a
            `mindspore.experimental.optim.Adamax` that is not inside a compiled function, or our own.
        directory: where to; it is made, and must be empty.
        every: which steps are recorded: the first of the block, and every so many after it.

    Yields:
        The recorder, whose `recorded` says how many steps there are.

    Raises:
        TypeError: an optimizer that cannot be recorded, or an array of another dtype than the four.
        ValueError: `every` is not a positive integer, or the directory is not empty.
        OSError: the recording cannot be written; raised by the optimizer's step, too.

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
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if there := next(folder.iterdir(), None):
        raise ValueError(f"the directory {folder} holds {there.name}; it must be empty")
    recorder = Recorder(_source(optimizer), folder, every)
    detach = recorder.begin()
    ended = "Error"
    try:
        yield recorder
        ended = ""
    except BaseException as error:
        ended = type(error).__name__
        raise
    finally:
        detach()
        recorder.end(ended)


def _source(optimizer: object) -> Source:
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
        f"optimizer is of type {kind.__module__}.{kind.__qualname__}; a torch.optim.Optimizer, a "
        "mindspore.experimental.optim.Adamax and an adamax_conformance.impl.Adamax can be recorded"
    )


class Recorder:
    """A recording that is being made.

    Attributes:
        recorded: how many steps are on disk.
    """

    def __init__(self, source: Source, folder: Path, every: int) -> None:
        self.recorded = 0
        self._source = source
        self._folder = folder
        self._every = every
        self._seen = 0
        self._counts = list(source.steps_taken())
        self._file: StepFile | None = None
        self._description: dict[str, Any] = {}
        # The checksums of the state after the recorded step before, by tensor: what a state is compared with.
        self._last: dict[str, tuple[str, tuple[int, ...], list[str]]] = {}
        self._chain = ""
        self._manifest: IO[bytes] = (folder / MANIFEST).open("xb")
        self._line(
            {
                "kind": "recording",
                "format": FORMAT,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "chunk": CHUNK,
                "every": every,
                **vars(source.facts),
                "python": ".".join(map(str, sys.version_info[:3])),
                "numpy": np.__version__,
            }
        )

    def begin(self) -> Callable[[], None]:
        """Watch the optimizer; returns what ends that."""
        return self._source.attach(self._before, self._after)

    def end(self, ended: str) -> None:
        """Write the manifest's end.

        Args:
            ended: the exception that ended the block; empty where none did.
        """
        if self._file is not None:
            self._file.abandon()
        self._line({"kind": "end", "steps": self.recorded, "ended": ended})
        self._manifest.close()

    def _line(self, values: Mapping[str, Any]) -> None:
        self._chain = chained(values, self._chain)
        line = json.dumps({**values, "chain": self._chain}, separators=(",", ":"))
        self._manifest.write(line.encode() + b"\n")
        self._manifest.flush()

    def _before(self) -> None:
        """A step is about to be taken: what it reads goes to disk."""
        if self._file is not None:  # the step before raised
            self._file.abandon()
            self._file = None
        gradients = self._source.gradients()
        places = self._source.places()
        self._counts += [0] * (len(places) - len(self._counts))
        taking_part = [n for n, gradient in enumerate(gradients) if gradient is not None]
        for n in taking_part:
            self._counts[n] += 1
        self._seen += 1
        if (self._seen - 1) % self._every:
            return
        sizes = sum(g.data.size for g in gradients if g is not None)
        longest = max((len(place.name) for place in places), default=0)
        number = self.recorded + 1
        self._file = StepFile(
            self._folder / file_name(number), len(taking_part) * (7 + longest // 50), 7 * sizes
        )
        described = []
        for n in taking_part:
            gradient = gradients[n]
            assert gradient is not None
            self._file.add(f"gradient.{n}", gradient)
            described.append(
                {
                    "place": n,
                    "name": places[n].name,
                    "group": places[n].group,
                    "t": self._counts[n],
                    "before": self._store_before(n, self._source.state(n)),
                }
            )
        self._description = {
            "number": number,
            "groups": [_options(own) for own in self._source.options()],
            "parameters": described,
        }

    def _store_before(self, n: int, state: State) -> dict[str, str]:
        """Store what of a state is not on disk yet, and say where each of theta, m and u is."""
        where = {}
        for quantity, raw in zip(STATE, state, strict=True):
            name = f"{quantity}.{n}"
            if raw is None or (quantity != "theta" and self._counts[n] == 1 and _is_zero(raw)):
                where[quantity] = Before.ZERO.value
                continue
            sums = checksums(raw.data)
            if self._last.get(name) == (raw.dtype, raw.shape, sums):
                where[quantity] = Before.PREVIOUS.value
                continue
            where[quantity] = Before.OWN.value
            assert self._file is not None
            self._file.add(f"before.{name}", raw, sums)
        return where

    def _after(self) -> None:
        """A step has been taken: what it wrote goes to disk, and the step is on record."""
        file = self._file
        if file is None:
            return
        last = {}
        for described in self._description["parameters"]:
            n = described["place"]
            for quantity, raw in zip(STATE, self._source.state(n), strict=True):
                if raw is None:
                    raise TypeError(
                        f"{quantity} of parameter {n} cannot be seen after a step; Adamax has one"
                    )
                name = f"{quantity}.{n}"
                file.add(name, raw)
                last[name] = (raw.dtype, raw.shape, file.checksums[name])
        size, digest = file.finish({**self._description, "checksums": file.checksums})
        self._file = None
        self._last = last
        self.recorded += 1
        self._line(
            {"kind": "step", "number": self.recorded, "file": file.path.name, "bytes": size, "header": digest}
        )


def _is_zero(raw: Raw) -> bool:
    return not raw.data.view(np.uint8).any()


def _options(own: Hyperparameters) -> dict[str, Any]:
    """Hyperparameters as JSON, every number as a hexadecimal string, so that nothing is lost."""
    numbers = {name: float(value).hex() for name, value in vars(own).items() if name != "maximize"}
    return {**numbers, "maximize": bool(own.maximize)}
