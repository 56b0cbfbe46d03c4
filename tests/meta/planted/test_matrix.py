"""The kill matrix runs every check, and reports the suite's verdicts."""

from __future__ import annotations

import json
from collections import Counter

from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.target import Profile, Settings
from adamax_conformance.tests.meta.planted import matrix
from adamax_conformance.tests.meta.planted.bugs_contract import MaximizePositional
from adamax_conformance.tests.meta.planted.bugs_special import EpsRoundsToZero
from adamax_conformance.tests.meta.planted.faithful import CallOnly, Plain, WorkingScalars
from adamax_conformance.tests.meta.planted.matrix import Matrix, markdown, misrecognition, pair_with_dtypes
from adamax_conformance.tests.meta.planted.programs import PROGRAMS
from adamax_conformance.tests.meta.planted.trial import Trial, run_trials, suite

WEIGHTED = {"form": "weighted", "scalars": {"m": "binary64", "u": "binary64", "theta": "binary64"}}


def trial(name, dtype="float32", *checks, **more):
    return Trial(name, "formula", dtype, None, "quick", dict.fromkeys(checks, "a reason"), **more)


def test_every_check_of_the_catalogue_is_asked_once():
    assert Counter(check.id for call in suite() for check in call.checks) == Counter(CHECKS.keys())


def test_a_bug_is_caught_without_pytest():
    (result,) = run_trials(MaximizePositional, "float32", [Settings(shrink=False)], until_caught=True)
    assert result.first == "contract/maximize-keyword-only"
    assert set(result.caught) == {result.first}
    assert result.seconds_to_first <= result.seconds


def test_a_run_that_stops_early_leaves_the_next_seed_every_call_that_it_needs():
    runs = [Settings(Profile.QUICK, seed, shrink=False) for seed in (1, 2, 3)]
    firsts = [each.first for each in run_trials(MaximizePositional, "float32", runs, until_caught=True)]
    assert firsts == ["contract/maximize-keyword-only"] * 3


def test_a_second_seed_asks_only_what_is_drawn():
    runs = [Settings(Profile.QUICK, seed, shrink=False) for seed in (1, 2)]
    first, second = run_trials(CallOnly, "float32", runs, calls=suite(("rule", "value", "special")))
    assert (first.seed, second.seed) == (1, 2)
    assert first.recognized
    assert not second.recognized
    assert not first.caught
    assert not second.caught


def test_a_drawn_program_is_let_be():
    calls = suite(("rule", "value", "relations", "special"))
    (result,) = run_trials(PROGRAMS[0], "float32", [Settings(shrink=False)], calls=calls)
    assert not result.caught
    assert misrecognition(result) is None


def test_drawn_programs_are_not_alike():
    choices = ("form", "scalars", "correction", "order", "m is wide", "m enters unrounded")
    drawn = {tuple(program([]).choose(name, 24) for name in choices) for program in PROGRAMS}
    assert len(drawn) == len(PROGRAMS)


def test_a_bug_survives_where_no_trial_of_it_catches_it():
    result = Matrix(
        (trial("a"), trial("a", "float64", "rule/scalars"), trial("b"), trial("b", "float32", "rule/scalars"))
    )
    assert [(t.name, t.dtype) for t in result.survivors] == [("a", "float32")]
    assert not result.is_good


def test_a_faithful_variant_that_is_accused_is_a_false_alarm():
    result = Matrix((trial("plain", "float32", "rule/scalars", recognized=WEIGHTED),))
    assert [t.name for t in result.false_alarms] == ["plain"]
    assert not result.is_good


def test_a_faithful_variant_is_recognized_by_form_and_scalars():
    working = WEIGHTED | {"scalars": {"m": "binary32", "u": "binary64", "theta": "binary32"}}
    assert misrecognition(trial(Plain.name, recognized=WEIGHTED)) is None
    assert misrecognition(trial(WorkingScalars.name, recognized=working)) is None
    assert "working, not" in misrecognition(trial(WorkingScalars.name, recognized=WEIGHTED))
    assert "binary64, not" in misrecognition(trial(Plain.name, recognized=working))
    assert "weighted, not" in misrecognition(
        trial(Plain.name, recognized=WEIGHTED | {"form": "interpolated"})
    )
    assert misrecognition(trial(WorkingScalars.name, "float64", recognized=WEIGHTED)) is None


def test_a_check_is_outdone_where_another_catches_all_that_it_does():
    result = Matrix(
        (
            trial("a", "float32", "rule/documented", "rule/scalars"),
            trial("b", "float32", "rule/documented"),
            trial("c", "float32", "relations/mirror"),
        )
    )
    assert result.outdone == {"rule/scalars": "rule/documented"}
    assert result.caught_once == {
        "rule/documented": [("b", "float32")],
        "relations/mirror": [("c", "float32")],
    }
    assert "relations/mirror" not in result.idle
    assert "relations/split" in result.idle


def test_of_two_checks_that_catch_the_same_one_is_kept():
    result = Matrix((trial("a", "float32", "rule/documented", "rule/scalars"),))
    assert len(result.outdone) == 1


def test_a_bug_is_tried_where_it_lives_and_a_variant_everywhere():
    assert [dtype for _, dtype in pair_with_dtypes([MaximizePositional], None)] == ["float32", "float64"]
    assert [dtype for _, dtype in pair_with_dtypes([EpsRoundsToZero], None)] == ["float16"]
    assert [dtype for _, dtype in pair_with_dtypes([Plain], None)] == ["float16", "float32", "float64"]
    assert [dtype for _, dtype in pair_with_dtypes([MaximizePositional, Plain], ["float16"])] == [
        "float16",
        "float16",
    ]


def test_the_page_and_the_values_say_the_same():
    result = Matrix((trial("a", "float32", "rule/documented", seconds_to_first=0.5), trial("b")))
    page = markdown(result)
    assert "| size | `sizes`, `empty`, `precision` | memory, everything | 0 |  |" in page
    assert "| a | formula | float32 | `rule/documented` | 0.50 |" in page
    assert "| b | formula | float32 | **none** |  |" in page
    values = json.loads(json.dumps(result.to_json()))
    assert values["survivors"] == [["b", "float32"]]
    assert values["median_seconds"] == 0.5


def test_a_name_that_is_none_is_wrong_usage(capsys):
    assert matrix.main(["nonesuch"]) == 2
    assert "nonesuch" in capsys.readouterr().err
