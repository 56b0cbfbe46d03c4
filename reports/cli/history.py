"""The command `history`: a subject in many versions of its framework."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from ...impl.adapters.frameworks import FRAMEWORKS, Framework
from ...impl.protocol.messages import DTYPES
from ..escape import terminal_line
from ..history.environments import RecordingError, install, record
from ..history.model import History, condense, find_disagreements, gather, in_words, to_json
from ..history.page import bits_in_words
from ..ledger import ledger
from ..record.exit_codes import ExitCode
from ..record.merge import find_records, merge
from ..record.record import FILE_NAME, Record, RecordError
from ..render import terminal
from .errors import CommandError, make_folder

_LONGEST_LINE: Final = 400


@click.command("history")
@click.argument("names", nargs=-1, required=True, metavar="SUBJECT | RECORD...")
@click.option(
    "--versions", multiple=True, metavar="A,B,...", help="The versions of SUBJECT to install and check."
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="REQUIREMENT",
    help="Also install this in each environment, as pip takes it: jax==0.6.2.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default="history-records",
    show_default=True,
    help="The folder of the records. A version that has one there is not checked again.",
)
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES), help="float32 and float64 by default.")
@click.option("--check", multiple=True, metavar="GLOB", help="Only checks with such an id.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, of one object for each subject.")
def history(names: tuple[str, ...], *, as_json: bool, **options: Any) -> int:
    """Tell in which versions SUBJECT diverges, and which changed its bits.

    With --versions, each is installed and checked in an environment of its own, which is removed afterwards. With
    records or reports' folders of earlier checks, nothing is installed.
    """
    missing: list[str] = []
    if options["versions"]:
        records, missing = _record_versions(names, options)
    else:
        if options["others"] or options["dtype"] or options["check"]:
            raise CommandError("--with, --dtype and --check are for checks of --versions")
        records = _merge([Path(name) for name in names])
    histories = gather(records)
    if as_json:
        click.echo(json.dumps([to_json(each) for each in histories], indent=1))
    else:
        for each in histories:
            _show(each)
    for words in missing:
        click.echo(f"not recorded: {terminal_line(words, _LONGEST_LINE)}", err=True)
    return int(ExitCode.NOTHING_JUDGED if missing or not histories else ExitCode.CONFORMS)


def _record_versions(names: Sequence[str], options: dict[str, Any]) -> tuple[tuple[Record, ...], list[str]]:
    """The records of all versions, and why others have none."""
    framework = _framework(names)
    versions = [word for given in options["versions"] for word in given.replace(",", " ").split()]
    if not versions:
        raise CommandError("--versions names no version; want some, as in --versions 3.9.2,3.10.0")
    folder: Path = options["records"]
    make_folder(folder, "--records")
    arguments = [f"--{name}={value}" for name in ("dtype", "check") for value in options[name]]
    files, missing = [], []
    for version in dict.fromkeys(versions):
        own = folder / f"{names[0]}-{version}"
        if not (own / FILE_NAME).exists():
            click.echo(f"{names[0]} {version}", err=True)
            try:
                with tempfile.TemporaryDirectory() as environment:
                    python = install(Path(environment) / "venv", framework, version, options["others"])
                    record(names[0], python, own, arguments)
            except RecordingError as error:
                missing.append(f"{version}: {error}")
                continue
        files.append(own / FILE_NAME)
    return _merge(files), missing


def _framework(names: Sequence[str]) -> Framework:
    if len(names) == 1:
        for framework in FRAMEWORKS:
            if names[0] in framework.names:
                return framework
    known = ", ".join(name for framework in FRAMEWORKS for name in framework.names)
    raise CommandError(f"--versions is for one subject that pip installs: one of {known}")


def _merge(files: Sequence[Path]) -> tuple[Record, ...]:
    try:
        return merge(path for file in files for path in find_records(file))
    except RecordError as error:
        raise CommandError(str(error)) from error


def _show(history: History) -> None:
    console = terminal.table_console()
    names = ", ".join(each.version for each in history.versions)
    terminal.print_line(f"{history.subject} on {history.device}, versions {names}", console)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("check", "dtypes", "diverges", "what"):
        table.add_column(heading, overflow="fold")
    rows: dict[tuple[str, str, str], list[str]] = {}
    for course in history.courses:
        rows.setdefault((course.check, course.states, course.reason), []).append(course.dtype)
    for (check, states, reason), dtypes in rows.items():
        cells = (check, ", ".join(dtypes), in_words(history, states), reason)
        table.add_row(*(terminal.text(cell, limit=200) for cell in cells))
    if rows:
        console.print(table)
    for bits in condense(history.bits):
        terminal.print_line(bits_in_words(bits), console)
    for words in find_disagreements(history, ledger.load()):
        terminal.print_line(f"the ledger disagrees: {words}", console)
