"""What of many runs is kept for the published matrix? Each verdict's status and reason, and each rule that was found.

`gather` makes it from records, `to_json` and `from_json` keep it in a small file beside the page, and
`matrix_page` writes the page from nothing but that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ...oracles.verdict import Status, Verdict
from ..ledger.ledger import Ledger
from ..record.record import Record

SCHEMA: Final = 1
RULE_CHECK: Final = "rule/documented"
_FACTS: Final = ("rule", "also", "open", "computed in", "form", "scalars", "documented there")
_LETTERS: Final[Mapping[Status, str]] = {
    Status.CONFORMS: "c",
    Status.DIVERGES: "d",
    Status.KNOWN: "k",
    Status.UNSPECIFIED: "u",
    Status.SKIPPED: "s",
    Status.BROKEN: "b",
}
_STATUSES: Final = {letter: status for status, letter in _LETTERS.items()}
_NOT_RUN: Final = "."


@dataclass(frozen=True)
class Said:
    """One verdict, in short.

    Attributes:
        check: the id.
        status: the answer.
        reason: why; empty for what conforms.
    """

    check: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Row:
    """One subject in one dtype on one device.

    Attributes:
        subject: as on the command line.
        framework: what it runs on.
        version: the framework's.
        runtime: of the language, and of NumPy.
        dtype: the working format.
        device: where it ran.
        created: when its run began, in ISO 8601.
        rule: what was measured by the check of the rule.
        said: its verdicts, in the suite's order.
    """

    subject: str
    framework: str
    version: str
    runtime: str
    dtype: str
    device: str
    created: str
    rule: Mapping[str, Any]
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Matrix:
    """All that is published.

    Attributes:
        suite: the version of the suite.
        rows: sorted by subject and dtype.
    """

    suite: str
    rows: tuple[Row, ...]


def gather(records: Sequence[Record], ledger: Ledger | None = None) -> Matrix:
    """The matrix of some runs; where several asked the same check of the same version, the last one counts.

    Args:
        records: of the runs.
        ledger: settles each divergence anew: what was recorded before the ledger listed it is known as well.
    """
    order = {name: place for place, name in enumerate(("float16", "bfloat16", "float32", "float64"))}
    rows: dict[tuple[str, int, str], Row] = {}
    for record in sorted(records, key=lambda r: r.header.created):
        for row in _rows(record, ledger):
            key = (row.subject, order.get(row.dtype, len(order)), row.device)
            rows[key] = _renewed(rows[key], row) if key in rows else row
    suites = sorted({record.header.suite_version for record in records})
    return Matrix(", ".join(suites), tuple(rows[key] for key in sorted(rows)))


def _rows(record: Record, ledger: Ledger | None) -> Iterator[Row]:
    """What one run says, by subject, dtype and device."""
    facts = {str(subject["name"]): subject for subject in record.header.subjects}
    seats: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in record.verdicts:
        seats.setdefault((verdict.subject, verdict.dtype, verdict.device), []).append(verdict)
    for (subject, dtype, device), judged in seats.items():
        known = facts.get(subject, {})
        version = str(known.get("version", ""))
        verdicts = judged if ledger is None else [ledger.settle(v, version) for v in judged]
        yield Row(
            subject=subject,
            framework=str(known.get("framework", "")),
            version=version,
            runtime=str(known.get("runtime", "")),
            dtype=dtype,
            device=device,
            created=record.header.created,
            rule=_rule_of(verdicts),
            said=tuple(
                Said(v.check, v.status, "" if v.status is Status.CONFORMS else v.reason) for v in verdicts
            ),
        )


def _renewed(old: Row, new: Row) -> Row:
    """A row with the verdicts of a later run in the place of the same ones; the later alone if versions differ."""
    if (old.version, old.runtime) != (new.version, new.runtime):
        return new
    said = {s.check: s for s in old.said} | {s.check: s for s in new.said}
    return replace(new, rule=new.rule or old.rule, said=tuple(said.values()))


def _rule_of(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    measured = next((v.measured for v in verdicts if v.check == RULE_CHECK), {})
    return {name: measured[name] for name in _FACTS if name in measured}


def to_json(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON values: each check and each reason is written once."""
    checks = list(dict.fromkeys(said.check for row in matrix.rows for said in row.said))
    reasons = {"": 0}
    rows = []
    for row in matrix.rows:
        by_check = {said.check: said for said in row.said}
        told = [by_check.get(check) for check in checks]
        rows.append(
            {
                **{name: getattr(row, name) for name in _PLAIN},
                "rule": dict(row.rule),
                "statuses": "".join(_NOT_RUN if s is None else _LETTERS[s.status] for s in told),
                "reasons": [
                    reasons.setdefault(s.reason, len(reasons))
                    for s in told
                    if s is not None and s.status is not Status.CONFORMS
                ],
            }
        )
    return {"schema": SCHEMA, "suite": matrix.suite, "checks": checks, "reasons": list(reasons), "rows": rows}


_PLAIN: Final = ("subject", "framework", "version", "runtime", "dtype", "device", "created")


def from_json(value: Mapping[str, Any]) -> Matrix:
    """The inverse of `to_json`.

    Raises:
        ValueError: it is of another version of the schema.
    """
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema is {value.get('schema')!r}; this version reads {SCHEMA}")
    rows = []
    for row in value["rows"]:
        numbers = iter(row["reasons"])
        said = [
            Said(check, status, "" if status is Status.CONFORMS else value["reasons"][next(numbers)])
            for check, letter in zip(value["checks"], row["statuses"], strict=True)
            if letter != _NOT_RUN
            for status in (_STATUSES[letter],)
        ]
        rows.append(Row(**{name: row[name] for name in _PLAIN}, rule=row["rule"], said=tuple(said)))
    return Matrix(value["suite"], tuple(rows))
