"""The data of the published matrix: verdicts, reasons, and identified rules.

`gather_matrix` makes it from records, `to_json` and `from_json` convert it for a small file next to the page, and
`page` writes the page from nothing but that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ...oracles.verdict import Status, Verdict
from ..ledger.ledger import Entry, Ledger
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
class MatrixCell:
    """One verdict of the matrix: its check, status and reason.

    Attributes:
        check: the id.
        status: the answer.
        reason: why; empty for what conforms.
    """

    check: str
    status: Status
    reason: str


@dataclass(frozen=True)
class MatrixRow:
    """One subject in one dtype on one device.

    Attributes:
        subject: as on the command line.
        framework: what it runs on.
        version: the framework's.
        runtime: of the language, and of NumPy.
        dtype: the working format.
        device: where it ran.
        created: when its run began, in ISO 8601.
        rule: the facts that the check of the rule measured.
        cells: its verdicts, in the suite's order.
    """

    subject: str
    framework: str
    version: str
    runtime: str
    dtype: str
    device: str
    created: str
    rule: Mapping[str, Any]
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True)
class Matrix:
    """The published matrix.

    Attributes:
        suite: the version of the suite.
        rows: sorted by subject and dtype.
        surprises: for each subject, a few words of the known divergences that surprise, and where each is tracked.
        accuracy: for each subject, the largest known error of theta after a step by dtype, in ulp.
    """

    suite: str
    rows: tuple[MatrixRow, ...]
    surprises: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    accuracy: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def gather_matrix(
    records: Sequence[Record], ledger: Ledger | None = None, earlier: Matrix | None = None
) -> Matrix:
    """Gather the matrix of some runs.

    If several ran a check on the same version, the last one counts.

    Args:
        records: of the runs.
        ledger: is applied to each divergence again, so that one recorded before its entry is known too.
        earlier: the matrix that the runs renew; rows that none of them has stay.
    """
    order = {name: number for number, name in enumerate(("float16", "bfloat16", "float32", "float64"))}
    rows = {
        (row.subject, order.get(row.dtype, len(order)), row.device): row
        for row in (earlier.rows if earlier else ())
    }
    for record in sorted(records, key=lambda r: r.header.created):
        for row in _rows(record, ledger):
            key = (row.subject, order.get(row.dtype, len(order)), row.device)
            rows[key] = _update_row(rows[key], row) if key in rows else row
    suites = sorted(
        {record.header.suite_version for record in records}
        | set(earlier.suite.split(", ") if earlier else ())
    )
    found = tuple(rows[key] for key in sorted(rows))
    return Matrix(", ".join(suites), found, _surprises(found, ledger.entries if ledger else ()))


def _surprises(rows: Sequence[MatrixRow], entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """The words of the entries whose divergences are in the rows, by subject."""
    surprising = [entry for entry in entries if entry.surprise]
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        known = {cell.reason for cell in row.cells if cell.status is Status.KNOWN}
        for entry in surprising:
            if entry.reason in known and entry.is_for(row.subject):
                found.setdefault(row.subject, {})[entry.surprise] = entry.evidence
    return found


def _rows(record: Record, ledger: Ledger | None) -> Iterator[MatrixRow]:
    """The rows of one run, by subject, dtype and device."""
    facts = {str(subject.get("name", "")): subject for subject in record.header.subjects}
    by_target: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in record.verdicts:
        by_target.setdefault((verdict.subject, verdict.dtype, verdict.device), []).append(verdict)
    for (subject, dtype, device), judged in by_target.items():
        known = facts.get(subject, {})
        version = str(known.get("version", ""))
        verdicts = judged if ledger is None else [ledger.apply(v, version) for v in judged]
        yield MatrixRow(
            subject=subject,
            framework=str(known.get("framework", "")),
            version=version,
            runtime=str(known.get("runtime", "")),
            dtype=dtype,
            device=device,
            created=record.header.created,
            rule=_rule_of(verdicts),
            cells=tuple(
                MatrixCell(v.check, v.status, "" if v.status is Status.CONFORMS else v.reason)
                for v in verdicts
            ),
        )


def _update_row(old: MatrixRow, new: MatrixRow) -> MatrixRow:
    """Replace the verdicts of a row by a later run's; all of them if versions differ."""
    if (old.version, old.runtime) != (new.version, new.runtime):
        return new
    cells = {s.check: s for s in old.cells} | {s.check: s for s in new.cells}
    return replace(new, rule=new.rule or old.rule, cells=tuple(cells.values()))


def _rule_of(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    measured = next((v.measured for v in verdicts if v.check == RULE_CHECK), {})
    return {name: measured[name] for name in _FACTS if name in measured and _is_fact(measured[name])}


def _is_fact(value: object) -> bool:
    """Whether a value is one that the suite measures.

    That is a text or none, texts, or texts by name.
    """
    match value:
        case None | str():
            return True
        case Mapping():
            return all(isinstance(item, str) for item in value.values())
        case list() | tuple():
            return all(isinstance(item, str) for item in value)
    return False


def to_json(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON values: each check and each reason is written once."""
    checks = list(dict.fromkeys(cell.check for row in matrix.rows for cell in row.cells))
    reasons = {"": 0}
    rows = []
    for row in matrix.rows:
        by_check = {cell.check: cell for cell in row.cells}
        ordered = [by_check.get(check) for check in checks]
        rows.append(
            {
                **{name: getattr(row, name) for name in _PLAIN},
                "rule": dict(row.rule),
                "statuses": "".join(_NOT_RUN if s is None else _LETTERS[s.status] for s in ordered),
                "reasons": [
                    reasons.setdefault(s.reason, len(reasons))
                    for s in ordered
                    if s is not None and s.status is not Status.CONFORMS
                ],
            }
        )
    return {
        "schema": SCHEMA,
        "suite": matrix.suite,
        "surprises": {subject: dict(words) for subject, words in matrix.surprises.items()},
        "accuracy": {subject: dict(errors) for subject, errors in matrix.accuracy.items()},
        "checks": checks,
        "reasons": list(reasons),
        "rows": rows,
    }


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
        cells = [
            MatrixCell(check, status, "" if status is Status.CONFORMS else value["reasons"][next(numbers)])
            for check, letter in zip(value["checks"], row["statuses"], strict=True)
            if letter != _NOT_RUN
            for status in (_STATUSES[letter],)
        ]
        rows.append(MatrixRow(**{name: row[name] for name in _PLAIN}, rule=row["rule"], cells=tuple(cells)))
    return Matrix(value["suite"], tuple(rows), value.get("surprises", {}), value.get("accuracy", {}))
