"""The diagnosis in the record and at the top of every report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.causes.diagnosis import explains
from adamax_conformance.oracles.causes.trace import different_elements
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import rule_cases
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.life import Life, Load
from adamax_conformance.reference.values import Values
from adamax_conformance.reports import escape
from adamax_conformance.reports.record.diagnosis import diagnosis_in_words, undiagnosed_to_json
from adamax_conformance.reports.record.record import Record, RecordWriter, read_record
from adamax_conformance.reports.render import html, junit, markdown
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.reports.rule.diagnose import diagnose_subject
from adamax_conformance.reports.rule.explain import explained, life_of
from adamax_conformance.tests.conformance.cases.lives import Feature
from adamax_conformance.tests.conformance.cases.pinned import large
from adamax_conformance.tests.conformance.cases.probes import PROBES
from adamax_conformance.tests.meta.causes.subjects import Known, NextCorrection, SwappedBetas
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


def test_the_report_groups_by_cause_what_was_explained_and_arguments_and_the_rest() -> None:
    rows = [
        verdict(Status.DIVERGES, check=name)
        for name in ("value/lockstep/theta", "contract/lr/string", "value/x")
    ]
    rows.append(verdict(Status.CONFORMS, check="contract/lr/none"))
    found = {**ENTRY, "explains": [["value/lockstep/theta", rows[0].dtype]]}
    summary = summarize([replace(Record.of(header(), rows), diagnoses=(found,))])
    titles = [group.title for group in summary.groups_by_cause()]
    assert titles == [
        "torch: one cause explains 1 of 2 divergences: the bias correction uses t + 1 (1 - beta1^(t+1))",
        "torch: does not validate arguments: 1 of 2",
        "Apart: what no cause explains, or could not be performed again",
    ]
    page, document = html.render(summary), markdown.render(summary)
    assert "1 - beta1^<mark>(t+1)</mark>" in page
    for title in titles:
        assert title in page
        assert escape.markdown(title) in document
    failures = [each for each in junit.render(summary).decode().splitlines() if "<failure" in each]
    assert [titles[0] in each for each in failures] == [True, False, False]


def _near_one(_: Format) -> Case:
    """Betas next to 1, where scalars of the working format would be 1."""
    setting = Hyperparameters(beta1=1 - 2.0**-53, beta2=1 - 2.0**-53)
    return Case("near one", (Group(setting, (Parameter.of([1.0, -0.5], [[0.5, 0.25]]),)),))


def _of_rule(format_: Format) -> Case:
    return next(case for case in rule_cases(format_) if case.steps > 1)


@pytest.mark.parametrize("make", [_of_rule, large, _near_one])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_cause_explains_what_it_gives_and_nothing_else(make: Callable[[Format], Case], dtype: str) -> None:
    with Subject.in_process(NextCorrection, "ahead") as subject:
        cause = diagnose_subject(subject, "float64").causes[0]
    wrong = replace(
        verdict(Status.DIVERGES, check="value/x"),
        dtype=dtype,
        divergence=Divergence(
            Quantity.THETA, "", expected="1", actual="2", case=make(Format.of(dtype)).to_json()
        ),
    )
    for factory, expected in ((NextCorrection, (("value/x", dtype),)), (SwappedBetas, ()), (Known, ())):
        own = type(factory.__name__, (factory,), {"dtypes": (dtype,)})
        with Subject.in_process(own, factory.__name__) as subject:
            assert explained(subject, cause, [wrong], 60.0) == expected


def test_a_cause_is_held_to_every_element_of_a_long_array() -> None:
    with Subject.in_process(NextCorrection, "ahead") as subject:
        cause = diagnose_subject(subject, "float64").causes[0]
    life = life_of(large(Format.BINARY64), "float64")
    with Subject.in_process(NextCorrection, "ahead") as subject:
        seen = list(subject.live(life))
    assert explains(cause, (life, seen), Format.BINARY64, {}) is True
    last = seen[-1].optimizers[0]
    theta = last.theta[0].expand()
    theta[777] += 2.0**-20
    odd = replace(last, theta=(Values.of(theta), *last.theta[1:]))
    seen[-1] = replace(seen[-1], optimizers={0: odd})
    assert explains(cause, (life, seen), Format.BINARY64, {}) is False


@pytest.mark.parametrize("feature", [Feature.MIXED, Feature.ALIASED], ids=lambda feature: feature.value)
def test_a_cause_explains_lives_of_several_dtypes_and_gradients_in_the_memory_of_parameters(
    feature: Feature,
) -> None:
    format_, dtypes = Format.BINARY64, {"dtypes": ("float32", "float64")}
    with Subject.in_process(NextCorrection, "ahead") as subject:
        cause = diagnose_subject(subject, "float64").causes[0]
    lives = next(probe for probe in PROBES if probe.feature is feature).make(format_)
    for kind, expected in ((NextCorrection, True), (SwappedBetas, False), (Known, None)):
        with Subject.in_process(type(kind.__name__, (kind,), dtypes), kind.__name__) as subject:
            for life in lives:
                assert explains(cause, (life, subject.live(life)), format_, {}) is expected


def test_a_case_of_several_divergences_is_performed_again_once() -> None:
    with Subject.in_process(NextCorrection, "ahead") as subject:
        cause = diagnose_subject(subject, "float64").causes[0]
    case = _of_rule(Format.BINARY64).to_json()
    found = Divergence(Quantity.THETA, "", expected="1", actual="2", case=case)
    checks = ("value/x", "value/y", "bookkeeping/resume", "bookkeeping/resume-lr")
    wrong = [replace(verdict(Status.DIVERGES, check=x), dtype="float64", divergence=found) for x in checks]
    with Subject.in_process(NextCorrection, "ahead") as subject:
        lived: list[Life] = []
        live = subject.live
        subject.live = lambda life: (lived.append(life), live(life))[1]  # type: ignore[method-assign]
        assert explained(subject, cause, wrong, 60.0) == tuple((check, "float64") for check in checks)
    assert [any(isinstance(action, Load) for action in life.actions) for life in lived] == [False, True]


def test_every_different_element_of_arrays_is_judged_and_equal_ones_once() -> None:
    short = Values((1000,), (1.0, 2.0))
    assert different_elements([short, Values((1000,), (1.0, 2.0, 3.0))], 1000).tolist() == [0, 1, 2, 3, 4, 5]
    odd = Values((1000,), (1.0,), ((777, 5.0),))
    assert different_elements([short, odd], 1000).tolist() == [0, 1, 777]
    assert different_elements([short, Values.of(np.arange(1000.0))], 1000).size == 1000


def test_an_annotation_is_one_line_whatever_its_text() -> None:
    line = escape.github_error("100% wrong\n::warning::x", "a, b: c")
    assert line == "::error title=a%2C b%3A c::100%25 wrong ::warning::x"


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
