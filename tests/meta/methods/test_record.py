"""The record covers what there is, and the table of README.md is made from it."""

from __future__ import annotations

import pytest
from adamax_conformance.tests.meta.methods import METHODS
from adamax_conformance.tests.meta.methods.asking import JUDGES, PLANTED, answers, questions
from adamax_conformance.tests.meta.methods.record import DTYPES, Answer, Run, append, read, tidy
from adamax_conformance.tests.meta.methods.table import OPENING, README, replace_table, table
from adamax_conformance.tests.meta.planted import BUGS

RUN = Run("abc", "2026-01-01", "3.11.0", "2.0.0", "a processor")
LATER = Run("def", "2026-01-02", "3.11.0", "2.0.0", "a processor")
COMMAND = "run `python -m adamax_conformance.tests.meta.methods`"


def test_the_record_answers_every_question_about_a_bug_and_has_no_other_answer():
    asked = set(questions(list(JUDGES)))
    about_bugs = {key for key in asked if key[1] in {bug.name for bug in BUGS}}
    assert about_bugs <= read().keys() <= asked, COMMAND


def test_the_table_counts_the_questions_that_are_still_to_be_asked():
    missing = len(set(questions(list(JUDGES))) - read().keys())
    assert (f"{missing} questions are still to be asked" in table(read())) == bool(missing)


def test_every_answer_comes_from_a_committed_state():
    assert not [run for run, _ in read().values() if run.commit.endswith("-dirty")]


@pytest.mark.parametrize("method", ["one-step", "seven-steps", "hundred-steps", "other-framework"])
def test_a_sample_of_the_answers_is_given_again(method):
    recorded = read()
    alone = [name for name, planted in PLANTED.items() if getattr(planted, "family", "") != "side-effects"]
    for name in alone[::12]:
        for dtype in set(PLANTED[name].dtypes) & set(DTYPES):
            _, answer = recorded[method, name, dtype]
            assert (JUDGES[method](PLANTED[name], dtype) is None) == (answer.found is None), answer


def test_the_table_of_the_readme_is_made_from_the_record():
    page = README.read_text(encoding="utf-8")
    assert replace_table(page, read()) == page, COMMAND


def test_the_suite_catches_every_bug_and_accuses_nobody_in_the_record():
    row = next(line for line in table(read()).splitlines() if "this suite" in line)
    caught, numbers, accused = (cell.strip() for cell in row.split("|")[2:5])
    for shares in (caught, numbers):
        assert all(share.split(" of ")[0] == share.split(" of ")[1] for share in shares.split(", "))
    assert all(share.startswith("0 of ") for share in accused.split(", "))


def test_a_later_answer_replaces_an_earlier_one(tmp_path):
    path = tmp_path / "record.jsonl"
    first = Answer("suite", "a", "float32", "rule/documented", 0.5)
    second = Answer("suite", "a", "float32", None, 0.25)
    other = Answer("one-step", "a", "float32", None, 0.125)
    gone = Answer("one-step", "gone", "float32", None, 0.125)
    for line in (RUN, first, other, gone, LATER, second):
        append(line, path)
    assert read(path)[first.key] == (LATER, second)
    tidy({first.key, other.key}, path)
    assert list(read(path).values()) == [(RUN, other), (LATER, second)]
    assert len(path.read_text().splitlines()) == 4


def test_a_record_that_does_not_exist_is_empty(tmp_path):
    assert read(tmp_path / "record.jsonl") == {}


def test_a_row_counts_what_is_caught_and_accused():
    given = [
        ("eps-outside-maximum", "float32", "a finding", 9.0),
        ("eps-outside-maximum", "float64", None, 9.0),
        ("maximize-positional", "float32", "a finding", 9.0),
        ("maximize-positional", "float64", "a finding", 9.0),
        ("plain", "float32", None, 0.125),
        ("plain", "float64", None, 0.25),
    ]
    made = [Answer(method.name, *answer) for method in METHODS for answer in given]
    rows = table({answer.key: (RUN, answer) for answer in made}).splitlines()
    assert [cell.strip() for cell in rows[2].split("|")[2:6]] == [
        "2 of 2, 1 of 2",
        "1 of 1, 0 of 1",
        "0 of 1",
        "0.19",
    ]
    assert rows[-2] == "a processor, 2026-01-01."
    assert rows[-1].endswith(" questions are still to be asked, all about right ones.")


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match="must have the lines"):
        replace_table(f"{OPENING}\n", {})


def test_a_class_is_judged_in_a_process_of_its_own():
    (answer,) = answers([("one-step", "step-added", "float32")], jobs=1)
    assert answer.key == ("one-step", "step-added", "float32")
    assert answer.found == "step 1, defaults"
    assert answer.seconds > 0
