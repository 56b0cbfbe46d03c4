"""Reproduction scripts show what a framework does; each test needs the framework."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.oracles.verdict import Quantity, Status
from adamax_conformance.reference.contract import CLAUSES
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.reports.reproduce.script import script
from adamax_conformance.tests.meta.reports.reproducing import TWO_GROUPS, diverging, exactly, output
from adamax_conformance.tests.meta.reports.running_scripts import run_scripts
from adamax_conformance.tests.meta.reports.samples import case

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed here"
)


@needs_torch
@pytest.mark.parametrize(
    "subject", ["torch", "torch[foreach]", "torch[tensor-lr]", "torch:torch.optim.Adamax"]
)
@pytest.mark.parametrize("quantity", [Quantity.THETA, Quantity.M, Quantity.U])
def test_a_script_runs_the_recorded_case_and_reads_the_number_that_is_meant(subject, quantity):
    made = replace(exactly(TWO_GROUPS, quantity, 1, (1, 0), "1e-5"), subject=subject)
    assert output(script(made)).endswith("so it conforms\n")
    wrong = replace(made, divergence=replace(made.divergence, expected="7.5"))
    assert output(script(wrong)).endswith("expected: 7.5 so it diverges\n")


@needs_torch
def test_each_clause_of_the_contract_has_a_script_or_cannot_be_written():
    for clause in CLAUSES:
        source = script(diverging(check=f"contract/{clause.id}"))
        if isinstance(clause.value, np.generic):
            assert source is None, clause.id
        else:
            ast.parse(source)
            assert repr(clause.statement) in source, clause.id


@needs_torch
@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("contract/lr/none", "diverges"),
        ("contract/lr/negative", "conforms"),
        ("contract/lr/zero", "conforms"),
        ("contract/betas/first-nan", "conforms"),
        ("contract/defaults", "conforms"),
        ("contract/eps/zero", "the page: must be greater than 0 against a ValueError only below 0"),
    ],
)
def test_a_script_of_the_contract_says_what_torch_does(check, says):
    assert output(script(diverging(check=check))).splitlines()[-1] == says


def recorded(tmp_path, *arguments):
    """The divergences of a run without a ledger."""
    (tmp_path / "empty.toml").touch()
    command = [sys.executable, "-m", "adamax_conformance.reports.cli.main", "check", *arguments, "--quiet"]
    command += ["--known-only", str(tmp_path / "empty.toml"), "--report", str(tmp_path / "report")]
    subprocess.run(command, check=False, timeout=500, cwd=tmp_path)
    return [one for one in read_record(tmp_path / "report").verdicts if one.status is Status.DIVERGES]


@needs_torch
def test_each_real_divergence_of_torch_is_shown_by_its_script(tmp_path):
    checks = ("--check", "contract/lr/*", "--check", "special/zero-gradient-default-eps")
    found = recorded(tmp_path, "torch", "--dtype", "float16", *checks)
    assert len(found) == 5
    for one in found:
        assert "diverges" in output(script(one)).splitlines()[-1], one.check


def mindspore():
    """The interpreter in `MINDSPORE_PYTHON`; MindSpore needs another NumPy."""
    return os.environ.get("MINDSPORE_PYTHON") or pytest.skip(
        "MINDSPORE_PYTHON names no interpreter with MindSpore"
    )


def run_in_mindspore(verdicts, folder):
    """The output of the script of each verdict, by its name."""
    paths = [folder / f"{name.replace('/', '-')}.py" for name in verdicts]
    for path, one in zip(paths, verdicts.values(), strict=True):
        path.write_text(script(one), encoding="utf-8")
    said = run_scripts("mindspore", paths, folder, {})
    assert not {name: each.err for name, each in said.items() if each.code}
    return {name: said[path.stem].out for name, path in zip(verdicts, paths, strict=True)}


def test_a_script_of_mindspore_runs_in_mindspore_s_own_environment(tmp_path):
    mindspore()
    made = exactly(TWO_GROUPS, Quantity.U, 1, (1, 0), "1e-5")
    subjects = ("mindspore", "mindspore[pynative]", "mindspore[graph]")
    verdicts = {subject: replace(made, subject=subject) for subject in subjects}
    alone = exactly(case(), Quantity.M, 0, (1,), "1e-5")
    verdicts["mindspore[nn]"] = replace(alone, subject="mindspore[nn]")
    for subject, out in run_in_mindspore(verdicts, tmp_path).items():
        assert out.endswith("so it conforms\n"), subject


def test_each_real_divergence_of_mindspore_is_shown_by_its_script(tmp_path):
    checks = ("contract/lr/zero", "contract/betas/first-nan", "rule/scalars", "special/nan-gradient")
    options = [part for check in checks for part in ("--check", check)]
    found = recorded(tmp_path, "mindspore", "--python", mindspore(), "--dtype", "float64", *options)
    # The checks of the rule are always judged.
    assert {one.check for one in found} == {*checks, "rule/subnormals"}
    for check, out in run_in_mindspore({one.check: one for one in found}, tmp_path).items():
        assert "diverges" in out.splitlines()[-1], check
