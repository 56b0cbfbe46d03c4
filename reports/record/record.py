"""What is on record of a run, and is the file in hand the whole of one?

`verdicts.jsonl` is the canonical record, and everything else in a report is rendered from it. A file holds
one run or several, one after the other; a run is a header, one line a verdict, and a footer with the counts
and a digest of the bytes before it. So a file that was cut off, or changed by hand, is noticed, and a merged
record is its runs, unchanged. `schema/record.schema.json` says what a line may be.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ...oracles.verdict import Verdict
from ..escape import one_line
from . import verdict_json

SCHEMA_VERSION: Final = 1
FILE_NAME: Final = "verdicts.jsonl"
_HEADER: Final = "adamax-conformance run"
_VERDICT: Final = "verdict"
_FOOTER: Final = "end of run"
_DEFINITION: Final = {_HEADER: "header", _VERDICT: "verdict", _FOOTER: "footer"}


class RecordError(Exception):
    """The file is not a whole record that this version can read; says which line, and what would be right."""

    def __init__(self, path: str | os.PathLike[str], line: int, message: str) -> None:
        self.path = Path(path)
        self.line = line
        super().__init__(f"{self.path}, line {line}: {message}")


@dataclass(frozen=True)
class Header:
    """What a run was: by which suite, of what, where.

    Attributes:
        suite_version: the version of this distribution.
        created: when the run began, in ISO 8601 with its offset.
        seed: None where the drawing was derandomized.
        profile: `quick` or `full`.
        platform: facts of the machine by name (system, machine, processor, cores, ...).
        versions: of everything that took part, by name (python, numpy, mpmath, its backend, ...).
        subjects: the facts that each subject's host gave.
        arithmetic: the declared model of the device's arithmetic; None for correct rounding.
        schema: the version of the record's schema.
    """

    suite_version: str
    created: str
    seed: int | None = None
    profile: str = "quick"
    platform: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    subjects: Sequence[Mapping[str, Any]] = ()
    arithmetic: Mapping[str, Any] | None = None
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Record:
    """One run as read from a file.

    Attributes:
        header: what the run was.
        verdicts: in the order in which they came.
        digest: of its bytes; two records with one digest are the same run.
        complete: False for a run whose end is missing, which is only read when asked for.
    """

    header: Header
    verdicts: tuple[Verdict, ...]
    digest: str
    complete: bool = True

    @classmethod
    def of(cls, header: Header, verdicts: Iterable[Verdict]) -> Record:
        """The record that would be read back after these were written."""
        settled = tuple(verdict_json.from_json(verdict_json.to_json(verdict)) for verdict in verdicts)
        header = _header(_header_values(header))
        return cls(header, settled, _digest(b"".join(_lines(header, settled))))

    def counts(self) -> dict[str, int]:
        """How many verdicts there are of each status, by its name."""
        return dict(Counter(verdict.status.value for verdict in self.verdicts))


class RecordWriter:
    """Writes one run to a file as its verdicts come; the footer follows when the block ends in good order.

    After an exception, or when the process dies, the footer is missing, and readers notice.
    """

    def __init__(self, path: str | os.PathLike[str], header: Header) -> None:
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._file: IO[bytes] = Path(path).open("wb")  # noqa: SIM115 - open as long as the writer is
        self._write(_header_line(header))

    def append(self, verdict: Verdict) -> None:
        """Writes one verdict through to the file."""
        self._write(_verdict_line(verdict))
        self._counts[verdict.status.value] += 1

    def close(self) -> None:
        """Writes the footer and closes the file."""
        self._file.write(_footer_line(self._counts, f"sha256:{self._digest.hexdigest()}", complete=True))
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _write(self, line: bytes) -> None:
        self._digest.update(line)
        self._file.write(line)
        self._file.flush()


def write_record(path: str | os.PathLike[str], header: Header, verdicts: Iterable[Verdict]) -> None:
    """Writes one run, in one go: a reader sees the old file or the whole new one.

    Raises:
        OSError: when the folder cannot be written to; the old file, if any, is as it was.
    """
    write_records(path, (Record.of(header, verdicts),))


def write_records(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Writes several runs one after the other, in one go; a run that was cut off stays marked so."""
    write_file(path, b"".join(_run(record) for record in records))


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Replaces a file at once: never half of it is there, and after an error the old one still is."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def read_record(path: str | os.PathLike[str], *, cut_off: bool = False) -> Record:
    """Reads a file that holds one run; see `read_records`."""
    records = read_records(path, cut_off=cut_off)
    if len(records) != 1:
        raise RecordError(path, 1, f"holds {len(records)} runs; want one")
    return records[0]


def read_records(path: str | os.PathLike[str], *, cut_off: bool = False) -> tuple[Record, ...]:
    """Reads the runs of a file.

    Args:
        path: the file, or a report's folder, whose `verdicts.jsonl` is meant.
        cut_off: whether a last run whose end is missing is read as far as it goes, and marked.

    Raises:
        RecordError: for a file that is no record, one of a newer schema, and one that was cut off or changed.
        OSError: for a file that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        path /= FILE_NAME
    reader = _Reader(path, cut_off=cut_off)
    return tuple(reader.runs(path.read_bytes()))


class _Reader:
    """Reads a file's runs line by line; knows where it is, for the errors."""

    def __init__(self, path: Path, *, cut_off: bool) -> None:
        self._path = path
        self._cut_off = cut_off
        self._number = 0

    def runs(self, content: bytes) -> Iterator[Record]:
        """Each run of the file; at least one."""
        lines = content.splitlines(keepends=True)
        if not lines:
            self._number = 1
            self._fail("the file is empty; want a header, verdicts and a footer")
        while self._number < len(lines):
            yield self._run(lines)

    def _run(self, lines: list[bytes]) -> Record:
        digest = hashlib.sha256()
        header: Header | None = None
        verdicts: list[Verdict] = []
        while self._number < len(lines):
            raw = lines[self._number]
            self._number += 1
            whole = raw.endswith(b"\n")
            if not whole and self._cut_off and header is not None:
                break
            line = self._parse(raw, whole=whole, first=header is None)
            match line["kind"]:
                case "adamax-conformance run" if header is None:
                    header = _header(line)
                case "verdict" if header is not None:
                    verdicts.append(verdict_json.from_json(line))
                case "end of run" if header is not None:
                    name = f"sha256:{digest.hexdigest()}"
                    return self._finished(Record(header, tuple(verdicts), name, line["complete"]), line)
                case kind:
                    self._fail(
                        f"a line of the kind {kind!r} does not belong here; "
                        + ("want a header" if header is None else "the run before it has no footer")
                    )
            digest.update(raw)
        if header is None or not self._cut_off:
            self._fail("the file ends before the run does: its footer is missing, so it was cut off")
        return Record(header, tuple(verdicts), f"sha256:{digest.hexdigest()}", complete=False)

    def _parse(self, raw: bytes, *, whole: bool, first: bool) -> dict[str, Any]:
        try:
            line = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            if not whole and not first:
                self._fail("the file ends in the middle of a line, so it was cut off")
            self._fail(f"not a line of JSON ({one_line(str(error), 120)}); is this a verdicts.jsonl?")
        kind = line.get("kind") if isinstance(line, dict) else None
        if not isinstance(kind, str) or kind not in _DEFINITION:
            self._fail(f"not a line of a record; want an object with kind one of {', '.join(_DEFINITION)}")
        if kind == _HEADER and isinstance(line.get("schema"), int) and line["schema"] > SCHEMA_VERSION:
            self._fail(
                f"the record has schema {line['schema']}, written by a newer adamax-conformance; "
                f"this one reads schema {SCHEMA_VERSION}: upgrade it"
            )
        if wrong := best_match(_validator(_DEFINITION[kind]).iter_errors(line)):
            place = "/".join(str(part) for part in wrong.absolute_path)
            self._fail(f"{one_line(place or kind, 80)}: {one_line(wrong.message, 200)}")
        result: dict[str, Any] = line
        return result

    def _finished(self, record: Record, footer: Mapping[str, Any]) -> Record:
        if footer["verdicts"] != len(record.verdicts) or footer["counts"] != record.counts():
            self._fail(
                f"the footer counts {footer['verdicts']} verdicts, {footer['counts']}; "
                f"the run has {len(record.verdicts)}, {record.counts()}: lines are missing or were changed"
            )
        if footer["digest"] != record.digest:
            self._fail("the footer's digest is not that of the lines before it: the file was changed")
        return record

    def _fail(self, message: str) -> NoReturn:
        raise RecordError(self._path, self._number, message)


def schema() -> dict[str, Any]:
    """The JSON Schema of a record's lines."""
    text = resources.files(__package__).joinpath("schema/record.schema.json").read_text(encoding="utf-8")
    result: dict[str, Any] = json.loads(text)
    return result


@cache
def _validator(definition: str) -> Draft202012Validator:
    whole = schema()
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": whole["$defs"]})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _header(line: Mapping[str, Any]) -> Header:
    values = {item.name: line[item.name] for item in fields(Header)}
    return Header(**{**values, "subjects": tuple(values["subjects"])})


def _header_values(header: Header) -> dict[str, Any]:
    return {item.name: verdict_json.plain(getattr(header, item.name)) for item in fields(Header)}


def _header_line(header: Header) -> bytes:
    return _line({"kind": _HEADER} | _header_values(header))


def _verdict_line(verdict: Verdict) -> bytes:
    return _line({"kind": _VERDICT} | verdict_json.to_json(verdict))


def _footer_line(counts: Mapping[str, int], digest: str, *, complete: bool) -> bytes:
    total = sum(counts.values())
    values = {"verdicts": total, "counts": dict(counts), "complete": complete, "digest": digest}
    return _line({"kind": _FOOTER} | values)


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _lines(header: Header, verdicts: Iterable[Verdict]) -> Iterator[bytes]:
    yield _header_line(header)
    for verdict in verdicts:
        yield _verdict_line(verdict)


def _run(record: Record) -> bytes:
    body = b"".join(_lines(record.header, record.verdicts))
    return body + _footer_line(record.counts(), _digest(body), complete=record.complete)
