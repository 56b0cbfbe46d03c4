"""A recording that is written to an address of fsspec."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record, record_arrays
from adamax_conformance.impl.recording.format import MANIFEST, file_name
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.tests.meta.audit.auditing import audited, said
from adamax_conformance.tests.meta.audit.test_limits import SIZE, Tail, judged, train

pytest.importorskip("fsspec")
import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Failing(MemoryFileSystem):
    """A file system that is full after some files, until there is room again."""

    protocol = "failing"
    store, pseudo_dirs = {}, [""]
    room = 0

    def put_file(self, lpath, rpath, **kwargs):
        """Take a file, or a part of it."""
        if Failing.room <= 0:
            self.pipe_file(rpath, Path(lpath).read_bytes()[:100])
            raise RuntimeError("QuotaExceeded:\n  no room in this bucket")
        Failing.room -= 1
        super().put_file(lpath, rpath, **kwargs)


fsspec.register_implementation("failing", Failing, clobber=True)


@pytest.fixture
def address(tmp_path, monkeypatch):
    """An address in memory; temporary folders lie in the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = uuid.uuid4().hex
    yield f"memory://{name}/recording"
    MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """An address that takes two steps and then no more."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Failing.store.clear()
    Failing.room = 4
    return "failing://bucket/recording"


def names(address):
    files, root = fsspec.core.url_to_fs(address)
    return sorted(path.rpartition("/")[2] for path in files.ls(root, detail=False))


def brought(address, folder):
    """A folder with the files of an address."""
    files, root = fsspec.core.url_to_fs(address)
    folder.mkdir()
    for name in names(address):
        (folder / name).write_bytes(files.cat_file(f"{root}/{name}"))
    return folder


def steps(optimizer, theta):
    for _ in range(5):
        optimizer((theta,))


def left(tmp_path):
    """The temporary folders that are left."""
    return list(tmp_path.glob("recording-*"))


def test_a_recording_at_an_address_is_that_of_a_folder(address, tmp_path):
    train(address)
    assert names(address) == [MANIFEST, *map(file_name, range(1, 11))]
    assert not left(tmp_path)
    code, found = audited(address, tmp_path / "report")
    assert code == 0
    assert judged(found) == 10 * SIZE


def test_what_is_wrong_is_found_at_an_address(address, tmp_path):
    train(address, Tail)
    code, found = audited(address, tmp_path / "report")
    assert code == 1
    assert said(found, "audit/lockstep/theta").divergence.reason.startswith(
        "theta is off in parameter 1 at step 9"
    )


def test_each_whole_step_is_there_before_the_next_one(address):
    theta = np.ones(3, np.float32)
    optimizer = Adamax([theta])
    with record(optimizer, address):
        for step in range(1, 4):
            optimizer((theta,))
            assert names(address) == [MANIFEST, *map(file_name, range(1, step + 1))]


def test_the_last_steps_alone_are_kept_at_an_address(address, tmp_path):
    train(address, last=3)
    assert names(address) == [MANIFEST, *map(file_name, range(7, 11))]
    assert judged(audited(address, tmp_path / "report")[1]) == 3 * SIZE


def test_arrays_are_recorded_at_an_address(address, tmp_path):
    zero, g = np.zeros(3), np.ones(3)
    with record_arrays(address, ["w"], subject="mine") as recording:
        m, u = (1 - 0.9) * g, g + 1e-8
        after = [zero - 0.1 * m / ((1 - 0.9) * u)], [m], [u]
        recording.step(1, [g], ([zero], [None], [None]), after, Hyperparameters(lr=0.1))
    code, found = audited(address, tmp_path / "report")
    assert (code, judged(found)) == (0, 3)


@pytest.mark.parametrize(
    ("where", "error", "words"),
    [
        ("nothingknows://x", ValueError, "nothing can be recorded at nothingknows://x"),
        ("failing://full/recording", OSError, "cannot be written to: PermissionError: not yours"),
    ],
)
def test_an_address_that_takes_nothing_is_refused_before_the_training(
    tmp_path, monkeypatch, where, error, words
):
    def refuse(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Failing, "pipe_file", refuse)
    with pytest.raises(error, match=words):
        record(Adamax([np.ones(3)]), where)
    assert not left(tmp_path)


def test_an_address_that_holds_something_is_refused(address):
    train(address, steps=1)
    with pytest.raises(ValueError, match=f"holds {MANIFEST}; it must be empty"):
        train(address, steps=1)


def test_an_address_that_fails_raises_one_line_after_the_step_and_the_files_here_stay(failing, tmp_path):
    theta = np.ones(3, np.float32)
    optimizer = Adamax([theta])
    words = rf"{failing} does not take it \(RuntimeError: QuotaExceeded: no room in this bucket\); the recording is in"

    def training():
        with record(optimizer, failing):
            steps(optimizer, theta)

    with (
        pytest.warns(UserWarning, match="the recording is not copied"),
        pytest.raises(OSError, match=words) as raised,
    ):
        training()
    assert optimizer.t == 3
    assert "\n" not in str(raised.value)
    (folder,) = left(tmp_path)
    assert str(raised.value).endswith(str(folder))
    assert len(read_manifest(folder).judged) == 3
    # There, everything has its name that is whole.
    assert names(failing) == [MANIFEST, file_name(1), file_name(2), file_name(3) + ".part"]
    code, found = audited(brought(failing, tmp_path / "there"), tmp_path / "report", "--unfinished")
    assert (code, judged(found)) == (0, 2 * 3)


def test_an_address_that_fails_for_good_only_warns_and_the_whole_recording_is_here(failing, tmp_path):
    with pytest.warns(UserWarning, match="the recording is not copied") as warned:
        train(failing, on_error="warn")
    assert len(warned) == 2
    (folder,) = left(tmp_path)
    code, found = audited(folder, tmp_path / "report")
    assert (code, judged(found)) == (0, 10 * SIZE)


def test_what_an_address_did_not_take_is_copied_at_the_end(failing, tmp_path):
    theta = np.ones(3, np.float32)
    optimizer = Adamax([theta])

    def training():
        with record(optimizer, failing, on_error="warn"):
            steps(optimizer, theta)
            Failing.room = 99

    with pytest.warns(UserWarning, match="not copied") as warned:
        training()
    assert len(warned) == 1
    assert not left(tmp_path)
    code, found = audited(brought(failing, tmp_path / "there"), tmp_path / "report")
    assert (code, judged(found)) == (0, 5 * 3)


KILLED = """
import os, signal, sys
import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import folder, record

theta = np.ones(50, np.float32)
optimizer = Adamax([theta], lr=0.1)
with record(optimizer, sys.argv[1]):
    optimizer((theta + 1,))
    optimizer((theta + 1,))
    move = folder._Copy._put

    def die(self, file, target):
        if file.suffix == ".jsonl":
            os.kill(os.getpid(), signal.SIGKILL)
        move(self, file, target)

    folder._Copy._put = die
    optimizer((theta + 1,))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_run_that_was_killed_while_it_copied_is_accepted_as_unfinished(tmp_path):
    address = (tmp_path / "there").as_uri()
    command = [sys.executable, "-c", KILLED, address]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    code, found = audited(address, tmp_path / "report", "--unfinished")
    assert (code, judged(found)) == (0, 2 * 50)
    (folder,) = left(tmp_path)
    code, found = audited(folder, tmp_path / "report", "--unfinished")
    assert (code, judged(found)) == (0, 3 * 50)
