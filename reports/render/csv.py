"""The verdicts as comma-separated values, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Final

from ..escape import csv_cell
from .command import command_of
from .summary import Summary, VerdictRow

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
    """Render the table with a header line in UTF-8; no cell is taken for a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in summary.rows:
        cells = _cells(row)
        writer.writerow([csv_cell(cells.get(column, "")) for column in COLUMNS])
    return buffer.getvalue().encode()


def _cells(row: VerdictRow) -> dict[str, str]:
    verdict, configuration = row.verdict, row.configuration
    cells = {
        "run": str(configuration.run),
        "check": verdict.check,
        "status": verdict.status.value,
        "subject": verdict.subject,
        "version": configuration.version,
        "dtype": verdict.dtype,
        "device": verdict.device,
        "reason": verdict.reason,
        "reproduce": command_of(verdict),
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
