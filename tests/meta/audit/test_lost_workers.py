"""An audit whose scheduler or workers are lost is one line, and not green."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest
from adamax_conformance.reports.audit import work_items
from adamax_conformance.reports.audit.executors import executor
from adamax_conformance.reports.audit.progress import FILE_NAME
from adamax_conformance.reports.cli import audit_runs
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.tests.meta.audit import runs
from adamax_conformance.tests.meta.audit.auditing import audited

pytest.importorskip("distributed")

CLUSTER = """
import sys
from distributed import LocalCluster

settings = {"dashboard_address": None, "silence_logs": "CRITICAL", "threads_per_worker": 1}
with LocalCluster(n_workers=int(sys.argv[1]), processes=False, protocol="tcp", **settings) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A recording of several work items."""
    monkeypatch.setattr(work_items, "_ITEM", 8000)
    runs.ours(tmp_path / "recording")
    return tmp_path / "recording"


@contextmanager
def cluster(workers):
    """A scheduler with workers in a process of its own; and the process."""
    command = [sys.executable, "-c", CLUSTER, str(workers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_scheduler_that_is_lost_while_it_judges_is_one_line_and_the_rest_is_judged_later(
    recording, tmp_path, monkeypatch, capfd
):
    with cluster(1) as (process, address):

        @contextmanager
        def losing(*arguments, **options):
            with executor(*arguments, **options) as judge:

                def judge_and_lose(items, error_models):
                    for count, found in enumerate(judge(items, error_models)):
                        if count == 0:
                            process.kill()
                            process.wait()
                        yield found

                yield judge_and_lose

        monkeypatch.setattr(audit_runs, "executor", losing)
        with pytest.raises(CommandError, match="the workers or their scheduler are gone") as caught:
            audited(recording, tmp_path / "report", "--scheduler", address)
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.message
    assert "Traceback" not in capfd.readouterr().err
    assert (tmp_path / "report" / FILE_NAME).read_text().count("stamp") >= 1
    assert not (tmp_path / "report" / "verdicts.jsonl").exists()
    monkeypatch.undo()
    assert audited(recording, tmp_path / "report")[0] == 0


def test_a_scheduler_without_workers_is_one_line(recording, tmp_path):
    with (
        cluster(0) as (_, address),
        pytest.raises(CommandError, match="has no workers; start some") as caught,
    ):
        audited(recording, tmp_path / "report", "--scheduler", address)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
