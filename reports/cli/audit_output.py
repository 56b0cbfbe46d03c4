"""The progress and the answer of `adamax-conformance audit` on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ...oracles.verdict import Status
from ..audit.run import DtypeModel, ProgressCallbacks
from ..escape import terminal_line
from ..record.exit_codes import ExitCode
from ..render import terminal
from ..render.run_view import run_views
from ..render.summary import Summary

_WORST: Final = 5
"""How many of the worst elements are shown."""


@contextmanager
def show_progress(console: Console) -> Iterator[ProgressCallbacks]:
    """Show the progress and the time left; without a terminal, only the models."""
    progress = Progress(
        TextColumn("auditing"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal or console.quiet,
    )
    task = progress.add_task("", total=None)

    def begins(size: int, models: Mapping[str, DtypeModel]) -> None:
        for dtype, model in models.items():
            flushing = ", flushing subnormal numbers to zero" if model.arithmetic.flush_to_zero else ""
            line = f"judging {dtype} against {model.identification.describe()}{flushing}"
            progress.console.print(terminal_line(line), markup=False, highlight=False, soft_wrap=True)
        progress.reset(task, total=size)

    with progress:
        yield ProgressCallbacks(begins, lambda size: progress.advance(task, size))


def show_audit(summary: Summary, page: Path | None, console: Console) -> None:
    """Print the answer: two lines where everything conforms.

    Args:
        summary: of the audit's record.
        page: of the report; None where it could not be written.
        console: to print to.
    """
    if _is_clean(summary):
        _show_clean(summary, console)
    else:
        terminal.show(summary, console)
        _show_worst(summary, console)
    if page is not None:
        terminal.print_line(f"report: {page}", console)


def _is_clean(summary: Summary) -> bool:
    """Whether everything that was judged conforms to the documented step."""
    return summary.exit_code is ExitCode.CONFORMS and not (summary.counts[Status.KNOWN] or summary.held_to)


def _show_clean(summary: Summary, console: Console) -> None:
    """Print a line, one for each of several views, and one for each open question."""
    views = run_views(summary)
    only = f". {' '.join(views[0].sentences)}" if len(views) == 1 else ""
    terminal.print_line(terminal_line(summary.answer + only), console)
    for view in views if not only else ():
        place = view.configuration
        words = f"{place.subject} {place.dtype} {place.device}: {' '.join(view.sentences)}"
        terminal.print_line(terminal_line(words), console)
    for row in summary.of(Status.UNSPECIFIED):
        terminal.print_line(terminal_line(f"{row.verdict.check}: {row.verdict.reason}"), console)
    for note in summary.notes:
        terminal.print_line(terminal_line(note), console)


def _show_worst(summary: Summary, console: Console) -> None:
    """Print the elements that are farthest beyond their bounds."""
    for verdict in (row.verdict for row in summary.of(Status.DIVERGES)):
        worst = verdict.measured.get("worst", ())
        for one in worst[:_WORST]:
            line = (
                f"{verdict.check} {verdict.dtype}: {one['error_over_bound']:.4g} of the bound, "
                f"{one['error_ulp']:.4g} ulp: recorded step {one['recorded step']}, parameter {one['parameter']} "
                f"{one.get('name', '')} {one.get('element', one['index'])}"
            )
            terminal.print_line(terminal_line(line), console)
