"""The history of a subject over versions, and its page."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli import history as command
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.history.model import (
    condense,
    find_disagreements,
    from_json,
    gather,
    in_words,
    to_json,
)
from adamax_conformance.reports.history.page import PAGE, RECORD, bits_in_words, page
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.record import FILE_NAME, Record, write_record
from adamax_conformance.tests.meta.reports.samples import header, verdict
from click.testing import CliRunner

RECORDED = [from_json(each) for each in json.loads(RECORD.read_text("utf-8"))]
CONTRACT = "contract/lr/string"


def record_of(version, *verdicts, day=1):
    """The record of one version of torch."""
    subjects = ({"name": "torch", "framework": "torch", "version": version, "runtime": "Python 3.11"},)
    return Record.of(header(subjects=subjects, created=f"2026-01-{day:02}T00:00:00+00:00"), verdicts)


def golden(**digests):
    """A verdict on golden trajectories with digests by name."""
    bits = {f"golden/zeros/{name}": digest for name, digest in digests.items()}
    return verdict(check="golden/zeros", measured={"cases": len(bits), "bits": bits})


def of(*statuses):
    """The history of one check, in the versions 0.1, 0.2 and so on."""
    records = [
        record_of(f"0.{n}", *([] if status is None else [verdict(status, CONTRACT)]), verdict(check="rule/x"))
        for n, status in enumerate(statuses, start=1)
    ]
    (history,) = gather(records)
    return history


DIVERGES, CONFORMS = Status.DIVERGES, Status.CONFORMS


@pytest.mark.parametrize(
    ("statuses", "states", "words"),
    [
        ((DIVERGES, Status.KNOWN), "do", "in every version"),
        ((CONFORMS, DIVERGES, DIVERGES), "cdd", "since 0.2"),
        ((DIVERGES, DIVERGES, CONFORMS), "ddc", "at the first, 0.1, gone in 0.3"),
        ((CONFORMS, DIVERGES, Status.UNSPECIFIED, DIVERGES), "cdcd", "since 0.2, gone in 0.3, since 0.4"),
        ((Status.BROKEN, DIVERGES, CONFORMS), "bdc", "no answer from 0.1 on, since 0.2, gone in 0.3"),
        ((DIVERGES, Status.SKIPPED, DIVERGES), "d.d", "at the first, 0.1, not judged in 0.2"),
        ((None, CONFORMS, DIVERGES), ".cd", "since 0.3, not judged in 0.1"),
    ],
)
def test_a_history_says_since_when_a_check_diverges_and_when_that_went(statuses, states, words):
    history = of(*statuses)
    (course,) = history.courses
    assert (course.check, course.dtype, course.states) == (CONTRACT, "float32", states)
    assert course.reason
    assert in_words(history, states) == words


def test_a_check_that_never_diverges_is_in_no_history():
    assert of(CONFORMS, Status.SKIPPED, Status.UNSPECIFIED).courses == ()


def test_versions_are_in_their_own_order_and_the_last_run_of_one_counts():
    (history,) = gather(
        [
            record_of("0.10.0", verdict(DIVERGES, CONTRACT), day=1),
            record_of("0.9.1", verdict(DIVERGES, CONTRACT), day=3),
            record_of("0.9.1", verdict(CONFORMS, CONTRACT), day=2),
            record_of("main", verdict(CONFORMS, CONTRACT), day=4),
        ]
    )
    assert [each.version for each in history.versions] == ["main", "0.9.1", "0.10.0"]
    assert history.versions[1].created.startswith("2026-01-03")
    assert [course.states for course in history.courses] == ["cdd"]


def test_a_stale_entry_of_the_ledger_is_no_divergence_of_the_subject():
    (history,) = gather([record_of("0.1", verdict(DIVERGES, "ledger/torch-lr-string"))])
    assert history.courses == ()


def test_the_bits_of_golden_trajectories_are_compared_where_both_versions_have_them():
    (history,) = gather(
        [
            record_of("0.1", golden(one="aa", two="bb")),
            record_of("0.2", golden(one="aa", two="cc", three="dd")),
            record_of("0.3", verdict(Status.BROKEN, "golden/zeros")),
            record_of("0.4", golden(one="aa", two="cc")),
            record_of("0.5", golden(four="aa")),
        ]
    )
    found = [(b.before, b.version, b.compared, b.changed) for b in history.bits]
    assert found == [
        ("0.1", "0.2", 2, ("golden/zeros/two",)),
        ("0.2", "0.4", 2, ()),
        ("0.4", "0.5", 0, ()),
    ]
    changed, same, none = map(bits_in_words, history.bits)
    assert "from 0.1 to 0.2: other bits in 1 of 2 golden trajectories (golden/zeros/two)" in changed
    assert "from 0.2 to 0.4: the same bits in 2 golden trajectories" in same
    assert "from 0.4 to 0.5: no trajectory that both have" in none


def test_a_history_is_read_back_from_its_json():
    history = of(DIVERGES, CONFORMS, DIVERGES)
    assert from_json(json.loads(json.dumps(to_json(history)))) == history


def test_what_the_ledger_says_of_versions_is_compared_with_what_was_measured(tmp_path):
    file = tmp_path / "ledger.toml"
    start = f'[[divergence]]\nid = "mine"\nsubject = "torch"\ncheck = "{CONTRACT}"\nreason = "so"\n'
    history = of(CONFORMS, DIVERGES, DIVERGES)
    for versions, wrong in (
        (">=0.2", []),
        (">=0.3", [f"no entry lists what diverges in 0.2: {CONTRACT} (float32)"]),
        (">=0.1", [f"the entry mine lists what does not diverge in 0.1: {CONTRACT} (float32)"]),
    ):
        file.write_text(f'{start}versions = "{versions}"\n')
        assert find_disagreements(history, ledger.load(file)) == wrong


def test_the_page_says_of_each_subject_when_what_happened():
    shown = page([of(DIVERGES, DIVERGES), gather([record_of("0.1", golden(one="aa"))])[0]])
    assert r"| `torch` | 0\.1, 0\.2 | 1 | 1 | none |" in shown
    assert f"| in every version | `{CONTRACT}` (float32) | theta is 3 ulp from" in shown
    assert "No check diverges in any version." in shown


def test_versions_with_the_same_bits_are_one_line():
    (history,) = gather(record_of(f"0.{n}", golden(one=digest)) for n, digest in enumerate("aaabb", start=1))
    assert [(b.before, b.version, len(b.changed)) for b in condense(history.bits)] == [
        ("0.1", "0.3", 0),
        ("0.3", "0.4", 1),
        ("0.4", "0.5", 0),
    ]


def test_what_a_framework_documents_otherwise_needs_no_entry_of_the_ledger():
    source = {"own documentation": "https://example.org"}
    documented = verdict(Status.KNOWN, CONTRACT, measured=source)
    listed = verdict(Status.KNOWN, "contract/lr/none", measured={**source, "ledger": "mine"})
    (history,) = gather([record_of("0.1", documented, listed), record_of("0.2", verdict(CONFORMS, CONTRACT))])
    assert [course.states for course in history.courses] == ["oc", "d."]
    history = replace(history, courses=history.courses[:1])
    assert in_words(history, "oc") == "at the first, 0.1, gone in 0.2"
    assert in_words(history, "od") == "in every version"
    assert find_disagreements(history, ledger.Ledger(Path("none"))) == []


# What was recorded --------------------------------------------------------------------------------------------------


def test_the_page_is_made_from_the_record():
    assert PAGE.read_text("utf-8") == page(RECORDED)
    assert len([each for each in RECORDED if len(each.versions) >= 4]) >= 5


@pytest.mark.parametrize("history", RECORDED, ids=lambda each: each.subject)
def test_the_versions_of_the_shipped_ledger_are_what_was_measured(history):
    assert find_disagreements(history, ledger.load()) == []


# The command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path):
    """Two records in a folder each."""
    for version, status, digest in (("2.4.0", CONFORMS, "aa"), ("2.5.0", DIVERGES, "bb")):
        folder = tmp_path / version
        folder.mkdir()
        record = record_of(version, verdict(status, CONTRACT), golden(one=digest))
        write_record(folder / FILE_NAME, record.header, record.verdicts)
    return tmp_path


def run(*words):
    return CliRunner().invoke(command.history, [str(word) for word in words], standalone_mode=False)


def test_the_command_merges_records(records):
    ran = run(records / "2.5.0", records / "2.4.0")
    assert ran.exception is None
    assert ran.return_value == ExitCode.CONFORMS
    assert "torch on cpu, versions 2.4.0, 2.5.0" in ran.stdout
    assert "since 2.5.0" in ran.stdout
    assert "from 2.4.0 to 2.5.0: other bits in 1 of 1 golden trajectories" in ran.stdout
    assert (
        "the ledger disagrees: the entry torch-lr-string lists what does not diverge in 2.4.0" in ran.stdout
    )
    (answer,) = json.loads(run(records, "--json").stdout)
    assert from_json(answer).courses[0].states == "cd"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing-here"], "cannot be read"),
        (["bad"], "not a line of JSON"),
        (["good", "--with", "jax"], "are for checks of --versions"),
        (["numpy", "--versions", "2.0"], "for one subject that pip installs: one of torch,"),
        (["torch", "mlx", "--versions", "2.0"], "for one subject"),
        (["torch", "--versions", " , "], "names no version"),
    ],
)
def test_wrong_input_is_one_line(records, words, message, monkeypatch):
    monkeypatch.chdir(records)
    Path("bad").write_text("never\n")
    ran = run(*words)
    assert isinstance(ran.exception, CommandError)
    assert ran.exception.exit_code == ExitCode.USAGE
    assert message in ran.exception.message
    assert "\n" not in ran.exception.message


def test_a_version_is_checked_once_in_an_environment_of_its_own(tmp_path, monkeypatch):
    made = []

    def install(_folder, framework, version, others):
        made.append((framework.name, version, others))
        return Path(sys.executable)

    def check(_subject, python, folder, options):
        assert python == Path(sys.executable)
        assert options == ["--dtype=float32"]
        record = record_of(made[-1][1], verdict(DIVERGES, CONTRACT))
        folder.mkdir()
        write_record(folder / FILE_NAME, record.header, record.verdicts)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "install", install)
    monkeypatch.setattr(command, "record", check)
    words = ("torch", "--versions", "2.4,2.5", "--with", "numpy<2", "--dtype", "float32")
    for _ in range(2):
        ran = run(*words)
        assert ran.return_value == ExitCode.CONFORMS
        assert "versions 2.4, 2.5" in ran.stdout
    assert made == [("torch", "2.4", ("numpy<2",)), ("torch", "2.5", ("numpy<2",))]


def test_a_version_that_pip_does_not_find_is_named_and_the_others_are_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "history-records" / "optax-0.2.5"
    folder.mkdir(parents=True)
    record = record_of("0.2.5", verdict(DIVERGES, CONTRACT))
    write_record(folder / FILE_NAME, record.header, record.verdicts)
    ran = run("optax", "--versions", "0.2.5 0.2.999")
    assert ran.return_value == ExitCode.NOTHING_JUDGED
    assert "versions 0.2.5" in ran.stdout
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("not recorded")]
    assert "0.2.999: pip cannot install optax==0.2.999: ERROR: No matching distribution" in line


def test_the_record_of_a_check_has_the_bits_of_golden_trajectories(tmp_path):
    options = ["--dtype=float32", "--check=golden/decay"]
    file = command.record("numpy", Path(sys.executable), tmp_path / "report", options)
    again = command.record("numpy", Path(sys.executable), tmp_path / "again", options)
    files = [file, again]
    one, other = command.merge(files)
    found = [next(v for v in each.verdicts if v.check == "golden/decay").measured for each in (one, other)]
    assert len(found[0]["bits"]) == found[0]["cases"] > 5
    assert len(set(found[0]["bits"].values())) == found[0]["cases"]
    assert found[0]["bits"] == found[1]["bits"]


def test_a_check_that_makes_no_record_says_why_in_one_line(tmp_path):
    with pytest.raises(command.RecordingError, match=r"it cannot be checked: .*unknown") as caught:
        command.record("nobody", Path(sys.executable), tmp_path / "report", [])
    assert "\n" not in str(caught.value)
