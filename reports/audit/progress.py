"""The results of an audit so far, on disk, so that a killed one can go on.

The file lies next to the report and has one line a work item. A line counts only for the same work item of the
same files judged against the same error model: its stamp is a digest of all these. A line that was cut off is
judged again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from ...oracles.error_model import ErrorModel
from ...oracles.verdict import Quantity
from .manifest import Damage, Manifest
from .tallies import AuditResult, ElementError, ElementIndex, NonFinite, QuantityTally
from .work_items import WorkItem

FILE_NAME: Final = "audit-progress.jsonl"


class ProgressFile:
    """The file of the work items that were judged."""

    def __init__(self, directory: Path, manifest: Manifest, *, restart: bool = False) -> None:
        """Read the file if there is one; `restart` deletes it instead."""
        self._path = directory / FILE_NAME
        self._manifest = manifest
        self._lines = {} if restart else dict(_read(self._path))
        self._file: IO[str] | None = None
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
        facts = [version("adamax-conformance"), item.name, files, sorted(map(repr, error_models.items()))]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def lookup(self, stamp: str) -> AuditResult | None:
        """The result of a work item that was judged before; None for others."""
        line = self._lines.get(stamp)
        return None if line is None else from_json(line)

    def add(self, stamp: str, result: AuditResult) -> None:
        """Append the result of a work item to the file, and flush it."""
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps({"stamp": stamp, **to_json(result)}) + "\n")
        self._file.flush()

    def close(self, *, done: bool) -> None:
        """Close the file, and remove it after an audit that is done."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if done:
            self._path.unlink(missing_ok=True)


def _file_state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        if not line.endswith("\n"):
            continue
        try:
            values = json.loads(line)
            from_json(values)
            yield values["stamp"], values
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
    }


def from_json(values: Mapping[str, Any]) -> AuditResult:
    """The inverse of `to_json`."""
    return AuditResult(
        tallies={(dtype, Quantity(q)): _tally_from_json(t) for dtype, q, t in values["tallies"]},
        non_finite={
            dtype: NonFinite(count, _index_from_json(first), wrong, _index_from_json(first_wrong))
            for dtype, count, first, wrong, first_wrong in values["non_finite"]
        },
        damages=frozenset(Damage(*d) for d in values["damages"]),
        unjudged=frozenset(Damage(*d) for d in values["unjudged"]),
    )


def _tally_to_json(t: QuantityTally) -> list[Any]:
    return [
        t.judged,
        t.open,
        t.exceeded,
        t.skipped,
        [_error_to_json(error) for error in t.worst],
        None if t.first is None else _error_to_json(t.first),
        [_error_to_json(error) for error in t.by_step.values()],
        sorted(t.sixteenths.items()),
    ]


def _tally_from_json(values: list[Any]) -> QuantityTally:
    judged, open_, exceeded, skipped, worst, first, by_step, sixteenths = values
    steps = [_error_from_json(error) for error in by_step]
    return QuantityTally(
        judged,
        open_,
        exceeded,
        skipped,
        tuple(_error_from_json(error) for error in worst),
        None if first is None else _error_from_json(first),
        {error.index.number: error for error in steps},
        {int(n): count for n, count in sixteenths},
    )


def _error_to_json(error: ElementError) -> list[Any]:
    return [_index_to_json(error.index), error.over_bound, error.in_ulp]


def _error_from_json(values: list[Any]) -> ElementError:
    index = _index_from_json(values[0])
    assert index is not None
    return ElementError(index, values[1], values[2])


def _index_to_json(index: ElementIndex | None) -> list[int] | None:
    return None if index is None else [index.number, index.parameter, index.flat_index]


def _index_from_json(values: list[int] | None) -> ElementIndex | None:
    return None if values is None else ElementIndex(*values)
