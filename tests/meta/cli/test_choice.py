"""Checks are listed and chosen, and what is printed suits a pipe."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli import check, checks
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS, LAYERS


def test_every_check_is_listed_with_its_title(run):
    ran = run("checks")
    assert ran.code == 0
    for each in CHECKS.values():
        assert f"  {each.id} " in ran.out
        assert each.title in ran.out
    assert list(checks.GROUPS) == list(LAYERS)


def test_checks_are_listed_by_globs_with_commas(run):
    ran = run("checks", "rule/*,golden/*")
    ids = {line.split()[0] for line in ran.out.splitlines() if line.startswith("  ")}
    assert ids == {check for check in CHECKS if check.startswith(("rule/", "golden/"))}


def test_checks_are_skipped_by_globs_with_commas(run):
    ran = run("check", "--dtype", "float32", "--check", "contract/lr/*", "--skip", "*/negative*,*/nan")
    judged = {v.check for v in ran.verdicts()}
    assert "contract/lr/zero" in judged
    assert not any("negative" in check or check.endswith("/nan") for check in judged)


@pytest.mark.parametrize("words", [["-n", "2"], ["-n2"], ["-nauto"], ["--numprocesses=2"]])
def test_processes_without_the_plugin_for_them_are_one_line(monkeypatch, words):
    monkeypatch.setattr(check.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        check.click.ClickException, match=r"needs pytest-xdist, which is not here; get it with"
    ):
        check._require_xdist(words)


def test_other_arguments_of_pytest_need_no_plugin(monkeypatch):
    monkeypatch.setattr(check.importlib.util, "find_spec", lambda _: None)
    check._require_xdist(["-k", "nan", "-q", "--no-header"])


def test_a_piped_run_prints_a_finding_once_and_its_progress_and_leaves_nothing_behind(run):
    ran = run("check", "optimizers.py:WithoutBiasCorrection", "--dtype", "float32", "--check", "rule/*")
    assert "of 3 checks, 1 diverges" in ran.out
    assert (ran.out + ran.err).count("diverges rule/documented") == 1
    assert "diverges: " not in ran.err
    assert "checking: " in ran.err
    left = {path.name for path in ran.folder.iterdir()}
    assert left <= {"optimizers.py", "divergence-report", "__pycache__"}


@pytest.mark.parametrize(
    "options",
    [("--check", "golden/groups", "--skip", "rule/*"), ("--", "-k", "golden_trajectory and groups")],
    ids=["globs", "pytest's"],
)
def test_another_formula_is_never_green_whatever_is_chosen(run, options):
    ran = run("check", "optimizers.py:EpsilonOutsideTheMaximum", "--dtype", "float32", *options)
    assert ran.code == 1, ran.out
    answer = ran.out.strip().splitlines()[-2]
    assert "1 diverges; values were held to another formula than the page's" in answer
    assert "≠ held to another formula: u = max(beta2*u, |g|), divided by u + eps" in ran.out
    assert "golden" in ran.out


def test_what_a_subject_prints_is_said(run):
    ran = run("check", "optimizers.py:Talks", "--dtype", "float32", "--check", "rule/*")
    assert ran.code == 0, ran.out
    assert "Note: optimizers.py:Talks printed, as its last line: a step is done" in ran.err


def test_tables_that_are_piped_are_as_wide_as_they_need_to_be(run):
    first = run("check", "optimizers.py:WithoutBiasCorrection", "--dtype", "float32", "--check", "rule/*")
    (first.folder / "divergence-report").rename(first.folder / "old")
    run("check", "optimizers.py:WithoutBiasCorrection", "--dtype", "float64", "--check", "rule/*")
    ran = run("diff", "old", "divergence-report")
    assert any(
        "rule/documented" in line and "optimizers.py:WithoutBiasCorrection" in line
        for line in ran.out.splitlines()
    )


def test_the_times_of_a_test_s_verdicts_add_up_to_the_test_s(run):
    ran = run("check", "--dtype", "float32", "--check", "value/scales/*")
    durations = [v.duration for v in ran.verdicts(Status.CONFORMS) if v.check.startswith("value/scales/")]
    assert max(durations) > 2 * min(durations)
    root = ET.parse(ran.folder / "divergence-report" / "junit.xml").getroot()
    cases = sum(float(case.get("time")) for case in root.iter("testcase"))
    assert float(root.get("time")) == pytest.approx(cases, abs=0.05)


def test_the_readme_s_sample_is_what_its_command_prints(run):
    """Run the sample of the first screen on the optimizer that it is about."""
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    command, *printed = readme.partition("```console\n$ ")[2].partition("\n```")[0].splitlines()
    folder = run("--version").folder
    (folder / "my_optim.py").write_text(_OWN)
    ran = run(*command.split()[1:])
    assert ran.out.splitlines() == printed


_OWN = """
import numpy as np


class MyAdamax:
    state_names = ("m", "u")

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.betas, self.eps, self.decay = list(params), lr, betas, eps, weight_decay
        self.m = [np.zeros_like(array) for array in self.params]
        self.u = [np.zeros_like(array) for array in self.params]
        self.t = 0

    def __call__(self, gradients):
        self.t += 1
        beta1, beta2 = self.betas
        for theta, g, m, u in zip(self.params, gradients, self.m, self.u):
            g = g + self.decay * theta if self.decay else g
            m[...] = beta1 * m + (1 - beta1) * g
            u[...] = np.maximum(beta2 * u, np.abs(g))
            theta[...] -= self.lr / (1 - beta1**self.t) * m / (u + self.eps)
"""


def test_a_piped_list_of_subjects_wraps_no_line(run):
    ran = run("subjects", COLUMNS="40")
    assert ran.code == 0
    (row,) = [line for line in ran.out.splitlines() if line.startswith("numpy ")]
    assert row.split()[-2:] == ["without", "features"]
    absent = [line for line in ran.out.splitlines() if "is not here" in line]
    assert all("get it with: " in line and "-m pip install" in line for line in absent)
