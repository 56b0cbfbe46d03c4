"""The verdicts as JUnit's XML, for a CI server.

One `testsuite` a configuration, one `testcase` a verdict. `diverges` is a failure, `broken` an error, and
`skipped` is skipped. A known divergence is skipped too, with its reason, as a server has no word for it.
`unspecified` passes, with what the subject does in `system-out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from ...oracles.verdict import Divergence, Status
from ..escape import one_line, visible
from ..record.record import Record
from .command import command_of
from .summary import Configuration, Summary, VerdictRow

_OUTPUT_LIMIT = 4000


def render(summary: Summary) -> bytes:
    """Render the document, in UTF-8."""
    root = ET.Element("testsuites", name="adamax-conformance")
    ordered = sorted(summary.rows, key=lambda item: item.configuration.run)
    by_row = {row: index for index, (row, _) in enumerate(summary.matrix)}
    ordered.sort(key=lambda item: by_row[item.configuration])
    causes = {
        row.number: group.title
        for group in summary.groups_by_cause()
        if group.model
        for finding in group.findings
        for row in finding.rows
    }
    undetermined = _undetermined(summary)
    for configuration, group in groupby(ordered, key=lambda item: item.configuration):
        words = undetermined.get((configuration.run, configuration.subject), [])
        root.append(_suite(summary, configuration, list(group), causes, words))
    for number, record in enumerate(summary.records, start=1):
        if not record.complete:
            root.append(_unfinished_suite(number, record))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(item.verdict.duration for item in summary.rows):.3f}")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _undetermined(summary: Summary) -> dict[tuple[int, str], list[str]]:
    """The sentences of the diagnoses without a cause, by run and subject."""
    found: dict[tuple[int, str], list[str]] = {}
    for run, record in enumerate(summary.records, start=1):
        for entry, (subject, words) in zip(record.diagnoses, summary.diagnoses_of_run(run), strict=True):
            if "explains" not in entry:
                found.setdefault((run, subject), []).append(words)
    return found


def _suite(
    summary: Summary,
    configuration: Configuration,
    rows: list[VerdictRow],
    causes: Mapping[int, str],
    undetermined: Sequence[str],
) -> ET.Element:
    statuses = [item.verdict.status for item in rows]
    suite = ET.Element(
        "testsuite",
        name=one_line(f"{configuration.subject} {configuration.dtype} {configuration.device}"),
        tests=str(len(rows)),
        failures=str(statuses.count(Status.DIVERGES)),
        errors=str(statuses.count(Status.BROKEN)),
        skipped=str(statuses.count(Status.SKIPPED) + statuses.count(Status.KNOWN)),
        time=f"{sum(item.verdict.duration for item in rows):.3f}",
        timestamp=one_line(summary.records[configuration.run - 1].header.created),
    )
    for item in rows:
        suite.append(_case(item, [causes[item.number]] if item.number in causes else undetermined))
    return suite


def _unfinished_suite(number: int, record: Record) -> ET.Element:
    """An error for a run whose verdicts are not all there.

    A server would take the run for green without it.
    """
    name = f"run {number}"
    suite = ET.Element(
        "testsuite",
        name=name,
        tests="1",
        failures="0",
        errors="1",
        skipped="0",
        time="0.000",
        timestamp=one_line(record.header.created),
    )
    case = ET.SubElement(suite, "testcase", classname=name, name="complete", time="0.000")
    ET.SubElement(case, "error", message="the run was cut off: verdicts are missing", type="incomplete")
    return suite


def _case(row: VerdictRow, causes: Sequence[str]) -> ET.Element:
    verdict = row.verdict
    configuration = row.configuration
    case = ET.Element(
        "testcase",
        classname=one_line(
            f"{configuration.subject}.{configuration.dtype}.{configuration.device}.{row.group}"
        ),
        name=one_line(verdict.check),
        time=f"{verdict.duration:.3f}",
    )
    reason = one_line(verdict.reason, _OUTPUT_LIMIT)
    match verdict.status:
        case Status.DIVERGES:
            message = one_line("; ".join((*causes, reason)), _OUTPUT_LIMIT)
            failure = ET.SubElement(case, "failure", message=message, type="divergence")
            failure.text = _evidence(verdict.divergence, command_of(verdict))
        case Status.BROKEN:
            ET.SubElement(case, "error", message=reason, type="broken").text = reason
        case Status.KNOWN:
            ET.SubElement(case, "skipped", message=f"known divergence: {reason}")
        case Status.SKIPPED:
            ET.SubElement(case, "skipped", message=reason)
        case Status.UNSPECIFIED:
            ET.SubElement(case, "system-out").text = f"unspecified: {reason}"
        case Status.CONFORMS:
            pass
    return case


def _evidence(divergence: Divergence | None, reproduce: str) -> str:
    lines = []
    if divergence is not None:
        lines = [
            f"{name}: {value}"
            for name, value in (
                ("finding", divergence.reason),
                ("expected", divergence.expected),
                ("actual", divergence.actual),
                ("expected, hexadecimal", divergence.expected_hex),
                ("actual, hexadecimal", divergence.actual_hex),
                ("error in ulp", divergence.error_ulp),
                ("error over bound", divergence.error_over_bound),
                ("step", divergence.step),
                ("parameter", divergence.parameter),
                ("element", divergence.element),
            )
            if value is not None
        ]
    if reproduce:
        lines.append(f"reproduce: {reproduce}")
    return visible("\n".join(lines))[:_OUTPUT_LIMIT]
