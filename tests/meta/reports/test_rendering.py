"""Renderings of a record are complete and bounded, and escape its text."""

from __future__ import annotations

import ast
import csv
import io
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path

import cmarkgfm
import junitparser
import pytest
import xmlschema
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity, Status
from adamax_conformance.oracles.worked import worked_step
from adamax_conformance.reference.documentation import DOCUMENTATION, PAGE, PAGE_ADDRESS
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, all_rules
from adamax_conformance.reports import escape
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.record.record import Record, read_records
from adamax_conformance.reports.render import csv as table
from adamax_conformance.reports.render import evidence, html, junit, links, markdown, terminal
from adamax_conformance.reports.render.report import FILES, render
from adamax_conformance.reports.render.summary import SYMBOL, WORST_FIRST, StatusCounts, summarize
from adamax_conformance.tests.meta.reports.samples import (
    HOSTILE,
    case,
    divergence,
    header,
    one_of_each,
    verdict,
)
from rich.console import Console

BINARY32 = ErrorModel(Format.of("float32"))
ADDRESSES = {
    PAGE_ADDRESS,
    *(link.address for link in links.documents()),
    *(own.source for own in DOCUMENTATION.values()),
}
JUNIT = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


class Elements(HTMLParser):
    """Collects the elements, their attributes and the text of a document."""

    def __init__(self, document):
        super().__init__()
        self.elements = []
        self.text = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def summary_of(*verdicts, **changes):
    return summarize([Record.of(header(**changes), verdicts)])


def hostile(payload):
    """The summary of a record whose every text is hostile."""
    evidence = divergence(
        reason=payload,
        expected=payload,
        actual=payload + "x",
        expected_hex=payload,
        actual_hex=payload + "y",
        bound=payload,
        case=case(payload).to_json(),
        extra={payload: payload},
    )
    fields = {
        "subject": payload,
        "dtype": payload,
        "device": payload,
        "reason": payload,
        "reproduce": payload,
    }
    measured = {payload: payload, "trajectories": {payload: [1.0, 2.0], payload + "2": [2.0, 1.0]}}
    verdicts = [
        verdict(status, check=payload, divergence=evidence, measured=measured, **fields) for status in Status
    ]
    # The script's own path: a subject that is well formed, and a case that is not.
    verdicts.append(replace(verdicts[1], subject="torch", dtype="float32", device="cpu"))
    facts = {payload: payload}
    return summary_of(
        *verdicts,
        suite_version=payload,
        created=payload,
        profile=payload,
        platform=facts,
        versions=facts,
        subjects=({"name": payload, payload: payload, "version": payload},),
        arithmetic=facts,
    )


def terminal_text(summary, **options):
    file = io.StringIO()
    terminal.show(summary, Console(file=file, width=200, **options))
    return file.getvalue()


@pytest.fixture(scope="module")
def plain_elements():
    """The elements of a page with nothing hostile in it."""
    return {tag for tag, _ in Elements(html.render(hostile("plain"))).elements}


def test_a_report_has_all_its_files_and_its_record_is_the_one_that_was_given(tmp_path):
    record = Record.of(header(), one_of_each())
    render(record, tmp_path / "new" / "folder")
    assert {item.name for item in (tmp_path / "new" / "folder").iterdir()} == set(FILES)
    assert read_records(tmp_path / "new" / "folder") == (record,)


def test_a_report_replaces_an_earlier_one(tmp_path):
    render(Record.of(header(), one_of_each()), tmp_path)
    render(Record.of(header(), [verdict()]), tmp_path)
    assert "diverges/" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert len(read_records(tmp_path)[0].verdicts) == 1


# The summary


def test_a_group_that_was_not_run_or_was_skipped_is_never_shown_as_passed():
    summary = summary_of(verdict(), verdict(Status.SKIPPED, check="special/nan"))
    cells = summary.matrix[0][1]
    assert cells["value"].status is Status.CONFORMS
    assert cells["special"].status is Status.SKIPPED
    assert cells["relations"].status is None
    assert cells["relations"].words == "not run"


@pytest.mark.parametrize("worst", [Status.DIVERGES, Status.BROKEN, Status.KNOWN])
def test_one_divergence_names_the_cell_whatever_else_conforms(worst):
    assert StatusCounts({Status.CONFORMS: 99, worst: 1, Status.SKIPPED: 3}).status is worst


def test_every_status_has_a_place_and_a_sign():
    assert set(WORST_FIRST) == set(Status)
    assert set(SYMBOL) == {*Status, None}
    assert len(set(SYMBOL.values())) == len(SYMBOL)


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ([], "Nothing was judged"),
        ([Status.SKIPPED], "Nothing was judged"),
        ([Status.CONFORMS], "Conforms: 1 check, nothing diverges"),
        ([Status.CONFORMS, Status.KNOWN], "Conforms: 1 check, nothing new diverges; known divergences: 1"),
        ([Status.UNSPECIFIED], "Nothing was judged"),
        ([Status.KNOWN], "Nothing new diverges, and nothing was shown to conform; known divergences: 1"),
        ([Status.DIVERGES, Status.CONFORMS], "Does not conform: of 2 checks, 1 diverges"),
        (
            [Status.DIVERGES] * 2 + [Status.BROKEN],
            "Does not conform: of 3 checks, 2 diverge and 1 gave no answer",
        ),
    ],
)
def test_the_answer_says_what_the_verdicts_say(statuses, answer):
    summary = summary_of(*(verdict(status) for status in statuses))
    assert summary.answer == answer
    assert answer in html.render(summary)


def test_the_answer_names_the_formula_that_values_were_held_to_if_it_is_not_the_page_s():
    (other,) = (rule for rule in all_rules() if rule.deviations == ("no bias correction",))
    found = verdict(Status.KNOWN, check="rule/documented", measured={"rule": other.name})
    documented = verdict(check="rule/documented", subject="numpy", measured={"rule": DOCUMENTED.name})
    words = "values were held to another formula than the page's (torch: no bias correction)"
    assert summary_of(verdict(), found, documented).answer.endswith(words)
    assert "formula" not in summary_of(verdict(), documented).answer


def test_every_cell_of_the_matrix_names_another_formula_that_its_values_were_held_to():
    (other,) = (rule for rule in all_rules() if rule.deviations == ("no bias correction",))
    found = verdict(Status.KNOWN, check="rule/documented", measured={"rule": other.name})
    summary = summary_of(verdict(), found, verdict(check="golden/x"), verdict(check="contract/x"))
    (_, cells), *_ = summary.matrix
    others = [group for group, cell in cells.items() if cell.held_to]
    assert others == ["value", "golden"]
    words = "held to another formula: no bias correction"
    assert cells["value"].words == f"1 conforms; {words}"
    assert html.render(summary).count(f'<span class="sr">{words}</span>') == len(others)
    assert markdown.render(summary).replace("\\", "").count(f"1 conforms; {words}") == len(others)
    assert terminal_text(summary).count("✓1 ≠") == len(others)
    assert f"≠ {words}" in terminal_text(summary)


def test_one_check_is_counted_as_one():
    summary = summarize([Record.of(header(), [verdict(Status.DIVERGES)])])
    assert summary.answer.startswith("Does not conform: of 1 check, 1 diverges")


def test_subjects_are_shown_with_their_framework_s_version():
    summary = summary_of(verdict(), verdict(subject="numpy"))
    assert [row.version for row, _ in summary.matrix] == ["2.13.0", ""]


def test_a_run_that_was_cut_off_is_marked_everywhere():
    summary = summarize([replace(Record.of(header(), [verdict()]), complete=False)])
    for rendered in (html.render(summary), markdown.render(summary), terminal_text(summary)):
        assert "cut off after 1 verdicts" in rendered.replace("\\", "")
    rendered = junit.render(summary).decode()
    JUNIT.validate(rendered)
    assert junitparser.JUnitXml.fromstring(rendered).errors == 1


def test_a_declared_arithmetic_is_said():
    summary = summary_of(verdict(), arithmetic={"flush": True})
    assert any("declared arithmetic (flush: yes)" in note for note in summary.notes)


def test_runs_of_the_same_subject_keep_their_own_rows():
    summary = summarize([Record.of(header(seed=seed), [verdict()]) for seed in (1, 2)])
    assert [row.run for row, _ in summary.matrix] == [1, 2]
    assert any("judged by runs 1, 2" in note for note in summary.notes)


def test_what_several_formats_have_in_common_is_one_finding_with_all_its_places():
    same = [verdict(Status.DIVERGES), verdict(Status.DIVERGES, dtype="float64"), verdict(subject="numpy")]
    other = verdict(Status.DIVERGES, dtype="float16", divergence=divergence(actual="0.5"))
    summary = summary_of(*same, other)
    findings = summary.findings(Status.DIVERGES)
    assert [finding.where for finding in findings] == [
        "torch 2.13.0 · float32, float64 · cpu",
        "torch 2.13.0 · float16 · cpu",
    ]
    assert html.render(summary).count("<article") == 2
    assert markdown.render(summary).count("\n### ") == 2
    assert terminal_text(summary).count("✗ diverges value/lockstep/theta") == 2


def test_what_many_checks_say_alike_is_one_finding_that_names_them_all():
    raised = divergence(quantity=Quantity.OUTCOME, expected="a step", actual="TypeError: no maximize")
    checks = ("contract/maximize/true", "special/zero-lr", "rule/documented")
    same = [verdict(Status.DIVERGES, check=check, divergence=raised) for check in checks]
    gone = [verdict(Status.BROKEN, check=f"value/{n}", reason="it died") for n in range(3)]
    summary = summary_of(*same, *gone, verdict(Status.DIVERGES), verdict(Status.DIVERGES, check="value/u"))
    first, *numbers = summary.findings(Status.DIVERGES)
    assert first.checks == ("rule/documented", "special/zero-lr", "contract/maximize/true")
    assert [finding.checks for finding in numbers] == [("value/lockstep/theta",), ("value/u",)]
    for rendered in (html.render(summary), markdown.render(summary), terminal_text(summary)):
        assert rendered.count("and 2 other checks") == 2
    for check in checks:
        assert check in markdown.render(summary)


def test_what_explains_the_most_comes_first():
    checks = ["contract/lr/none", "value/lockstep/theta", "ledger/stale", "rule/documented", "special/nan"]
    summary = summary_of(*(verdict(Status.DIVERGES, check=check) for check in checks))
    assert [finding.row.group for finding in summary.findings(Status.DIVERGES)] == [
        "rule",
        "value",
        "special",
        "contract",
        "ledger",
    ]


def test_a_subject_that_is_not_called_after_its_framework_is_shown_with_it():
    facts = {"name": "ours.py:make", "framework": "numpy", "version": "2.4.0"}
    summary = summary_of(verdict(subject="ours.py:make"), subjects=(facts,))
    assert [row.version for row, _ in summary.matrix] == ["numpy 2.4.0"]


# Markdown


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_record_becomes_markdown(payload):
    rendered = markdown.render(hostile(payload))
    plain = markdown.render(hostile("plain"))
    document = Elements(cmarkgfm.github_flavored_markdown_to_html(rendered))
    reference = Elements(cmarkgfm.github_flavored_markdown_to_html(plain))
    count = [tag for tag, _ in document.elements].count
    assert {tag for tag, _ in document.elements} == {tag for tag, _ in reference.elements}
    for tag in ("h1", "h2", "h3", "table", "tr", "td", "th", "details", "pre", "blockquote"):
        assert count(tag) == [name for name, _ in reference.elements].count(tag), tag
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", rendered)


@pytest.mark.parametrize("payload", ["@someone", "#1", "https://evil.example", "www.evil.example"])
def test_nothing_in_a_sentence_is_left_for_github_to_link(payload):
    shown = cmarkgfm.github_flavored_markdown_to_html(escape.markdown(f"see {payload} there"))
    assert payload not in re.sub("&#?[a-z0-9]+;", "", shown)
    assert "<a" not in shown


def test_a_sentence_without_markup_reads_the_same():
    assert escape.markdown("theta is 3 ulp off") == "theta is 3 ulp off"


def test_the_verdict_and_the_matrix_come_first():
    rendered = markdown.render(summary_of(*one_of_each()))
    assert rendered.startswith("# ✗ Does not conform")
    assert rendered.index("## Matrix") < rendered.index("## What diverges")


@pytest.mark.parametrize("limit", [2_000, 50_000, markdown.LIMIT])
def test_markdown_stays_below_its_limit_and_says_that_it_was_cut(limit):
    verdicts = [verdict(Status.DIVERGES, check=f"value/{n}", reason="ü" * 400) for n in range(3_000)]
    rendered = markdown.render(summary_of(*verdicts), limit)
    assert len(rendered.encode()) <= limit < 1 << 20
    assert "was cut here" in rendered
    assert "## Matrix" in rendered
    assert rendered.count("```") % 2 == 0
    assert rendered.count("<details>") == rendered.count("</details>")


def test_markdown_that_fits_is_not_said_to_be_cut():
    assert "was cut" not in markdown.render(summary_of(*one_of_each()))


# HTML


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_record_becomes_html(payload, plain_elements):
    rendered = html.render(hostile(payload))
    document = Elements(rendered)
    assert {tag for tag, _ in document.elements} <= plain_elements | {"mark"}
    assert [tag for tag, _ in document.elements].count("script") == 1
    for tag, attributes in document.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        link = attributes.get("href") or attributes.get("src") or attributes.get("xlink:href") or "#"
        assert link.startswith("#") or (tag == "a" and link in ADDRESSES), (tag, attributes)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", rendered)


def test_every_id_of_the_page_is_there_once_and_every_link_leads_to_one():
    document = Elements(html.render(hostile("plain")))
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in document.elements if "href" in attributes}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_the_page_names_no_address_to_load_from():
    rendered = html.render(hostile("plain"))
    names = [name for tag, attributes in Elements(rendered).elements if tag != "a" for name in attributes]
    assert not {"src", "srcset", "href", "data", "poster", "action"} & set(names)
    assert not re.search(r"url\(|@import", rendered.replace("url(#", ""))
    assert "default-src 'none'" in rendered


def test_a_link_that_leads_out_tells_its_target_nothing():
    document = Elements(html.render(summary_of(verdict(Status.DIVERGES))))
    outward = [
        attributes for _, attributes in document.elements if not attributes.get("href", "#").startswith("#")
    ]
    assert {attributes["href"] for attributes in outward} >= {PAGE_ADDRESS}
    assert {attributes["rel"] for attributes in outward} == {"noopener noreferrer"}


def test_every_report_links_the_page_that_is_meant_and_names_the_bounds():
    summary = summary_of(*one_of_each())
    assert f'<a href="{PAGE_ADDRESS}" rel="noopener noreferrer">{PAGE}</a>' in html.render(summary)
    assert PAGE_ADDRESS in markdown.render(summary)
    for rendered in (html.render(summary), markdown.render(summary)):
        assert "oracles/BOUNDS.md" in rendered


def test_a_published_repository_is_linked(monkeypatch):
    monkeypatch.setattr(links, "repository", lambda: "https://example.org/adamax")
    assert links.bounds().address == "https://example.org/adamax/blob/HEAD/oracles/BOUNDS.md"


def test_the_evidence_of_the_shipped_ledger_is_linked_and_no_address_of_a_record():
    entry = next(entry for entry in ledger.load().entries if entry.evidence.startswith("https"))
    known = verdict(Status.KNOWN, check=entry.check, measured={"ledger": entry.id})
    assert f'href="{entry.evidence}"' in html.render(summary_of(known))
    assert [link.address for link in links.links_of(known)] == [entry.evidence]
    forged = {"ledger": ["x"], "own documentation": "https://evil.example"}
    assert links.links_of(verdict(Status.KNOWN, measured=forged)) == ()


@pytest.mark.parametrize(
    "payload", [*HOSTILE, "http://example.org", 'https://a.b/" onclick="x', "https://a b"]
)
def test_no_hostile_text_is_an_address(payload):
    assert not links.is_safe(payload)


def test_a_step_that_is_worked_out_is_shown_with_what_is_off():
    numbers = worked_step((1.0, 0.25, 0.5, 0.125), (0.998, 0.2375, 0.4995), Hyperparameters(), 3, BINARY32)
    found = verdict(Status.DIVERGES, divergence=divergence(extra=numbers))
    rendered = html.render(summary_of(found))
    assert "The step worked out" in rendered
    assert rendered.count('<tr class="off">') == 4  # the correction, lr, the step and theta
    assert "0.27099999999999995" in "".join(Elements(rendered).text)
    assert "uncertain by" in markdown.render(summary_of(found))


def test_a_step_that_is_right_by_itself_is_said_to_be():
    numbers = worked_step(
        (1.0, 0.25, 0.5, 0.125),
        (0.9964909553527832, 0.23749999701976776, 0.49950000643730164),
        Hyperparameters(),
        3,
        BINARY32,
    )
    shown = html.render(summary_of(verdict(Status.DIVERGES, divergence=divergence(extra=numbers))))
    assert "This step alone is right" in shown
    assert '<tr class="off">' not in shown


@pytest.mark.parametrize("lines", [None, 3, [None], [{"name": "g"}], [{"name": "x", "exact": "1"}]])
def test_a_worked_step_that_is_not_well_formed_is_left_out(lines):
    found = verdict(Status.DIVERGES, divergence=divergence(extra={"worked": lines}))
    assert "The step worked out" not in html.render(summary_of(found))


def test_durations_are_shown_for_each_check_and_each_run():
    summary = summary_of(verdict(Status.DIVERGES, duration=1.25), verdict(duration=2.5))
    shown = html.render(summary)
    assert "<td>1.25<td>" in shown
    assert "<dt>took</dt><dd>1.25 s</dd>" in shown
    assert "<dt>checks took</dt><dd>3.75 s</dd>" in shown


def test_the_page_shows_what_a_maintainer_needs_of_a_divergence():
    shown = "".join(Elements(html.render(summary_of(verdict(Status.DIVERGES)))).text)
    for needed in (
        "a reason why this is diverges",
        "θ ← θ − γ·m / ((1 − β₁ᵗ)·u)",
        "0.9980000",
        "0x1.fef9",
        "3 ulp",
        "theta before",
        "gradient 3",
        "import torch",
        "adamax-conformance check torch --dtype float32 --check",
    ):
        assert needed in shown, needed


def test_words_are_marked_whole():
    pair = evidence.mark_words("a step uses its lr in force", "a step uses the lr of the step before")
    assert [one.different for one in pair] == ["its lr in force", "the lr of the step before"]
    assert {one.same for one in evidence.mark_words("m = m + g", "m = m + g")} == {"m = m + g"}


def test_digits_that_differ_are_marked():
    rendered = html.render(summary_of(verdict(Status.DIVERGES)))
    assert "0x1.fef9<mark>dc</mark>0000000p-1" in rendered
    assert "0x1.fef9<mark>e2</mark>0000000p-1" in rendered


@pytest.mark.parametrize("statuses", [list(Status), [Status.DIVERGES], [Status.CONFORMS]])
def test_the_page_stays_below_three_megabytes_with_ten_thousand_verdicts(statuses):
    measured = {"ulp_by_step": [[t, 0.5, 1.0] for t in range(1, 1000)]}
    verdicts = [
        verdict(
            status, check=f"value/lockstep/theta/{n}", reason="why " * 50, measured=measured if n < 50 else {}
        )
        for n, status in zip(range(10_000), cycle(statuses), strict=False)
    ]
    summary = summary_of(*verdicts)
    rendered = html.render(summary)
    assert len(rendered.encode()) < 3_000_000
    rows = len(re.findall(r"<tr id=v\d+", rendered))
    left_out = re.search(r"([\d,]+) further verdicts did not fit", rendered)
    assert rows + (int(left_out[1].replace(",", "")) if left_out else 0) == 10_000


def test_ten_thousand_verdicts_of_a_usual_run_are_all_on_the_page():
    statuses = (
        [Status.DIVERGES] * 20 + [Status.KNOWN] * 30 + [Status.SKIPPED] * 950 + [Status.CONFORMS] * 9_000
    )
    verdicts = [verdict(status, check=f"value/lockstep/theta/{n}") for n, status in enumerate(statuses)]
    rendered = html.render(summary_of(*verdicts))
    assert len(re.findall(r"<tr id=v\d+", rendered)) == 10_000
    assert rendered.count("<article") == 50


def test_hundreds_of_subjects_are_rendered_in_time_and_within_the_size():
    verdicts = [
        verdict(status, subject=f"subject-{n}", reason=f"reason {n}", check=f"group-{n % 40}/x")
        for n in range(600)
        for status in (Status.DIVERGES, Status.CONFORMS)
    ]
    summary = summary_of(*verdicts)
    began = time.process_time()
    assert len(html.render(summary).encode()) < 3_000_000
    assert len(markdown.render(summary).encode()) <= markdown.LIMIT
    assert junit.render(summary).count(b"<testcase") == 1_200
    shown = Console(file=io.StringIO(), width=200)
    terminal.show(summary, shown)
    assert shown.file.getvalue().count("\n") < 1_000
    assert time.process_time() - began < 60


# JUnit


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_stays_text_in_junit(payload):
    rendered = junit.render(hostile(payload)).decode()
    JUNIT.validate(rendered)
    document = junitparser.JUnitXml.fromstring(rendered)
    assert sum(len(list(suite)) for suite in document) == len(Status) + 1


@pytest.mark.parametrize("verdicts", [(), one_of_each()], ids=["none", "one of each"])
def test_junit_is_valid_by_its_schema(verdicts):
    JUNIT.validate(junit.render(summary_of(*verdicts)).decode())


def test_junit_says_what_a_ci_server_has_words_for():
    (suite,) = junitparser.JUnitXml.fromstring(junit.render(summary_of(*one_of_each())).decode())
    results = {one.name: [type(result).__name__ for result in one.result] for one in suite}
    assert results == {
        "value/conforms": [],
        "value/diverges": ["Failure"],
        "value/known": ["Skipped"],
        "value/unspecified": [],
        "value/skipped": ["Skipped"],
        "value/broken": ["Error"],
    }
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 1, 1, 2)


# CSV


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_cell_of_the_table_is_a_formula(payload):
    rows = list(csv.reader(io.StringIO(table.render(hostile(payload)).decode(), newline="")))
    assert {len(row) for row in rows} == {len(table.COLUMNS)}
    assert len(rows) == len(Status) + 2
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "@", "\t", "\r")), cell
        assert not cell.startswith(("+", "-")), cell


def test_negative_numbers_stay_numbers_in_the_table():
    rows = csv.DictReader(
        io.StringIO(
            table.render(
                summary_of(verdict(Status.DIVERGES, divergence=divergence(actual="-1.5e-3")))
            ).decode()
        )
    )
    assert next(rows)["actual"] == "-1.5e-3"


# The terminal


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_record_controls_the_terminal(payload):
    shown = terminal_text(hostile(payload))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)


def test_markup_of_rich_is_shown_as_it_stands():
    shown = terminal_text(summary_of(verdict(Status.DIVERGES, reason="[bold]x[/bold] :smile:")))
    assert "[bold]x[/bold] :smile:" in shown


def test_colours_are_for_terminals_and_off_where_the_user_says_so(monkeypatch):
    summary = summary_of(*one_of_each())
    assert "\x1b[" not in terminal_text(summary)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in terminal_text(summary, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[3\d", terminal_text(summary, force_terminal=True, color_system="standard"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_a_terminal_without_unicode_shows_other_signs(encoding):
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding)
    terminal.show(summary_of(*one_of_each(), verdict(check="value/日本")), Console(file=file, width=200))
    file.flush()
    shown = buffer.getvalue().decode(encoding)
    assert "x diverges" in shown
    assert "Does not conform" in shown


def test_many_divergences_are_counted_on_the_terminal_and_listed_in_the_report():
    shown = terminal_text(summary_of(*(verdict(Status.DIVERGES, check=f"value/{n}") for n in range(50))))
    assert "and 30 more" in shown


# Text


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_visible_text_can_be_encoded_and_has_no_control_characters(payload):
    shown = escape.visible(payload)
    assert shown.encode()
    assert all(c.isprintable() or c in "\n\t" for c in shown if not c.isspace())


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_comment_of_a_script_stays_one(payload):
    assert ast.parse(f"# {escape.one_line(payload)}").body == []
