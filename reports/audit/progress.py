"""The results of an audit so far, on disk, so that a killed one can go on.

The file lies next to the report and has one line a work item. A line counts only for the same work item of the
same files judged against the same error model: its stamp is a digest of all these. A line that was cut off, or
is not one that an audit writes, is judged again. The file is never a symbolic link, so that nothing is appended
to a file elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from ...oracles.error_model import ErrorModel
from ...oracles.verdict import Quantity
from ..untrusted import UntrustedError, parse_json, read_file
from .location import file_state
from .manifest import Damage, Manifest
from .tallies import AuditResult, ElementIndex, Event, NonFinite, Occurrence, RecordedError, RecordedTally
from .tensors import TensorErrors
from .work_items import WorkItem

FILE_NAME: Final = "audit-progress.jsonl"
_LARGEST: Final = 1 << 30
"""Bytes; a larger file is judged again."""


_V = TypeVar("_V")


class ProgressFile:
    """The file of the work items that were judged."""

    def __init__(self, directory: Path, manifest: Manifest, *, restart: bool = False) -> None:
        """Read the file if there is one; `restart` deletes it instead."""
        self._path = directory / FILE_NAME
        self._manifest = manifest
        self._lines = {} if restart else dict(_read(self._path))
        self._file: IO[bytes] | None = None
        self._is_full = False
        if restart:
            self._path.unlink(missing_ok=True)

    def stamp(self, item: WorkItem, error_models: Mapping[str, ErrorModel]) -> str:
        """A digest of a work item, its files, and the error models."""
        files = [
            (entry.file, entry.header, *_file_state(self._manifest.folder / entry.file))
            for pair in item.steps
            for entry in pair
            if entry is not None
        ]
        columns = [item.columns.first, item.columns.width]
        models = sorted(map(repr, error_models.items()))
        facts = [version("adamax-conformance"), item.name, item.tensors, columns, files, models]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def lookup(self, stamp: str) -> AuditResult | None:
        """The result of a work item that was judged before; None for others."""
        line = self._lines.get(stamp)
        return None if line is None else from_json(line)

    def add(self, stamp: str, result: AuditResult) -> None:
        """Append the result of a work item to the file, as long as the disk takes it.

        Raises:
            OSError: there is no such file, and none can be made; or it is a link.
        """
        if self._is_full:
            return
        if self._file is None:
            self._file = open(self._path, "ab", buffering=0, opener=_open_no_link)  # noqa: SIM115
        # The line break before it ends what a killed audit, or a full disk, has left of a line.
        line = f"\n{json.dumps({'stamp': stamp, **to_json(result)})}\n".encode()
        try:
            self._is_full = self._file.write(line) < len(line)
        except OSError:
            # The report is made from memory; only an audit that is killed from now on leaves less behind.
            self._is_full = True

    def close(self) -> None:
        """Close the file, and leave it where it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove the file: the audit is done, and its report written."""
        self.close()
        self._path.unlink(missing_ok=True)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644)


def _file_state(path: Path) -> tuple[int, int]:
    try:
        return file_state(path)
    except OSError:
        return -1, -1


def _read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = read_file(path, _LARGEST, follow=False).splitlines(keepends=True)
    except (OSError, UntrustedError):
        return
    for line in lines:
        if not line.endswith(b"\n"):
            continue
        try:
            values = parse_json(line)
            from_json(values)
            yield _text(values["stamp"]), values
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def to_json(result: AuditResult) -> dict[str, Any]:
    """A result as JSON values; JSON's shortest decimals keep every bit."""
    return {
        "tallies": [[dtype, q.value, _tally_to_json(t)] for (dtype, q), t in result.tallies.items()],
        "non_finite": [
            [dtype, n.count, _index_to_json(n.first), n.wrong, _index_to_json(n.first_wrong)]
            for dtype, n in result.non_finite.items()
        ],
        "damages": sorted([d.file, d.what] for d in result.damages),
        "unjudged": sorted([d.file, d.what] for d in result.unjudged),
        "events": [
            [event.value, what, index, o.count, o.first, o.last, o.name, o.what]
            for (event, what, index), o in result.events.items()
        ],
        "counted": result.counted,
        "idle": result.idle,
        "tensors": [
            [*key, e.number, e.name, e.group, e.over_bound, e.exceeded, e.wrong]
            for key, e in result.tensors.items()
        ],
        "rates": [[*key, *rate] for key, rate in result.rates.items()],
    }


def from_json(values: Mapping[str, Any]) -> AuditResult:
    """The inverse of `to_json`.

    Raises:
        ValueError, TypeError, KeyError: a value is out of range, of another type, or missing.
    """
    return AuditResult(
        tallies={(_text(dtype), Quantity(q)): _tally_from_json(t) for dtype, q, t in values["tallies"]},
        non_finite={
            _text(dtype): NonFinite(
                _count(count), _index_from_json(first), _count(wrong), _index_from_json(first_wrong)
            )
            for dtype, count, first, wrong, first_wrong in values["non_finite"]
        },
        damages=frozenset(Damage(_text(file), _text(what)) for file, what in values["damages"]),
        unjudged=frozenset(Damage(_text(file), _text(what)) for file, what in values["unjudged"]),
        events={
            (Event(event), _text(what), _count(index)): Occurrence(
                _count(count), _count(first), _count(last), _text(name), _text(words)
            )
            for event, what, index, count, first, last, name, words in values["events"]
        },
        counted=_count(values["counted"]),
        idle=_count(values["idle"]),
        tensors={
            (_text(dtype), _count(index), _count(column)): TensorErrors(
                _count(number), _text(name), _count(group), *_by_quantity(over, exceeded, wrong)
            )
            for dtype, index, column, number, name, group, over, exceeded, wrong in values["tensors"]
        },
        rates={
            (_count(group), _count(column)): (_count(number), _rate(lr))
            for group, column, number, lr in values["rates"]
        },
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"want a text; this is {type(value).__name__}")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"want an integer that is at least 0; this is {type(value).__name__}")
    return value


def _error_size(value: object) -> float:
    if type(value) not in {int, float} or not (size := float(value)) >= 0:  # type: ignore[arg-type]
        raise ValueError(f"want a number that is at least 0; this is {type(value).__name__}")
    return size


def _rate(value: object) -> float:
    if type(value) not in {int, float} or not math.isfinite(rate := float(value)):  # type: ignore[arg-type]
        raise ValueError(f"want a finite number; this is {type(value).__name__}")
    return rate


def _by_quantity(
    over: Mapping[str, object], exceeded: Mapping[str, object], wrong: Mapping[str, object]
) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    """The errors, counts and steps of a tensor by quantity."""

    def of(mapping: Mapping[str, object], convert: Callable[[object], _V]) -> dict[str, _V]:
        return {Quantity(quantity).value: convert(value) for quantity, value in mapping.items()}

    return of(over, _error_size), of(exceeded, _count), of(wrong, _count)


def _tally_to_json(t: RecordedTally) -> list[Any]:
    return [
        t.judged,
        t.open,
        t.exceeded,
        t.skipped,
        [_error_to_json(error) for error in t.worst],
        None if t.first is None else _error_to_json(t.first),
        [_error_to_json(error) for error in t.by_step.values()],
        sorted(t.sixteenths.items()),
        [_error_to_json(error) for error in t.nearest.values()],
    ]


def _tally_from_json(values: list[Any]) -> RecordedTally:
    judged, open_, exceeded, skipped, worst, first, by_step, sixteenths, nearest = values
    steps = [_error_from_json(error) for error in by_step]
    nearest_steps = [_error_from_json(error) for error in nearest]
    return RecordedTally(
        _count(judged),
        _count(open_),
        _count(exceeded),
        _count(skipped),
        tuple(_error_from_json(error) for error in worst),
        None if first is None else _error_from_json(first),
        {error.index.number: error for error in steps},
        {_count(n): _count(count) for n, count in sixteenths},
        {error.index.number: error for error in nearest_steps},
    )


def _error_to_json(error: RecordedError) -> list[Any]:
    return [_index_to_json(error.index), error.over_bound, error.in_ulp]


def _error_from_json(values: list[Any]) -> RecordedError:
    index, over_bound, in_ulp = values
    found = _index_from_json(index)
    if found is None:
        raise ValueError("an error without an index")
    return RecordedError(found, _error_size(over_bound), _error_size(in_ulp))


def _index_to_json(index: ElementIndex | None) -> list[int] | None:
    return None if index is None else [index.number, index.parameter, index.flat_index]


def _index_from_json(values: list[int] | None) -> ElementIndex | None:
    return None if values is None else ElementIndex(*map(_count, values))
