"""The report as one HTML page that opens without a network.

`templates/page.html` is its layout; this module gathers what it shows and keeps it below a size. The page loads
nothing: its policy forbids it, and lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...oracles.verdict import Divergence, Status, Verdict
from ...reference.life import Life
from ...reference.rules import DOCUMENTED
from ..escape import one_line, visible
from ..reproduce import script as reproduce
from ..rule import demo
from ..rule.life_lines import life_lines
from . import evidence, links, plots
from .command import command_of
from .drawing import Picture
from .evidence import MarkedText, WorkedLine
from .links import Link
from .run_view import run_views
from .summary import (
    NOT_RUN,
    OTHER_FORMULA,
    SYMBOL,
    WORST_FIRST,
    Finding,
    Row,
    Summary,
    VerdictRow,
    facts_of,
    few,
    in_words,
    seconds_in_words,
)

TEMPLATES: Final = Path(__file__).with_name("templates")

_ROW_BYTES: Final = 1_600_000
_CARD_BYTES: Final = 600_000
_MATRIX_BYTES: Final = 200_000
_RUN_BYTES: Final = 200_000
_CAUSE_BYTES: Final = 100_000
_VIEW_BYTES: Final = 400_000
_PICTURES: Final = 12
"""The most of each that the page holds, so that it stays below 3 MB for any record."""

_FEW: Final = 8
_SCRIPTS: Final = 12
"""How many divergences of a cause are tried for the shortest script."""
_LINKS: Final = 100
"""How many rows with the same words their divergence links; they are folded if they are not few."""

_OPEN: Final = 1
"""How many divergences are unfolded from the start."""

_CARDED: Final = (Status.DIVERGES, Status.BROKEN, Status.KNOWN)
"""The statuses that are shown with their evidence."""

_MEANING: Final = {
    Status.CONFORMS: "computes what the page says",
    Status.DIVERGES: "does not compute what the page says",
    Status.KNOWN: "diverges, and is on the ledger",
    Status.UNSPECIFIED: "the page leaves room here",
    Status.SKIPPED: "the subject has no such part",
    Status.BROKEN: "no answer came",
}

_Numbers = tuple[tuple[str, MarkedText, MarkedText | None], ...]


@dataclass(frozen=True)
class Card:
    """One divergence, or broken check, with its evidence and all its occurrences.

    Attributes:
        finding: the verdicts with its words.
        statement: of the specification, in lines.
        formulas: the documented step's lines next to the subject's, differences marked.
        numbers: rows of a name, the decimal and the hexadecimal number, different digits marked.
        worked: the lines of the step, each exact number next to the subject's.
        figures: names and texts.
        case: the smallest case, as names and texts.
        script: that shows it with the framework alone; None if there is none.
        pictures: of what was measured.
        links: to what is cited.
        unfolded: whether it is open from the start.
    """

    finding: Finding
    statement: tuple[str, ...]
    formulas: tuple[tuple[MarkedText, MarkedText], ...]
    numbers: _Numbers
    worked: tuple[WorkedLine, ...]
    figures: list[tuple[str, str]]
    case: list[tuple[str, str]]
    script: str | None
    pictures: list[Picture]
    links: tuple[Link, ...]
    unfolded: bool


def render(summary: Summary) -> str:
    """Render the page, below 3 MB."""
    environment = _environment()
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    findings = summary.findings(*_CARDED)
    drawn = _draw_pictures(summary, [finding.row for finding in findings])
    cards, cards_shown = _render_within(environment, "card", _cards(findings, dict(drawn)), _CARD_BYTES)
    carded = {finding.row.number for finding in findings[:cards_shown]}
    card_of = {row.number: f.row.number for f in findings[:cards_shown] for row in f.rows}
    rows, rows_shown = _render_within(environment, "verdict_row", _rows(summary, card_of), _ROW_BYTES)
    subjects, subjects_shown = _render_within(
        environment, "subject_rows", _by_subject(summary), _MATRIX_BYTES
    )
    runs, runs_shown = _render_within(environment, "run", _runs(summary), _RUN_BYTES)
    causes, _ = _render_within(environment, "cause", _causes(summary, card_of), _CAUSE_BYTES)
    views, _ = _render_within(environment, "run_view", _run_views(summary), _VIEW_BYTES)
    by_number = {row.number: row for row in summary.rows}
    return render_page(
        "page.html",
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=digest,
        summary=summary,
        subjects=subjects,
        subjects_left_out=len({(row.run, row.subject) for row, _ in summary.matrix}) - subjects_shown,
        headline=_headline(summary),
        meaning=_MEANING,
        rows=rows,
        rows_left_out=len(summary.rows) - rows_shown,
        causes=causes,
        views=views,
        cards=cards,
        findings=len(findings),
        cards_left_out=len(findings) - cards_shown,
        accuracy=[(by_number[n], pictures) for n, pictures in drawn if n not in carded],
        formula=evidence.FORMULA,
        others=few(
            dict.fromkeys(c.held_to for _, cells in summary.matrix for c in cells.values() if c.held_to)
        ),
        runs=runs,
        runs_left_out=len(summary.records) - runs_shown,
    )


def render_page(template: str, **shown: Any) -> str:
    """Render a page with the style that all pages have."""
    style = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template(template).render(shown, style=style)


def _runs(summary: Summary) -> Iterator[dict[str, Any]]:
    count = len(summary.records)
    for number, record in enumerate(summary.records, start=1):
        yield {"record": record, "number": number, "count": count, "facts": facts_of(record)}


def _causes(summary: Summary, card_of: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    """The groups of divergences by cause, with the model, and a script that shows it."""
    for group in summary.groups_by_cause():
        scripts = [
            text
            for finding in group.findings[:_SCRIPTS]
            if group.model and (text := reproduce.script(finding.row.verdict)) is not None
        ]
        seen = [(check, card_of.get(row.number)) for x in group.findings for check, row in _firsts(x)]
        yield {
            "item": {
                "group": group,
                "formulas": [evidence.mark_words(*pair) for pair in group.model],
                "life": _life(group.life),
                "script": min(scripts, key=len, default=None),
                "links": seen,
            }
        }


def _run_views(summary: Summary) -> Iterator[dict[str, Any]]:
    """The overviews of audited runs, with their pictures."""
    for view in run_views(summary):
        drawn = [view.heat_map.picture(f"heat{view.number}")]
        if view.rates is not None:
            drawn.append(view.rates.picture(f"rates{view.number}"))
        yield {"view": view, "number": view.number, "drawn": drawn}


def _firsts(finding: Finding) -> Iterator[tuple[str, VerdictRow]]:
    firsts = {row.verdict.check: row for row in reversed(finding.rows)}
    for check in finding.checks:
        yield check, firsts[check]


def _life(life: Mapping[str, Any] | None) -> list[str]:
    """The lines of a recorded life; none of one that is not well formed."""
    if life is None:
        return []
    try:
        return list(life_lines(Life.from_json(life)))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return []  # a record from elsewhere


def _headline(summary: Summary) -> Status:
    order = (Status.DIVERGES, Status.BROKEN, Status.CONFORMS, Status.KNOWN, Status.UNSPECIFIED)
    return next((status for status in order if summary.counts[status]), Status.SKIPPED)


def _by_subject(summary: Summary) -> Iterator[dict[str, Any]]:
    """The rows of the matrix by run and subject."""
    parts: dict[tuple[int, str], list[Row]] = {}
    for row in summary.matrix:
        parts.setdefault((row[0].run, row[0].subject), []).append(row)
    for rows in parts.values():
        yield {"summary": summary, "subject": rows[0][0], "rows": rows}


def _rows(summary: Summary, card_of: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    for row in summary.of(*WORST_FIRST):
        yield {"row": row, "verdict": row.verdict, "card": card_of.get(row.number)}


def _cards(findings: Sequence[Finding], pictures: Mapping[int, list[Picture]]) -> Iterator[dict[str, Any]]:
    for number, finding in enumerate(findings):
        row, verdict = finding.row, finding.row.verdict
        divergence = verdict.divergence
        formulas = evidence.formulas(verdict)
        card = Card(
            finding=finding,
            statement=() if formulas else evidence.statement(verdict),
            formulas=formulas,
            numbers=_numbers(divergence) if divergence and not formulas else (),
            worked=evidence.worked_lines(divergence) if divergence else (),
            figures=evidence.figures(divergence) if divergence else [],
            case=evidence.case_lines(divergence) if divergence else [],
            script=reproduce.script(verdict),
            pictures=pictures.get(row.number, []),
            links=links.links_of(verdict),
            unfolded=number < _OPEN and verdict.status is Status.DIVERGES,
        )
        yield {"card": card, "verdict": verdict, "row": row}


def _numbers(divergence: Divergence) -> _Numbers:
    decimal = evidence.mark_differences(one_line(divergence.expected, 400), one_line(divergence.actual, 400))
    hexadecimal: tuple[MarkedText, MarkedText] | tuple[None, None] = (None, None)
    if divergence.expected_hex and divergence.actual_hex:
        hexadecimal = evidence.mark_differences(
            one_line(divergence.expected_hex, 80), one_line(divergence.actual_hex, 80)
        )
    return tuple(zip(("expected", "actual"), decimal, hexadecimal, strict=True))


def _draw_pictures(summary: Summary, divergences: list[VerdictRow]) -> list[tuple[int, list[Picture]]]:
    """Draw the series of the divergences, then of the longest that conform.

    Returns:
        The number of each verdict that has pictures, with them.
    """
    series = {"value", "audit"}
    values = [row for row in summary.of(Status.CONFORMS) if row.group in series and _length(row) > 1]
    one_each = {row.configuration: row for row in sorted(values, key=_length)}
    drawn: list[tuple[int, list[Picture]]] = []
    for rows in (divergences, one_each.values()):  # each with room of its own
        room = _PICTURES
        for row in rows:
            measured = _with_training(row.verdict)
            if found := plots.pictures(measured, f"v{row.number}")[:room]:
                drawn.append((row.number, found))
                room -= len(found)
            if not room:
                break
    return drawn


def _length(row: VerdictRow) -> int:
    series = row.verdict.measured.get("ulp_by_step")
    return len(series) if isinstance(series, list) else 0


def _with_training(verdict: Verdict) -> Mapping[str, Any]:
    """A verdict's figures, and the trajectories of the rule that it names."""
    rule = demo.rule_named(verdict.measured.get("rule"))
    differs = verdict.check == "rule/documented" and rule is not None and rule != DOCUMENTED
    if not differs or rule is None or "trajectories" in verdict.measured:
        return verdict.measured
    return {**verdict.measured, "trajectories": demo.trajectories(rule)}


def _render_within(
    environment: Environment, macro: str, items: Iterable[dict[str, Any]], limit: int
) -> tuple[Markup, int]:
    """Render as many items as fit into a number of bytes, and count them."""
    write = getattr(environment.get_template("parts.html").module, macro)
    parts: list[str] = []
    for item in items:
        part = str(write(**item))
        limit -= len(part.encode())
        if limit < 0:
            break
        parts.append(part)
    return Markup("".join(parts)), len(parts)  # noqa: S704 - each part was escaped by its template


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": one_line,
        "visible": visible,
        "words": in_words,
        "command": command_of,
        "seconds": seconds_in_words,
    }
    environment.globals |= {
        "SYMBOL": SYMBOL,
        "NOT_RUN": NOT_RUN,
        "OTHER_FORMULA": OTHER_FORMULA,
        "THE_PAGE": links.THE_PAGE,
        "BOUNDS": links.bounds(),
        "DOCUMENTS": links.documents(),
        "STATUSES": WORST_FIRST,
        "CARDED": _CARDED,
        "Status": Status,
        "FEW": _FEW,
        "LINKS": _LINKS,
    }
    return environment
