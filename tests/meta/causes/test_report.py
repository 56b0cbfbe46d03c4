"""The diagnosis in the record and at the top of every report."""

from __future__ import annotations

from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.record.diagnosis import diagnosis_in_words, undiagnosed_to_json
from adamax_conformance.reports.record.record import RecordWriter, read_record
from adamax_conformance.reports.render import html, junit, markdown
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.tests.meta.reports.samples import header, verdict

ENTRY = {
    "subject": "torch",
    "dtype": "float64",
    "diagnosis": "the bias correction uses t + 1",
    "causes": [
        {
            "cause": "correction-ahead",
            "sentence": "the bias correction uses t + 1",
            "documented": "1 - beta1^t",
            "line": "1 - beta1^(t+1)",
        }
    ],
    "conditions": "",
    "lives": 129,
    "diverging_lives": 126,
}
WORDS = (
    "torch: 1 divergence; one cause explains all that is wrong in 126 of 129 lives: "
    "the bias correction uses t + 1 (1 - beta1^(t+1))"
)


def test_a_record_keeps_its_diagnoses_and_every_report_opens_with_them(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with RecordWriter(path, header()) as writer:
        writer.append(verdict(Status.DIVERGES))
        writer.diagnoses.append(ENTRY)
    record = read_record(path)
    assert record.diagnoses == (ENTRY,)
    summary = summarize([record])
    assert summary.diagnoses == (WORDS,)
    assert "the bias correction uses t" in markdown.render(summary).partition("## ")[0]
    assert WORDS in html.render(summary).partition("Matrix</h2>")[0]
    assert WORDS in junit.render(summary).decode()


def test_a_record_without_a_diagnosis_reads_as_before(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with RecordWriter(path, header()) as writer:
        writer.append(verdict(Status.CONFORMS))
    assert b"diagnoses" not in path.read_bytes()
    assert read_record(path).diagnoses == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"causes": [], "conditions": "m is off only with maximize"}, "no known cause: m is off only with maximize"),
        ({"causes": [], "diverging_lives": 0}, "nothing is wrong in the 129 lives"),
        ({"lacks": ["maximize"]}, "no argument maximize"),
        ({"causes": ENTRY["causes"] * 2}, "2 causes explain them alike"),
    ],
)  # fmt: skip
def test_a_diagnosis_is_one_sentence(changed: dict[str, object], words: str) -> None:
    assert words in diagnosis_in_words({**ENTRY, **changed}, 1)


def test_a_subject_that_is_not_diagnosed_is_said_to_be_so() -> None:
    entry = undiagnosed_to_json("process:./adamax", "float32", "it performs no lives")
    assert diagnosis_in_words(entry, 3) == "process:./adamax: not diagnosed: it performs no lives"
