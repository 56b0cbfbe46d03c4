"""Merge the runs of several environments and machines into one report.

A merged record is its runs, unchanged, one after the other. A file that is not a whole record of this version is
refused; a run that was cut off is taken only on request, and marked, or where it is all that a killed run has left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .record import FILE_NAME, PARTIAL_SUFFIX, Record, RecordError, read_records


def merge(paths: Iterable[str | os.PathLike[str]], *, cut_off: bool = False) -> tuple[Record, ...]:
    """Read the runs of several records, in the order of the files.

    A run that is in several files (a record next to a merged one that holds it) is taken once.

    Args:
        paths: records, or reports' folders.
        cut_off: whether to take a run whose end is missing, as far as it goes, and mark it.

    Raises:
        RecordError: for a file that is not a whole record, or is missing; it names the file and the line.
    """
    runs: dict[str, Record] = {}
    for path in paths:
        for record in _read(Path(path), cut_off=cut_off):
            runs.setdefault(record.digest, record)
    return tuple(runs.values())


def _read(path: Path, *, cut_off: bool) -> tuple[Record, ...]:
    file = path / FILE_NAME if path.is_dir() else path
    try:
        return read_records(file, cut_off=cut_off or file.name.endswith(PARTIAL_SUFFIX))
    except OSError as error:
        raise RecordError(file, 0, f"cannot be read ({error.strerror})") from error


def find_records(file: Path) -> list[Path]:
    """Find the record itself, or those in the subfolders of a folder without one.

    A run that was killed has left a partial record.
    """
    if not file.is_dir() or (file / FILE_NAME).exists():
        return [file]
    if (partial := file / f"{FILE_NAME}{PARTIAL_SUFFIX}").exists():
        return [partial]
    return sorted(file.glob(f"*/{FILE_NAME}")) or [file]
