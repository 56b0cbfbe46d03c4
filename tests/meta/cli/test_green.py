"""A run is green only if every verdict is there.

A fault at any moment never ends in "Conforms".
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from adamax_conformance.reports.record.folder_lock import FolderLock
from adamax_conformance.reports.record.record import read_record

_FAULTS = '''
"""A plugin that does harm in the test whose number is in FAULT_AT."""

import os, shutil, signal
from pathlib import Path

import pytest

AT, KIND = int(os.environ["FAULT_AT"]), os.environ["FAULT"]
seen = 0

def do_harm(item):
    match KIND:
        case "worker" if hasattr(item.config, "workerinput"):
            os._exit(1)
        case "interrupt":
            raise KeyboardInterrupt
        case "terminate":
            signal.raise_signal(signal.SIGTERM)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "skip":
            pytest.skip("a plugin skips this")
        case "error":
            raise RuntimeError("a plugin fails")
        case "exit":
            pytest.exit("a plugin ends the run", 0)
        case "folder":
            shutil.rmtree("divergence-report")
        case "file":
            shutil.rmtree("divergence-report")
            Path("divergence-report").touch()

def pytest_runtest_setup(item):
    global seen
    seen += 1
    if seen == AT:
        do_harm(item)

def pytest_runtest_teardown(nextitem):
    if KIND == "last" and nextitem is None:
        raise RuntimeError("a plugin fails when every verdict is there")

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    if KIND == "drop":
        del items[AT - 1]

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    record = Path("divergence-report/verdicts.jsonl")
    if KIND == "forge" and record.exists():
        record.write_bytes(record.read_bytes().replace(b"diverges", b"conforms"))
'''
_CHECKS = ("--dtype", "float32", "--check", "contract/lr/*")


def _path_with(folder):
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def run_with_fault(run):
    """Run the checks of the learning rate with a fault in a test."""

    def call(kind, at, subject="numpy", *passed):
        folder = run("--version").folder
        (folder / "faults.py").write_text(_FAULTS)
        return run(
            "check", subject, *_CHECKS, "--", "-q", "-p", "faults", *passed,
            PYTHONPATH=_path_with(folder), FAULT=kind, FAULT_AT=str(at),
        )  # fmt: skip

    return call


@pytest.mark.parametrize(
    ("kind", "at", "passed", "code", "said"),
    [
        ("worker", 2, ["-n", "2"], 3, "no verdict of"),
        ("interrupt", 1, [], 130, "interrupted"),
        ("interrupt", 9, [], 130, "interrupted: the run ended after 8 verdicts"),
        ("terminate", 3, [], 130, "interrupted"),
        ("skip", 5, [], 3, "no verdict of 1 check: contract/lr/"),
        ("error", 5, [], 3, "no verdict of 1 check: contract/lr/"),
        ("exit", 4, [], 3, "no verdict of"),
        ("drop", 7, [], 3, "no verdict of 1 check: contract/lr/"),
        ("last", 1, [], 3, "a test failed, and no verdict says why"),
    ],
)
def test_a_verdict_that_is_missing_is_never_green(run_with_fault, kind, at, passed, code, said):
    ran = run_with_fault(kind, at, "numpy", *passed)
    assert ran.code == code, ran.out + ran.err
    assert said in ran.err
    assert "Conforms" not in ran.out
    assert "Not complete" in ran.out
    assert "Traceback" not in ran.err
    record = read_record(ran.folder / "divergence-report")
    assert not record.complete
    assert not (ran.folder / "divergence-report" / "verdicts.jsonl.partial").exists()
    if kind in {"worker", "terminate"}:
        assert run_with_fault("none", 1).code == 0


@pytest.mark.skipif(os.name == "nt", reason="a signal of POSIX")
def test_what_a_killed_run_has_judged_is_kept_and_not_green(run, run_with_fault):
    ran = run_with_fault("kill", 4)
    assert ran.code < 0
    again = run("report", "divergence-report", "--output", "merged")
    assert again.code == 3
    assert "Not complete" in again.out
    assert len(read_record(ran.folder / "merged").verdicts) == 3


def test_the_report_of_an_unfinished_run_is_not_green_when_it_is_read_again(run, run_with_fault):
    run_with_fault("interrupt", 3)
    again = run("report", "divergence-report", "--output", "merged")
    assert again.code == 3
    assert "Not complete" in again.out


def test_the_exit_code_does_not_come_from_a_file(run_with_fault):
    ran = run_with_fault("forge", 1, "optimizers.py:NegativeLearningRateAccepted")
    assert ran.code == 1
    assert "Does not conform" in ran.out


def test_a_report_folder_that_goes_in_the_middle_of_a_run_costs_nothing(run_with_fault):
    ran = run_with_fault("folder", 4)
    assert ran.code == 0
    assert read_record(ran.folder / "divergence-report").complete


def test_a_report_that_cannot_be_written_is_not_green(run_with_fault):
    ran = run_with_fault("file", 4)
    assert ran.code == 3
    assert "the report cannot be written to divergence-report" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forks, so that they are cheap")
def test_drawn_faults_end_in_no_green_that_is_not_proved(tmp_path):
    command = [
        sys.executable,
        "-m",
        "adamax_conformance.tests.meta.cli.drawn_faults",
        "--count",
        "12",
        "--seed",
        "2",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 faults, 0 wrong" in done.stdout


@pytest.mark.parametrize("setting", [{"PYTEST_ADDOPTS": "-k zero"}, {"PYTEST_PLUGINS": "faults"}])
def test_pytests_environment_leaves_no_check_out(run, setting):
    folder = run("--version").folder
    (folder / "faults.py").write_text(_FAULTS)
    usual = {(v.check, v.status) for v in run("check", *_CHECKS).verdicts()}
    ran = run("check", *_CHECKS, PYTHONPATH=_path_with(folder), FAULT="drop", FAULT_AT="1", **setting)
    assert ran.code == 0
    assert {(v.check, v.status) for v in ran.verdicts()} == usual


def test_a_second_run_in_the_same_folder_is_refused_in_one_line(run):
    folder = run("--version").folder / "divergence-report"
    folder.mkdir()
    (folder / "verdicts.jsonl").write_text("of the run that is there\n")
    lock = FolderLock(folder)
    ran = run("check", *_CHECKS)
    lock.close()
    assert ran.code == 2
    (line,) = [line for line in ran.err.splitlines() if line]
    assert "another run is writing into the report folder divergence-report" in line
    assert (folder / "verdicts.jsonl").read_text() == "of the run that is there\n"
    assert run("check", *_CHECKS).code == 0
