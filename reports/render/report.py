"""The files of a report's folder, and how they are written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..record.record import FILE_NAME, Record, write_file, write_records
from . import csv, html, junit, markdown
from .summary import Summary, summarize

FILES: Final = (FILE_NAME, "report.md", "index.html", "junit.xml", "verdicts.csv")


def render(records: Record | Iterable[Record], directory: str | os.PathLike[str]) -> Summary:
    """Write the record of one or more runs to a folder, and all its renderings.

    Args:
        records: the runs.
        directory: made if it is missing; files of an earlier report in it are replaced.

    Returns:
        The summary that the files were rendered from.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    runs = (records,) if isinstance(records, Record) else tuple(records)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / FILE_NAME, runs)
    return render_recorded(runs, folder)


def render_recorded(records: Iterable[Record], folder: Path) -> Summary:
    """Write what is rendered from some runs to a folder that has their record already."""
    summary = summarize(records)
    for name, content in (
        ("report.md", markdown.render(summary).encode()),
        ("index.html", html.render(summary).encode()),
        ("junit.xml", junit.render(summary)),
        ("verdicts.csv", csv.render(summary)),
    ):
        write_file(folder / name, content)
    return summary
