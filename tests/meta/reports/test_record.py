"""The record loses nothing, and a damaged file is never read as one."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress

import numpy as np
import pytest
from adamax_conformance.oracles.verdict import Quantity, Status, Verdict
from adamax_conformance.reports.record import record, verdict_json
from adamax_conformance.reports.record.record import (
    Record,
    RecordError,
    RecordWriter,
    read_record,
    read_records,
)
from adamax_conformance.tests.meta.reports.samples import HOSTILE, divergence, header, one_of_each, verdict
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

NAMES = st.text(min_size=1, max_size=20)
NUMBERS = st.none() | st.floats(allow_nan=False)
DIVERGENCES = st.builds(
    divergence,
    quantity=st.sampled_from(Quantity),
    reason=NAMES,
    expected=NAMES,
    error_ulp=NUMBERS,
    error_over_bound=NUMBERS,
    element=st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple),
    step=st.none() | st.integers(1, 9),
    extra=st.dictionaries(NAMES, st.integers() | NAMES | st.lists(st.booleans())),
)
VERDICTS = st.builds(
    Verdict,
    check=NAMES,
    status=st.sampled_from(Status),
    subject=NAMES,
    dtype=NAMES,
    device=NAMES,
    reason=NAMES,
    divergence=st.none() | DIVERGENCES,
    reproduce=NAMES,
    since=NAMES,
    duration=st.integers(0, 100).map(float),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "verdicts.jsonl"


@pytest.fixture
def lines(path):
    record.write_record(path, header(), one_of_each())
    return path.read_bytes().splitlines(keepends=True)


def refused(path, content, **options):
    path.write_bytes(b"".join(content))
    with pytest.raises(RecordError) as caught:
        read_records(path, **options)
    return caught.value


@given(st.lists(VERDICTS, max_size=4))
def test_what_is_written_is_what_is_read(tmp_path_factory, verdicts):
    path = tmp_path_factory.mktemp("record") / "verdicts.jsonl"
    record.write_record(path, header(), verdicts)
    assert read_record(path) == Record.of(header(), verdicts)
    assert list(read_record(path).verdicts) == verdicts


@given(VERDICTS)
def test_every_line_is_valid_by_the_schema_as_a_whole(drawn):
    for line in (record._header_line(header()), record.verdict_line(drawn)):
        Draft202012Validator(record.schema()).validate(json.loads(line))


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(record.schema())


def test_the_schema_names_the_statuses_and_quantities_that_there_are():
    properties = record.schema()["$defs"]["verdict"]["properties"]
    assert properties["status"]["enum"] == [status.value for status in Status]
    assert properties["quantity"]["enum"] == [quantity.value for quantity in Quantity]


def test_a_divergence_lies_flat_beside_the_verdict():
    line = verdict_json.to_json(verdict(Status.DIVERGES))
    names = {
        "check",
        "status",
        "subject",
        "dtype",
        "device",
        "case",
        "step",
        "parameter",
        "element",
        "quantity",
    }
    names |= {"expected", "actual", "expected_hex", "actual_hex", "error_ulp", "error_over_bound", "reason"}
    assert names | {"reproduce"} <= line.keys()


def test_a_verdict_without_a_reason_takes_its_divergence_s():
    assert verdict_json.to_json(verdict(Status.DIVERGES, reason=""))["reason"] == divergence().reason


def test_infinite_and_nan_errors_come_back_as_such():
    infinite = verdict_json.from_json(
        verdict_json.to_json(
            verdict(Status.DIVERGES, divergence=divergence(error_ulp=math.inf, error_over_bound=math.nan))
        )
    )
    assert infinite.divergence.error_ulp == math.inf
    assert math.isnan(infinite.divergence.error_over_bound)


def test_numbers_of_numpy_are_written_as_python_s():
    measured = {"a": np.float32(0.5), "b": np.arange(3), "c": (np.int64(1), math.nan), "d": Status.KNOWN}
    assert verdict_json.plain(measured) == {"a": 0.5, "b": [0, 1, 2], "c": [1, "nan"], "d": "known"}


def test_a_value_that_json_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="object"):
        verdict_json.plain({"a": object()})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_as_it_was(path, text):
    hostile = verdict(Status.DIVERGES, check=text, subject=text, reason=text)
    record.write_record(path, header(platform={text: text}), [hostile])
    back = read_record(path)
    assert back.verdicts == (hostile,)
    assert back.header.platform == {text: text}


def test_the_incremental_writer_writes_the_same_file(path, lines):
    with RecordWriter(path, header()) as writer:
        for one in one_of_each():
            writer.append(one)
    assert path.read_bytes() == b"".join(lines)


def test_a_run_that_ended_with_an_exception_is_noticed(path):
    with suppress(ZeroDivisionError), RecordWriter(path, header()) as writer:
        writer.append(verdict())
        raise ZeroDivisionError
    assert not read_record(path).complete


def test_a_run_whose_process_dies_leaves_its_verdicts_next_to_where_the_record_belongs(path):
    path.unlink(missing_ok=True)
    writer = RecordWriter(path, header())
    writer.append(verdict())
    assert not path.exists()
    left = read_record(path.with_name("verdicts.jsonl.partial"), cut_off=True)
    assert (left.complete, len(left.verdicts)) == (False, 1)
    writer.close()
    assert [item.name for item in path.parent.iterdir()] == ["verdicts.jsonl"]


def test_the_record_holds_what_came_whatever_happened_to_the_partial_file(path):
    with RecordWriter(path, header()) as writer:
        writer.append(verdict(Status.DIVERGES))
        path.with_name("verdicts.jsonl.partial").write_text("forged")
        writer.append(verdict())
    assert [one.status for one in read_record(path).verdicts] == [Status.DIVERGES, Status.CONFORMS]


@pytest.mark.parametrize("keep", range(1, 7))
def test_a_file_cut_off_between_lines_is_refused(path, lines, keep):
    assert "cut off" in str(refused(path, lines[:keep]))


@pytest.mark.parametrize("keep", [1, 20])
def test_a_file_cut_off_in_a_line_is_refused_and_the_line_named(path, lines, keep):
    error = refused(path, [*lines[:3], lines[3][:keep]])
    assert "cut off" in str(error)
    assert error.line == 4


def test_every_shorter_file_is_refused(path, lines):
    content = b"".join(lines)
    for size in range(0, len(content) - 1, 97):
        refused(path, [content[:size]])


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes_when_asked_for(path, lines):
    path.write_bytes(b"".join(lines[:3]) + lines[3][:10])
    read = read_record(path, cut_off=True)
    assert not read.complete
    assert read.verdicts == one_of_each()[:2]


def test_a_run_that_was_cut_off_stays_marked_when_it_is_written_again(path, lines):
    path.write_bytes(b"".join(lines[:3]))
    record.write_records(path, [read_record(path, cut_off=True), Record.of(header(), [verdict()])])
    assert [run.complete for run in read_records(path)] == [False, True]


def test_several_runs_stand_in_one_file(path, lines):
    path.write_bytes(b"".join(lines + lines))
    assert len(read_records(path)) == 2
    with pytest.raises(RecordError, match="2 runs"):
        read_record(path)


def test_a_folder_stands_for_the_record_in_it(path, lines):
    assert lines
    assert read_record(path.parent) == read_record(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: [], "line 1: the file is empty"),
        (lambda lines: lines[1:], "line 1: a line of the kind 'verdict' does not belong here; want a header"),
        (lambda lines: [*lines[:2], lines[0], *lines[2:]], "line 3: .* the run before it has no footer"),
        (lambda lines: [lines[0], b"\n", *lines[1:]], "line 2: not a line of JSON"),
        (lambda lines: [lines[0], b"\xff\n", *lines[1:]], "line 2: not a line of JSON"),
        (lambda _: [b"%PDF-1.7\n"], "line 1: not a line of JSON"),
        (lambda _: [b'{"kind": ["verdict"]}\n'], "line 1: not a line of a record"),
        (lambda _: [b"[" * 100_000 + b"\n"], "line 1: not a line of JSON"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 7: the footer counts 6 verdicts"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 8: the footer's digest"),
        (
            lambda lines: [lines[0].replace(b'"seed":1', b'"seed":2'), *lines[1:]],
            "line 8: the footer's digest",
        ),
        (
            lambda lines: [lines[0].replace(b'"schema":1', b'"schema":2'), *lines[1:]],
            "line 1: .* newer .* upgrade",
        ),
        (lambda lines: [lines[0].replace(b'"seed":1', b'"seed":"x"')], "line 1: seed: 'x' is not of type"),
        (
            lambda lines: [lines[0], lines[1].replace(b"conforms", b"passes")],
            "line 2: status: 'passes' is not one of",
        ),
        (
            lambda lines: [lines[0], lines[1].replace(b'"duration":0.0', b'"duration":NaN')],
            r"line 2: .*\(NaN is not JSON",
        ),
    ],
)
def test_a_file_that_is_not_a_whole_record_is_refused(path, lines, change, message):
    error = refused(path, change(lines))
    assert error.path == path
    assert re.search(message, str(error)), error


def test_a_file_of_more_groups_of_checks_than_a_table_has_columns_is_refused(path):
    record.write_record(path, header(), [verdict(check=f"group-{n}/x") for n in range(65)])
    with pytest.raises(RecordError, match="line 66: the file has over 64 groups of checks"):
        read_record(path)


def test_a_file_of_a_foreign_kind_is_refused_though_cut_off_ones_are_read(path):
    refused(path, [b'{"kind": "something else"}\n'], cut_off=True)
    refused(path, [b"no record"], cut_off=True)


def test_a_folder_that_cannot_be_written_keeps_its_old_file(path, lines, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        record.write_record(path, header(), [])
    assert path.read_bytes() == b"".join(lines)
    assert [item.name for item in path.parent.iterdir()] == ["verdicts.jsonl"]
