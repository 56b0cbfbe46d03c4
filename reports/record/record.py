"""The record of a run: write it line by line, and read it back whole.

`verdicts.jsonl` is the canonical record, and everything else in a report is rendered from it. A file holds
one run or several, one after the other. A run is a header, one line a verdict, and a footer with the counts
and a digest of the bytes before it. So readers notice a file that was cut off, or changed by hand, and a merged
record is its runs, unchanged. `schema/record.schema.json` is the schema of a line.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

from jsonschema import Draft202012Validator

from ...oracles.verdict import Verdict
from ..escape import one_line
from ..untrusted import (
    LARGEST_RECORD,
    UntrustedError,
    find_mismatch,
    parse_json,
    read_file,
    shorten,
    validator,
)
from . import verdict_json

SCHEMA_VERSION: Final = 1
FILE_NAME: Final = "verdicts.jsonl"
PARTIAL_SUFFIX: Final = ".partial"
"""The end of the name of a record that is being written."""
_TARGETS: Final = 20_000
_CHECKS: Final = 4_000
_GROUPS: Final = 64
"""The most of each in a file: a table has a row or a column for each, so their product counts."""
_HEADER: Final = "adamax-conformance run"
_VERDICT: Final = "verdict"
_FOOTER: Final = "end of run"
_DEFINITION: Final = {_HEADER: "header", _VERDICT: "verdict", _FOOTER: "footer"}


class RecordError(Exception):
    """The file is not a whole record that this version can read.

    The message says which line is wrong, and what would be right.
    """

    def __init__(self, path: str | os.PathLike[str], line: int, message: str) -> None:
        self.path = Path(path)
        self.line = line
        super().__init__(shorten(f"{self.path}, line {line}: {message}"))


@dataclass(frozen=True)
class Header:
    """The circumstances of a run: the suite, the subjects, the machine.

    Attributes:
        suite_version: the version of this distribution.
        created: when the run began, in ISO 8601 with its offset.
        seed: None if the drawing was derandomized.
        profile: `quick` or `full`.
        platform: facts of the machine by name (system, machine, processor, cores, ...).
        versions: of everything that took part, by name (python, numpy, mpmath, its backend, ...).
        subjects: the facts that each subject's host reported.
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
        header: the circumstances of the run.
        verdicts: in the order in which they came.
        digest: of its bytes; two records with one digest are the same run.
        complete: False for a run whose end is missing, which is read only on request.
        diagnoses: of each subject that diverges, its cause (`reports.rule.diagnose`).
    """

    header: Header
    verdicts: tuple[Verdict, ...]
    digest: str
    complete: bool = True
    diagnoses: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, header: Header, verdicts: Iterable[Verdict]) -> Record:
        """The record that would be read back after these were written."""
        lines = [verdict_line(verdict) for verdict in verdicts]
        digest = _digest(b"".join((_header_line(header), *lines)))
        return cls(_read_back(header), tuple(map(_verdict, lines)), digest)

    def counts(self) -> dict[str, int]:
        """The number of verdicts of each status, by its name."""
        return dict(Counter(verdict.status.value for verdict in self.verdicts))


class RecordWriter:
    """Keeps the verdicts of one run as they come, and at last writes its record.

    Until then a file next to the record, `verdicts.jsonl.partial`, has the lines so far. If the process dies, that
    file stays, without its footer, and no record is there. The record itself is written from memory: whatever
    happened to the partial file, it holds the verdicts that came.

    Attributes:
        verdicts: those so far, as they would be read back.
        diagnoses: those so far, of the record's end.
    """

    def __init__(self, path: str | os.PathLike[str] | None, header: Header) -> None:
        """Begin the partial file; without a path, only keep the verdicts.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.verdicts: list[Verdict] = []
        self.diagnoses: list[Mapping[str, Any]] = []
        self._header = header
        self._lines = [_header_line(header)]
        self._path = None if path is None else Path(path)
        self._file: IO[bytes] | None = None
        if self._path is not None:
            self._partial = self._path.with_name(f"{self._path.name}{PARTIAL_SUFFIX}")
            self._partial.unlink(missing_ok=True)
            self._file = self._partial.open("xb")
            self._write(self._lines[0])

    def append(self, verdict: Verdict) -> None:
        """Keep one verdict."""
        self.append_line(verdict_line(verdict))

    def append_line(self, line: bytes) -> None:
        """Keep one verdict that is a line of a record already."""
        self.verdicts.append(_verdict(line))
        self._lines.append(line)
        self._write(line)

    def arrange(self, order: Sequence[int]) -> None:
        """Put the verdicts in the order of these indices, whichever process was faster."""
        self.verdicts = [self.verdicts[i] for i in order]
        self._lines[1:] = [self._lines[1 + i] for i in order]

    def record(self, *, complete: bool = True) -> Record:
        """The record of the verdicts so far."""
        digest = _digest(b"".join(self._lines))
        return Record(_read_back(self._header), tuple(self.verdicts), digest, complete, tuple(self.diagnoses))

    def close(self, *, complete: bool = True) -> Record:
        """Write the record, remove the partial file, and return what was written.

        Raises:
            OSError: the record cannot be written; the partial file is as it was.
        """
        record = self.record(complete=complete)
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, b"".join((*self._lines, _footer_line(record))))
            self._partial.unlink(missing_ok=True)
        return record

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)

    def _write(self, line: bytes) -> None:
        """Add a line to the partial file, as long as the disk takes it."""
        if self._file is None:
            return
        try:
            self._file.write(line)
            self._file.flush()
        except OSError:
            # The record is written from memory; only a run that is killed from now on leaves less behind.
            with suppress(OSError):
                self._file.close()
            self._file = None


def write_record(path: str | os.PathLike[str], header: Header, verdicts: Iterable[Verdict]) -> None:
    """Write one run at once: a reader sees the old file or the whole new one.

    Raises:
        OSError: when the folder cannot be written to; the old file, if any, is as it was.
    """
    write_records(path, (Record.of(header, verdicts),))


def write_records(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Write several runs at once; a run that was cut off stays marked so."""
    write_file(path, b"".join(_run(record) for record in records))


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace a file at once; after an error the old one is still there."""
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
    """Read a file that holds one run; see `read_records`."""
    records = read_records(path, cut_off=cut_off)
    if len(records) != 1:
        raise RecordError(path, 1, f"holds {len(records)} runs; want one")
    return records[0]


def read_records(path: str | os.PathLike[str], *, cut_off: bool = False) -> tuple[Record, ...]:
    """Read the runs of a file.

    Args:
        path: the file, or a report's folder with its `verdicts.jsonl`.
        cut_off: whether to read a last run whose end is missing, as far as it goes, and mark it.

    Raises:
        RecordError: for a file that is not a record, one of a newer schema, and one that was cut off or changed.
        OSError: for a file that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        path /= FILE_NAME
    reader = _RunReader(path, cut_off=cut_off)
    try:
        content = read_file(path, LARGEST_RECORD)
    except UntrustedError as error:
        raise RecordError(path, 1, str(error)) from error
    return tuple(reader.runs(content))


class _RunReader:
    """Reads a file's runs line by line, and counts the lines for the errors."""

    def __init__(self, path: Path, *, cut_off: bool) -> None:
        self._path = path
        self._cut_off = cut_off
        self._number = 0
        self._targets: set[tuple[str, ...]] = set()
        self._checks: set[str] = set()
        self._groups: set[str] = set()

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
                    self._count(line)
                    verdicts.append(verdict_json.from_json(line))
                case "end of run" if header is not None:
                    name = f"sha256:{digest.hexdigest()}"
                    record = Record(
                        header, tuple(verdicts), name, line["complete"], tuple(line.get("diagnoses", ()))
                    )
                    return self._check_footer(record, line)
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
            line = parse_json(raw)
        except UntrustedError as error:
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
        if wrong := find_mismatch(_validator(_DEFINITION[kind]), line):
            self._fail(wrong)
        result: dict[str, Any] = line
        return result

    def _count(self, line: Mapping[str, Any]) -> None:
        """Refuse a file of more names than a report's tables could have rows and columns."""
        self._targets.add((line["subject"], line["dtype"], line["device"]))
        self._checks.add(line["check"])
        self._groups.add(line["check"].partition("/")[0])
        for names, limit, what in (
            (self._targets, _TARGETS, "subjects, dtypes and devices"),
            (self._checks, _CHECKS, "checks"),
            (self._groups, _GROUPS, "groups of checks"),
        ):
            if len(names) > limit:
                self._fail(f"the file has over {limit:,} {what}; want at most so many")

    def _check_footer(self, record: Record, footer: Mapping[str, Any]) -> Record:
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
    return validator({"$ref": f"#/$defs/{definition}", "$defs": whole["$defs"]})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _header(line: Mapping[str, Any]) -> Header:
    values = {item.name: line[item.name] for item in fields(Header)}
    return Header(**{**values, "subjects": tuple(values["subjects"])})


def _header_values(header: Header) -> dict[str, Any]:
    return {item.name: verdict_json.plain(getattr(header, item.name)) for item in fields(Header)}


def _read_back(header: Header) -> Header:
    return _header(_header_values(header))


def _verdict(line: bytes) -> Verdict:
    return verdict_json.from_json(json.loads(line))


def _header_line(header: Header) -> bytes:
    return _line({"kind": _HEADER} | _header_values(header))


def verdict_line(verdict: Verdict) -> bytes:
    """A verdict as a line of a record."""
    return _line({"kind": _VERDICT} | verdict_json.to_json(verdict))


def _footer_line(record: Record) -> bytes:
    counts = record.counts()
    values = {"verdicts": len(record.verdicts), "counts": counts, "complete": record.complete}
    found = {"diagnoses": list(record.diagnoses)} if record.diagnoses else {}
    return _line({"kind": _FOOTER} | values | found | {"digest": record.digest})


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _run(record: Record) -> bytes:
    body = b"".join((_header_line(record.header), *map(verdict_line, record.verdicts)))
    return body + _footer_line(replace(record, digest=_digest(body)))
