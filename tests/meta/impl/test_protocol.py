"""The codec of the pipe: messages come back as they were, other lines not."""

from __future__ import annotations

import contextlib
import io
import json
import math
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from adamax_conformance.impl.host.server import serve
from adamax_conformance.impl.protocol import codec, errors, messages
from adamax_conformance.impl.protocol.messages import Encoding
from adamax_conformance.impl.protocol.validation import ProtocolError
from adamax_conformance.impl.protocol.values import (
    decode_array,
    decode_float,
    decode_value,
    encode_array,
    encode_float,
    encode_value,
)
from adamax_conformance.reference.case import Layout
from adamax_conformance.reference.contract import CLAUSES, Params
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

floats = st.floats(width=64)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
arrays = hnp.arrays(np.float64, shapes, elements=st.floats(width=64, allow_subnormal=True))
encodings = st.sampled_from(Encoding)


def same(left, right):  # noqa: PLR0911 - one way for each type
    """Compare the types and bits of two values, and of their parts."""
    if type(left) is not type(right):
        return False
    match left:
        case np.ndarray():
            return left.shape == right.shape and left.tobytes() == right.tobytes()
        case float():
            return left.hex() == right.hex()
        case dict():
            return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
        case tuple() | list():
            return len(left) == len(right) and all(map(same, left, right))
    if is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    return left == right


@given(floats)
def test_a_number_survives_bit_for_bit(x):
    assert decode_float(encode_float(x), "x").hex() == x.hex()


@given(arrays, encodings)
def test_an_array_survives_bit_for_bit_but_for_the_payload_of_nan(array, encoding):
    array = np.where(np.isnan(array), np.nan, array)
    assert same(decode_array(json.loads(json.dumps(encode_array(array, encoding))), "a"), array)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | floats | st.text() | st.complex_numbers(allow_nan=False),
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple),
        max_leaves=5,
    )
)
def test_an_argument_survives_with_its_type(value):
    assert same(decode_value(json.loads(json.dumps(encode_value(value))), "v"), value)


@pytest.mark.parametrize(
    "clause", [c for c in CLAUSES if not isinstance(c.value, Params)], ids=lambda clause: clause.id
)
def test_every_value_of_the_contract_can_cross(clause):
    value = clause.value.astype(np.float64) if isinstance(clause.value, np.ndarray) else clause.value
    assert same(decode_value(json.loads(json.dumps(encode_value(value))), "v"), value)


def test_a_value_that_cannot_cross_is_named():
    with pytest.raises(TypeError, match="a set cannot cross the pipe"):
        encode_value({1})


@pytest.mark.parametrize(
    "text",
    ["1.5", "0.1", "1e3", "15", "0x", "0x1.8p", " 0x1p0", "0x1p0 ", "infinity!", "", "Ox1p0"],
)
def test_a_number_that_is_not_hexadecimal_is_refused(text):
    with pytest.raises(ProtocolError, match="want a number such as"):
        decode_float(text, "x")


@pytest.mark.parametrize("value", [1, 1.5, None, True, [], {}])
def test_a_number_that_is_not_a_string_is_refused(value):
    with pytest.raises(ProtocolError, match="want a number such as"):
        decode_float(value, "x")


def test_a_number_beyond_binary64_is_refused():
    with pytest.raises(ProtocolError, match="beyond binary64"):
        decode_float("0x1p5000", "x")


@pytest.mark.parametrize("text", ["0X1P0", "0x1p0", "1", "0x.8p1"])
def test_hexadecimal_numbers_have_the_prefix_and_a_digit_before_the_point(text):
    if text.lower() == "0x1p0":
        assert decode_float(text, "x") == 1.0
    else:
        with pytest.raises(ProtocolError):
            decode_float(text, "x")


@pytest.mark.parametrize(
    "value",
    [
        {"shape": [2], "data": ["0x1p0"]},
        {"shape": [], "data": []},
        {"shape": [0], "data": ["0x1p0"]},
        {"shape": [-1], "data": ["0x1p0"]},
        {"shape": [True], "data": ["0x1p0"]},
        {"shape": [1.0], "data": ["0x1p0"]},
        {"shape": [10**30], "data": ["0x1p0"]},
        {"shape": [1] * 100, "data": ["0x1p0"]},
        {"shape": 1, "data": ["0x1p0"]},
        {"shape": [1]},
        {"data": ["0x1p0"]},
        {"shape": [1], "data": "0x1p0"},
        {"shape": [1], "base64": "AAAA"},
        {"shape": [1], "base64": "not base64!!"},
        {"shape": [1], "base64": "é"},
        {"shape": [2], "base64": "AAAAAAAA8D8="},
        [],
        None,
    ],
)
def test_an_array_whose_parts_do_not_fit_is_refused(value):
    with pytest.raises(ProtocolError):
        decode_array(value, "a")


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        [],
        {},
        {"float": 1.5},
        {"float": "0x1p0", "list": []},
        {"complex": ["0x1p0"]},
        {"tuple": 1},
        {"numpy": {"dtype": "int8", "value": "0x1p0"}},
        {"numpy": {"dtype": "float32"}},
        {"object": 1},
    ],
)
def test_what_is_not_an_argument_is_refused(value):
    with pytest.raises(ProtocolError):
        decode_value(value, "v")


REQUESTS = [
    messages.Start("torch[foreach]", "cpu", ("/some/where",), encoding=Encoding.BASE64),
    messages.Construct(
        "float32",
        (
            messages.GroupSpec({"lr": 0.1, "betas": (0.9, 0.999)}, (np.ones((2, 0)), np.array(1.5))),
            messages.GroupSpec({"maximize": True}, None),
        ),
        {"lr": np.float32(0.5), "eps": None},
        (1, "a"),
        share=True,
        layout=Layout.REVERSED,
        schedule=messages.Schedule(
            "SequentialLR",
            {"milestones": [2]},
            (messages.Schedule("ConstantLR"), messages.Schedule("LambdaLR", {"lr_lambda": (1.0, 0.5)})),
        ),
    ),
    messages.Step(3, (np.array([math.inf, -0.0]),), (None, 0.1, np.array(1.0)), metric=0.5),
    messages.Step(3, ()),
    messages.Read(1),
    messages.Save(1),
    messages.Load(1, 2),
    messages.Release(1),
    messages.Stop(),
]


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_a_request_comes_through_as_it_was(request_, encoding):
    line = codec.encode_request(7, request_, encoding)
    assert line.count(b"\n") == 1
    assert same(codec.decode_request(codec.parse_line(line)), request_)


STATE = messages.State((np.array([1.0, math.nan]),), None, (np.zeros(2),))
ANSWERS = [
    (
        REQUESTS[0],
        messages.SubjectInfo(
            "torch",
            "torch",
            "2.13",
            ("float32",),
            has={"state": True, "save": None},
            keyword_only_maximize=True,
            defaults={"lr": 0.002, "betas": (0.9, 0.999)},
            arguments=("lr", "betas", "eps"),
            group_options=("lr",),
            layouts=(Layout.STRIDED,),
            schedulers=("StepLR",),
            encodings=(Encoding.BASE64,),
        ),
    ),
    (REQUESTS[1], messages.Constructed(4)),
    (REQUESTS[2], messages.StepResult(STATE, (np.ones(2),), (0.1,))),
    (REQUESTS[2], messages.StepResult(messages.State(STATE.theta), ())),
    (messages.Read(1), messages.Readout(STATE, ({"lr": np.array(0.5), "betas": (0.9, 0.999)}, {}))),
    (messages.Read(1), messages.Readout(STATE)),
    (messages.Save(1), messages.Saved(9)),
    (messages.Load(1, 9), messages.Done()),
    (messages.Release(1), messages.Done()),
    (messages.Stop(), messages.Done()),
]


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize(("request_", "answer"), ANSWERS, ids=lambda r: type(r).__name__)
def test_an_answer_comes_through_as_it_was(request_, answer, encoding):
    line = codec.encode_answer(7, answer, encoding)
    assert line.count(b"\n") == 1
    assert same(codec.decode_answer(request_, 7, line), answer)


@pytest.mark.parametrize(
    "failure",
    [
        errors.SkippedError("no state"),
        errors.RejectedError("MyError", ("MyError", "ValueError", "object"), "lr is -1"),
        errors.RejectedError("ValueError", ("ValueError",), "too late", changed=True),
        errors.UnavailableError("get it"),
        errors.UnsupportedDtypeError("no bfloat16"),
        errors.UnsupportedDeviceError("no npu"),
        errors.RequestRefusedError("handle 3 is unknown"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failure_comes_through_as_it_was(failure):
    with pytest.raises(type(failure)) as caught:
        codec.decode_answer(messages.Read(1), 7, codec.encode_error(7, failure))
    assert type(caught.value) is type(failure)
    assert vars(caught.value) == vars(failure)
    assert caught.value.args == failure.args


def test_a_rejection_is_of_its_classes_and_of_no_other():
    rejected = errors.RejectedError.from_exception(UnicodeError("no"))
    assert rejected.is_a("ValueError")
    assert not rejected.is_a("TypeError")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 10_000,
        b"null",
        b"[]",
        b"{}",
        b'{"id":7}',
        b'{"id":8,"ok":{}}',
        b'{"id":"7","ok":{}}',
        b'{"id":7.0,"ok":{}}',
        b'{"id":true,"ok":{}}',
        b'{"ok":{}}',
        b'{"id":7,"ok":[]}',
        b'{"id":7,"ok":{},"skipped":"no"}',
        b'{"id":7,"skipped":1}',
        b'{"id":7,"error":"no"}',
        b'{"id":7,"error":{"kind":"mood","message":"no"}}',
        b'{"id":7,"error":{"kind":"rejected","message":"no"}}',
        b'{"id":7,"error":{"kind":"unavailable"}}',
        b'{"id":7,"ok":{"state":{"theta":[]}}}',
        b'{"id":7,"ok":{"state":{"theta":null},"gradients":[]}}',
        b'{"id":7,"ok":{"state":{"theta":[1]},"gradients":[]}}',
        b'{"id":7,"ok":{"state":{"theta":[]},"gradients":[],"lr":[0.1]}}',
        b'{"id":7,"ok":{"state":{"theta":[],"m":3},"gradients":[]}}',
        b'{"id":7,"ok":{"state":{"theta":[],"u":{}},"gradients":[]}}',
    ],
    ids=lambda line: ascii(line[:40]),
)
def test_a_line_that_is_not_an_answer_is_refused(line):
    with pytest.raises(ProtocolError):
        codec.decode_answer(messages.Step(1, ()), 7, line)


@given(st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_but_malformed(line):
    with pytest.raises(ProtocolError):
        codec.decode_answer(messages.Step(1, ()), 7, line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data(), st.sampled_from(ANSWERS))
def test_an_answer_with_a_part_exchanged_is_taken_whole_or_refused(data, exchange):
    request, answer = exchange
    value = json.loads(codec.encode_answer(7, answer))
    *way, last = data.draw(st.sampled_from(list(walk(value))))
    holder = value
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(json_values)
    line = json.dumps(value).encode()
    with contextlib.suppress(ProtocolError, errors.SubjectError):
        codec.decode_answer(request, 7, line)


@given(st.data(), st.sampled_from(REQUESTS))
def test_a_request_with_a_part_exchanged_is_taken_whole_or_refused(data, request_):
    value = json.loads(codec.encode_request(7, request_))
    *way, last = data.draw(st.sampled_from(list(walk(value))))
    holder = value
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(json_values)
    with contextlib.suppress(ProtocolError):
        codec.decode_request(value)


def walk(value):
    """The keys to every part of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *way) for way in walk(inner))


LINES = [(request, codec.encode_answer(7, answer)[:-1]) for request, answer in ANSWERS]


@pytest.mark.parametrize(("request_", "line"), LINES, ids=lambda value: type(value).__name__)
def test_a_part_of_an_answer_is_not_taken_for_the_whole(request_, line):
    for end in range(len(line)):
        with pytest.raises(ProtocolError):
            codec.decode_answer(request_, 7, line[:end])


@pytest.mark.parametrize("byte", [b"\x00", b"\n", b"\xff", b"{", b'"', b"\\"])
@pytest.mark.parametrize(("request_", "line"), LINES, ids=lambda value: type(value).__name__)
def test_no_stray_byte_raises_anything_but_malformed(request_, line, byte):
    for index in range(len(line)):
        with contextlib.suppress(ProtocolError):
            codec.decode_answer(request_, 7, line[:index] + byte + line[index:])


def test_a_host_answers_every_line_that_is_not_a_request_with_one_line():
    requests = [codec.encode_request(7, request)[:-1] for request in REQUESTS]
    lines = [line[:end] for line in requests for end in range(len(line))]
    lines += [line.replace(b"0x", b"0y") for line in requests if b"0x" in line] + [b"\xff", b"null", b"{}"]
    answers = io.BytesIO()
    serve(io.BytesIO(b"\n".join(lines) + b"\n"), answers)
    answered = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert len(answered) == len(lines)
    assert {answer["error"]["kind"] for answer in answered} == {"protocol"}
    assert all("\n" not in answer["error"]["message"] for answer in answered)


def test_a_host_reports_a_subject_of_an_unknown_name():
    answers = io.BytesIO()
    serve(io.BytesIO(codec.encode_request(1, messages.Start("nonesuch"))), answers)
    with pytest.raises(errors.UnknownSubjectError, match="subject 'nonesuch' is unknown"):
        codec.decode_answer(messages.Start("nonesuch"), 1, answers.getvalue())


def test_a_message_is_made_safe_to_be_written():
    line = b'{"id":7,"skipped":"half a pair: \\ud800"}'
    with pytest.raises(errors.SkippedError) as caught:
        codec.decode_answer(messages.Read(1), 7, line)
    assert str(caught.value).encode("utf-8")


def test_an_argument_nested_without_end_is_refused():
    value = {"float": "0x1p0"}
    for _ in range(500):
        value = {"list": [value]}
    with pytest.raises(ProtocolError, match="nested too deeply"):
        decode_value(value, "v")


def test_a_schedule_nested_without_end_is_refused():
    schedule = messages.Schedule("StepLR")
    for _ in range(9):
        schedule = messages.Schedule("SequentialLR", parts=(schedule,))
    line = codec.encode_request(1, messages.Construct("float32", (), schedule=schedule))
    with pytest.raises(ProtocolError, match="nested too deeply"):
        codec.decode_request(codec.parse_line(line))


@pytest.mark.parametrize("offset", range(20))
def test_an_integer_of_too_many_digits_is_refused_wherever_it_stands(offset):
    for digits in (300, 301):
        line = b'{"ok":"%s","id":%s}' % (b"x" * offset, b"7" * digits)
        if digits == 300:
            assert codec.parse_line(line)["id"] == int("7" * digits)
        else:
            with pytest.raises(ProtocolError, match="301 digits; want at most 300"):
                codec.parse_line(line)


def test_a_flood_of_words_is_cut():
    line = codec.encode_error(7, errors.SkippedError("x" * 10**6))
    assert len(line) < 20_000
