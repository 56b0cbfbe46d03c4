"""The live progress display of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reports.escape import terminal_line
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_TENTHS: Final = 10


class ProgressDisplay:
    """The live progress display.

    If the output is not a terminal, it prints a line after each tenth of the tests.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.shown = 0
        self.total = 0
        self.done = 0
        self.progress = Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("", total=None)
        self.progress.start()

    def expect(self, total: int) -> None:
        """Set the number of tests."""
        self.total = total
        self.progress.update(self.task, total=total)

    def advance(self, verdicts: Sequence[Verdict]) -> None:
        """Count one test more, and print what diverges on a terminal."""
        wrong = [v for v in verdicts if v.status in {Status.DIVERGES, Status.BROKEN}]
        self.done += 1
        if not self.console.is_terminal:
            self._print_tenth(len(wrong))
            return
        for verdict in wrong[self.shown :]:
            line = terminal_line(
                f"{verdict.status.value}: {verdict.subject} {verdict.dtype} {verdict.check}: {verdict.reason}"
            )
            self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self.shown = len(wrong)
        self.progress.update(self.task, advance=1, description=f"{len(wrong)} diverge" if wrong else "")

    def _print_tenth(self, wrong: int) -> None:
        """Print a line if another tenth of the tests is done.

        What diverges is not printed here: where everything is kept, the end of the run would print it again.
        """
        total = max(self.total, 1)
        if self.done * _TENTHS // total > (self.done - 1) * _TENTHS // total:
            words = f", {wrong} {'diverges' if wrong == 1 else 'diverge'}" if wrong else ""
            line = f"checking: {self.done} of {self.total} tests{words}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Remove the display."""
        self.progress.stop()
