"""How do the verdicts look in a spreadsheet: as comma-separated values?"""

from __future__ import annotations

import csv
import io
from typing import Final

from ..escape import csv_cell
from .summary import Judged, Summary

COLUMNS: Final = (
    "run",
    "check",
    "status",
    "subject",
    "version",
    "dtype",
    "device",
    "reason",
    "quantity",
    "step",
    "parameter",
    "element",
    "expected",
    "actual",
    "expected_hex",
    "actual_hex",
    "error_ulp",
    "error_over_bound",
    "case",
    "reproduce",
    "since",
    "duration",
)


def render(summary: Summary) -> bytes:
    """The table, with a header line, in UTF-8; no cell of it is taken for a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for judged in summary.judged:
        cells = _cells(judged)
        writer.writerow([csv_cell(cells.get(column, "")) for column in COLUMNS])
    return buffer.getvalue().encode()


def _cells(judged: Judged) -> dict[str, str]:
    verdict, row = judged.verdict, judged.configuration
    cells = {
        "run": str(row.run),
        "check": verdict.check,
        "status": verdict.status.value,
        "subject": verdict.subject,
        "version": row.version,
        "dtype": verdict.dtype,
        "device": verdict.device,
        "reason": verdict.reason,
        "reproduce": verdict.reproduce,
        "since": verdict.since,
        "duration": f"{verdict.duration:.3f}",
    }
    if (divergence := verdict.divergence) is not None:
        cells["quantity"] = divergence.quantity.value
        cells["case"] = str(divergence.case["name"]) if divergence.case else ""
        for name in COLUMNS:
            if name not in cells and (value := getattr(divergence, name, None)) is not None:
                cells[name] = " ".join(map(str, value)) if name == "element" else str(value)
    return cells
