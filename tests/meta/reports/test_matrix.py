"""The published matrix loses nothing of the records, and its page agrees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from adamax_conformance import reports
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.documentation import CODE, DOCUMENTATION
from adamax_conformance.reports.accuracy.page import RECORD
from adamax_conformance.reports.ledger.ledger import Entry, Ledger
from adamax_conformance.reports.matrix.model import from_json, gather_matrix, to_json
from adamax_conformance.reports.matrix.page import DATA_FILE, followers, page, text, write_matrix
from adamax_conformance.reports.record.record import Record
from adamax_conformance.tests.meta.reports.samples import HOSTILE, header, one_of_each, verdict

PUBLISHED = Path(reports.__path__[0]) / "MATRIX.md"


def rule(name, **facts):
    measured = {"rule": name, "also": [], "open": {}, "form": "weighted", "computed in": "binary32", **facts}
    return verdict(Status.CONFORMS, check="rule/documented", measured=measured)


def record(*verdicts, **changes):
    return Record.of(header(**changes), verdicts)


def test_what_is_kept_holds_every_verdict_and_reason():
    matrix = gather_matrix([record(*one_of_each(), rule("documented"))])
    assert from_json(json.loads(text(to_json(matrix)))) == matrix
    (row,) = matrix.rows
    assert [(s.check, s.status) for s in row.cells[:-1]] == [(v.check, v.status) for v in one_of_each()]
    assert row.cells[1].reason == one_of_each()[1].reason
    assert row.rule["rule"] == "documented"
    assert row.version == "2.13.0"


def test_a_later_run_renews_the_checks_that_it_asked_and_no_others():
    old = record(
        verdict(Status.DIVERGES, check="value/x"), rule("documented"), created="2026-01-01T00:00:00+00:00"
    )
    new = record(verdict(Status.CONFORMS, check="value/x"), created="2026-01-02T00:00:00+00:00")
    (row,) = gather_matrix([new, old]).rows
    assert [(s.check, s.status) for s in row.cells] == [
        ("value/x", Status.CONFORMS),
        ("rule/documented", Status.CONFORMS),
    ]
    assert row.rule["rule"] == "documented"


def test_the_rows_of_an_earlier_page_stay_until_a_run_renews_them(tmp_path):
    other = ({"name": "mlx", "framework": "mlx", "version": "1"},)
    runs = (
        [record(verdict(Status.DIVERGES), created="2026-01-01T00:00:00+00:00")],
        [record(verdict(subject="mlx"), subjects=other, created="2026-01-02T00:00:00+00:00")],
        [record(verdict(Status.CONFORMS), created="2026-01-03T00:00:00+00:00")],
    )
    for run in runs:
        write_matrix(run, tmp_path / "M.md")
    rows = from_json(json.loads((tmp_path / DATA_FILE).read_text("utf-8"))).rows
    assert [(row.subject, row.created[:10], row.cells[0].status) for row in rows] == [
        ("mlx", "2026-01-02", Status.CONFORMS),
        ("torch", "2026-01-03", Status.CONFORMS),
    ]


@pytest.mark.parametrize("there", ["", "[]", "{}", '{"schema": 1, "rows": [{}]}'])
def test_data_that_are_no_matrix_are_not_renewed(tmp_path, there):
    (tmp_path / DATA_FILE).write_text(there)
    with pytest.raises(ValueError, match=r"is not the data of a matrix .*; remove it to begin again$"):
        write_matrix([record(verdict())], tmp_path / "M.md")
    assert (tmp_path / DATA_FILE).read_text() == there


def test_a_later_run_of_another_version_stands_alone():
    old = record(verdict(Status.DIVERGES, check="value/x"), created="2026-01-01T00:00:00+00:00")
    other = ({"name": "torch", "framework": "torch", "version": "2.14.0"},)
    new = record(verdict(check="value/y"), created="2026-01-02T00:00:00+00:00", subjects=other)
    (row,) = gather_matrix([old, new]).rows
    assert [s.check for s in row.cells] == ["value/y"]


def test_what_the_ledger_lists_by_now_is_known():
    listed = Ledger(Path("ledger.toml"), (Entry("e", "torch", "value/x", "a reason"),))
    data = record(verdict(Status.DIVERGES, check="value/x"), verdict(Status.DIVERGES, check="value/y"))
    (row,) = gather_matrix([data], listed).rows
    assert [(s.status, s.reason) for s in row.cells] == [
        (Status.KNOWN, "a reason"),
        (Status.DIVERGES, "a reason why this is diverges"),
    ]


def test_what_another_version_kept_is_refused():
    with pytest.raises(ValueError, match="schema is 2"):
        from_json({"schema": 2})


def test_the_page_shows_rules_counts_and_reasons(tmp_path):
    records = [record(*one_of_each(), rule("epsilon=in-denominator", open={"decay": "no such argument"}))]
    write_matrix(records, tmp_path / "M.md")
    shown = (tmp_path / "M.md").read_text("utf-8")
    assert "divided by u" in shown
    assert "Divergences that no ledger lists" in shown
    assert "a reason why this is known" in shown
    assert (tmp_path / DATA_FILE).is_file()


def test_the_cells_of_a_subject_of_another_formula_say_so():
    row = [rule("epsilon=in-denominator"), verdict(check="value/x"), verdict(check="contract/x")]
    shown = page(gather_matrix([record(*row)])).partition("## What the suite says")[2]
    line = next(line for line in shown.splitlines() if line.startswith("| `torch`"))
    assert [cell.strip() for cell in line.split("|") if "≠" in cell] == ["✓1 ≠A"]
    assert "- **≠A**: u \\= max\\(beta2\\*u, \\|g\\|\\), divided by u \\+ eps" in shown
    same = page(gather_matrix([record(rule("documented"), verdict(check="value/x"))]))
    assert "≠" not in same


def test_the_first_screen_says_who_has_which_formula_how_accurately_and_what_surprises(tmp_path):
    entry = Entry(
        "e", "torch", "value/x", "a reason", evidence="https://example.org/1", surprise="drops a NaN"
    )
    other = Entry("f", "mlx", "value/x", "a reason")
    rules = {"torch": "documented", "mlx": "epsilon=in-denominator", "x:y": None}
    records = [
        record(
            verdict(Status.DIVERGES, check="value/x", subject=name),
            replace(rule(found), subject=name),
            subjects=({"name": name, "framework": name, "version": "1"},),
        )
        for name, found in rules.items()
    ]
    write_matrix(records, tmp_path / "M.md", Ledger(Path("ledger.toml"), (entry, other)))
    screen = (tmp_path / "M.md").read_text("utf-8").partition("## What was run")[0]
    lines = {name: line for name in rules for line in screen.splitlines() if f"`{name}`" in line}
    assert all(line.startswith("| ") for line in lines.values())
    assert DOCUMENTATION["torch"].source in lines["torch"]
    assert CODE["torch"] in lines["torch"]
    (errors,) = (
        each["known"] for each in json.loads(RECORD.read_text("utf-8")) if each["subject"] == "torch"
    )
    of = {e["dtype"]: f"{e['error']:.3g}" for e in errors if e["quantity"] == "theta" and not e["whole run"]}
    figures = f"`torch` {of['float32']} / {of['float64']}"
    assert f"| {figures} | `torch`: [drops a NaN](https://example.org/1) |" in lines["torch"]
    assert "divided by u" in lines["mlx"]
    assert "drops a NaN" not in lines["mlx"]  # it is the other one's, in the same words
    assert "of no known rule | `x:y` 32 |" in lines["x:y"]


def test_hostile_words_do_not_leave_their_cells():
    verdicts = [verdict(Status.SKIPPED, check=f"value/{i}", reason=words) for i, words in enumerate(HOSTILE)]
    shown = page(gather_matrix([record(*verdicts)]))
    assert "<script" not in shown
    table = shown.partition("## What is skipped")[2].partition("## What each")[0].strip().splitlines()
    assert all(line.startswith("| ") and line.endswith(" |") for line in table)


def test_the_page_of_thousands_of_subjects_stays_a_page_and_its_data_are_whole():
    found = [
        verdict(Status.DIVERGES, check="value/x", subject=f"subject-{n}", reason=f"reason {n}")
        for n in range(3_000)
    ]
    matrix = gather_matrix([record(*found)])
    rendered = page(matrix)
    assert len(rendered.encode()) < 200_000
    assert "2,600 more rows are left out here" in rendered
    assert len(from_json(json.loads(text(to_json(matrix)))).rows) == 3_000


def test_a_part_that_cannot_be_told_is_taken_for_one_that_is_not_there():
    matrix = gather_matrix([record(rule("documented", open={"decay": "", "ascent": ""}))])
    (found,) = followers(matrix)
    assert (found.decay.name, found.ascent.name) == ("NONE", "NONE")


def test_a_subject_of_no_rule_follows_nobody():
    assert followers(gather_matrix([record(rule(None))])) == {}


def test_the_published_page_is_what_its_records_say():
    data = json.loads(PUBLISHED.with_name(DATA_FILE).read_text("utf-8"))
    assert PUBLISHED.read_text("utf-8") == page(from_json(data))
    assert text(data) == PUBLISHED.with_name(DATA_FILE).read_text("utf-8")
    assert PUBLISHED.with_name(DATA_FILE).stat().st_size < 1_000_000
