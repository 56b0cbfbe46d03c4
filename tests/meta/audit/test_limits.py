"""A recording of some tensors, of the last steps, or of a number of bytes."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
from adamax_conformance.impl.recording.format import selects
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.tests.meta.audit.auditing import audited, said
from adamax_conformance.tests.meta.audit.wrong import Plain

SHAPES = ((4, 3), (5,), (2, 2))
SIZE = 12 + 5 + 4


class Tail(Plain):
    """The second tensor stays where it is in step 9."""

    def after(self, theta, i, t):
        """Theta after the step, or before it."""
        return self.parameters[i].copy() if (i, t) == (1, 9) else theta


def train(folder, kind=Adamax, steps=10, every=1, **limits):
    """Record a run of three tensors, and return the recorder."""
    rng = np.random.default_rng(3)
    thetas = [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]
    optimizer = kind(thetas, lr=0.1)
    with record(optimizer, folder, every, **limits) as recorder:
        for _ in range(steps):
            optimizer([rng.standard_normal(shape).astype(np.float32) for shape in SHAPES])
    return recorder


def files(folder):
    return sorted(path.name for path in folder.glob("*.safetensors"))


def judged(record):
    return said(record, "audit/lockstep/theta").measured["judged"]


@pytest.mark.parametrize(("every", "count"), [(1, 3), (2, 2)])
def test_the_last_steps_are_kept_and_judged(tmp_path, every, count):
    recorder = train(tmp_path / "recording", every=every, last=count)
    assert len(files(tmp_path / "recording")) == count + 1
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 0
    assert judged(record) == count * SIZE
    last = recorder.recorded
    assert read_manifest(tmp_path / "recording").judged == list(range(last - count + 1, last + 1))
    words = f"the recorder kept the last steps; {last - count} before them are not judged"
    assert said(record, "audit/recording").reason == words


def test_an_error_among_the_last_steps_is_found_and_named(tmp_path):
    train(tmp_path / "recording", Tail, last=3)
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    (wrong,) = [v for v in record.verdicts if v.status is Status.DIVERGES]
    assert wrong.reason.startswith("theta is off in parameter 1 at step 9")


def test_a_number_of_bytes_is_kept_to(tmp_path):
    train(tmp_path / "whole")
    size = max((tmp_path / "whole" / name).stat().st_size for name in files(tmp_path / "whole"))
    train(tmp_path / "recording", most_bytes=4 * size)
    kept = [(tmp_path / "recording" / name).stat().st_size for name in files(tmp_path / "recording")]
    assert sum(kept) <= 4 * size
    assert len(kept) == 4
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == 0


def test_two_recordings_of_last_steps_are_compared(tmp_path, capsys):
    for name, kind in (("one", Plain), ("other", Tail)):
        train(tmp_path / name, kind, last=3)
    code = cli.main(["audit", str(tmp_path / "one"), str(tmp_path / "other")], standalone_mode=False)
    assert code == ExitCode.DIVERGES
    assert "they part at the recorded step 9, in theta after it of parameter 1" in capsys.readouterr().out


def test_a_file_that_was_dropped_and_is_still_there_is_no_damage(tmp_path):
    train(tmp_path / "recording", last=3)
    (tmp_path / "recording" / "step-00000006.safetensors").write_bytes(b"left by a kill")
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == 0


def test_a_kept_step_that_is_missing_is_damage(tmp_path):
    train(tmp_path / "recording", last=3)
    (tmp_path / "recording" / "step-00000009.safetensors").unlink()
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    assert "step-00000009.safetensors" in said(record, "audit/recording").reason


@pytest.mark.parametrize(("tensors", "size"), [(["1"], 5), (["0", "2"], 16), (["no", "1"], 5)])
def test_only_some_tensors_are_recorded(tmp_path, tensors, size):
    train(tmp_path / "recording", steps=4, tensors=tensors)
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 0
    assert judged(record) == 4 * size
    figures = said(record, "audit/lockstep/theta").measured["by_tensor"]
    assert {str(each["parameter"]) for each in figures["tensors"]} == set(tensors) - {"no"}


def test_only_some_tensors_are_judged(tmp_path):
    train(tmp_path / "recording", Tail)
    code, record = audited(tmp_path / "recording", tmp_path / "all")
    assert code == 1
    code, record = audited(tmp_path / "recording", tmp_path / "some", "--tensor", "0", "--tensor", "2")
    assert code == 0
    assert judged(record) == 10 * 16
    assert said(record, "audit/recording").reason == "only the tensors 0, 2 are judged"
    assert "--tensor 0 --tensor 2" in said(record, "audit/recording").reproduce


def test_a_tensor_that_is_not_there_is_a_usage_error(tmp_path):
    train(tmp_path / "recording", steps=2)
    with pytest.raises(Exception, match="no tensor of the recording is one of 7"):
        audited(tmp_path / "recording", tmp_path / "report", "--tensor", "7")
    with pytest.raises(ValueError, match="no parameter of the optimizer has such a name or number"):
        train(tmp_path / "other", tensors=["7"])


@pytest.mark.parametrize(
    ("limits", "error"),
    [({"last": 0}, ValueError), ({"most_bytes": 1.5}, ValueError), ({"tensors": "blocks.*"}, TypeError)],
)
def test_a_limit_that_cannot_be_meant_is_refused_before_training(tmp_path, limits, error):
    with pytest.raises(error, match=next(iter(limits))):
        train(tmp_path / "recording", **limits)
    assert not (tmp_path / "recording").exists()


@pytest.mark.parametrize(
    ("tensors", "found"),
    [([], True), (["blocks.*.up"], True), (["3"], True), (["blocks"], False), (["*"], True), (["4"], False)],
)
def test_a_tensor_is_chosen_by_name_number_or_pattern(tensors, found):
    assert selects(tensors, "blocks.1.up", 3) is found
