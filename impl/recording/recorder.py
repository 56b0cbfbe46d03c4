"""The recorder of a training run."""

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
from .format import CHUNK, FORMAT, MANIFEST, QUANTITIES, BeforeLocation, chain_digest, checksums, file_name
from .sources.base import ParameterState, Source
from .step_file import RawTensor, StepFile

_FRAMEWORKS: Final = (
    ("torch", "torch.optim", "Optimizer"),
    ("mindspore", "mindspore.experimental.optim", "Optimizer"),
)
"""The frameworks whose optimizers can be recorded: package, module and class of the base class."""


@contextmanager
def record(optimizer: Any, directory: str | os.PathLike[str], every: int = 1) -> Iterator[Recorder]:
    """Record the steps that an optimizer takes within the block.

    Every recorded step is one safetensors file: the gradient, and theta, m and u before and after it. The file holds
    the state before only if it differs from the one after the previous recorded step. The recorder finishes a file
    and its line of the manifest right after the step, so a run that crashes leaves all its steps but the last.

    Args:
        optimizer: a `torch.optim.Optimizer` with Adamax's options and state, a
            `mindspore.experimental.optim.Adamax` that is not inside a compiled function, or our own.
        directory: the folder of the recording; it is made if need be, and must be empty.
        every: the distance of recorded steps; the first of the block is one.

    Yields:
        The recorder, whose `recorded` counts the steps.

    Raises:
        TypeError: an optimizer that cannot be recorded, or an array of a dtype other than the four.
        ValueError: `every` is not a positive integer, or the directory is not empty.
        OSError: the recording cannot be written; the optimizer's step raises it, too.

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
    if found := next(folder.iterdir(), None):
        raise ValueError(f"the directory {folder} holds {found.name}; it must be empty")
    recorder = Recorder(_open_source(optimizer), folder, every)
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


def _open_source(optimizer: object) -> Source:
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
    """A recording in progress.

    Attributes:
        recorded: the number of steps on disk.
    """

    def __init__(self, source: Source, folder: Path, every: int) -> None:
        self.recorded = 0
        self._source = source
        self._folder = folder
        self._every = every
        self._steps = 0
        self._counts = list(source.steps_taken())
        self._file: StepFile | None = None
        self._description: dict[str, Any] = {}
        # For each tensor dtype, shape and checksums after the previous recorded step, to compare a state with.
        self._last: dict[str, tuple[str, tuple[int, ...], list[str]]] = {}
        self._chain = ""
        self._manifest: IO[bytes] = (folder / MANIFEST).open("xb")
        self._write_line(
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
        """Watch the optimizer, and return a function that ends it."""
        return self._source.attach(self._before_step, self._after_step)

    def end(self, ended: str) -> None:
        """Write the manifest's end.

        Args:
            ended: the name of the exception that ended the block; empty if none did.
        """
        if self._file is not None:
            self._file.discard()
        self._write_line({"kind": "end", "steps": self.recorded, "ended": ended})
        self._manifest.close()

    def _write_line(self, values: Mapping[str, Any]) -> None:
        self._chain = chain_digest(values, self._chain)
        line = json.dumps({**values, "chain": self._chain}, separators=(",", ":"))
        self._manifest.write(line.encode() + b"\n")
        self._manifest.flush()

    def _before_step(self) -> None:
        """Write the gradients and the state that the next step reads."""
        if self._file is not None:  # the step before raised
            self._file.discard()
            self._file = None
        gradients = self._source.gradients()
        parameters = self._source.parameters()
        self._counts += [0] * (len(parameters) - len(self._counts))
        taking_part = [n for n, gradient in enumerate(gradients) if gradient is not None]
        for n in taking_part:
            self._counts[n] += 1
        self._steps += 1
        if (self._steps - 1) % self._every:
            return
        sizes = sum(g.data.size for g in gradients if g is not None)
        longest = max((len(parameter.name) for parameter in parameters), default=0)
        number = self.recorded + 1
        self._file = StepFile(
            self._folder / file_name(number), len(taking_part) * (7 + longest // 50), 7 * sizes
        )
        descriptions = []
        for n in taking_part:
            gradient = gradients[n]
            assert gradient is not None
            self._file.add(f"gradient.{n}", gradient)
            descriptions.append(
                {
                    "place": n,
                    "name": parameters[n].name,
                    "group": parameters[n].group,
                    "t": self._counts[n],
                    "before": self._store_before(n, self._source.state(n)),
                }
            )
        self._description = {
            "number": number,
            "groups": [_encode_options(own) for own in self._source.options()],
            "parameters": descriptions,
        }

    def _store_before(self, n: int, state: ParameterState) -> dict[str, str]:
        """Store the parts of a state that are not on disk; return the locations."""
        where = {}
        for quantity, raw in zip(QUANTITIES, state, strict=True):
            name = f"{quantity}.{n}"
            if raw is None or (quantity != "theta" and self._counts[n] == 1 and _is_zero(raw)):
                where[quantity] = BeforeLocation.ZERO.value
                continue
            sums = checksums(raw.data)
            if self._last.get(name) == (raw.dtype, raw.shape, sums):
                where[quantity] = BeforeLocation.PREVIOUS.value
                continue
            where[quantity] = BeforeLocation.OWN.value
            assert self._file is not None
            self._file.add(f"before.{name}", raw, sums)
        return where

    def _after_step(self) -> None:
        """Write the state that the step left, and the step's line of the manifest."""
        file = self._file
        if file is None:
            return
        last = {}
        for described in self._description["parameters"]:
            n = described["place"]
            for quantity, raw in zip(QUANTITIES, self._source.state(n), strict=True):
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
        self._write_line(
            {"kind": "step", "number": self.recorded, "file": file.path.name, "bytes": size, "header": digest}
        )


def _is_zero(raw: RawTensor) -> bool:
    return not raw.data.view(np.uint8).any()


def _encode_options(own: Hyperparameters) -> dict[str, Any]:
    """Encode hyperparameters as JSON, every number as a hexadecimal string."""
    numbers = {name: float(value).hex() for name, value in vars(own).items() if name != "maximize"}
    return {**numbers, "maximize": bool(own.maximize)}
