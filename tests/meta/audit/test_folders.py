"""A folder of several recordings is audited as one report."""

from __future__ import annotations

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.record import read_records
from adamax_conformance.tests.meta.audit.runs import ours
from adamax_conformance.tests.meta.audit.test_overview import Stale
from adamax_conformance.tests.meta.audit.wrong import record_run


def judged(folder, report):
    """The exit code and the records of an audit."""
    code = cli.main(["audit", str(folder), "--report", str(report), "--quiet"], standalone_mode=False)
    return code, read_records(report / "verdicts.jsonl")


def test_the_recordings_of_a_folder_are_one_report(tmp_path):
    for name, steps in (("rank-0", 3), ("rank-1", 4)):
        ours(tmp_path / "run" / name, steps=steps)
    code, records = judged(tmp_path / "run", tmp_path / "report")
    assert code == 0
    assert [record.header.subjects[0]["recording"] for record in records] == ["rank-0", "rank-1"]
    assert not list((tmp_path / "report").glob("audit-progress*"))


def test_one_wrong_recording_among_right_ones_is_found(tmp_path, capsys):
    ours(tmp_path / "run" / "a")
    record_run(Stale, tmp_path / "run" / "b")
    code, records = judged(tmp_path / "run", tmp_path / "report")
    assert code == ExitCode.DIVERGES
    wrong = [[v.check for v in record.verdicts if v.status is Status.DIVERGES] for record in records]
    assert wrong == [[], ["audit/lockstep/theta"]]
    assert "1 diverges" in capsys.readouterr().out


def test_a_recording_of_nothing_among_right_ones_is_not_green(tmp_path):
    ours(tmp_path / "run" / "a")
    with pytest.warns(UserWarning, match="no step was seen"):
        ours(tmp_path / "run" / "b", steps=0)
    assert judged(tmp_path / "run", tmp_path / "report")[0] == ExitCode.NOTHING_JUDGED
