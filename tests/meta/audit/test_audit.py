"""An audit finds what is wrong with an optimizer's steps, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.rules import Epsilon, Rule
from adamax_conformance.reports.audit import executors, run, work_items
from adamax_conformance.reports.audit.executors import executor
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.reports.audit.progress import FILE_NAME, ProgressFile, from_json, to_json
from adamax_conformance.reports.audit.work_items import plan
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.tests.meta.audit import runs
from adamax_conformance.tests.meta.audit.auditing import audited, numbers, said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A recording of our own Adamax, without errors."""
    folder = tmp_path_factory.mktemp("whole") / "recording"
    runs.ours(folder, steps=5)
    return folder


@pytest.fixture(scope="module")
def altered(tmp_path_factory):
    """A recording with one element of theta off by 4 ulp after the third step."""
    folder = tmp_path_factory.mktemp("altered") / "recording"
    rng = np.random.default_rng(8)
    theta = rng.standard_normal((20, 10)).astype(np.float32)
    optimizer = Adamax([theta], lr=0.01)
    optimizer.watch(lambda *_: None, lambda: alter(optimizer, theta))
    with record(optimizer, folder):
        for _ in range(5):
            optimizer((rng.standard_normal(theta.shape).astype(np.float32),))
    return folder


def alter(optimizer, theta):
    if optimizer.t == 3:
        theta[17, 3] += 4 * np.spacing(theta[17, 3])


@pytest.fixture
def small_work_items(monkeypatch):
    """Several work items: two small steps each, or a share of a larger one."""
    monkeypatch.setattr(work_items, "_ITEM", 8000)


def test_a_faithful_optimizer_conforms(whole, tmp_path):
    code, record = audited(whole, tmp_path)
    assert code == ExitCode.CONFORMS
    for quantity in ("theta", "m", "u"):
        verdict = said(record, f"audit/lockstep/{quantity}")
        assert verdict.status is Status.CONFORMS
        assert verdict.measured["judged"] == 5 * (35 + 3 + 1)
        assert 0 < verdict.measured["largest_over_bound"] <= 1
        assert sum(verdict.measured["histogram"]["counts"]) == verdict.measured["judged"]
    assert {v.subject for v in record.verdicts} == {"numpy"}


def test_a_single_element_that_is_off_by_4_ulp_is_found_and_named(altered, tmp_path):
    code, record = audited(altered, tmp_path)
    assert code == ExitCode.DIVERGES
    wrong = [v for v in record.verdicts if v.status is Status.DIVERGES]
    assert [v.check for v in wrong] == ["audit/lockstep/theta"]
    divergence = wrong[0].divergence
    assert (divergence.step, divergence.parameter, divergence.element) == (3, 0, (17, 3))
    assert 3 < divergence.error_ulp < 5
    assert wrong[0].measured["exceeded"] == 1
    assert divergence.extra["gradient"]
    assert wrong[0].reproduce.startswith("adamax-conformance audit ")


@pytest.mark.parametrize("count", [1, 3, 6])
def test_wrong_elements_do_not_pass_for_coarse_scalars(tmp_path, count):
    # Each is within the bound of scalars of the working precision, but these would move all elements alike.
    rng = np.random.default_rng(8)
    theta = np.zeros(1000, np.float32)
    optimizer = Adamax([theta], lr=0.01)
    wrong = np.arange(count) * 37 + 5
    optimizer.watch(lambda *_: None, lambda: alter_some(optimizer, theta, wrong))
    with record(optimizer, tmp_path / "recording"):
        for _ in range(3):
            optimizer((rng.standard_normal(theta.shape).astype(np.float32),))
    code, report = audited(tmp_path / "recording", tmp_path)
    assert code == ExitCode.DIVERGES
    assert said(report, "rule/scalars").status is Status.CONFORMS
    verdict = said(report, "audit/lockstep/theta")
    assert verdict.measured["exceeded"] == count
    assert verdict.divergence.element == (5,)


def alter_some(optimizer, theta, wrong):
    if optimizer.t == 1:
        theta[wrong] += 8 * np.spacing(theta[wrong])


def test_only_the_steps_that_were_asked_for_are_judged(altered, tmp_path):
    assert audited(altered, tmp_path / "other", "--step", "2", "--step", "4")[0] == ExitCode.CONFORMS
    code, record = audited(altered, tmp_path / "it", "--step", "3")
    assert code == ExitCode.DIVERGES
    assert said(record, "audit/lockstep/m").measured["judged"] == 200
    code, record = audited(altered, tmp_path / "some", "--step", "2-4", "--step", "1")
    assert code == ExitCode.DIVERGES
    assert said(record, "audit/lockstep/m").measured["judged"] == 800
    assert said(record, "audit/lockstep/m").reproduce.endswith("--step 2-4 --step 1")


@pytest.mark.parametrize("words", ["0", "4-2", "-3", "2-", "a", "1-9"])
def test_a_range_of_steps_that_is_none_is_wrong_usage(altered, tmp_path, words):
    with pytest.raises((click.UsageError, CommandError)):
        audited(altered, tmp_path, f"--step={words}")


def test_on_two_cores_the_threads_of_this_process_judge(whole, monkeypatch):
    chunk = read_manifest(whole).facts["chunk"]
    monkeypatch.setattr(executors, "_client", lambda *_: pytest.fail("processes were started"))
    monkeypatch.setattr(executors, "_cores", lambda: 2)
    with executor(whole, chunk, size=1 << 40):
        pass


def test_a_theta_that_was_changed_between_two_steps_raises_no_alarm(tmp_path):
    def clip(_t, thetas):
        np.clip(thetas[0], -0.5, 0.5, out=thetas[0])

    runs.ours(tmp_path / "recording", between=clip)
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == ExitCode.CONFORMS


class EpsInDenominator:
    """Adamax with eps next to the norm, as in Keras, recorded as if it were our own."""

    def step(self, theta, m, u, g, t):
        m[...] = 0.9 * m + (1 - 0.9) * g
        u[...] = np.maximum(0.999 * u, np.abs(g))
        theta[...] = theta - 0.01 / (1 - 0.9**t) * m / (u + 1e-3)


def test_another_rule_is_reported_once_and_everything_is_judged_against_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(8)
    theta = rng.standard_normal(300)
    optimizer = Adamax([theta], lr=0.01, eps=1e-3)
    (m,), (u,) = optimizer.exp_avg, optimizer.exp_inf
    gradient = np.zeros_like(theta)
    monkeypatch.setattr(
        optimizer, "_run", lambda _: EpsInDenominator().step(theta, m, u, gradient, optimizer.t + 1)
    )
    monkeypatch.setattr("adamax_conformance.impl.adamax.storage.ParameterPack.scatter", lambda _: None)
    with record(optimizer, tmp_path / "recording"):
        for _ in range(4):
            gradient[...] = rng.standard_normal(300)
            optimizer((gradient.copy(),))
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert code == ExitCode.DIVERGES
    assert said(found, "rule/documented").measured["rule"] == Rule(Epsilon.IN_DENOMINATOR).name
    assert [v.check for v in found.verdicts if v.status is Status.DIVERGES] == ["rule/documented"]


def test_nan_gradients_are_named_and_the_rest_is_judged(tmp_path):
    theta = np.ones(6, np.float32)
    optimizer = Adamax([theta])
    gradient = np.array([1, np.nan, 2, np.inf, 0, -1], np.float32)
    with record(optimizer, tmp_path / "recording"):
        optimizer((np.ones(6, np.float32),))
        optimizer((gradient,))
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert code == ExitCode.CONFORMS
    verdict = said(found, "special/nan-gradient")
    assert verdict.status is Status.UNSPECIFIED
    assert "2 elements" in verdict.reason
    assert "element [1] of parameter 0 after step 2" in verdict.reason
    assert said(found, "audit/lockstep/theta").measured["judged"] == 10


def test_a_recording_that_a_crash_left_is_judged_up_to_its_last_whole_step(whole, tmp_path):
    crashed = tmp_path / "recording"
    crashed.mkdir()
    for file in sorted(whole.iterdir()):
        content = file.read_bytes()
        if file.name == "recording.jsonl":
            content = b"".join(content.splitlines(keepends=True)[:4])
        if "step-00000004" not in file.name and "step-00000005" not in file.name:
            (crashed / file.name).write_bytes(content)
    code, found = audited(crashed, tmp_path / "report")
    assert code == ExitCode.DIVERGES
    assert said(found, "audit/recording").status is Status.BROKEN
    assert "it has no end" in said(found, "audit/recording").reason
    assert said(found, "audit/lockstep/theta").measured["judged"] == 3 * 39
    code, found = audited(crashed, tmp_path / "accepted", "--unfinished")
    assert code == ExitCode.CONFORMS
    assert "up to the recorded step 3" in said(found, "audit/recording").reason


def test_a_recording_without_a_step_judges_nothing(tmp_path):
    with (
        pytest.warns(UserWarning, match="no step was seen"),
        record(Adamax([np.ones(1)]), tmp_path / "recording"),
    ):
        pass
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == ExitCode.NOTHING_JUDGED


@pytest.mark.parametrize(
    "options", [["--step", "9"], ["--known", "missing.toml"], ["--arithmetic", "no.toml"]]
)
def test_wrong_usage_is_said_in_one_line(whole, tmp_path, options):
    with pytest.raises(CommandError):
        audited(whole, tmp_path, *options)


# Resuming and sharing ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_work_items")
def test_an_audit_that_was_stopped_goes_on_where_it_was(whole, tmp_path, monkeypatch):
    audited(whole, tmp_path / "at-once")
    judged = []
    audit_work_item = executors.audit_work_item

    def dying(folder, chunk_size, item, error_models):
        if len(judged) == 1:
            raise KeyboardInterrupt
        judged.append(item.name)
        return audit_work_item(folder, chunk_size, item, error_models)

    monkeypatch.setattr(executors, "audit_work_item", dying)
    with pytest.raises(click.Abort):
        audited(whole, tmp_path / "stopped")
    progress = tmp_path / "stopped" / FILE_NAME
    progress.write_bytes(progress.read_bytes() + b'{"stamp": "cut o')  # as a kill may leave it
    again = []
    monkeypatch.setattr(
        executors,
        "audit_work_item",
        lambda *arguments: (again.append(arguments[2].name), audit_work_item(*arguments))[1],
    )
    _, record = audited(whole, tmp_path / "stopped")
    assert len(judged) == 1
    assert judged + again == [item.name for item in plan(read_manifest(whole))]
    assert again
    assert numbers(record) == numbers(audited(whole, tmp_path / "at-once")[1])
    assert not progress.exists()


DYING = """
import os, signal, sys
from adamax_conformance.reports.audit import work_items
from adamax_conformance.reports.audit.progress import ProgressFile
from adamax_conformance.reports.cli.main import cli

add = ProgressFile.add

def dying(self, stamp, result):
    add(self, stamp, result)
    os.kill(os.getpid(), signal.SIGKILL)

work_items._ITEM = 8000
ProgressFile.add = dying
cli.main(["audit", sys.argv[1], "--report", sys.argv[2], "--quiet"])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.usefixtures("small_work_items")
def test_an_audit_that_was_killed_loses_nothing(whole, tmp_path, monkeypatch):
    audited(whole, tmp_path / "at-once")
    killed = subprocess.run(
        [sys.executable, "-c", DYING, str(whole), str(tmp_path / "killed")], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    again = []
    audit_work_item = executors.audit_work_item
    monkeypatch.setattr(
        executors,
        "audit_work_item",
        lambda *arguments: (again.append(arguments[2].name), audit_work_item(*arguments))[1],
    )
    _, record = audited(whole, tmp_path / "killed")
    assert again == [item.name for item in plan(read_manifest(whole))][1:]
    assert numbers(record) == numbers(audited(whole, tmp_path / "at-once")[1])


@pytest.mark.usefixtures("small_work_items")
def test_what_was_judged_of_files_that_have_changed_since_does_not_count(whole, tmp_path):
    manifest = read_manifest(whole)
    with executor(whole, manifest.facts["chunk"], size=0, workers=1) as judge:
        progress = ProgressFile(tmp_path, manifest)
        found = run.audit(manifest, judge, progress)
        progress.close()
    error_models = {dtype: each.error_model for dtype, each in found.models.items()}
    item = plan(manifest)[0]
    assert ProgressFile(tmp_path, manifest).lookup(progress.stamp(item, error_models)) is not None
    os.utime(whole / "step-00000001.safetensors", (1, 1))
    assert ProgressFile(tmp_path, manifest).lookup(progress.stamp(item, error_models)) is None


def test_the_progress_file_keeps_every_bit_of_a_result(altered):
    manifest = read_manifest(altered)
    chunk = manifest.facts["chunk"]
    for item in plan(manifest):
        result = work_items.audit_work_item(
            altered, chunk, item, {"float32": run.ErrorModel(run.Format.BINARY32)}
        )
        assert from_json(to_json(result)) == result


def results(folder, report, judge):
    progress = ProgressFile(report, read_manifest(folder))
    try:
        return run.audit(read_manifest(folder), judge, progress).result
    finally:
        progress.remove()


@pytest.mark.usefixtures("small_work_items")
def test_any_number_of_processes_finds_the_same_to_the_bit_even_if_one_dies(altered, tmp_path):
    distributed = pytest.importorskip("distributed")
    chunk = read_manifest(altered).facts["chunk"]
    with executor(altered, chunk, size=0, workers=1) as judge:
        alone = results(altered, tmp_path, judge)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs="CRITICAL"
        ) as cluster,
        executor(altered, chunk, size=0, scheduler=cluster.scheduler_address) as judge,
    ):
        assert results(altered, tmp_path, judge) == alone

        def dying(items, error_models):
            """Judge, and kill a worker after the first work item."""
            for count, found in enumerate(judge(items, error_models)):
                if count == 0:
                    victim = next(iter(cluster.workers.values()))
                    os.kill(victim.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
                yield found

        assert results(altered, tmp_path, dying) == alone


def test_a_scheduler_that_does_not_answer_is_reported(whole, tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(CommandError, match="does not answer"):
        audited(whole, tmp_path, "--scheduler", "no-scheme-at-all://")


def test_without_dask_a_recording_is_judged_in_this_process(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "find_spec", lambda _: None)
    assert audited(whole, tmp_path)[0] == ExitCode.CONFORMS
    with pytest.raises(CommandError, match="pip install"):
        audited(whole, tmp_path, "--workers", "2")
