"""The command line: `adamax-conformance check`, `subjects`, `identify`, `report` and `diff`.

It starts pytest with the suite by name, so that everything that people know of pytest keeps working: what
stands after `--` is passed on (`adamax-conformance check torch -- -n 2 -k nan`).
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
from .vectors import vectors

_SUITE: Final = "adamax_conformance.tests.conformance"
_SUBJECT_HELP: Final = """
SUBJECT is numpy (our own, where nothing is named), torch, torch[foreach], mindspore, ...;
package.module:factory or path/to/file.py:factory; torch:package.module.Class; process:COMMAND."""


def main() -> NoReturn:
    """The entry point: what stands after `--` is pytest's, the rest is ours."""
    arguments = sys.argv[1:]
    passed: list[str] = []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, passed = arguments[:place], arguments[place + 1 :]
    try:
        code = cli.main(
            arguments,
            "adamax-conformance",
            standalone_mode=False,
            obj=tuple(passed),
            auto_envvar_prefix="ADAMAX_CONFORMANCE",
        )
    except _Failure as error:
        error.show()
        code = error.code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(int(code or 0))


class _Failure(click.ClickException):
    """One line, and the exit code that goes with it."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("adamax-conformance"), prog_name="adamax-conformance")
def cli() -> None:
    """Tell whether an Adamax optimizer computes what its documentation says, and show where it does not.

    Exit codes: 0 conforms (known divergences listed), 1 a divergence, 2 wrong usage or unreadable input,
    3 nothing could be judged.
    """


@cli.command(epilog=_SUBJECT_HELP)
@click.argument("subject", nargs=-1)
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES), help="float32 and float64 by default.")
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True)
@click.option("--profile", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--report", type=click.Path(path_type=Path), default="divergence-report", show_default=True)
@click.option(
    "--known",
    type=click.Path(path_type=Path),
    help="The ledger of known divergences, instead of the shipped one.",
)
@click.option(
    "--print-known", is_flag=True, help="Write ledger entries for what diverges to standard output."
)
@click.option(
    "--python",
    metavar="PATH",
    help="The interpreter to run subjects in; it needs NumPy and the framework only.",
)
@click.option("--in-process", is_flag=True, help="Run subjects in this process, unprotected: for debugging.")
@click.option(
    "--arithmetic", "model", type=click.Path(path_type=Path), help="The declared arithmetic of the device."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long an answer may take; 60 by default.",
)
@click.option("--suite", metavar="VERSION", help="Only checks that this version of the suite had.")
@click.option("--check", "checks", multiple=True, metavar="GLOB", help="Only checks with such an id.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first divergence, and do not shrink it.")
@click.option("--seed", type=int, metavar="N", help="Draw other cases than the usual ones.")
@click.option(
    "--skip-absent", is_flag=True, help="Where the subject or the device is not there, say so and exit 0."
)
@click.option("--quiet", is_flag=True, help="Print nothing but the answer.")
@click.pass_obj
def check(passed: tuple[str, ...], /, **options: Any) -> int:  # noqa: ANN401 - click's
    """Check optimizers: the main job. Without SUBJECT, our own implementation."""
    if options["print_known"]:
        options["quiet"] = True
    _check_early(options)
    arguments = _pytest_arguments(options, passed)
    # Whoever passes arguments on knows pytest, and wants to see it.
    watch = _Watch()
    with _earlier_aside(options["report"]) as bring_back:
        code = int(pytest.main([*arguments, *passed], plugins=[watch]))
        if not watch.failure and code in {ExitCode.USAGE, ExitCode.NOTHING_JUDGED}:
            bring_back()
    if watch.failure:
        raise _Failure(f"the kit itself failed:\n{watch.failure}", ExitCode.NOTHING_JUDGED)
    if code in {ExitCode.USAGE, ExitCode.NOTHING_JUDGED}:
        # The run could not begin, and pytest has said why; the code is ours.
        if options["skip_absent"] and code == ExitCode.NOTHING_JUDGED:
            click.echo("skipped: nothing was judged")
            return int(ExitCode.CONFORMS)
        return code
    record = _written(options["report"], code)
    console = Console(no_color=None if sys.stdout.isatty() else True)
    if options["print_known"]:
        click.echo(ledger.write_entries(record.verdicts, _versions(record)), nl=False)
    elif options["quiet"]:
        _say(summarize([record]).answer, console)
    else:
        terminal.show(summarize([record]), console)
        _say(f"report: {options['report'] / 'index.html'}", console)
    return int(outcome(record.verdicts))


class _Watch:
    """Keeps what pytest says of a failure of the kit itself, which it only prints on its own terminal."""

    failure = ""

    def pytest_internalerror(self, excrepr: object) -> None:
        """Called by pytest."""
        self.failure = str(excrepr)


def _check_early(options: dict[str, Any]) -> None:
    """Say at once what the run would say later."""
    try:
        if options["known"] is not None:
            ledger.load(options["known"])
        arithmetic_file.load(options["model"])
    except (ledger.LedgerError, arithmetic_file.DeclarationError) as error:
        raise _Failure(str(error), ExitCode.USAGE) from error
    directory: Path = options["report"]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _Failure(
            f"the report folder {directory} cannot be written to ({error.strerror}); name another with --report",
            ExitCode.USAGE,
        ) from error


@contextmanager
def _earlier_aside(directory: Path) -> Iterator[Callable[[], None]]:
    """Without the record of an earlier run, which must not pass for this one's; gives what brings it back."""
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
    if not passed:
        arguments += ["-p", "no:terminal"]
    named = {
        "subject": options["subject"],
        "dtype": options["dtype"],
        "device": (options["device"],),
        "profile": (options["profile"],),
        "report": (options["report"],),
        "known": (options["known"],),
        "python": (options["python"],),
        "arithmetic": (options["model"],),
        "suite": (options["suite"],),
        "check": options["checks"],
        "seed": (options["seed"],),
        "timeout": (options["timeout"],),
    }
    arguments += [
        f"--adamax-{name}={value}" for name, values in named.items() for value in values if value is not None
    ]
    if options["in_process"]:
        arguments.append("--adamax-in-process")
    if options["fail_fast"]:
        arguments += ["--adamax-fail-fast", "--maxfail=1"]
    if not options["quiet"] and not passed:
        arguments.append("--adamax-progress")
    return arguments


def _written(directory: Path, code: int) -> Record:
    """The record that the run has written."""
    try:
        return read_record(directory / FILE_NAME)
    except (RecordError, OSError) as error:
        if code == pytest.ExitCode.INTERRUPTED:
            raise click.Abort from error
        raise _Failure(f"the run wrote no whole record: {error}", ExitCode.USAGE) from error


def _versions(record: Record) -> dict[str, str]:
    return {str(s["name"]): str(s.get("version", "")) for s in record.header.subjects}


@cli.command("subjects")
@click.option("--python", metavar="PATH", help="The interpreter to look in.")
def list_subjects(python: str | None) -> int:
    """List what can be checked here, with versions, dtypes and devices, and what is missing and how to get it."""
    subjects.show(python, Console())
    return int(ExitCode.CONFORMS)


@cli.command("identify")
@click.argument("subject")
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES))
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True)
@click.option("--python", metavar="PATH", help="The interpreter to run the subject in.")
def identify_subject(subject: str, dtype: tuple[str, ...], device: str, python: str | None) -> int:
    """Tell which rule, form and scalar precision SUBJECT implements, with the evidence."""
    try:
        return int(subjects.identify_and_show(subject, dtype, device, python, Console()))
    except subjects.NotIdentifiedError as error:
        raise _Failure(str(error), error.code) from error


_FILE = click.Path(path_type=Path)


@cli.command("report")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--output", type=_FILE, required=True, help="The folder to write to.")
@click.option(
    "--matrix",
    "matrix_file",
    type=_FILE,
    help="Also write the matrix of all subjects to this Markdown file, and what it is made of beside it.",
)
def merge_records(files: tuple[Path, ...], output: Path, matrix_file: Path | None) -> int:
    """Merge the records of several runs, and render them. FILE is a record, a report's folder, or a folder of those."""
    records = _merged(*files)
    try:
        summary = render(records, output)
        if matrix_file is not None:
            write_matrix(records, matrix_file, ledger.load())
    except OSError as error:
        raise _Failure(
            f"{error.filename or output} cannot be written to ({error.strerror})", ExitCode.USAGE
        ) from error
    terminal.show(summary, Console())
    _say(f"report: {output / 'index.html'}", Console())
    return int(summary.exit_code)


@cli.command("diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True
)
def compare_records(old: Path, new: Path, form: str) -> int:
    """Say what began to diverge, stopped, or changed in size between two runs; exit 1 when something got worse."""
    comparison = diff.compare(_merged(old), _merged(new))
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


def _merged(*files: Path) -> tuple[Record, ...]:
    try:
        return merge(path for file in files for path in _records_in(file))
    except RecordError as error:
        raise _Failure(str(error), ExitCode.USAGE) from error


def _records_in(file: Path) -> list[Path]:
    """The record itself, or those in the folders of a folder that has none."""
    if not file.is_dir() or (file / FILE_NAME).exists():
        return [file]
    return sorted(file.glob(f"*/{FILE_NAME}")) or [file]


def _say(line: str, console: Console) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


cli.add_command(vectors)
cli.add_command(audit_recording)

if __name__ == "__main__":
    main()
