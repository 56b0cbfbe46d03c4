"""A recording holds every number that steps read or wrote, even after a crash."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record, step_file
from adamax_conformance.impl.recording.format import MANIFEST, file_name
from adamax_conformance.impl.recording.step_file import StepFile
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.audit import step_file as reader
from adamax_conformance.reports.audit.manifest import NotARecordingError, read_manifest, schema
from adamax_conformance.reports.audit.work_items import ChunkReader, make_batches, read_batch
from adamax_conformance.tests.meta.audit import runs
from adamax_conformance.tests.meta.audit.auditing import audited, said
from jsonschema import Draft202012Validator
from safetensors import safe_open


def description(folder, number):
    with safe_open(folder / file_name(number), "numpy") as file:
        return json.loads(file.metadata()["step"])


def tensors(folder, number):
    with safe_open(folder / file_name(number), "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def test_safetensors_reads_what_was_recorded(tmp_path):
    thetas = runs.ours(tmp_path, steps=3)
    last = tensors(tmp_path, 3)
    for place, theta in enumerate(thetas):
        np.testing.assert_array_equal(last[f"theta.{place}"], theta)
        assert last[f"gradient.{place}"].shape == theta.shape


def test_a_state_that_two_steps_share_is_stored_once(tmp_path):
    runs.ours(tmp_path, steps=3)
    assert {name for name in tensors(tmp_path, 1) if "before" in name} == {
        f"before.theta.{n}" for n in range(3)
    }
    assert not {name for name in tensors(tmp_path, 2) if "before" in name}


def test_theta_that_somebody_else_changed_between_two_steps_is_stored(tmp_path):
    def clip(t, thetas):
        if t == 2:
            thetas[1][0] = 0.5

    runs.ours(tmp_path, steps=3, between=clip)
    assert {name for name in tensors(tmp_path, 3) if "before" in name} == {"before.theta.1"}
    assert tensors(tmp_path, 3)["before.theta.1"][0] == 0.5


def test_of_steps_that_are_left_out_the_next_one_has_its_own_state_before(tmp_path):
    runs.ours(tmp_path, steps=5, every=2)
    own = {f"before.{quantity}.{n}" for quantity in ("theta", "m", "u") for n in range(3)}
    assert own <= set(tensors(tmp_path, 2))
    assert [p["t"] for p in description(tmp_path, 3)["parameters"]] == [5, 5, 5]


def test_the_hyperparameters_are_those_in_force(tmp_path):
    runs.ours(tmp_path, steps=3, maximize=True)
    groups = description(tmp_path, 3)["groups"]
    assert [float.fromhex(group["lr"]) for group in groups] == [0.1 / 3] * 2
    assert [float.fromhex(group["weight_decay"]) for group in groups] == [0.01, 0.0]
    assert all(group["maximize"] for group in groups)


def test_lines_and_descriptions_keep_to_the_schema(tmp_path):
    runs.ours(tmp_path, steps=2)
    validator = Draft202012Validator(schema())
    for line in (tmp_path / MANIFEST).read_text(encoding="utf-8").splitlines():
        validator.validate(json.loads(line))
    validator.validate(description(tmp_path, 2))


def test_a_whole_recording_has_no_damage(tmp_path):
    runs.ours(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest.damages == ()
    assert manifest.ended == ""
    reader = ChunkReader(tmp_path, manifest.facts["chunk"])
    for number, entry in manifest.steps.items():
        chunks = reader.chunks(reader.step(entry), manifest.steps.get(number - 1))
        assert len(chunks) == 3
        assert all(read_batch(reader, unit) for unit in make_batches(chunks, manifest.facts["chunk"]))
    assert not reader.damages


def test_an_exception_in_the_training_ends_the_recording_and_is_on_it(tmp_path):
    theta = np.ones(3)
    optimizer = Adamax([theta])

    def interrupted():
        with record(optimizer, tmp_path):
            optimizer((theta,))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    manifest = read_manifest(tmp_path)
    assert manifest.ended == "KeyboardInterrupt"
    assert manifest.damages == ()
    optimizer((theta,))  # nobody watches any more
    assert len(manifest.steps) == 1


def test_a_step_that_raises_is_not_recorded_and_the_next_one_is(tmp_path, monkeypatch):
    theta = np.ones(3)
    optimizer = Adamax([theta])
    with record(optimizer, tmp_path) as recording:
        optimizer((theta,))
        run = optimizer._run
        monkeypatch.setattr(optimizer, "_run", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            optimizer((theta,))
        monkeypatch.setattr(optimizer, "_run", run)
        optimizer((theta,))
    assert recording.recorded == 2
    assert read_manifest(tmp_path).damages == ()


def test_the_header_of_a_step_of_a_hundred_thousand_parameters_is_one_that_an_audit_reads(tmp_path):
    file = step_file.StepFile(tmp_path / "step", 7 * 100_000, 0)
    assert file._header_size < reader._LONGEST_HEADER
    file.discard()


def test_an_environment_without_safetensors_can_record(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    runs.ours(tmp_path)
    assert read_manifest(tmp_path).damages == ()


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "2"])
def test_every_must_be_a_positive_integer(tmp_path, every):
    with pytest.raises(ValueError, match="every is"), record(Adamax([np.ones(1)]), tmp_path, every):
        pass


def test_a_directory_that_holds_something_is_refused(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="mine; it must be empty"), record(Adamax([np.ones(1)]), tmp_path):
        pass


def test_what_is_no_optimizer_is_refused(tmp_path):
    with pytest.raises(TypeError, match="can be recorded"), record(object(), tmp_path):
        pass


def test_a_list_without_an_optimizer_is_refused(tmp_path):
    with pytest.raises(TypeError, match="empty list"), record([], tmp_path):
        pass


def test_a_folder_without_a_recording_is_refused(tmp_path):
    with pytest.raises(NotARecordingError, match="cannot be read"):
        read_manifest(tmp_path)


# Wrong use, and bad luck -----------------------------------------------------------------------------------------


def train(optimizer, theta, steps):
    for _ in range(steps):
        optimizer((np.ones_like(theta),))


def test_a_recorder_without_with_warns_at_the_first_step(tmp_path):
    theta = np.ones(3)
    optimizer = Adamax([theta])
    forgotten = record(optimizer, tmp_path)
    with pytest.warns(UserWarning, match="write `with record"):
        train(optimizer, theta, 1)
    train(optimizer, theta, 1)
    assert optimizer.t == 2
    with forgotten:  # the folder is as it was
        train(optimizer, theta, 1)
    assert forgotten.recorded == 1


def test_a_recorder_makes_one_recording(tmp_path):
    recorder = record(Adamax([np.ones(3)]), tmp_path)
    with pytest.warns(UserWarning, match="no step was seen"), recorder:
        pass
    with pytest.raises(ValueError, match="has been made"), recorder:
        pass


@pytest.mark.parametrize("value", ["ignore", None, True])
def test_on_error_is_one_of_two_words(tmp_path, value):
    with pytest.raises(ValueError, match="must be 'raise' or 'warn'"):
        record(Adamax([np.ones(3)]), tmp_path, on_error=value)


def test_a_disk_without_room_for_a_step_is_reported_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OSError, match="the first step needs 120 bytes; 10 are free"):
        record(Adamax([np.ones(3)]), tmp_path / "recording")


def test_a_folder_that_cannot_be_written_to_is_reported_before_the_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        record(Adamax([np.ones(3)]), tmp_path / "file" / "recording")


def full(monkeypatch, at):
    """Let the disk be full at the third recorded step: its gradient, or its end."""
    add, finish = StepFile.add, StepFile.finish

    def fail(self, *arguments):
        if self.path.name == file_name(3):
            raise OSError(errno.ENOSPC, "No space left on device")
        return (add if at == "add" else finish)(self, *arguments)

    monkeypatch.setattr(StepFile, at, fail)


@pytest.mark.parametrize("at", ["add", "finish"])
def test_a_full_disk_does_not_keep_the_optimizer_from_its_step(tmp_path, monkeypatch, at):
    full(monkeypatch, at)
    theta, other = np.ones(3), np.ones(3)
    optimizer, unrecorded = Adamax([theta]), Adamax([other])
    with record(optimizer, tmp_path) as recording:
        train(optimizer, theta, 2)
        with pytest.raises(OSError, match="No space left"):
            train(optimizer, theta, 1)
        train(optimizer, theta, 2)  # no longer recorded
    train(unrecorded, other, 5)
    np.testing.assert_array_equal(theta, other)
    assert recording.recorded == 2
    manifest = read_manifest(tmp_path)
    assert manifest.damages == ()
    assert "No space left on device" in manifest.stopped


def test_an_error_that_only_warns_lets_the_training_go_on(tmp_path, monkeypatch):
    full(monkeypatch, "finish")
    theta = np.ones(3)
    optimizer = Adamax([theta])
    with (
        pytest.warns(UserWarning, match="stopped: OSError: .*No space left") as warned,
        record(optimizer, tmp_path / "recording", on_error="warn"),
    ):
        train(optimizer, theta, 5)
    assert len(warned) == 1
    assert optimizer.t == 5
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    assert "it stopped before the training did" in said(found, "audit/recording").reason
    code, found = audited(tmp_path / "recording", tmp_path / "report", "--unfinished")
    assert code == 0
    assert "audited up to the recorded step 2" in said(found, "audit/recording").reason


KILLED = """
import os, signal, sys
import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
from adamax_conformance.impl.recording.recorder import Recorder
from adamax_conformance.impl.recording.step_file import StepFile

where, folder = sys.argv[1:]
theta = np.ones(50, np.float32)
optimizer = Adamax([theta], lr=0.1)
with record(optimizer, folder):
    optimizer((theta + 1,))
    optimizer((theta + 1,))
    owner, name = (StepFile, "finish") if where == "step" else (Recorder, "_write_line")
    act = getattr(owner, name)

    def die(self, *arguments):
        if where == "line":
            self._manifest.write(b'{"kind":"st')
            self._manifest.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    optimizer((theta + 1,))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("where", ["step", "before line", "line"])
def test_a_run_that_was_killed_while_it_recorded_is_accepted_as_unfinished(tmp_path, where):
    command = [sys.executable, "-c", KILLED, where, str(tmp_path / "recording")]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    assert said(found, "audit/recording").status is Status.BROKEN
    code, found = audited(tmp_path / "recording", tmp_path / "report", "--unfinished")
    assert code == 0
    assert said(found, "audit/recording").status is Status.CONFORMS
    (tmp_path / "recording" / file_name(7)).touch()
    code, found = audited(tmp_path / "recording", tmp_path / "report", "--unfinished")
    assert code == 1


FULL = """
import resource, sys
import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record

folder, on_error, room = sys.argv[1:]
sys.dont_write_bytecode = True
theta = np.ones(int(room) % 1000, np.float32)
optimizer = Adamax([theta], lr=0.1)
with record(optimizer, folder, on_error=on_error):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), resource.RLIM_INFINITY))
    for _ in range(40):
        optimizer((theta + 1,))
print(optimizer.t)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("on_error", ["raise", "warn"])
@pytest.mark.parametrize("room", [9_900, 8_003], ids=["a step", "the manifest"])
def test_a_disk_that_is_full_is_one_line_and_leaves_what_was_recorded(tmp_path, on_error, room):
    command = [sys.executable, "-c", FULL, str(tmp_path / "recording"), on_error, str(room)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    last = ran.stderr.strip().splitlines()
    if on_error == "raise":
        assert ran.returncode == 1
        assert last[-1].startswith("OSError: [Errno 27] File too large")
        assert ran.stderr.count("Traceback") == 1
    else:
        assert (ran.returncode, ran.stdout) == (0, "40\n")
        assert "Traceback" not in ran.stderr
        assert any("stopped: OSError: [Errno 27] File too large" in line for line in last)
    code, found = audited(tmp_path / "recording", tmp_path / "report", "--unfinished")
    steps = said(found, "audit/recording").measured["steps"]
    assert (code, steps > 0) == ((3, False) if room == 9_900 else (0, True))
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == 1
