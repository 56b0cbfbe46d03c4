"""Helpers that run an audit and look at its record."""

from __future__ import annotations

from pathlib import Path

from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.record import Record, read_record


def audited(folder: Path, report: Path, *options: str) -> tuple[int, Record]:
    """The exit code and the record of an audit."""
    code = cli.main(
        ["audit", str(folder), "--report", str(report), "--quiet", *options], standalone_mode=False
    )
    return code, read_record(report)


def said(record: Record, check: str):
    """The verdict of a check."""
    return next(verdict for verdict in record.verdicts if verdict.check == check)


def numbers(record: Record) -> list[object]:
    """The result of an audit without what differs from run to run."""
    return [(v.check, v.status, v.reason, v.divergence, v.measured) for v in record.verdicts]
