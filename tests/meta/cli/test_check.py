"""`check` reports what is wrong, and nothing of what is right."""

from __future__ import annotations

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.meta.cli.seeds import try_seeds


def test_our_own_conforms_and_every_check_gives_one_verdict_a_dtype(run_alone):
    ran = run_alone("check")
    assert ran.code == 0, ran.out + ran.err
    assert "Conforms" in ran.out
    judged = [(v.dtype, v.check) for v in ran.verdicts()]
    assert sorted(judged) == sorted((dtype, check) for dtype in ("float32", "float64") for check in CHECKS)
    assert {v.status for v in ran.verdicts()} <= {Status.CONFORMS, Status.UNSPECIFIED, Status.SKIPPED}
    for name in ("index.html", "report.md", "junit.xml", "verdicts.csv"):
        assert (ran.folder / "divergence-report" / name).stat().st_size


def test_a_right_optimizer_of_ones_own_conforms(run):
    ran = run("check", "optimizers.py:Adamax", "--dtype", "float32")
    assert ran.code == 0, ran.out
    assert not ran.verdicts(Status.DIVERGES, Status.BROKEN)
    assert {v.check for v in ran.verdicts(Status.SKIPPED)} >= {"bookkeeping/resume"}


@pytest.mark.parametrize(
    ("name", "check", "said", "values"),
    [
        ("EpsilonOutsideTheMaximum", "rule/documented", "divided by u + eps", "value/*"),
        ("WithoutBiasCorrection", "rule/documented", "no bias correction", "value/scales/*"),
        ("MaximizeIgnored", "rule/documented", "maximize is ignored", "value/scales/*"),
        ("DecayDecoupled", "rule/documented", "apart from the gradient", "value/scales/*"),
        ("HalfPrecisionScalars", "rule/scalars", "binary16", "value/lockstep/*,value/scales/*"),
    ],
)
def test_one_difference_is_named_once_and_hides_nothing(run, name, check, said, values):
    ran = run("check", f"optimizers.py:{name}", "--dtype", "float32", "--check", f"rule/*,{values}")
    assert ran.code == 1
    assert ran.diverging() == {check}
    assert said in next(v.reason for v in ran.verdicts(Status.DIVERGES))
    assert said in (ran.folder / "divergence-report" / "report.md").read_text(encoding="utf-8")


def test_a_negative_learning_rate_that_is_accepted_is_told_for_each_clause(run):
    ran = run("check", "optimizers.py:NegativeLearningRateAccepted", "--check", "contract/*")
    assert ran.code == 1
    assert ran.diverging() == {c for c in CHECKS if c.startswith("contract/lr/negative")}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("RaisesInTheMiddle", Status.DIVERGES, "one too many"),
        ("HangsInTheMiddle", Status.BROKEN, "no answer"),
        ("DiesInTheMiddle", Status.BROKEN, "exit status 17"),
    ],
)
def test_a_subject_that_fails_in_the_middle_costs_its_own_verdicts_alone(run, name, status, said):
    ran = run(
        "check", f"optimizers.py:{name}", "--dtype", "float32", "--timeout", "5",
        "--check", "value/long-run/*,value/lockstep/*,contract/lr/*",
    )  # fmt: skip
    assert ran.code == 1
    failed = ran.verdicts(Status.DIVERGES, Status.BROKEN)
    assert {v.check for v in failed} == {f"value/long-run/{q}" for q in ("theta", "m", "u")}
    assert {v.status for v in failed} == {status}
    assert all(said in v.reason for v in failed)
    kept = {v.check for v in ran.verdicts(Status.CONFORMS)}
    assert {"value/lockstep/theta", "contract/lr/negative"} <= kept


def test_the_command_that_reproduces_a_divergence_does(run):
    first = run(
        "check", "optimizers.py:WithoutBiasCorrection", "--dtype", "float64", "--check", "rule/documented"
    )
    command = next(v.reproduce for v in first.verdicts(Status.DIVERGES))
    words = command.split()
    assert words[:2] == ["adamax-conformance", "check"]
    again = run(*words[1:])
    assert again.code == 1
    assert again.diverging() == {"rule/documented"}


def test_equal_runs_give_equal_verdicts_and_a_seed_draws_others(run):
    def judged(*more):
        ran = run("check", "--dtype", "float32", "--check", "value/lockstep/*", *more)
        return [(v.check, v.measured["judged"]) for v in ran.verdicts() if v.check.startswith("value/")]

    usual = judged()
    assert judged() == usual
    assert judged("--seed", "3") != usual


def test_what_stands_after_two_dashes_is_pytests(run):
    ran = run("check", "--", "-q", "-k", "equal_runs")
    assert ran.code == 0
    assert "4 passed" in ran.out
    assert {v.check for v in ran.verdicts()} == {"relations/repeatable", "rule/documented", "rule/scalars"}


def test_a_seed_gives_the_same_verdicts_in_several_processes_as_in_one():
    check = ("numpy", "--dtype", "float32", "--check", "contract/lr/*", "--check", "value/lockstep/*")
    assert try_seeds(check, [1]) == {1: []}


def test_a_users_own_tests_reports_and_impl_are_left_alone(run):
    probe = run("--version")
    for name in ("tests", "reports", "impl", "oracles", "reference"):
        package = probe.folder / name
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('a stranger was imported')\n")
    (probe.folder / "conftest.py").write_text("raise RuntimeError('a stranger was imported')\n")
    (probe.folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    ran = run("check", "optimizers.py:Adamax", "--dtype", "float32", "--check", "rule/*")
    assert ran.code == 0, ran.err


def test_fail_fast_stops_at_the_first_divergence(run):
    ran = run("check", "optimizers.py:NegativeLearningRateAccepted", "--fail-fast")
    assert ran.code == 1
    assert len(ran.verdicts(Status.DIVERGES)) == 1


def test_quiet_prints_the_answer_alone(run):
    ran = run("check", "--dtype", "float32", "--check", "rule/*", "--quiet")
    assert len(ran.out.splitlines()) == 1
    assert ran.out.startswith("Conforms")
