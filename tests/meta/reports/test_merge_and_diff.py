"""Several records are merged without losing or inventing anything, and compared."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace

import cmarkgfm
import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli.diff import Change, compare
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.merge import merge
from adamax_conformance.reports.record.record import Record, RecordError, read_records, write_record
from adamax_conformance.reports.render.report import render
from adamax_conformance.tests.meta.reports.samples import HOSTILE, divergence, header, one_of_each, verdict
from rich.console import Console

ONE = Record.of(header(), one_of_each())
OTHER = Record.of(header(seed=2), [verdict(subject="mindspore")])


def record(*verdicts, **changes):
    return Record.of(header(**changes), verdicts)


def sized(over, status=Status.DIVERGES, ulp=3.0):
    return verdict(status, divergence=divergence(error_over_bound=over, error_ulp=ulp))


# Merging


def test_a_merged_record_is_its_runs_unchanged(tmp_path):
    for name, run in (("a", ONE), ("b", OTHER)):
        render(run, tmp_path / name)
    runs = merge([tmp_path / "a", tmp_path / "b" / "verdicts.jsonl"])
    assert runs == (ONE, OTHER)
    render(runs, tmp_path / "merged")
    assert read_records(tmp_path / "merged") == (ONE, OTHER)


def test_a_run_that_is_in_two_files_is_taken_once(tmp_path):
    render(ONE, tmp_path / "a")
    render([ONE, OTHER], tmp_path / "merged")
    assert merge([tmp_path / "a", tmp_path / "merged", tmp_path / "a"]) == (ONE, OTHER)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"something else\n"])
def test_a_foreign_record_is_refused(tmp_path, content):
    write_record(tmp_path / "good", header(), [])
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(RecordError, match="foreign, line 1"):
        merge([tmp_path / "good", tmp_path / "foreign"])


def test_a_missing_record_is_refused_by_name(tmp_path):
    with pytest.raises(RecordError, match=r"absent.*cannot be read"):
        merge([tmp_path / "absent"])


def test_a_record_that_was_cut_off_is_refused_or_marked(tmp_path):
    write_record(tmp_path / "whole", header(), one_of_each())
    cut = tmp_path / "cut"
    cut.write_bytes(b"".join((tmp_path / "whole").read_bytes().splitlines(keepends=True)[:3]))
    with pytest.raises(RecordError, match="cut off"):
        merge([cut])
    (taken,) = merge([cut], cut_off=True)
    assert not taken.complete
    assert any("cut off" in note for note in render([taken], tmp_path / "report").notes)


# Comparing


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (verdict(), verdict(), None),
        (verdict(), verdict(Status.DIVERGES), Change.BEGAN),
        (verdict(), verdict(Status.KNOWN), Change.BEGAN),
        (verdict(Status.UNSPECIFIED), verdict(Status.DIVERGES), Change.BEGAN),
        (verdict(Status.SKIPPED), verdict(Status.DIVERGES), Change.BEGAN),
        (None, verdict(Status.DIVERGES), Change.BEGAN),
        (verdict(), verdict(Status.BROKEN), Change.BROKE),
        (verdict(Status.DIVERGES), verdict(Status.BROKEN), Change.BROKE),
        (verdict(Status.BROKEN), verdict(Status.BROKEN), None),
        (verdict(Status.BROKEN), verdict(), Change.STOPPED),
        (verdict(Status.BROKEN), verdict(Status.DIVERGES), Change.BEGAN),
        (verdict(Status.DIVERGES), verdict(), Change.STOPPED),
        (verdict(Status.KNOWN), verdict(), Change.STOPPED),
        (verdict(Status.DIVERGES), verdict(Status.DIVERGES), None),
        (verdict(Status.DIVERGES), verdict(Status.KNOWN), Change.LISTED),
        (verdict(Status.KNOWN), verdict(Status.DIVERGES), Change.UNLISTED),
        (sized(1.5), sized(2.0), Change.GREW),
        (sized(1.5, Status.KNOWN), sized(2.0, Status.KNOWN), Change.GREW),
        (sized(1.5), sized(2.0, Status.KNOWN), Change.GREW),
        (sized(1.5), sized(math.inf), Change.GREW),
        (sized(2.0), sized(1.5), Change.SHRANK),
        (sized(None, ulp=1.0), sized(None, ulp=2.0), Change.GREW),
        (sized(None), sized(2.0), None),
        (verdict(), verdict(Status.SKIPPED), Change.LOST),
        (verdict(), None, Change.LOST),
        (verdict(Status.DIVERGES), None, Change.LOST),
        (verdict(Status.SKIPPED), None, None),
        (verdict(Status.SKIPPED), verdict(), Change.GAINED),
        (None, verdict(), Change.GAINED),
        (None, verdict(Status.SKIPPED), None),
        (verdict(), verdict(Status.UNSPECIFIED), Change.OPENED),
        (verdict(Status.UNSPECIFIED), verdict(), Change.DECIDED),
    ],
)
def test_each_change_has_its_name(old, new, change):
    comparison = compare([record(*filter(None, [old]))], [record(*filter(None, [new]))])
    assert [difference.change for difference in comparison.differences] == ([change] if change else [])
    assert comparison.exit_code is (ExitCode.DIVERGES if change and change.is_worse else ExitCode.CONFORMS)


def test_the_worse_comes_first():
    old = [verdict(Status.DIVERGES, check="value/a"), verdict(check="value/b")]
    new = [verdict(check="value/a"), verdict(Status.DIVERGES, check="value/b")]
    changes = [d.change for d in compare([record(*old)], [record(*new)]).differences]
    assert changes == [Change.BEGAN, Change.STOPPED]


def test_verdicts_of_other_dtypes_devices_and_subjects_are_not_confused():
    old = [verdict(), verdict(dtype="float64"), verdict(device="cuda"), verdict(subject="mindspore")]
    new = [replace(old[0], status=Status.DIVERGES, divergence=divergence()), *old[1:]]
    comparison = compare([record(*old)], [record(*new)])
    (changed,) = comparison.differences
    assert (changed.subject, changed.dtype, changed.device) == ("torch", "float32", "cpu")
    assert comparison.same == 3


def test_of_two_machines_the_worst_stands():
    good, bad = record(verdict()), record(verdict(Status.DIVERGES), seed=2)
    assert compare([good, bad], [good]).differences[0].change is Change.STOPPED
    assert compare([good], [good, bad]).differences[0].change is Change.BEGAN


def test_versions_that_changed_are_named():
    newer = header(subjects=({"name": "torch", "version": "2.14.0"},))
    comparison = compare([record(verdict())], [Record.of(newer, [verdict()])])
    assert comparison.versions == (("torch", "2.13.0", "2.14.0"),)


def test_a_comparison_is_rendered_as_table_markdown_and_json():
    comparison = compare(
        [record(verdict(check="value/x"))], [record(verdict(Status.DIVERGES, check="value/x"))]
    )
    file = io.StringIO()
    Console(file=file, width=200).print(comparison.to_table())
    for rendered in (file.getvalue(), comparison.to_markdown(), json.dumps(comparison.to_json())):
        assert "value/x" in rendered
        assert "1 worse" in rendered.replace("\\", "")
    assert "began to diverge" in comparison.to_markdown()
    assert comparison.to_json()["differences"][0]["change"] == "began"


def test_many_differences_are_cut_in_markdown_and_counted():
    old = record(*(verdict(check=f"value/{n}") for n in range(300)))
    assert "and 100 more" in compare([old], [record()]).to_markdown()


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_record_becomes_markup_of_a_comparison(payload):
    def comparison(name):
        bad = verdict(Status.BROKEN, check=name, subject=name, dtype=name, device=name, reason=name)
        return compare([record()], [record(bad, subjects=({"name": name, "version": name},))])

    def elements(name):
        html = cmarkgfm.github_flavored_markdown_to_html(comparison(name).to_markdown())
        return [part.split(">")[0].split()[0] for part in html.split("<")[1:] if not part.startswith("!--")]

    assert elements(payload) == elements("plain")
    file = io.StringIO()
    Console(file=file, width=200).print(comparison(payload).to_table())
    assert all(c.isprintable() for c in file.getvalue() if c != "\n")


# The page of a comparison


def test_a_comparison_is_a_page_with_its_answer_and_every_change():
    old = record(verdict(Status.CONFORMS), verdict(Status.DIVERGES, check="value/u"))
    new = record(verdict(Status.DIVERGES), verdict(Status.CONFORMS, check="value/u"))
    comparison = compare([old], [new])
    shown = comparison.to_html()
    assert f'<h1 id="answer">{comparison.answer}</h1>' in shown
    assert shown.index("began to diverge</td>") < shown.index("no longer diverges</td>")
    assert shown.count('<tr class="') == len(comparison.differences)
    assert "default-src 'none'" in shown
    assert "<script" not in shown


def test_a_page_of_no_change_has_no_table():
    assert "<table" not in compare([ONE], [ONE]).to_html()


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_comparison_becomes_html(payload):
    names = {"subject": payload, "dtype": payload, "device": payload, "reason": payload}
    facts = ({"name": payload, "version": payload},)
    new = record(verdict(Status.BROKEN, check=payload, **names), subjects=facts)
    rendered = compare([ONE], [new]).to_html()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", rendered)
    plain = names | dict.fromkeys(names, "plain")
    reference = compare([ONE], [record(verdict(Status.BROKEN, check="plain", **plain), subjects=facts)])
    assert rendered.count("<") == reference.to_html().count("<")


def test_a_page_of_many_changes_says_how_many_are_left_out():
    new = record(*(verdict(Status.DIVERGES, check=f"value/{n}") for n in range(2_100)))
    shown = compare([record()], [new]).to_html()
    assert "100 further changes" in shown
    assert len(shown.encode()) < 2_000_000
