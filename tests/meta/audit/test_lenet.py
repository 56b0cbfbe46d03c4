"""Two recorded training runs are clean, and their difference is located.

The MindSpore run wants an interpreter of its own: `MINDSPORE_PYTHON` names it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from adamax_conformance import impl
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.audit.comparison import Comparison
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.tests.meta.audit.auditing import audited, said

pytest.importorskip("sklearn")
from adamax_conformance.tests.meta.examples.lenet import start

STEPS = 12
PARAMETERS = 61_706
SCRIPTS = Path(start.__file__).parent


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    path = tmp_path_factory.mktemp("lenet") / "start.npz"
    start.write(path, STEPS)
    return path


def trained(python, script, given):
    recording = given.parent / Path(script).stem
    command = [
        python,
        str(SCRIPTS / script),
        str(given),
        str(recording),
        str(Path(impl.__file__).parent.parent),
    ]
    done = subprocess.run(command, cwd=given.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return recording, [float(loss) for loss in done.stdout.split()[-STEPS:]]


@pytest.fixture(scope="module")
def torch_run(given):
    pytest.importorskip("torch")
    return trained(sys.executable, "train_torch.py", given)


@pytest.fixture(scope="module")
def mindspore_run(given):
    python = os.environ.get("MINDSPORE_PYTHON")
    if not python:
        pytest.skip("MINDSPORE_PYTHON names no interpreter with MindSpore")
    return trained(python, "train_mindspore.py", given)


def judge(run, report):
    """Assert that a run learns, and is clean except for known divergences."""
    recording, losses = run
    assert losses[-1] < losses[0] / 2
    code, record = audited(recording, report)
    assert code == ExitCode.CONFORMS
    assert said(record, "audit/recording").status is Status.CONFORMS
    for quantity in ("theta", "m", "u"):
        verdict = said(record, f"audit/lockstep/{quantity}")
        assert verdict.status in {Status.CONFORMS, Status.KNOWN}
        assert verdict.measured["judged"] == STEPS * PARAMETERS


def test_pytorch_s_run_is_clean(torch_run, tmp_path):
    judge(torch_run, tmp_path)


def test_mindspore_s_run_is_clean_but_for_what_is_known(mindspore_run, tmp_path):
    judge(mindspore_run, tmp_path)


def test_the_runs_part_in_their_gradients_and_that_is_said(torch_run, mindspore_run):
    found = Comparison(read_manifest(torch_run[0]), read_manifest(mindspore_run[0])).parting()
    assert (found.number, found.what, found.steps) == (1, "gradient", 0)
    assert found.cause.startswith("not the optimizers: from the same theta, the gradients differ")


def test_a_run_does_not_part_from_itself(torch_run):
    manifest = read_manifest(torch_run[0])
    assert Comparison(manifest, manifest).parting() is None
