"""Checks in several processes at once: the same verdicts, in the same order."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("xdist")

CHECK = ("check", "--check", "value/scales/*,contract/lr/*,lives/set-lr", "--workers")


def untimed(ran):
    return [replace(verdict, duration=0.0) for verdict in ran.verdicts()]


def test_workers_give_the_verdicts_of_one_process(run):
    alone, together = run(*CHECK, "1"), run(*CHECK, "3")
    assert together.code == alone.code == 0
    assert untimed(together) == untimed(alone) != []


def test_what_diverges_in_a_worker_is_said(run):
    ran = run(
        "check", "optimizers.py:EpsilonOutsideTheMaximum", "--check", "value/scales/*", "--workers", "2"
    )
    assert ran.code == 1
    assert ran.diverging() == {"rule/documented"}
    assert "values were held to another formula than the page's" in ran.out


def test_a_worker_imports_nothing_from_where_the_user_is(tmp_path):
    for name in ("json", "threading", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not the real one')", "utf-8")
    command = [sys.executable, "-P", "-m", "adamax_conformance.reports.cli.main", *CHECK, "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_number_of_workers_that_cannot_be_is_one_line(run, count):
    ran = run("check", "--workers", count)
    assert ran.code == 2
    assert "--workers" in ran.err
    assert "Traceback" not in ran.err
