"""How does the report look as one page that opens without a network?

`templates/page.html` says what is on it; this module gathers what it shows and keeps it below a size. The
page loads nothing, its policy forbids it to, and lets no script run but the page's own.
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
from ...reference.rules import DOCUMENTED
from ..escape import one_line, visible
from ..reproduce import script as reproduce
from ..rule import demo
from . import evidence, plots
from .evidence import Marked
from .plots import Picture
from .summary import NOT_RUN, SYMBOL, WORST_FIRST, Finding, Judged, Row, Summary, facts_of, in_words

TEMPLATES: Final = Path(__file__).with_name("templates")

_ROW_BYTES: Final = 1_900_000
_CARD_BYTES: Final = 600_000
_PICTURES: Final = 12
"""What the page holds at most of each, so that it stays below 3 MB whatever the record has."""

_FEW: Final = 8
_PLACES: Final = 100
"""So many of the rows that say the same are linked from their divergence; folded where they are not few."""

_OPEN: Final = 1
"""So many divergences are unfolded from the start."""

_CARDED: Final = (Status.DIVERGES, Status.BROKEN, Status.KNOWN)
"""What is shown with its evidence."""

_MEANING: Final = {
    Status.CONFORMS: "computes what the page says",
    Status.DIVERGES: "does not compute what the page says",
    Status.KNOWN: "diverges, and is on the ledger",
    Status.UNSPECIFIED: "the page leaves room here",
    Status.SKIPPED: "the subject has no such part",
    Status.BROKEN: "no answer came",
}

_Numbers = tuple[tuple[str, Marked, Marked | None], ...]


@dataclass(frozen=True)
class Card:
    """One divergence, or broken check, with its evidence, and everywhere that it was seen.

    Attributes:
        finding: the verdicts that say it.
        statement: what the page says, in lines.
        formulas: the documented step's lines beside the subject's, what differs marked.
        numbers: rows of a name, the decimal and the hexadecimal number, digits that differ marked.
        figures: names and texts.
        case: the smallest case, as names and texts.
        script: what shows it with the framework alone; None where nothing does.
        pictures: of what was measured.
        unfolded: whether it is open from the start.
    """

    finding: Finding
    statement: tuple[str, ...]
    formulas: tuple[tuple[Marked, Marked], ...]
    numbers: _Numbers
    figures: list[tuple[str, str]]
    case: list[tuple[str, str]]
    script: str | None
    pictures: list[Picture]
    unfolded: bool


def render(summary: Summary) -> str:
    """The page, below 3 MB."""
    environment = _environment()
    findings = summary.findings(*_CARDED)
    drawn = _drawn(summary, [finding.judged for finding in findings])
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    cards, cards_shown = _within(environment, "card", _cards(findings, dict(drawn)), _CARD_BYTES)
    carded = {finding.judged.number for finding in findings[:cards_shown]}
    card_of = {place.number: f.judged.number for f in findings[:cards_shown] for place in f.places}
    rows, rows_shown = _within(environment, "row", _rows(summary, card_of), _ROW_BYTES)
    by_number = {judged.number: judged for judged in summary.judged}
    return environment.get_template("page.html").render(
        summary=summary,
        subjects=[(rows[0][0], rows) for rows in _by_subject(summary)],
        headline=_headline(summary),
        meaning=_MEANING,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=digest,
        rows=rows,
        rows_left_out=len(summary.judged) - rows_shown,
        cards=cards,
        findings=len(findings),
        cards_left_out=len(findings) - cards_shown,
        accuracy=[(by_number[n], pictures) for n, pictures in drawn if n not in carded],
        formula=evidence.FORMULA,
        page_name=evidence.PAGE,
        facts=[facts_of(record) for record in summary.records],
    )


def _headline(summary: Summary) -> Status:
    order = (Status.DIVERGES, Status.BROKEN, Status.CONFORMS, Status.KNOWN, Status.UNSPECIFIED)
    return next((status for status in order if summary.counts[status]), Status.SKIPPED)


def _by_subject(summary: Summary) -> list[list[Row]]:
    """The matrix in parts: what a run has of one subject."""
    parts: dict[tuple[int, str], list[Row]] = {}
    for row in summary.matrix:
        parts.setdefault((row[0].run, row[0].subject), []).append(row)
    return list(parts.values())


def _rows(summary: Summary, card_of: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    for judged in summary.of(*WORST_FIRST):
        yield {"judged": judged, "verdict": judged.verdict, "card": card_of.get(judged.number)}


def _cards(findings: Sequence[Finding], pictures: Mapping[int, list[Picture]]) -> Iterator[dict[str, Any]]:
    for number, finding in enumerate(findings):
        judged, verdict = finding.judged, finding.judged.verdict
        divergence = verdict.divergence
        formulas = evidence.formulas(verdict)
        card = Card(
            finding=finding,
            statement=() if formulas else evidence.statement(verdict),
            formulas=formulas,
            numbers=_numbers(divergence) if divergence and not formulas else (),
            figures=evidence.figures(divergence) if divergence else [],
            case=evidence.case_lines(divergence) if divergence else [],
            script=reproduce.script(verdict),
            pictures=pictures.get(judged.number, []),
            unfolded=number < _OPEN and verdict.status is Status.DIVERGES,
        )
        yield {"card": card, "verdict": verdict, "judged": judged}


def _numbers(divergence: Divergence) -> _Numbers:
    decimal = evidence.marked(one_line(divergence.expected, 400), one_line(divergence.actual, 400))
    hexadecimal: tuple[Marked, Marked] | tuple[None, None] = (None, None)
    if divergence.expected_hex and divergence.actual_hex:
        hexadecimal = evidence.marked(
            one_line(divergence.expected_hex, 80), one_line(divergence.actual_hex, 80)
        )
    return tuple(zip(("expected", "actual"), decimal, hexadecimal, strict=True))


def _drawn(summary: Summary, divergences: list[Judged]) -> list[tuple[int, list[Picture]]]:
    """The pictures that the record has series for: of the divergences, then of the longest runs that conform.

    Returns:
        The number of each verdict that has some, with its pictures.
    """
    values = [
        judged for judged in summary.of(Status.CONFORMS) if judged.group == "value" and _length(judged) > 1
    ]
    one_each = {judged.configuration: judged for judged in sorted(values, key=_length)}
    drawn: list[tuple[int, list[Picture]]] = []
    room = _PICTURES
    for judged in (*divergences, *one_each.values()):
        measured = _with_training(judged.verdict)
        if found := plots.pictures(measured, f"v{judged.number}")[:room]:
            drawn.append((judged.number, found))
            room -= len(found)
        if not room:
            break
    return drawn


def _length(judged: Judged) -> int:
    series = judged.verdict.measured.get("ulp_by_step")
    return len(series) if isinstance(series, list) else 0


def _with_training(verdict: Verdict) -> Mapping[str, Any]:
    """What a verdict measured, and what the rule that it names does to training."""
    rule = demo.rule_named(verdict.measured.get("rule"))
    differs = verdict.check == "rule/documented" and rule is not None and rule != DOCUMENTED
    if not differs or rule is None or "trajectories" in verdict.measured:
        return verdict.measured
    return {**verdict.measured, "trajectories": demo.trajectories(rule)}


def _within(
    environment: Environment, macro: str, items: Iterable[dict[str, Any]], limit: int
) -> tuple[Markup, int]:
    """As many items as fit into a number of bytes, and how many they are."""
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
    environment.filters |= {"line": one_line, "visible": visible, "words": in_words}
    environment.globals |= {
        "SYMBOL": SYMBOL,
        "NOT_RUN": NOT_RUN,
        "STATUSES": WORST_FIRST,
        "CARDED": _CARDED,
        "Status": Status,
        "FEW": _FEW,
        "PLACES": _PLACES,
    }
    return environment
