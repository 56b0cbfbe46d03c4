"""The report in Markdown, for a CI step's summary and for a repository.

The answer and the matrix come first, then what diverges, worst first. The whole stays below a limit, as CI
servers drop what is above theirs, and names what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ...oracles.verdict import Status
from ..escape import markdown, markdown_block, markdown_code
from ..reproduce import script as reproduce
from . import evidence, links
from .command import command_of
from .links import Link
from .run_view import run_views
from .summary import NOT_RUN, OTHER_FORMULA, SYMBOL, WORST_FIRST, Finding, Summary, facts_of, in_words

LIMIT: Final = 1_000_000
"""Bytes; GitHub takes 1 MiB for a step's summary."""

_DETAILED: Final = 100
"""How many divergences are shown in full; the others get a row each."""

_CHECKS_SHOWN: Final = 30
_REASON: Final = 240


def render(summary: Summary, limit: int = LIMIT) -> str:
    """Render the report.

    Args:
        summary: of the runs.
        limit: the most bytes that it may have in UTF-8.
    """
    notice = "\n\n*The report was cut here to {} bytes: the rest is in `verdicts.jsonl` and `index.html`.*\n"
    notice = notice.format(limit)
    room = limit - len(notice.encode())
    parts: list[str] = []
    for part in _parts(summary):
        room -= len(part.encode())
        if room < 0:
            return "".join(parts).rstrip("\n") + notice
        parts.append(part)
    return "".join(parts)


def _parts(summary: Summary) -> Iterator[str]:
    """Yield the report in pieces; any of them may be the last."""
    yield f"# {SYMBOL[_headline(summary)]} {markdown(summary.answer)}\n\n"
    yield from (f"**{markdown(diagnosis)}**\n\n" for diagnosis in summary.diagnoses)
    yield _links()
    yield from _causes(summary)
    yield from (f"> {markdown(note)}\n\n" for note in summary.notes)
    yield from _views(summary)
    yield _row(status.value for status in WORST_FIRST) + _rule(len(WORST_FIRST))
    yield _row(str(summary.counts[status]) for status in WORST_FIRST)
    yield from _matrix(summary)
    diverging = summary.findings(Status.DIVERGES)
    if diverging:
        yield f"\n## What diverges ({summary.counts[Status.DIVERGES]})\n"
        for finding in diverging[:_DETAILED]:
            yield _divergence(finding)
        if diverging[_DETAILED:]:
            yield "\n### Further divergences\n\n"
            yield from _table(diverging[_DETAILED:])
    for status, title in (
        (Status.BROKEN, "No answer came"),
        (Status.KNOWN, "Known divergences"),
        (Status.UNSPECIFIED, "Left open by the page"),
        (Status.SKIPPED, "Skipped"),
    ):
        if findings := summary.findings(status):
            yield f"\n## {title} ({summary.counts[status]})\n\n"
            yield from _table(findings)
    yield from _runs(summary)


def _links() -> str:
    """The page that is meant, and the project's documents."""

    def link(to: Link) -> str:
        return f"[{to.text}]({to.address})" if to.address else f"{to.text} ({markdown_code(to.path)})"

    others = ", ".join(map(link, links.documents()))
    return f"Judged against the documented update of {link(links.THE_PAGE)}. Read on: {others}.\n\n"


def _causes(summary: Summary) -> Iterator[str]:
    """The divergences by their cause."""
    for group in summary.groups_by_cause():
        checks = list(dict.fromkeys(check for finding in group.findings for check in finding.checks))
        shown = ", ".join(markdown_code(check, 120) for check in checks[:_CHECKS_SHOWN])
        more = f" and {n} more" if (n := len(checks) - _CHECKS_SHOWN) > 0 else ""
        yield f"- {markdown(group.title)}: {shown}{more}\n"
        differing = [pair for pair in group.model if pair[0] != pair[1]]
        for documented, line in differing:
            yield f"  - documented {markdown_code(documented, 200)}, the subject {markdown_code(line, 200)}\n"
        yield "\n"


def _views(summary: Summary) -> Iterator[str]:
    """The overviews of audited runs, with their pictures in characters."""
    for number, view in enumerate(run_views(summary)):
        place = view.configuration
        where = f"{place.subject} {place.version} · {place.dtype} · {place.device}"
        yield "## Tensors and steps\n\n" if not number else ""
        yield f"{markdown(where, 200)}: {markdown(' '.join(view.sentences), 1000)}\n\n"
        yield f"{markdown(view.heat_map.sentence)}\n\n{markdown_block(view.heat_map.text())}\n\n"
        if view.rates is not None:
            yield f"{markdown(view.rates.sentence)}\n\n{markdown_block(view.rates.text())}\n\n"
        for table in view.tables:
            if table.rows:
                yield f"{markdown(table.title)}:\n\n{_row(table.columns)}{_rule(len(table.columns))}"
                yield "".join(_row(markdown(text, 80) for text in row) for row in table.rows) + "\n"


def _headline(summary: Summary) -> Status | None:
    order = (
        Status.DIVERGES,
        Status.BROKEN,
        Status.CONFORMS,
        Status.KNOWN,
        Status.UNSPECIFIED,
        Status.SKIPPED,
    )
    return next((status for status in order if summary.counts[status]), None)


def _matrix(summary: Summary) -> Iterator[str]:
    yield "\n## Matrix\n\n"
    yield _row(["subject", "dtype", "device", *map(markdown, summary.groups)]) + _rule(
        3 + len(summary.groups)
    )
    for configuration, cells in summary.matrix:
        texts = []
        for group in summary.groups:
            cell = cells[group]
            mark = f" {OTHER_FORMULA}" if cell.held_to else ""
            texts.append(
                f"{SYMBOL[cell.status]}{mark} {markdown(cell.words, 200)}" if cell.status else NOT_RUN
            )
        name = markdown_code(configuration.subject, 80) + (
            f" {markdown(configuration.version, 40)}" if configuration.version else ""
        )
        yield _row([name, markdown(configuration.dtype, 20), markdown(configuration.device, 20), *texts])


def _divergence(finding: Finding) -> str:
    verdict = finding.row.verdict
    divergence = verdict.divergence
    where = markdown(finding.where, 300)
    parts = [f"\n### {_checks(finding)}: {where}\n\n{markdown(verdict.reason, 2000)}\n\n"]
    if finding.others:
        parts.append(f"All of them: {', '.join(markdown_code(name, 120) for name in finding.checks)}\n\n")
    if statement := evidence.statement(verdict):
        parts.append(f"The page: {markdown('; '.join(statement))}\n\n")
    if divergence is not None:
        parts.append(_row(["", "decimal", "hexadecimal"]) + _rule(3))
        for name, decimal, hexadecimal in (
            ("expected", divergence.expected, divergence.expected_hex),
            ("actual", divergence.actual, divergence.actual_hex),
        ):
            parts.append(_row([name, markdown_code(decimal, 400), markdown_code(hexadecimal or "", 80)]))
        facts = "; ".join(
            f"{markdown(name, 40)} {markdown_code(text, 80)}" for name, text in evidence.figures(divergence)
        )
        parts.append(f"\n{facts}\n")
        parts += _worked(evidence.worked_lines(divergence))
    script = reproduce.script(verdict)
    if script is not None:
        parts.append(
            f"\n<details><summary>Script that shows it</summary>\n\n{markdown_block(script, 'python')}\n\n"
        )
        parts.append("</details>\n")
    if command := command_of(verdict):
        parts.append(f"\n{markdown_block(command, 'sh')}\n")
    return "".join(parts)


def _worked(lines: Iterable[evidence.WorkedLine]) -> Iterator[str]:
    """The step worked out, as a table."""
    for number, line in enumerate(lines):
        if not number:
            head = ["number", "exact", "the subject's", "uncertain by", "taken"]
            yield f"\nThe step worked out; what is off is bold:\n\n{_row(head)}{_rule(len(head))}"
        exact, found = (f"{x.same}{x.different}{x.after}" for x in (line.exact, line.subject))
        name = f"**{line.name}**" if line.off else line.name
        cells = [markdown_code(exact, 80), markdown_code(found, 80), markdown_code(line.uncertain, 40)]
        yield _row([name, *cells, line.source])


def _table(findings: Iterable[Finding]) -> Iterator[str]:
    yield _row(["check", "where", "reason"]) + _rule(3)
    for finding in findings:
        verdict = finding.row.verdict
        where = markdown(finding.where, 300)
        yield _row([_checks(finding), where, markdown(verdict.reason, _REASON)])


def _checks(finding: Finding) -> str:
    return f"{markdown_code(finding.row.verdict.check, 120)} {finding.others}".rstrip()


def _runs(summary: Summary) -> Iterator[str]:
    for number, record in enumerate(summary.records, start=1):
        yield (
            f"\n## Run {number} of {len(summary.records)}\n\n" if summary.records[1:] else "\n## The run\n\n"
        )
        yield _row(["what", "is"]) + _rule(2)
        yield from (_row([markdown(name, 60), markdown(text, 400)]) for name, text in facts_of(record))
        for facts in record.header.subjects:
            name = str(facts.get("name", "subject"))
            others = {key: value for key, value in facts.items() if key != "name"}
            yield _row([markdown_code(name, 80), markdown(in_words(others), 1000)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns + "\n"
