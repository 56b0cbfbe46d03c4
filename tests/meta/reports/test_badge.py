"""A badge says of a subject what its record says, and is green over nothing else."""

from __future__ import annotations

import json

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli.badge import badge_of
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.record import Record, write_records
from adamax_conformance.tests.meta.reports.samples import header, verdict
from click.testing import CliRunner

THETA = "value/lockstep/theta"


def of(status, check=THETA, subject="torch[foreach]"):
    return verdict(status, check=check, subject=subject)


@pytest.mark.parametrize(
    ("verdicts", "complete", "message", "color"),
    [
        ([of(Status.CONFORMS)], True, "conforms (1 check)", "brightgreen"),
        (
            [of(Status.CONFORMS), of(Status.KNOWN, "a/b")],
            True,
            "conforms (2 checks, 1 known divergence)",
            "green",
        ),
        ([of(Status.CONFORMS), of(Status.DIVERGES, "a/b")], True, "1 of 2 checks diverges", "red"),
        ([of(Status.CONFORMS), of(Status.BROKEN, "a/b")], False, "1 of 2 checks diverges", "red"),
        ([of(Status.CONFORMS)], False, "incomplete run", "lightgrey"),
        ([of(Status.CONFORMS, "rule/documented")], True, "no values judged (1 check)", "lightgrey"),
        ([of(Status.SKIPPED), of(Status.UNSPECIFIED)], True, "no values judged (0 checks)", "lightgrey"),
        ([of(Status.CONFORMS, "value/lockstep/m")], True, "no values judged (1 check)", "lightgrey"),
    ],
)
def test_a_badge_is_green_only_where_values_were_judged_and_nothing_is_wrong(
    verdicts, complete, message, color
):
    badge = badge_of(verdicts, complete=complete)
    assert badge == {"schemaVersion": 1, "label": "Adamax", "message": message, "color": color}


def test_each_subject_has_a_file_whatever_its_name(tmp_path):
    names = ("torch[foreach]", "torch(foreach)", "process:../x", "..")
    write_records(
        tmp_path / "verdicts.jsonl", [Record.of(header(), [of(Status.CONFORMS, subject=n) for n in names])]
    )
    done = CliRunner().invoke(cli, ["badge", str(tmp_path), "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    files = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == ["process-x.json", "subject.json", "torch-foreach-1.json", "torch-foreach.json"]
    assert {badge["color"] for badge in files.values()} == {"brightgreen"}


def test_a_record_that_cannot_be_read_is_wrong_use(tmp_path):
    done = CliRunner().invoke(cli, ["badge", str(tmp_path / "nothing")], standalone_mode=False)
    assert done.exception.exit_code == 2
    assert "cannot be read" in str(done.exception)


def test_a_record_without_verdicts_has_no_badge(tmp_path):
    write_records(tmp_path / "verdicts.jsonl", [Record.of(header(), [])])
    arguments = ["badge", str(tmp_path), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception.exit_code == 3
    assert not (tmp_path / "out").exists()
