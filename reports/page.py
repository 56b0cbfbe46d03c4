"""How does the report look as one page that opens without a network?

`templates/page.html` says what is on it; this module gathers what it shows and keeps it below a size. The
page loads nothing, its policy forbids it to, and lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..oracles.verdict import Status
from . import evidence, plots, reproduce
from .evidence import Marked
from .plots import Picture
from .summary import NOT_RUN, SYMBOL, WORST_FIRST, Judged, Summary, facts_of, in_words
from .text import one_line, visible

TEMPLATES: Final = Path(__file__).with_name("templates")

_ROW_BYTES: Final = 1_900_000
_CARD_BYTES: Final = 600_000
_PICTURES: Final = 12
"""What the page holds at most of each, so that it stays below 3 MB whatever the record has."""

_OPEN: Final = 3
"""So many divergences are unfolded from the start."""

_MEANING: Final = {
    Status.CONFORMS: "computes what the page says",
    Status.DIVERGES: "does not compute what the page says",
    Status.KNOWN: "diverges, and is on the ledger",
    Status.UNSPECIFIED: "the page leaves room here",
    Status.SKIPPED: "the subject has no such part",
    Status.BROKEN: "no answer came",
}


@dataclass(frozen=True)
class Card:
    """One divergence with its evidence.

    Attributes:
        judged: the verdict.
        statement: what the page says.
        numbers: rows of a name, the decimal and the hexadecimal number, digits that differ marked.
        figures: names and texts.
        case: the smallest case, as names and texts.
        script: what shows it with the framework alone; None where nothing does.
        pictures: of what was measured.
        unfolded: whether it is open from the start.
    """

    judged: Judged
    statement: str
    numbers: tuple[tuple[str, Marked, Marked | None], ...]
    figures: list[tuple[str, str]]
    case: list[tuple[str, str]]
    script: str | None
    pictures: list[Picture]
    unfolded: bool


def render(summary: Summary) -> str:
    """The page, below 3 MB."""
    environment = _environment()
    drawn = _drawn(summary)
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rows, rows_left_out = _within(environment, "row", _rows(summary), _ROW_BYTES)
    cards, cards_left_out = _within(environment, "card", _cards(summary, drawn), _CARD_BYTES)
    shown = {judged.number for judged in summary.of(Status.DIVERGES, Status.KNOWN)}
    return environment.get_template("page.html").render(
        summary=summary,
        headline=_headline(summary),
        meaning=_MEANING,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=digest,
        rows=rows,
        rows_left_out=rows_left_out,
        cards=cards,
        cards_left_out=cards_left_out,
        accuracy=[(j, pictures) for j, pictures in drawn if j.number not in shown],
        formula=evidence.FORMULA,
        page_name=evidence.PAGE,
        facts=[facts_of(record) for record in summary.records],
    )


def _headline(summary: Summary) -> Status:
    order = (Status.DIVERGES, Status.BROKEN, Status.CONFORMS, Status.KNOWN, Status.UNSPECIFIED)
    return next((status for status in order if summary.counts[status]), Status.SKIPPED)


def _rows(summary: Summary) -> Iterator[dict[str, Any]]:
    for judged in summary.of(*WORST_FIRST):
        yield {"judged": judged, "verdict": judged.verdict}


def _cards(summary: Summary, drawn: list[tuple[Judged, list[Picture]]]) -> Iterator[dict[str, Any]]:
    pictures = {judged.number: found for judged, found in drawn}
    for place, judged in enumerate(summary.of(Status.DIVERGES, Status.KNOWN)):
        verdict, divergence = judged.verdict, judged.verdict.divergence
        numbers: list[tuple[str, Marked, Marked | None]] = []
        if divergence is not None:
            decimal = evidence.marked(one_line(divergence.expected, 400), one_line(divergence.actual, 400))
            hexadecimal: tuple[Marked, Marked] | tuple[None, None] = (None, None)
            if divergence.expected_hex and divergence.actual_hex:
                hexadecimal = evidence.marked(
                    one_line(divergence.expected_hex, 80), one_line(divergence.actual_hex, 80)
                )
            numbers = list(zip(("expected", "actual"), decimal, hexadecimal, strict=True))
        card = Card(
            judged=judged,
            statement=evidence.statement(verdict),
            numbers=tuple(numbers),
            figures=evidence.figures(divergence) if divergence else [],
            case=evidence.case_lines(divergence) if divergence else [],
            script=reproduce.script(verdict),
            pictures=pictures.get(judged.number, []),
            unfolded=place < _OPEN and verdict.status is Status.DIVERGES,
        )
        yield {"card": card, "verdict": verdict, "judged": judged}


def _drawn(summary: Summary) -> list[tuple[Judged, list[Picture]]]:
    """The first pictures that the record has series for, of the worst verdicts first."""
    drawn: list[tuple[Judged, list[Picture]]] = []
    room = _PICTURES
    for judged in summary.of(*WORST_FIRST):
        if room <= 0:
            break
        if found := plots.pictures(judged.verdict.measured, f"v{judged.number}")[:room]:
            drawn.append((judged, found))
            room -= len(found)
    return drawn


def _within(
    environment: Environment, macro: str, items: Iterable[dict[str, Any]], limit: int
) -> tuple[Markup, int]:
    """As many items as fit into a number of bytes, and how many did not."""
    write = getattr(environment.get_template("parts.html").module, macro)
    parts: list[str] = []
    left_out = 0
    for item in items:
        if left_out:
            left_out += 1
            continue
        part = str(write(**item))
        limit -= len(part.encode())
        if limit < 0:
            left_out = 1
            continue
        parts.append(part)
    return Markup("".join(parts)), left_out  # noqa: S704 - each part was escaped by its template


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
    environment.globals |= {"SYMBOL": SYMBOL, "NOT_RUN": NOT_RUN, "STATUSES": WORST_FIRST, "Status": Status}
    return environment
