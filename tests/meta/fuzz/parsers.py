"""The parsers of what comes from elsewhere, with inputs to damage.

Each has the errors with which it may refuse an input.

`python -m adamax_conformance.tests.meta.fuzz.parsers --count 200000` tries so many inputs, and says which ended in
another error, in words of several lines, or late.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from adamax_conformance.impl.protocol import messages
from adamax_conformance.impl.protocol.codec import (
    decode_answer,
    decode_request,
    encode_answer,
    encode_error,
    encode_request,
    parse_line,
)
from adamax_conformance.impl.protocol.errors import RejectedError, SkippedError, SubjectError
from adamax_conformance.impl.protocol.messages import OPERATIONS
from adamax_conformance.impl.protocol.validation import ProtocolError
from adamax_conformance.impl.recording.format import MANIFEST, chain_digest, file_name
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reports import arithmetic_file, documentation_file
from adamax_conformance.reports.audit.manifest import NotARecordingError, read_manifest
from adamax_conformance.reports.audit.progress import FILE_NAME, ProgressFile, to_json
from adamax_conformance.reports.audit.tallies import (
    AuditResult,
    ElementIndex,
    NonFinite,
    RecordedError,
    RecordedTally,
)
from adamax_conformance.reports.audit.tensors import TensorErrors
from adamax_conformance.reports.audit.work_items import plan
from adamax_conformance.reports.cli.vectors import PUBLISHED, UnreadableError, problems
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.matrix.page import DATA_FILE, write_matrix
from adamax_conformance.reports.record.record import Record, RecordError, read_records, write_records
from adamax_conformance.reports.render import csv, junit, markdown
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.reports.untrusted import LONGEST_MESSAGE
from adamax_conformance.tests.meta.reports.samples import header, one_of_each

_SLOW: Final = 5.0
"""Seconds of processor time after which an input counts as one that hangs."""
_LONGEST: Final = max(LONGEST_MESSAGE, 400)

TOKENS: Final = (
    b"9" * 5_000,
    b"9" * 200,
    b"1e400",
    b"-1",
    b"2.0",
    b"1000000000000",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud800"',
    b'"\\u202e\\u009b"',
    b'"::error::x\\n##[group]"',
    b"[" * 2_000,
    b"[" * 100 + b"]" * 100,
    b"a." * 50 + b"a = 1",
    b"\x00",
    b"\xff\xfe",
    b"\n",
    b"'" * 3,
    b"\\",
    b"\xe2\x80\xae",
)
"""What replaces a part of an input."""

_PART: Final = re.compile(rb'"[^"\n]*"|-?[0-9][0-9.e+-]*|true|false|null|\[|\]|\{|\}|,|:|=|[a-z_]+')


@dataclass(frozen=True)
class Parser:
    """A parser, and what is known of it.

    Attributes:
        name: of it.
        seeds: right inputs.
        parse: takes an input and an empty folder, and does with it all that a command does.
        errors: those with which it may refuse an input.
    """

    name: str
    seeds: tuple[bytes, ...]
    parse: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...]


def damage(rng: random.Random, seed: bytes) -> bytes:
    """Damage an input in one to four places."""
    content = seed
    for _ in range(rng.randint(1, 4)):
        parts = list(_PART.finditer(content))
        match rng.randrange(6):
            case 0 if content:
                at = rng.randrange(len(content))
                content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
            case 1:
                content = content[: rng.randrange(len(content) + 1)]
            case 2 if parts:
                one, other = rng.choice(parts), rng.choice(parts)
                content = content[: one.start()] + other.group() + content[one.end() :]
            case 3:
                at = rng.randrange(len(content) + 1)
                content = content[:at] + rng.choice(TOKENS) + content[at:]
            case _ if parts:
                part = rng.choice(parts)
                content = content[: part.start()] + rng.choice(TOKENS) + content[part.end() :]
    return content


# What a command does with an input -------------------------------------------------------------------------------


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _parse_ledger(content: bytes, folder: Path) -> None:
    ledger.load(_file(folder, "known.toml", content))


def _parse_arithmetic(content: bytes, folder: Path) -> None:
    arithmetic_file.load(_file(folder, "arithmetic.toml", content))


def _parse_documentation(content: bytes, folder: Path) -> None:
    documentation_file.load(_file(folder, "documented.toml", content))


def _parse_record(content: bytes, folder: Path) -> None:
    """Read a record, and write all that is made of one."""
    records = read_records(_file(folder, "verdicts.jsonl", content), cut_off=True)
    summary = summarize(records)
    for render in (csv.render, junit.render, markdown.render):
        render(summary)
    (folder / DATA_FILE).unlink(missing_ok=True)  # that of the case before
    write_matrix(records, folder / "MATRIX.md", ledger.load())
    write_records(folder / "again.jsonl", records)
    for record in records:
        versions = {str(s.get("name")): str(s.get("version", "")) for s in record.header.subjects}
        tomllib.loads(ledger.write_entries(record.verdicts, versions).encode().decode())


def _parse_manifest(content: bytes, folder: Path) -> None:
    """Read a manifest whose chain is right, and plan its audit."""
    chain, lines = "", []
    for raw in content.split(b"\n"):
        try:
            line = json.loads(raw)
            line.pop("chain", None)
            line["chain"] = chain = chain_digest(line, chain)
            lines.append(json.dumps(line).encode())
        except (ValueError, TypeError, AttributeError, RecursionError):
            lines.append(raw)
    _file(folder, MANIFEST, b"\n".join(lines))
    manifest = read_manifest(folder)
    if len(plan(manifest)) > len(lines):
        raise AssertionError("a manifest has more work items than lines")
    for each in manifest.damages:
        _require_short(str(each))


def _parse_progress(content: bytes, folder: Path) -> None:
    _file(folder, FILE_NAME, content)
    ProgressFile(folder, None).lookup("stamp")  # type: ignore[arg-type]


def _parse_request(content: bytes, _folder: Path) -> None:
    decode_request(parse_line(content.replace(b"\n", b" ")))


def _parse_answer(content: bytes, _folder: Path) -> None:
    line = content.replace(b"\n", b" ")
    for request, _ in OPERATIONS.values():
        try:
            decode_answer(request.__new__(request), 1, line)
        except ProtocolError as error:
            _require_short(str(error))
        except SubjectError:
            continue


def _parse_vectors(content: bytes, folder: Path) -> None:
    for line in problems(_file(folder, "contract.json", content)):
        if "\n" in line:
            raise AssertionError(f"several lines: {line!r}")


# Right inputs ----------------------------------------------------------------------------------------------------

_LEDGER: Final = b"""[[divergence]]
id = "a-1"
subject = "torch, torch[foreach]"
check = ["value/lockstep/theta", "value/lockstep/m"]
versions = ">=2.4,<3"
dtypes = ["float32"]
devices = ["cpu"]
case = "{check}"
reason = "it rounds twice"
evidence = "https://example.org/1"
script = "torch_functional.py"
"""
_ARITHMETIC: Final = (
    b'name = "x"\nadd = 1.0\nmultiply = 1.5\ndivide = 2\nflush_to_zero = true\npower_ulp = 4.0\n'
)
_DOCUMENTATION: Final = b"""title = "a.B"
source = "https://example.org/b"
required = ["lr"]
silent = ["ascent"]
[rule]
epsilon = "in-denominator"
decay = "decoupled"
[defaults]
betas = [0.9, 0.999]
eps = 1e-8
[raises]
"lr/negative*" = "ValueError"
[accepts]
clauses = ["lr/zero", "betas/*zero"]
"""


def _record_seed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "verdicts.jsonl")
        write_records(path, [Record.of(header(), one_of_each())])
        # Without its footer, whose digest would refuse all that is damaged before it is shown.
        return b"".join(path.read_bytes().splitlines(keepends=True)[:-1])


def _manifest_seed() -> bytes:
    facts = {
        "kind": "recording", "format": 1, "created": "2026-01-01T00:00:00+00:00", "chunk": 1 << 20, "every": 1,
        "subject": "numpy", "framework": "numpy", "version": "2.0", "optimizer": "Adamax", "device": "cpu",
        "python": "3.11", "numpy": "2.0",
    }  # fmt: skip
    steps = [
        {"kind": "step", "number": n, "file": file_name(n), "bytes": 1_000, "header": "0" * 64}
        for n in (1, 2, 3)
    ]
    dropped = {"kind": "dropped", "number": 1}
    lines = [facts, *steps, dropped, {"kind": "end", "steps": 3, "ended": ""}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _progress_seed() -> bytes:
    index = ElementIndex(1, 0, 5)
    error = RecordedError(index, 0.5, 0.25)
    tally = RecordedTally(9, 1, 0, 2, (error,), error, {1: error}, {4: 9})
    errors = TensorErrors(1, "weight", 0, {"theta": 1.5}, {"theta": 2}, {"theta": 1})
    result = AuditResult(
        {("float32", Quantity.THETA): tally},
        {"float32": NonFinite(1, index, 0, None)},
        tensors={("float32", 0, 1): errors},
        rates={(0, 1): (1, 0.5)},
    )
    return json.dumps({"stamp": "stamp", **to_json(result)}).encode() + b"\n"


_ARRAYS: Final = (np.array([1.0, -np.inf], np.float32), np.zeros((), np.float64))


def _request_seeds() -> tuple[bytes, ...]:
    group = messages.GroupSpec({"lr": 0.5, "betas": (0.5, 0.25), "maximize": True}, _ARRAYS)
    schedule = messages.Schedule("StepLR", {"step_size": 2})
    requests = (
        messages.Start("numpy"),
        messages.Construct("float32", (group,), {"eps": 1e-8}, (0.1,), schedule=schedule),
        messages.Step(1, _ARRAYS, (0.125, 1)),
        messages.Load(1, 2),
    )
    return tuple(encode_request(1, request) for request in requests)


def _answer_seeds() -> tuple[bytes, ...]:
    state = messages.State(_ARRAYS, _ARRAYS, None)
    answers = (
        messages.SubjectInfo("numpy", dtypes=("float32",), has={"groups": True}, defaults={"lr": 0.1}),
        messages.StepResult(state, _ARRAYS, (0.1,)),
        messages.Readout(state, ({"lr": 0.1, "betas": [0.9, 0.99]},)),
        messages.Saved(3),
    )
    refused = (
        SkippedError("no such thing"),
        RejectedError("ValueError", ("ValueError",), "lr", changed=True),
    )
    return (
        *(encode_answer(1, answer) for answer in answers),
        *(encode_error(1, error) for error in refused),
    )


def parsers() -> tuple[Parser, ...]:
    """Every parser of what comes from elsewhere."""
    shipped = b"[[".join(ledger.SHIPPED.read_bytes().split(b"[[")[:6])
    published = (PUBLISHED / "contract.json").read_bytes()
    return (
        Parser("ledger", (_LEDGER, shipped), _parse_ledger, (ledger.LedgerError,)),
        Parser("arithmetic", (_ARITHMETIC,), _parse_arithmetic, (arithmetic_file.DeclarationError,)),
        Parser(
            "documentation", (_DOCUMENTATION,), _parse_documentation, (documentation_file.DocumentationError,)
        ),
        Parser("record", (_record_seed(),), _parse_record, (RecordError,)),
        Parser("manifest", (_manifest_seed(),), _parse_manifest, (NotARecordingError,)),
        Parser("progress", (_progress_seed(),), _parse_progress, ()),
        Parser("request", _request_seeds(), _parse_request, (ProtocolError,)),
        Parser("answer", _answer_seeds(), _parse_answer, ()),
        Parser("vectors", (published,), _parse_vectors, (UnreadableError,)),
    )


def _require_short(words: str) -> None:
    if len(words.splitlines()) > 1 or len(words) > _LONGEST:
        raise AssertionError(f"{len(words)} characters in {len(words.splitlines())} lines: {words[:200]!r}")


def try_one(parser: Parser, content: bytes) -> str:
    """Try one input, and return what is wrong; empty if nothing is."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        try:
            parser.parse(content, Path(folder))
        except parser.errors as error:
            words = str(error).replace(folder, "")
            if len(words.splitlines()) > 1 or len(words) > _LONGEST:
                return f"a refusal of {len(words)} characters: {words[:200]!r}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the fuzzer looks for
            return f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.process_time() - began
    return f"it takes {seconds:.1f} s" if seconds > _SLOW else ""


def fuzz(parser: Parser, count: int, seed: int) -> list[tuple[bytes, str]]:
    """Try damaged inputs; return those that go wrong, and how."""
    rng = random.Random(f"{parser.name} {seed}")
    found = []
    for _ in range(count):
        content = damage(rng, rng.choice(parser.seeds))
        if wrong := try_one(parser, content):
            found.append((content, wrong))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Try many inputs on every parser, or on one."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--count", type=int, default=10_000, help="of all parsers together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--parser", help="only this one")
    given = options.parse_args(arguments)
    chosen = [parser for parser in parsers() if given.parser in (None, parser.name)]
    failed = 0
    for parser in chosen:
        began = time.perf_counter()
        found = fuzz(parser, given.count // len(chosen), given.seed)
        failed += len(found)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        took = time.perf_counter() - began
        sys.stdout.write(
            f"{parser.name}: {given.count // len(chosen)} inputs, {len(found)} wrong, {took:.0f} s, {memory} MiB\n"
        )
        for wrong, times in Counter(wrong for _, wrong in found).most_common(5):
            example: Any = next(content for content, what in found if what == wrong)
            sys.stdout.write(f"  {times} times {wrong}\n    {example[:200]!r}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
