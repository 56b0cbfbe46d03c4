"""The command `adamax-conformance audit`: judge a recording, and write the report."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource
from rich.console import Console

from .. import arithmetic_file
from ..audit.location import LocationError, locate
from ..audit.manifest import Manifest, NotARecordingError, read_manifest
from ..escape import terminal_line
from ..ledger import ledger
from ..ledger.choice import choose
from ..record.exit_codes import ExitCode
from ..record.folder_lock import FolderLock, FolderLockedError
from ..render import terminal
from ..render.report import FILES
from ..render.summary import summarize
from ..untrusted import LONGEST_MESSAGE
from .audit_output import show_audit
from .audit_runs import audit_all, find_recordings
from .comparing import compare_recordings
from .errors import CommandError, make_folder, unwritten

_PATH: Final = click.Path(path_type=Path)


class _Location(click.ParamType[Path]):
    """A folder, or an address of fsspec."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, with the methods of one."""
        try:
            return locate(str(value))
        except LocationError as error:
            self.fail(str(error), param, ctx)


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
@click.argument("recording", type=_Location())
@click.argument("other", type=_Location(), required=False)
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

    RECORDING is a folder that adamax_conformance.impl.recording.record wrote, or one of several such folders, as the
    ranks of a run write them. Start an audit that was stopped again with the same report folder, and
    it goes on where it was.

    With OTHER, a recording of the same run on another device, say, print the first step where they part, and which of
    them is within the bound there; no report is written.
    """
    if other is not None:
        _require_options_of_two()
    try:
        known = choose(options["known"], options["known_only"]).used
        arithmetic = arithmetic_file.load(options["model"])
        folders = find_recordings(recording) if other is None else [*map(_only_one, (recording, other))]
        manifests = [read_manifest(folder) for folder in folders]
    except (ledger.LedgerError, arithmetic_file.DeclarationError, NotARecordingError) as error:
        raise CommandError(str(error)) from error
    shown = Console(no_color=None if sys.stdout.isatty() else True)
    if other is not None:
        lines, code = compare_recordings(manifests[0], manifests[1], arithmetic)
        for line in lines:
            terminal.print_line(terminal_line(line), shown)
        return code
    for manifest in manifests:
        _require_steps(manifest, {step for pair in options["steps"] for step in pair})
    manifests = [replace(manifest, tensors=options["tensors"]) for manifest in manifests]
    lock = _take_folder(report)
    console = Console(stderr=True, quiet=options["quiet"])
    try:
        results = audit_all(manifests, report, known, arithmetic, options, console)
    except OSError as error:
        raise unwritten(report, error) from error
    finally:
        lock.close()
    summary = summarize([result.record for result in results])
    if options["quiet"]:
        terminal.print_line(summary.answer, shown)
    else:
        is_written = not any(result.unwritten for result in results)
        show_audit(summary, report / "index.html" if is_written else None, shown)
    for problem in dict.fromkeys(result.problem for result in results if result.problem):
        click.echo(f"Error: {terminal_line(problem, LONGEST_MESSAGE)}", err=True)
    codes = {result.exit_code for result in results}
    return int(ExitCode.DIVERGES) if ExitCode.DIVERGES in codes else max(codes)


def _only_one(folder: Path) -> Path:
    """The one recording of a folder; the folder itself where it has several."""
    found = find_recordings(folder)
    return found[0] if len(found) == 1 else folder


def _require_steps(manifest: Manifest, steps: Collection[int]) -> None:
    """Raise for a step that a recording lacks."""
    if missing := sorted(set(steps) - set(manifest.judged)):
        raise CommandError(
            f"the recording {manifest.folder} has no recorded step {missing[0]}; it has {_extent(manifest.judged)}"
        )


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
