"""What of an audit is done already? Kept beside the report, a line a part, so that an audit that was killed goes on.

A line counts only for the same part of the same files judged against the same assumption: it carries a stamp of
all of these. A line that was cut off is judged again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

from ...oracles.error_model import Assumption
from ...oracles.verdict import Quantity
from .manifest import Damage, Manifest
from .tallies import NonFinite, Place, Result, Seen, Tally
from .work_items import Part

FILE_NAME: Final = "audit-progress.jsonl"


class Progress:
    """The parts that were judged."""

    def __init__(self, directory: Path, manifest: Manifest, *, restart: bool = False) -> None:
        """Take up what is there; `restart` forgets it."""
        self._path = directory / FILE_NAME
        self._manifest = manifest
        self._known = {} if restart else dict(_read(self._path))
        self._file: IO[str] | None = None
        if restart:
            self._path.unlink(missing_ok=True)

    def stamp(self, part: Part, assumptions: Mapping[str, Assumption]) -> str:
        """Tells a part from another, as its files and what they are judged against are."""
        files = [
            (listed.file, listed.header, *_state(self._manifest.folder / listed.file))
            for pair in part.steps
            for listed in pair
            if listed is not None
        ]
        told = [version("adamax-conformance"), part.name, files, sorted(map(repr, assumptions.items()))]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def known(self, stamp: str) -> Result | None:
        """What was found of a part, where it was judged before."""
        line = self._known.get(stamp)
        return None if line is None else from_json(line)

    def keep(self, stamp: str, result: Result) -> None:
        """Write what was found of a part through to the file."""
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


def _state(path: Path) -> tuple[int, int]:
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


def to_json(result: Result) -> dict[str, Any]:
    """What was found as JSON values; JSON's shortest decimals keep every bit."""
    return {
        "tallies": [[dtype, q.value, _tally(t)] for (dtype, q), t in result.tallies.items()],
        "non_finite": [
            [dtype, n.count, _place(n.first), n.wrong, _place(n.first_wrong)]
            for dtype, n in result.non_finite.items()
        ],
        "damages": sorted([d.file, d.what] for d in result.damages),
        "unjudged": sorted([d.file, d.what] for d in result.unjudged),
    }


def from_json(values: Mapping[str, Any]) -> Result:
    """The inverse of `to_json`."""
    return Result(
        tallies={(dtype, Quantity(q)): _to_tally(t) for dtype, q, t in values["tallies"]},
        non_finite={
            dtype: NonFinite(count, _to_place(first), wrong, _to_place(first_wrong))
            for dtype, count, first, wrong, first_wrong in values["non_finite"]
        },
        damages=frozenset(Damage(*d) for d in values["damages"]),
        unjudged=frozenset(Damage(*d) for d in values["unjudged"]),
    )


def _tally(t: Tally) -> list[Any]:
    return [
        t.judged,
        t.open,
        t.exceeded,
        t.skipped,
        [_seen(seen) for seen in t.worst],
        None if t.first is None else _seen(t.first),
        [_seen(seen) for seen in t.by_step.values()],
        sorted(t.sixteenths.items()),
    ]


def _to_tally(values: list[Any]) -> Tally:
    judged, open_, exceeded, skipped, worst, first, by_step, sixteenths = values
    steps = [_to_seen(seen) for seen in by_step]
    return Tally(
        judged,
        open_,
        exceeded,
        skipped,
        tuple(_to_seen(seen) for seen in worst),
        None if first is None else _to_seen(first),
        {seen.place.number: seen for seen in steps},
        {int(n): count for n, count in sixteenths},
    )


def _seen(seen: Seen) -> list[Any]:
    return [_place(seen.place), seen.over_bound, seen.in_ulp]


def _to_seen(values: list[Any]) -> Seen:
    place = _to_place(values[0])
    assert place is not None
    return Seen(place, values[1], values[2])


def _place(place: Place | None) -> list[int] | None:
    return None if place is None else [place.number, place.parameter, place.index]


def _to_place(values: list[int] | None) -> Place | None:
    return None if values is None else Place(*values)
