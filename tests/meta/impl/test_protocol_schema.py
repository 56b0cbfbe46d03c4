"""The pipe's schema: generated, and true of the lines that cross."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from adamax_conformance import impl
from adamax_conformance.impl.protocol import codec, schema
from adamax_conformance.impl.protocol.errors import RejectedError, SubjectError
from adamax_conformance.impl.protocol.messages import OPERATIONS, Schedule
from adamax_conformance.impl.protocol.validation import ProtocolError
from adamax_conformance.impl.subject import process
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.contract import CLAUSES, Params
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.life import (
    Construct,
    GradientSpec,
    GroupSpec,
    Life,
    Number,
    Options,
    ParameterSpec,
    Step,
)
from adamax_conformance.reference.values import Values

FOLDER = Path(impl.__file__).parent
SCHEMA = json.loads(schema.FILE.read_text(encoding="utf-8"))
PROGRAM = FOLDER / "programs" / "python" / "subject.py"
LIFE = Life(
    "life",
    "float32",
    (
        Construct(0, (GroupSpec((ParameterSpec(Values.of([0.5, 0.25])),), Options(Number(0.5))),)),
        Step(0, (GradientSpec(Values((2,), (0.5,))),)),
    ),
)
CASE = Case("run", (Group(Hyperparameters(), (Parameter(np.ones(2), np.ones((3, 2))),), (0.5, 0.25, 0.0)),))
STRANGE = (None, True, -1, 2**70, 0.5, "", "nan", "0x1.8p+1", "1.5", "x" * 300, [], [[]], {}, {"float": 1})


def fits(name, value):
    validator = jsonschema.Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]})
    return validator.is_valid(value)


@pytest.fixture(scope="module")
def traffic():
    """Pairs of lines that crossed the pipe to our own host and to a program."""
    lines = []
    ask = process.ChildProcess.ask

    def recorded(self, line, deadline, longest):
        answer = ask(self, line, deadline, longest)
        lines.append((json.loads(line), json.loads(answer)))
        return answer

    process.ChildProcess.ask = recorded
    try:
        for name in (f"process:'{sys.executable}' '{PROGRAM}'", "adamax_conformance.impl:Adamax"):
            with Subject.open(name) as subject:
                speak(subject)
    finally:
        process.ChildProcess.ask = ask
    return lines


def speak(subject):
    theta = [np.ones((2, 2)), np.array(0.5), np.zeros((0, 3))]
    first = subject.construct([({"lr": 0.5}, theta[:2]), ({"eps": 0.25}, theta[2:])], "float32")
    subject.step(first, theta, [0.25, None])
    subject.read(first)
    kept = subject.save(first)
    subject.load(first, kept)
    for clause in CLAUSES:
        if not isinstance(clause.value, Params):
            try:
                subject.construct([({}, theta)], "float64", defaults={clause.argument: clause.value})
            except RejectedError:
                continue
    if subject.info.has.get("lives"):
        subject.live(LIFE)
    subject.observe(CASE, "float32")
    for call in (
        lambda: subject.construct([({}, None)], "float64"),
        lambda: subject.construct([({}, theta)], "bfloat16"),
        lambda: subject.construct([({}, theta)], "float64", schedule=Schedule("NoSuch", {"gamma": 0.5})),
    ):
        try:
            call()
        except SubjectError:
            continue
    subject.release(first)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_is_what_the_messages_generate():
    written = schema.FILE.read_text(encoding="utf-8")
    assert written == schema.format_schema(), (
        "python -m adamax_conformance.impl.protocol.schema writes it again"
    )


def test_every_line_that_crosses_fits_the_schema(traffic):
    assert {request["op"] for request, _ in traffic} == set(OPERATIONS) - {"stop"}
    assert {next(iter(answer.keys() - {"id"})) for _, answer in traffic} == {"ok", "error", "skipped"}
    for request, answer in traffic:
        assert fits("request", request), request
        assert fits(f"answer-to-{request['op']}", answer), answer


def test_the_session_of_the_document_is_a_session():
    text = (FOLDER / "PROTOCOL.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.startswith(("    > ", "    < "))]
    assert len(lines) == 8
    for asked, answered in zip(lines[::2], lines[1::2], strict=True):
        request, answer = json.loads(asked[2:]), json.loads(answered[2:])
        assert fits("request", request), request
        assert fits(f"answer-to-{request['op']}", answer), answer
        codec.decode_answer(codec.decode_request(request), request["id"], answered[2:].encode())


def exchanged(value, draw):
    """A copy with another value somewhere."""
    if draw.random() < 0.2 or not value or not isinstance(value, dict | list):
        return draw.choice(STRANGE)
    result = dict(value) if isinstance(value, dict) else list(value)
    key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    result[key] = exchanged(value[key], draw)
    return result


def broken(line, draw):
    """A line with another part, or without one."""
    kind = draw.randrange(4)
    if kind == 0:
        return line[: draw.randrange(len(line))]
    if kind == 1:
        at = draw.randrange(len(line))
        return line[:at] + draw.choice([b'"', b"}", b"\\", b"\x00", b"\xff", b"9", b","]) + line[at + 1 :]
    return json.dumps(exchanged(json.loads(line), draw)).encode()


def decoded(line):
    """The object of a line that is a request, or None and the reason."""
    try:
        value = codec.parse_line(line)
        codec.decode_request(value)
    except ProtocolError as error:
        return None, str(error)
    return value, ""


def test_what_the_schema_refuses_of_a_request_is_refused_and_in_one_line(traffic):
    draw = random.Random(7)
    requests = [json.dumps(request).encode() for request, _ in traffic]
    refused = 0
    for _ in range(6_000):
        line = broken(draw.choice(requests), draw)
        value, why = decoded(line)
        refused += value is None
        assert "\n" not in why
        assert len(why) < 500
        # The host checks the id before.
        assert value is None or fits("request", {**value, "id": 0}), line
    assert refused > 2_000


def test_a_program_answers_each_of_many_malformed_lines_with_one_and_goes_on(traffic):
    draw = random.Random(8)
    requests = [json.dumps(request).encode() for request, _ in traffic]
    lines = [broken(draw.choice(requests), draw).replace(b"\n", b" ") for _ in range(2_500)]
    lines = [line for line in lines if b'"stop"' not in line]
    run = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        timeout=120,
        check=False,
    )
    answers = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, b"")
    assert len(answers) == len(lines)
    refused = [json.loads(answer) for answer in answers]
    assert sum(answer.get("error", {}).get("kind") == "protocol" for answer in refused) > 1_000
