"""A transformer of 10^6 parameters, 200 steps: clean, and with a named fault.

It takes minutes and 4 GB of disk, and runs where `TRANSFORMER` is set: `tox -e transformer`.
"""

from __future__ import annotations

import os

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

if not os.environ.get("TRANSFORMER"):
    pytest.skip("it takes minutes: tox -e transformer", allow_module_level=True)
pytest.importorskip("torch")
pytest.importorskip("sklearn")
from adamax_conformance.tests.meta.examples import transformer

PARAMETERS = 1_049_184


def test_a_transformer_that_trains_as_people_do_is_clean(tmp_path):
    losses = transformer.train(tmp_path / "recording", stale=False)
    assert losses[-1] < losses[0] / 1.5
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 0
    for quantity in ("theta", "m", "u"):
        verdict = said(record, f"audit/lockstep/{quantity}")
        assert verdict.status is Status.CONFORMS
        assert verdict.measured["judged"] == transformer.STEPS * PARAMETERS
    assert said(record, "audit/outside").status is Status.SKIPPED


def test_a_learning_rate_that_goes_stale_for_one_tensor_is_one_finding(tmp_path):
    transformer.train(tmp_path / "recording", stale=True)
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    wrong = [v for v in record.verdicts if v.status in {Status.DIVERGES, Status.BROKEN}]
    assert [v.check for v in wrong] == ["audit/lockstep/theta"]
    words = f"theta is off in {transformer.VICTIM} from step {transformer.STALE_FROM + 1} on"
    assert wrong[0].reason.startswith(words)
    assert [entry["diagnosis"] for entry in record.diagnoses] == [words]
