"""The commands `report` and `diff`: records of earlier runs, merged or compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from ..ledger import ledger
from ..matrix.page import write_matrix
from ..record.merge import find_records, merge
from ..record.record import Record, RecordError
from ..render import terminal
from ..render.report import render
from . import diff
from .errors import CommandError, make_folder, unwritten

_FILE: Final = click.Path(path_type=Path)


@click.command("report")
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
    make_folder(output, "--output")
    if matrix_file is not None:
        make_folder(matrix_file.parent, "--matrix")
    try:
        summary = render(records, output)
        if matrix_file is not None:
            write_matrix(records, matrix_file, ledger.load())
    except OSError as error:
        raise unwritten(output, error) from error
    except ValueError as error:
        raise CommandError(str(error)) from error
    terminal.show(summary, Console())
    terminal.print_line(f"report: {output / 'index.html'}", Console())
    return int(summary.exit_code)


@click.command("diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "html", "json"]),
    default="table",
    show_default=True,
)
def compare_records(old: Path, new: Path, form: str) -> int:
    """Compare two runs: what began to diverge, stopped, or changed in size.

    The exit code is 1 if something got worse.
    """
    comparison = diff.compare(_merge(old), _merge(new))
    match form:
        case "markdown":
            click.echo(comparison.to_markdown(), nl=False)
        case "html":
            click.echo(comparison.to_html(), nl=False)
        case "json":
            click.echo(json.dumps(comparison.to_json(), indent=2))
        case _:
            console = terminal.table_console()
            terminal.spell_out(console)
            console.print(comparison.to_table())
    return int(comparison.exit_code)


def _merge(*files: Path) -> tuple[Record, ...]:
    try:
        return merge(path for file in files for path in find_records(file))
    except RecordError as error:
        raise CommandError(str(error)) from error
