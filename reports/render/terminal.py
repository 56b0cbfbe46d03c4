"""The end of a run on a terminal: the matrix, the worst findings, and the answer.

Texts of a record are shown as they are: nothing in them is taken for rich's markup, and control characters
are written out. The console handles colours and `NO_COLOR`.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ...oracles.verdict import Status
from ..escape import terminal_line, terminal_text
from ..record.exit_codes import ExitCode
from .command import command_of
from .summary import NOT_RUN, OTHER_FORMULA, SYMBOL, WORST_FIRST, Finding, StatusCounts, Summary

STYLE: Final = {
    Status.CONFORMS: "green",
    Status.DIVERGES: "bold red",
    Status.BROKEN: "bold magenta",
    Status.KNOWN: "yellow",
    Status.UNSPECIFIED: "cyan",
    Status.SKIPPED: "dim",
    None: "dim",
}
_ANSWER: Final = {ExitCode.CONFORMS: "bold green", ExitCode.DIVERGES: "bold red"}
_SHOWN: Final = 20
_ROWS: Final = 200
_WIDEST: Final = 1000


def spell_out(console: Console) -> None:
    """Let a console without Unicode show our signs as others, the rest as escapes.

    Without this the first sign would end a run on such a console with a traceback.
    """
    file = console.file
    if isinstance(file, io.TextIOWrapper) and not console.encoding.lower().startswith("utf"):
        file.reconfigure(errors=_SPELLING)


def _spell(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    spelled = "".join(_ASCII.get(c, c.encode("ascii", "backslashreplace").decode()) for c in lacking)
    return spelled, error.end


_SPELLING: Final = "adamax-conformance-spelled"
_ASCII: Final = {"✓": "+", "✗": "x", "≈": "~", "○": "o", "·": "-", "…": "...", "→": "->", OTHER_FORMULA: "/="}
codecs.register_error(_SPELLING, _spell)


def table_console() -> Console:
    """A console whose tables are as wide as they need to be where nobody watches."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDEST)


def show(summary: Summary, console: Console) -> None:
    """Print the matrix, what diverges or broke, what is known, and the answer."""
    spell_out(console)
    table = matrix(summary)
    natural = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    if natural <= console.width:
        console.print(table)
    else:
        for line in lines(summary):
            console.print(line, soft_wrap=True)
    if (more := len(summary.matrix) - _ROWS) > 0:
        console.print(text(f"… and {more:,} more rows in the report"))
    console.print(_legend(summary), soft_wrap=True)
    for note in summary.notes:
        console.print(text(note, "yellow"), soft_wrap=True)
    wrong = _show_causes(summary, console)
    for finding in wrong[:_SHOWN]:
        console.print(_evidence(finding), soft_wrap=True)
    if wrong[_SHOWN:]:
        console.print(text(f"… and {len(wrong) - _SHOWN} more in the report"))
    known = summary.findings(Status.KNOWN)
    for finding in known[:_SHOWN]:
        console.print(_line(finding), soft_wrap=True)
    if known[_SHOWN:]:
        console.print(text(f"… and {len(known) - _SHOWN} more known divergences in the report"))
    for diagnosis in summary.diagnoses:
        console.print(text(diagnosis, "bold red"), soft_wrap=True)
    console.print(text(summary.answer, _ANSWER.get(summary.exit_code, "bold")), soft_wrap=True)


def _show_causes(summary: Summary, console: Console) -> list[Finding]:
    """Print the divergences by their cause, and return those to show in full.

    Of each cause that is one finding; of what no cause explains it is each.
    """
    groups = summary.groups_by_cause()
    for group in groups[:_SHOWN]:
        checks = list(dict.fromkeys(check for finding in group.findings for check in finding.checks))
        shown = [text(group.title, "bold red")]
        for documented, line in group.model:
            if documented != line:
                shown += [text(f"documented:  {documented}"), text(f"the subject: {line}")]
        shown.append(text(f"seen in {', '.join(checks)}", "dim", limit=400))
        console.print(Text("\n  ").join(shown), soft_wrap=True)
    left_out = {_numbers(finding) for group in groups if group.is_one for finding in group.findings[1:]}
    return [x for x in summary.findings(Status.DIVERGES, Status.BROKEN) if _numbers(x) not in left_out]


def _numbers(finding: Finding) -> tuple[int, ...]:
    return tuple(row.number for row in finding.rows)


def print_line(line: str, console: Console) -> None:
    """Print a line as it is: no markup, highlighting, wrapping or command of a CI."""
    console.print(terminal_text(line), markup=False, highlight=False, soft_wrap=True)


def matrix(summary: Summary) -> Table:
    """Configurations against check groups."""
    table = Table(pad_edge=False, box=None, header_style="bold")
    for name in ("subject", "dtype", "device"):
        table.add_column(name, no_wrap=True)
    for group in summary.groups:
        table.add_column(text(group), justify="right")
    for configuration, cells in summary.matrix[:_ROWS]:
        name = f"{configuration.subject} {configuration.version}".strip()
        table.add_row(
            text(name, limit=40),
            text(configuration.dtype, limit=12),
            text(configuration.device, limit=12),
            *(_cell(cells[group]) for group in summary.groups),
        )
    return table


def lines(summary: Summary) -> Iterator[Text]:
    """The matrix for a narrow terminal, in two lines for each configuration."""
    for configuration, cells in summary.matrix[:_ROWS]:
        name = f"{configuration.subject} {configuration.version}".strip()
        yield text(f"{name} · {configuration.dtype} · {configuration.device}", "bold", limit=100)
        judged = [
            Text(" ").join([text(group), _cell(cells[group])])
            for group in summary.groups
            if cells[group].status is not None
        ]
        yield Text("  ") + Text("  ").join(judged)


def text(value: str, style: str = "", limit: int | None = None) -> Text:
    """The text as it is, on one line, for rich."""
    return Text(terminal_line(value, limit), style=style)


def _legend(summary: Summary) -> Text:
    """The meaning of the symbols that were used."""
    used = {status for _, cells in summary.matrix for cell in cells.values() for status in cell.counts}
    words = [f"{SYMBOL[status]} {status.value}" for status in WORST_FIRST if status in used]
    others = dict.fromkeys(cell.held_to for _, cells in summary.matrix for cell in cells.values())
    words += [f"{OTHER_FORMULA} held to another formula: {terminal_line(other)}" for other in others if other]
    return Text("   ".join(words), style="dim")


def _cell(cell: StatusCounts) -> Text:
    if cell.status is None:
        return Text(NOT_RUN, style=STYLE[None])
    counts = [
        Text(f"{SYMBOL[status]}{count}", style=STYLE[status])
        for status in WORST_FIRST
        if (count := cell.counts.get(status))
    ]
    if cell.held_to:
        counts.append(Text(OTHER_FORMULA, style=STYLE[Status.KNOWN]))
    return Text(" ").join(counts)


def _line(finding: Finding) -> Text:
    verdict = finding.row.verdict
    return Text.assemble(
        (f"{SYMBOL[verdict.status]} {verdict.status.value} ", STYLE[verdict.status]),
        text(f"{verdict.check} {finding.others}", "bold", limit=200),
        " · ",
        text(f"{finding.where}: {verdict.reason}", limit=400),
    )


def _evidence(finding: Finding) -> Text:
    verdict = finding.row.verdict
    parts = [_line(finding)]
    if (divergence := verdict.divergence) is not None:
        for name, decimal, hexadecimal in (
            ("expected", divergence.expected, divergence.expected_hex),
            ("actual", divergence.actual, divergence.actual_hex),
        ):
            parts.append(Text(f"{name:>10}  ") + text(f"{decimal}  {hexadecimal or ''}", limit=200))
    if command := command_of(verdict):
        parts.append(text(f"$ {command}", "dim"))
    return Text("\n  ").join(parts)
