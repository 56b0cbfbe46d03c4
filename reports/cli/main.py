"""The command line: `check`, `subjects`, `identify`, `report`, `diff` and more.

`check` starts pytest with the suite, so that everything that people know of pytest keeps working: what stands
after `--` is passed on (`adamax-conformance check torch -- -n 2 -k nan`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import pytest
from rich.console import Console

from ...impl.protocol.messages import DEVICES, DTYPES
from .. import arithmetic_file
from ..ledger import ledger
from ..matrix.page import write_matrix
from ..record.exit_codes import ExitCode, outcome
from ..record.merge import merge
from ..record.record import FILE_NAME, Record, RecordError, read_record
from ..render import terminal
from ..render.report import render
from ..render.summary import summarize
from . import diff, subjects
from .audit import audit_recording
from .options import OPTIONS, pytest_arguments
from .vectors import vectors

_SUITE: Final = "adamax_conformance.tests.conformance"
_SUBJECT_HELP: Final = """
SUBJECT is numpy (our own, where nothing is named), torch, torch[foreach], mindspore, ...;
package.module:factory or path/to/file.py:factory; torch:package.module.Class; process:COMMAND."""


def main() -> NoReturn:
    """Run the command line; what stands after `--` is passed to pytest."""
    arguments = sys.argv[1:]
    passed: list[str] = []
    if "--" in arguments:
        end = arguments.index("--")
        arguments, passed = arguments[:end], arguments[end + 1 :]
    try:
        code = cli.main(
            arguments,
            "adamax-conformance",
            standalone_mode=False,
            obj=tuple(passed),
            auto_envvar_prefix="ADAMAX_CONFORMANCE",
        )
    except _CommandError as error:
        error.show()
        code = error.code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except BrokenPipeError:
        # The reader of our output has closed it; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(int(code or 0))


class _CommandError(click.ClickException):
    """An error of one line, and the exit code that goes with it."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("adamax-conformance"), prog_name="adamax-conformance")
def cli() -> None:
    """Tell whether an Adamax optimizer computes what its documentation says.

    A report shows where it does not.

    Exit codes: 0 conforms (known divergences listed), 1 a divergence, 2 wrong usage or unreadable input,
    3 nothing could be judged.
    """


@cli.command(epilog=_SUBJECT_HELP, params=[*OPTIONS])
@click.argument("subject", nargs=-1)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    default="divergence-report",
    show_default=True,
    help="The folder of the record and the report.",
)
@click.option(
    "--print-known", is_flag=True, help="Write ledger entries for what diverges to standard output."
)
@click.option(
    "--skip-absent", is_flag=True, help="If the subject or the device is missing, say so and exit 0."
)
@click.option("--quiet", is_flag=True, help="Print nothing but the answer.")
@click.pass_obj
def check(passed: tuple[str, ...], /, **options: Any) -> int:
    """Check optimizers. Without SUBJECT, our own implementation."""
    if options["print_known"]:
        options["quiet"] = True
    _check_early(options)
    arguments = _pytest_arguments(options, passed)
    watch = _InternalErrorWatcher()
    with _set_aside_earlier_record(options["report"]) as bring_back:
        code = int(pytest.main([*arguments, *passed], plugins=[watch]))
        if not watch.failure and code in {ExitCode.USAGE, ExitCode.NOTHING_JUDGED}:
            bring_back()
    if watch.failure:
        raise _CommandError(f"the suite itself failed:\n{watch.failure}", ExitCode.NOTHING_JUDGED)
    if code in {ExitCode.USAGE, ExitCode.NOTHING_JUDGED}:
        # The run could not begin, and pytest has said why; the code is ours.
        if options["skip_absent"] and code == ExitCode.NOTHING_JUDGED:
            click.echo("skipped: nothing was judged")
            return int(ExitCode.CONFORMS)
        return code
    record = _read_written_record(options["report"], code)
    console = Console(no_color=None if sys.stdout.isatty() else True)
    if options["print_known"]:
        click.echo(ledger.write_entries(record.verdicts, _versions(record)), nl=False)
    elif options["quiet"]:
        terminal.print_line(summarize([record]).answer, console)
    else:
        terminal.show(summarize([record]), console)
        terminal.print_line(f"report: {options['report'] / 'index.html'}", console)
    return int(outcome(record.verdicts))


class _InternalErrorWatcher:
    """Keeps pytest's report of an internal error.

    Pytest itself prints it only on its own terminal.
    """

    failure = ""

    def pytest_internalerror(self, excrepr: object) -> None:
        """Keep the error; a hook of pytest."""
        self.failure = str(excrepr)


def _check_early(options: dict[str, Any]) -> None:
    """Raise at once the errors of usage that the run would find later."""
    try:
        if options["known"] is not None:
            ledger.load(options["known"])
        arithmetic_file.load(options["arithmetic"])
    except (ledger.LedgerError, arithmetic_file.DeclarationError) as error:
        raise _CommandError(str(error), ExitCode.USAGE) from error
    directory: Path = options["report"]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _CommandError(
            f"the report folder {directory} cannot be written to ({error.strerror}); name another with --report",
            ExitCode.USAGE,
        ) from error


@contextmanager
def _set_aside_earlier_record(directory: Path) -> Iterator[Callable[[], None]]:
    """Move an earlier run's record aside, and yield a function that restores it.

    It must not pass for the record of this run.
    """
    record = directory / FILE_NAME
    aside = record.with_name(f"{FILE_NAME}.earlier")
    with suppress(FileNotFoundError):
        record.replace(aside)

    def bring_back() -> None:
        if aside.exists() and not record.exists():
            aside.replace(record)

    try:
        yield bring_back
    finally:
        aside.unlink(missing_ok=True)


def _pytest_arguments(options: dict[str, Any], passed: Sequence[str]) -> list[str]:
    suite = importlib.util.find_spec(_SUITE)
    assert suite is not None
    assert suite.origin is not None
    # By its folder rather than with --pyargs: for a name, pytest loads a conftest.py that lies where the user is.
    folder = Path(suite.origin).parent
    arguments = [str(folder), "-c", str(folder / "pytest.ini"), "-p", f"{_SUITE}.plugin"]
    if not passed:  # a user who passes arguments on knows pytest, and wants to see it
        arguments += ["-p", "no:terminal"]
    arguments += [f"--adamax-subject={name}" for name in options["subject"]]
    arguments += [f"--adamax-report={options['report']}", *pytest_arguments(options)]
    if options["fail_fast"]:
        arguments.append("--maxfail=1")
    if not options["quiet"] and not passed:
        arguments.append("--adamax-progress")
    return arguments


def _read_written_record(directory: Path, code: int) -> Record:
    """Read the record that the run has written."""
    try:
        return read_record(directory / FILE_NAME)
    except (RecordError, OSError) as error:
        if code == pytest.ExitCode.INTERRUPTED:
            raise click.Abort from error
        raise _CommandError(f"the run wrote no whole record: {error}", ExitCode.USAGE) from error


def _versions(record: Record) -> dict[str, str]:
    return {str(s["name"]): str(s.get("version", "")) for s in record.header.subjects}


@cli.command("subjects")
@click.option("--python", metavar="PATH", help="The interpreter to look in.")
def list_subjects(python: str | None) -> int:
    """List the subjects here, with versions, dtypes and devices, and what is missing."""
    subjects.show(python, Console())
    return int(ExitCode.CONFORMS)


@cli.command("identify")
@click.argument("subject")
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES))
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True)
@click.option("--python", metavar="PATH", help="The interpreter to run the subject in.")
def identify_subject(subject: str, dtype: tuple[str, ...], device: str, python: str | None) -> int:
    """Identify the rule, form and scalar precision of SUBJECT, with the evidence."""
    try:
        return int(subjects.identify_and_show(subject, dtype, device, python, Console()))
    except subjects.NotIdentifiedError as error:
        raise _CommandError(str(error), error.code) from error


_FILE = click.Path(path_type=Path)


@cli.command("report")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--output", type=_FILE, required=True, help="The folder to write to.")
@click.option(
    "--matrix",
    "matrix_file",
    type=_FILE,
    help="Also write the matrix of all subjects to this Markdown file, and its data next to it.",
)
def merge_records(files: tuple[Path, ...], output: Path, matrix_file: Path | None) -> int:
    """Merge the records of several runs, and render them.

    FILE is a record, a report's folder, or a folder of those.
    """
    records = _merge(*files)
    try:
        summary = render(records, output)
        if matrix_file is not None:
            write_matrix(records, matrix_file, ledger.load())
    except OSError as error:
        raise _CommandError(
            f"{error.filename or output} cannot be written to ({error.strerror})", ExitCode.USAGE
        ) from error
    terminal.show(summary, Console())
    terminal.print_line(f"report: {output / 'index.html'}", Console())
    return int(summary.exit_code)


@cli.command("diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True
)
def compare_records(old: Path, new: Path, form: str) -> int:
    """Compare two runs: what began to diverge, stopped, or changed in size.

    The exit code is 1 if something got worse.
    """
    comparison = diff.compare(_merge(old), _merge(new))
    match form:
        case "markdown":
            click.echo(comparison.to_markdown(), nl=False)
        case "json":
            click.echo(json.dumps(comparison.to_json(), indent=2))
        case _:
            console = Console()
            terminal.spell_out(console)
            console.print(comparison.to_table())
    return int(comparison.exit_code)


def _merge(*files: Path) -> tuple[Record, ...]:
    try:
        return merge(path for file in files for path in _records_in(file))
    except RecordError as error:
        raise _CommandError(str(error), ExitCode.USAGE) from error


def _records_in(file: Path) -> list[Path]:
    """The record itself, or those in the subfolders of a folder without one."""
    if not file.is_dir() or (file / FILE_NAME).exists():
        return [file]
    return sorted(file.glob(f"*/{FILE_NAME}")) or [file]


cli.add_command(vectors)
cli.add_command(audit_recording)

if __name__ == "__main__":
    main()
