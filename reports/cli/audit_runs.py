"""Audit the recordings of a folder, and write one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from ...impl.recording.format import MANIFEST
from ...oracles.error_model import Arithmetic
from ..audit.executors import ExecutorError, WorkersGoneError, executor
from ..audit.manifest import Manifest
from ..audit.progress import ProgressFile
from ..audit.run import audit
from ..audit.verdicts import diagnoses, verdicts
from ..ledger import ledger
from ..record.environment import machine, versions
from ..record.exit_codes import ExitCode
from ..record.record import Header, Record
from ..record.run_result import RunResult
from ..render.report import render
from .audit_output import show_progress
from .errors import CommandError


def find_recordings(folder: Path) -> list[Path]:
    """The recordings of a folder: itself, or the folders in it that are some.

    Returns:
        The folder itself where there is none, for a reader that says why it cannot be read.
    """
    try:
        inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    except OSError:
        inside = []
    return inside if inside and not (folder / MANIFEST).exists() else [folder]


def audit_all(
    manifests: Sequence[Manifest],
    report: Path,
    known: ledger.Ledger,
    arithmetic: Arithmetic,
    options: Mapping[str, Any],
    console: Console,
) -> list[RunResult]:
    """Audit recordings one after the other, and write one report of all.

    Args:
        manifests: of the recordings.
        report: the folder of the report, which has the results so far as well.
        known: the known divergences.
        arithmetic: the declared arithmetic.
        options: of the command line.
        console: for the progress.

    Raises:
        OSError: the results so far cannot be written.
        CommandError: the workers cannot judge, or no tensor is one of those that were asked for.
    """
    records: list[Record] = []
    for manifest in manifests:
        restart = options["restart"] and not records
        with closing(ProgressFile(report, manifest, restart=restart)) as progress:
            records.append(_audit_one(manifest, progress, known, arithmetic, options, console))
    try:
        render(records, report)
    except OSError as error:
        # The results so far stay on the disk.
        words = f"the report cannot be written to {report} ({error.strerror})"
        return [RunResult(record, unwritten=words) for record in records]
    progress.remove()
    return [RunResult(record) for record in records]


def _audit_one(
    manifest: Manifest,
    progress: ProgressFile,
    known: ledger.Ledger,
    arithmetic: Arithmetic,
    options: Mapping[str, Any],
    console: Console,
) -> Record:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with (
            executor(
                manifest.folder,
                manifest.facts["chunk"],
                size=sum(step.size for step in manifest.steps.values()),
                workers=options["workers"],
                scheduler=options["scheduler"],
            ) as judge,
            show_progress(console) as callbacks,
        ):
            audited = audit(
                manifest,
                judge,
                progress,
                arithmetic=arithmetic,
                numbers=_steps_in(manifest, options["steps"]) if options["steps"] else None,
                callbacks=callbacks,
            )
    except WorkersGoneError as error:
        raise CommandError(str(error), ExitCode.NOTHING_JUDGED) from error
    except ExecutorError as error:
        raise CommandError(str(error)) from error
    if manifest.tensors and manifest.judged and not audited.result.tensors:
        raise CommandError(f"no tensor of the recording is one of {', '.join(manifest.tensors)}")
    header = _header(manifest, started, arithmetic if options["model"] else None, sorted(audited.models))
    judged = verdicts(audited, known, _arguments(options), unfinished=options["unfinished"])
    return replace(Record.of(header, judged), diagnoses=tuple(diagnoses(audited, judged)))


def _steps_in(manifest: Manifest, ranges: Sequence[tuple[int, int]]) -> list[int]:
    return [n for n in manifest.steps if any(first <= n <= last for first, last in ranges)]


def _arguments(options: Mapping[str, Any]) -> list[str]:
    """The options that change a verdict, as the command line has them."""
    named = {"known": options["known"], "known-only": options["known_only"], "arithmetic": options["model"]}
    words = [word for name, value in named.items() if value is not None for word in (f"--{name}", str(value))]
    for first, last in options["steps"]:
        words += ["--step", str(first) if first == last else f"{first}-{last}"]
    for tensor in options["tensors"]:
        words += ["--tensor", tensor]
    return [*words, *(["--unfinished"] if options["unfinished"] else [])]


def _header(manifest: Manifest, started: str, arithmetic: Arithmetic | None, dtypes: list[str]) -> Header:
    facts = manifest.facts
    return Header(
        suite_version=version("adamax-conformance"),
        created=started,
        profile="audit",
        platform=machine(),
        versions=versions("numba", "gmpy2", "distributed"),
        subjects=[
            {
                "name": facts["subject"],
                "recording": manifest.folder.name,
                "framework": facts["framework"],
                "version": facts["version"],
                "optimizer": facts["optimizer"],
                "device": facts["device"],
                "dtypes": dtypes,
                "recorded": facts["created"],
                "runtime": f"Python {facts['python']}, NumPy {facts['numpy']}",
            }
        ],
        arithmetic=None if arithmetic is None else asdict(arithmetic),
    )
