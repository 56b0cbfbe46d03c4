"""Files from elsewhere that are beyond a limit are refused in one line.

That happens before they cost time, memory or a traceback.
"""

from __future__ import annotations

import os
import time

import pytest
from adamax_conformance.reports import arithmetic_file, untrusted
from adamax_conformance.reports.audit.manifest import NotARecordingError, read_manifest
from adamax_conformance.reports.audit.progress import FILE_NAME, ProgressFile
from adamax_conformance.reports.audit.tallies import AuditResult
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.record.record import RecordError, read_records

_DIGITS = "9" * 5_000
_ENTRY = '[[divergence]]\nid = "x"\nsubject = "numpy"\ncheck = "c"\nreason = "r"\n'
TOML = {
    "digits": f"add = {_DIGITS}",
    "hexadecimal digits": "add = 0x" + "f" * 9_900,
    "depth": "add = " + "[" * 1_900 + "]" * 1_900,
    "a dotted key": ".".join("a" * 1_000) + " = 1",
    "a dotted key in a table": "x = {" + ".".join("a" * 1_000) + " = 1}",
    "a long line": "name = '" + "a" * 1_000_000 + "'",
    "a name that is too long": f'{_ENTRY}script = "{"a" * 9_000}"',
    "a null character": f'{_ENTRY}script = "a\\u0000"',
    "a version": f'{_ENTRY}versions = "=={_DIGITS}"',
    "many keys": "\n".join(f"k{i} = 1" for i in range(2_000)),
    "no text": "\x00\x01",
}


def _refused(call, error):
    began = time.process_time()
    with pytest.raises(error) as caught:
        call()
    words = str(caught.value)
    assert "\n" not in words
    assert len(words) <= untrusted.LONGEST_MESSAGE
    assert time.process_time() - began < 5
    return words


@pytest.mark.parametrize("name", TOML)
def test_a_damaged_ledger_or_arithmetic_is_one_line(tmp_path, name):
    path = tmp_path / "file.toml"
    path.write_text(TOML[name])
    _refused(lambda: ledger.load(path), ledger.LedgerError)
    _refused(lambda: arithmetic_file.load(path), arithmetic_file.DeclarationError)


@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "-inf", "true", _DIGITS[:250]])
def test_an_arithmetic_under_which_everything_conforms_is_refused(tmp_path, value):
    path = tmp_path / "file.toml"
    path.write_text(f'name = "x"\ndivide = {value}\n')
    _refused(lambda: arithmetic_file.load(path), arithmetic_file.DeclarationError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    for name in ("verdicts.jsonl", "recording.jsonl"):
        os.mkfifo(tmp_path / name)
    path = tmp_path / "verdicts.jsonl"
    said = [
        _refused(lambda: ledger.load(path), ledger.LedgerError),
        _refused(lambda: arithmetic_file.load(path), arithmetic_file.DeclarationError),
        _refused(lambda: read_records(path), RecordError),
        _refused(lambda: read_manifest(tmp_path), NotARecordingError),
    ]
    assert all("is not a regular file" in words for words in said)


def test_a_file_beyond_its_limit_is_refused(tmp_path):
    with (tmp_path / "verdicts.jsonl").open("wb") as file:
        file.truncate(untrusted.LARGEST_RECORD + 1)
    words = _refused(
        lambda: untrusted.read_file(tmp_path / "verdicts.jsonl", 1_000), untrusted.UntrustedError
    )
    assert "larger than 1,000 bytes" in words


@pytest.mark.parametrize(
    "line",
    [
        b"9" * 5_000,
        b"[" * 100_000,
        b"[" * 200 + b"]" * 200,
        b'{"a": 1e400}',
        b"NaN",
        b"\xff",
        b"[" + b"9" * 301 + b"]",
    ],
)
def test_a_line_that_is_out_of_range_is_not_json(line):
    _refused(lambda: untrusted.parse_json(line), untrusted.UntrustedError)


def test_a_float_is_not_an_integer():
    checker = untrusted.validator({"type": "integer"})
    assert untrusted.find_mismatch(checker, 2.0)
    assert not untrusted.find_mismatch(checker, 2)


def test_an_audit_writes_no_progress_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept\n")
    (tmp_path / FILE_NAME).symlink_to(elsewhere)
    progress = ProgressFile(tmp_path, None)
    with pytest.raises(OSError, match="symbolic"):
        progress.add("stamp", AuditResult())
    assert elsewhere.read_text() == "kept\n"


def test_odd_lines_of_a_progress_file_are_judged_again(tmp_path):
    progress = ProgressFile(tmp_path, None)
    progress.add("right", AuditResult())
    progress.close()
    path = tmp_path / FILE_NAME
    right = path.read_text()
    odd = [
        "null", "[]", '{"stamp": 1}', right.strip().replace('"right"', "[1]"), "9" * 5_000,
        right.strip().replace('"tallies": []', '"tallies": [["float32", "theta", [1.5, 0, 0, 0, [], null, [], []]]]'),
        right.strip().replace('"tallies": []', '"tallies": [["float32", "theta", [-1, 0, 0, 0, [], null, [], []]]]'),
        right.strip().replace('"non_finite": []', '"non_finite": [["float32", 1, [1, 2], 0, null]]'),
        right.strip().replace('"damages": []', '"damages": [[1, 2]]'),
    ]  # fmt: skip
    path.write_text("".join(f"{line}\n" for line in odd) + right)
    again = ProgressFile(tmp_path, None)
    assert again.lookup("right") == AuditResult()
