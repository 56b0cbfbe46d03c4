"""A recording from elsewhere is refused or judged.

Nothing in it hangs, writes elsewhere, or is green unjudged.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from adamax_conformance.impl.recording.format import MANIFEST, chain_digest, file_name
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.audit.executors import WorkersGoneError
from adamax_conformance.reports.audit.manifest import NotARecordingError, read_manifest
from adamax_conformance.reports.audit.progress import FILE_NAME
from adamax_conformance.reports.audit.work_items import plan
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.tests.meta.audit import runs
from adamax_conformance.tests.meta.audit.auditing import audited, said

_STEPS = 2


@pytest.fixture
def recording(tmp_path):
    """A short recording of our own optimizer."""
    folder = tmp_path / "run"
    runs.ours(folder, steps=_STEPS)
    return folder


def rewrite(folder, change):
    """Change lines of the manifest, and chain them again."""
    lines = [json.loads(line) for line in (folder / MANIFEST).read_text().splitlines()]
    change(lines)
    chain = ""
    for line in lines:
        del line["chain"]
        line["chain"] = chain = chain_digest(line, chain)
    (folder / MANIFEST).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.mark.parametrize(
    ("line", "member", "value"),
    [
        (1, "bytes", 10**15),
        (1, "bytes", 10**18),
        (1, "bytes", 2.0),
        (1, "number", 10**12),
        (1, "number", 2.0),
        (1, "number", 10**250),
        (-1, "steps", 10**12),
        (-1, "steps", 1e15),
        (0, "chunk", 10**17),
        (0, "chunk", 2.0),
        (0, "chunk", 10**250),
    ],
)
def test_a_number_of_the_manifest_is_not_looped_over(recording, line, member, value):
    def change(lines):
        lines[line][member] = value
        if member == "number":
            lines[line]["file"] = f"step-{value:08.0f}.safetensors"

    rewrite(recording, change)
    began = time.process_time()
    if line == 0:  # nothing can be made of a recording without its header
        with pytest.raises(NotARecordingError) as caught:
            read_manifest(recording)
        assert len(str(caught.value)) <= 300
        assert time.process_time() - began < 5
        return
    manifest = read_manifest(recording)
    assert len(plan(manifest)) <= _STEPS
    assert len(manifest.damages) < 100
    assert all(len(damage.what) < 400 for damage in manifest.damages)
    assert time.process_time() - began < 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_step_that_is_not_a_regular_file_is_damage(recording, tmp_path, kind):
    file = recording / file_name(1)
    if kind == "pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    code, record = audited(recording, tmp_path / "report", "--workers", "1")
    assert code == 1
    assert said(record, "audit/recording").status is Status.BROKEN


def rewrite_steps(folder, change):
    """Change the descriptions of all steps, and the digests of them."""
    digests = {}
    for number in range(1, _STEPS + 1):
        path = folder / file_name(number)
        content = path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        description = json.loads(header["__metadata__"]["step"])
        change(description)
        header["__metadata__"]["step"] = json.dumps(description)
        raw = json.dumps(header).encode()
        raw += b" " * (-len(raw) % 8)
        head = len(raw).to_bytes(8, "little") + raw
        path.write_bytes(head + content[end:])
        digests[number] = {"bytes": path.stat().st_size, "header": hashlib.sha256(head).hexdigest()}

    def update(lines):
        for line in lines:
            if line["kind"] == "step":
                line.update(digests[line["number"]])

    rewrite(folder, update)


def test_a_recording_of_the_first_format_is_read_and_says_less(recording, tmp_path):
    def remove(description):
        del description["without gradient"]
        for each in description["parameters"]:
            del each["count"]

    rewrite_steps(recording, remove)
    rewrite(recording, lambda lines: lines[0].update(format=1))
    code, record = audited(recording, tmp_path / "report", "--workers", "1")
    assert code == 0
    assert said(record, "audit/count").status is Status.SKIPPED
    assert said(record, "audit/no-gradient").status is Status.SKIPPED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", np.nan),
        ("lr", np.inf),
        ("beta1", -0.5),
        ("beta1", np.nan),
        ("beta2", 1.0),
        ("weight_decay", np.inf),
    ],
)
def test_a_run_of_which_no_element_can_be_compared_is_not_green(recording, tmp_path, name, value):
    rewrite_steps(recording, lambda d: [group.update({name: float(value).hex()}) for group in d["groups"]])
    code, record = audited(recording, tmp_path / "report", "--workers", "1")
    assert code == 3
    assert "for which no bound is proven" in said(record, "audit/unjudged").reason


def test_a_run_whose_learning_rate_is_0_is_not_green(tmp_path):
    runs.ours(tmp_path / "recording", steps=2, lr=0.0)
    code, record = audited(tmp_path / "recording", tmp_path / "report", "--workers", "1")
    assert code == 3
    assert said(record, "audit/lockstep/theta").status is Status.SKIPPED
    assert said(record, "audit/lockstep/m").status is Status.CONFORMS


@pytest.mark.parametrize("value", [10**20, 10**250, 1.0, 0, "1", None, True])
def test_the_number_of_a_step_that_is_none_is_damage(recording, tmp_path, value):
    rewrite_steps(recording, lambda d: [each.update(t=value) for each in d["parameters"]])
    code, record = audited(recording, tmp_path / "report", "--workers", "1")
    assert code == 1
    assert said(record, "audit/recording").status is Status.BROKEN


def test_an_audit_follows_no_link_out_of_its_folder(recording, tmp_path):
    report = tmp_path / "report"
    report.mkdir()
    for name in (FILE_NAME, "verdicts.jsonl", "index.html"):
        (tmp_path / f"of-{name}").write_text("kept")
        (report / name).symlink_to(tmp_path / f"of-{name}")
    with pytest.raises(CommandError, match="cannot be written to"):
        audited(recording, report, "--workers", "1")
    (report / FILE_NAME).unlink()
    code, _ = audited(recording, report, "--workers", "1")
    assert code == 0
    for name in (FILE_NAME, "verdicts.jsonl", "index.html"):
        assert (tmp_path / f"of-{name}").read_text() == "kept"


def test_an_audit_whose_workers_are_gone_is_not_completed(recording, tmp_path, monkeypatch):
    @contextmanager
    def dying(*_arguments, **_options):
        def judge(_items, _error_models):
            raise WorkersGoneError("the workers or their scheduler are gone")

        yield judge

    monkeypatch.setattr("adamax_conformance.reports.cli.audit_runs.executor", dying)
    with pytest.raises(CommandError, match="are gone") as caught:
        audited(recording, tmp_path / "report")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "report" / "verdicts.jsonl").exists()


_FULL = """
import resource, sys
from adamax_conformance.reports.cli import main

sys.dont_write_bytecode = True  # a module that is compiled would be cut off, and stay so
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main.main()
"""


def audited_on_a_full_disk(recording, report, room):
    """Audit in a process whose files may have so many bytes."""
    words = ["audit", str(recording), "--report", str(report), "--workers", "1"]
    return subprocess.run(
        [sys.executable, "-c", _FULL, str(room), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("room", [100, 20_000])
def test_an_audit_whose_report_cannot_be_written_is_not_green_and_keeps_what_it_judged(
    recording, tmp_path, room
):
    report = tmp_path / "report"
    ran = audited_on_a_full_disk(recording, report, room)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("Error")]
    assert "cannot be written to" in line
    assert not (report / "verdicts.jsonl").exists() or read_record(report).complete
    assert (report / FILE_NAME).exists()
    code, record = audited(recording, report, "--workers", "1")
    assert code == 0
    assert record.complete
    assert not (report / FILE_NAME).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_wrong_run_is_wrong_though_its_report_cannot_be_written(tmp_path):
    runs.ours(tmp_path / "run", steps=_STEPS)
    (tmp_path / "run" / file_name(1)).unlink()
    ran = audited_on_a_full_disk(tmp_path / "run", tmp_path / "report", 100)
    assert ran.returncode == 1
    assert "Does not conform" in ran.stdout
    assert "cannot be written to" in ran.stderr
