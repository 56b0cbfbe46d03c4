"""The command `adamax-conformance audit`: judge a recording, and write the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource
from rich.console import Console

from ...oracles.error_model import Arithmetic
from .. import arithmetic_file
from ..audit.executors import ExecutorError, WorkersGoneError, executor
from ..audit.manifest import Manifest, NotARecordingError, read_manifest
from ..audit.progress import ProgressFile
from ..audit.run import audit
from ..audit.verdicts import diagnoses, verdicts
from ..escape import terminal_line
from ..ledger import ledger
from ..ledger.choice import choose
from ..record.environment import machine, versions
from ..record.exit_codes import ExitCode
from ..record.folder_lock import FolderLock, FolderLockedError
from ..record.record import Header, Record
from ..record.run_result import RunResult
from ..render import terminal
from ..render.report import FILES, render
from ..render.summary import summarize
from ..untrusted import LONGEST_MESSAGE
from .audit_output import show_audit, show_progress
from .comparing import compare_recordings
from .errors import CommandError, make_folder, unwritten

_PATH: Final = click.Path(path_type=Path)


class _StepRange(click.ParamType[tuple[int, int]]):
    """A recorded step, or the first and the last of some: `7`, `10-20`."""

    name = "step"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Convert to the first and the last step."""
        first, dash, last = str(value).partition("-")
        words = (first, last if dash else first)
        steps = [int(word) if word.isascii() and word.isdigit() else 0 for word in words]
        if not 1 <= steps[0] <= steps[1]:
            self.fail(f"{value!r} is not a step from 1, or two of them as in 10-20", param, ctx)
        return steps[0], steps[1]


@click.command("audit")
@click.argument("recording", type=_PATH)
@click.argument("other", type=_PATH, required=False)
@click.option(
    "--report", "--output", "report", type=_PATH, default="audit-report", show_default=True, help="Where to."
)
@click.option("--known", type=_PATH, help="Your ledger of known divergences, added to the shipped one.")
@click.option("--known-only", type=_PATH, help="A ledger instead of the shipped one.")
@click.option("--arithmetic", "model", type=_PATH, help="The declared arithmetic of the device.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes of this machine; one a core by default, and none on two cores.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A scheduler of dask.distributed whose workers judge.")
@click.option(
    "--step",
    "steps",
    type=_StepRange(),
    multiple=True,
    metavar="N|FIRST-LAST",
    help="Only this recorded step, or these.",
)
@click.option(
    "--tensor",
    "tensors",
    multiple=True,
    metavar="GLOB",
    help="Only the tensors with such a name, or this number.",
)
@click.option(
    "--unfinished", is_flag=True, help="Accept a recording without its end, up to its last whole step."
)
@click.option(
    "--restart", is_flag=True, help="Judge again what an audit that was stopped has judged already."
)
@click.option("--quiet", is_flag=True, help="Print nothing but the answer.")
def audit_recording(recording: Path, other: Path | None, report: Path, **options: Any) -> int:
    """Check a recorded training run: every element of every recorded step.

    RECORDING is a folder that adamax_conformance.impl.recording.record wrote. Start an audit that was stopped again
    with the same report folder, and it goes on where it was.

    With OTHER, a recording of the same run on another device, say, print the first step where they part, and which of
    them is within the bound there; no report is written.
    """
    if other is not None:
        _require_options_of_two()
    try:
        known = choose(options["known"], options["known_only"]).used
        arithmetic = arithmetic_file.load(options["model"])
        manifest = read_manifest(recording)
        second = None if other is None else read_manifest(other)
    except (ledger.LedgerError, arithmetic_file.DeclarationError, NotARecordingError) as error:
        raise CommandError(str(error)) from error
    shown = Console(no_color=None if sys.stdout.isatty() else True)
    if second is not None:
        lines, code = compare_recordings(manifest, second, arithmetic)
        for line in lines:
            terminal.print_line(terminal_line(line), shown)
        return code
    ends = {step for pair in options["steps"] for step in pair}
    if missing := sorted(ends - set(manifest.judged)):
        raise CommandError(
            f"the recording has no recorded step {missing[0]}; it has {_extent(manifest.judged)}"
        )
    manifest = replace(manifest, tensors=options["tensors"])
    lock = _take_folder(report)
    console = Console(stderr=True, quiet=options["quiet"])
    try:
        with closing(ProgressFile(report, manifest, restart=options["restart"])) as progress:
            record = _run_audit(manifest, progress, known, arithmetic, options, console)
            result = _write_report(record, report, progress)
    except OSError as error:
        raise unwritten(report, error) from error
    finally:
        lock.close()
    summary = summarize([record])
    if options["quiet"]:
        terminal.print_line(summary.answer, shown)
    else:
        show_audit(summary, None if result.unwritten else report / "index.html", shown)
    if result.problem:
        click.echo(f"Error: {terminal_line(result.problem, LONGEST_MESSAGE)}", err=True)
    return result.exit_code


def _extent(numbers: Sequence[int]) -> str:
    """The first and the last of some steps."""
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "none"


def _require_options_of_two() -> None:
    """Raise for an option that a comparison of two recordings does not use."""
    context = click.get_current_context()
    for option in context.command.params:
        name = str(option.name)
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in {"recording", "other", "model"}:
            raise CommandError(
                f"{option.opts[0]} is not used where two recordings are compared; only --arithmetic is"
            )


def _write_report(record: Record, report: Path, progress: ProgressFile) -> RunResult:
    """Write the report; the results so far stay on the disk if it cannot be written."""
    try:
        render(record, report)
    except OSError as error:
        return RunResult(record, unwritten=f"the report cannot be written to {report} ({error.strerror})")
    progress.remove()
    return RunResult(record)


def _take_folder(directory: Path) -> FolderLock:
    """Lock the report's folder, and remove an earlier report.

    That one must not pass for this one.
    """
    make_folder(directory, "--report")
    try:
        lock = FolderLock(directory)
        for name in FILES:
            (directory / name).unlink(missing_ok=True)
    except FolderLockedError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise unwritten(directory, error) from error
    return lock


def _run_audit(
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
