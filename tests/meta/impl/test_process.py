"""Programs behind the pipe: right ones get in, and wrong ones do no harm."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.guard import GUARD
from adamax_conformance.impl.subject.transports import Deadlines

ONES = np.ones(2)

PROGRAM = """
import json, os, sys

MISDEED = sys.argv[1]
STATE = {}


def arrays(values):
    return [{"shape": p["shape"], "data": [float(x).hex() for x in p["data"]]} for p in values]


def state(handle):
    return {"theta": arrays(STATE[handle]), "m": None, "u": None}


def numbers(request):
    return [float.fromhex(x) for x in request["gradients"][0]["data"]]


def answer(request):
    op = request["op"]
    if op == "start":
        return {"ok": {"name": "tiny", "language": "Python", "dtypes": ["float32", "float64"]}}
    if op == "construct":
        if request["dtype"] not in ("float32", "float64"):
            return {"error": {"kind": "unsupported-dtype", "message": "only two"}}
        if request["defaults"].get("lr") == {"float": (-1.0).hex()}:
            return {"error": {"kind": "rejected", "type": "ValueError", "message": "lr is negative"}}
        params = request["groups"][0]["params"]
        STATE[1] = [{"shape": p["shape"], "data": [float.fromhex(x) for x in p["data"]]} for p in params]
        return {"ok": {"handle": 1}}
    if op == "step":
        for p, g in zip(STATE[1], request["gradients"]):
            p["data"] = [x - float.fromhex(y) for x, y in zip(p["data"], g["data"])]
        return {"ok": {"state": state(1), "gradients": request["gradients"], "lr": None}}
    if op == "read":
        return {"ok": {"state": state(1), "groups": None}}
    if op == "save":
        return {"skipped": "keeps nothing"}
    return {"ok": {}}


def say(value):
    sys.stdout.write(json.dumps(value) + "\\n")
    sys.stdout.flush()


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def flood():
    while True:
        write("x" * 65536)


for line in sys.stdin:
    request = json.loads(line)
    result = {"id": request["id"]} | answer(request)
    if request["op"] != "step" or MISDEED == "none":
        say(result)
        if request["op"] == "stop":
            break
        continue
    theta = result["ok"]["state"]["theta"]
    match MISDEED:
        case "garbage":
            say("hello")
        case "half a line":
            write('{"id": 3, "ok": {"state"')
            os._exit(4)
        case "no newline":
            write("x" * 1_000_000)
            for line in sys.stdin:
                pass
        case "flood":
            flood()
        case "other id":
            say(result | {"id": request["id"] - 1})
        case "silence":
            for line in sys.stdin:
                pass
        case "fewer arrays":
            theta.pop()
            say(result)
        case "fewer elements":
            theta[0]["data"].pop()
            say(result)
        case "other shape":
            theta[0]["shape"] = [1, 2]
            say(result)
        case "gradients missing":
            del result["ok"]["gradients"]
            say(result)
        case "decimals":
            theta[0]["data"][0] = "0.5"
            say(result)
        case "numbers":
            theta[0]["data"][0] = 0.5
            say(result)
        case "doubles":
            theta[0]["data"][0] = (0.1).hex()
            say(result)
        case "rates":
            result["ok"]["lr"] = [(0.5).hex()] * 3
            say(result)
        case "refusal":
            say({"id": request["id"], "error": {"kind": "protocol", "message": "what?"}})
        case "twice":
            say(result)
            say(result)
        case "crash":
            sys.exit("out of memory")
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    file = tmp_path_factory.mktemp("process") / "program.py"
    file.write_text(PROGRAM)

    def command(misdeed):
        words = [sys.executable, str(file), misdeed]
        return "process:" + subprocess.list2cmdline(words) if sys.platform == "win32" else quoted(words)

    def quoted(words):
        return "process:" + " ".join(f"'{word}'" for word in words)

    return command


@pytest.fixture
def program_subject(program):
    with Subject.open(program("none")) as subject:
        yield subject


def step(subject):
    handle = subject.construct([({"lr": 0.5}, [ONES, np.array(3.0)])], "float32")
    return subject.step(handle, [ONES, np.array(1.0)])


def test_a_program_is_a_subject(program_subject):
    assert program_subject.info.name.startswith("process:")
    assert program_subject.info.dtypes == ("float32", "float64")
    result = step(program_subject)
    assert [a.tolist() for a in result.theta] == [[0.0, 0.0], 2.0]
    assert [a.tolist() for a in result.gradients] == [[1.0, 1.0], 1.0]
    assert (result.m, result.lr) == (None, None)


def test_a_program_may_say_no(program_subject):
    with pytest.raises(errors.RejectedError) as caught:
        program_subject.construct([({"lr": -1.0}, [ONES])], "float32")
    assert caught.value.is_a("ValueError")
    with pytest.raises(errors.UnsupportedDtypeError, match="only two"):
        program_subject.construct([({}, [ONES])], "float16")
    handle = program_subject.construct([({}, [ONES])], "float32")
    with pytest.raises(errors.SkippedError, match="keeps nothing"):
        program_subject.save(handle)


def test_a_program_that_runs_elsewhere_than_asked_is_of_no_use(program):
    with pytest.raises(errors.UnsupportedDeviceError, match="runs on cpu, not on cuda"):
        Subject.open(program("none"), device="cuda")


def test_a_command_that_is_not_there_is_unavailable():
    with pytest.raises(errors.UnavailableError, match="no-such-command-anywhere cannot be started"):
        Subject.open("process:no-such-command-anywhere --fast")


def test_a_program_that_ends_at_once_is_told_with_its_last_words():
    command = f"process:'{sys.executable}' -c 'import sys; sys.exit(\"not today\")'"
    with pytest.raises(errors.SubjectDiedError, match="not today") as caught:
        Subject.open(command)
    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    ("misdeed", "words"),
    [
        ("garbage", "the line is 'hello'; want an object"),
        ("half a line", "half a line of 24 bytes"),
        ("no newline", "without an end of line"),
        ("flood", "without an end of line"),
        ("other id", "the answer has id 2; the request has 3"),
        ("fewer arrays", r"theta has shapes"),
        ("fewer elements", "has 1 elements; its shape .2. wants 2"),
        ("other shape", r"theta has shapes"),
        ("gradients missing", "lacks 'gradients'"),
        ("decimals", "is '0.5'; want a number such as"),
        ("numbers", "is 0.5; want a number such as"),
        ("doubles", "theta 0 has the element 0x1.999999999999ap-4, which is not a float32"),
        ("rates", "3 learning rates for 1 groups"),
        ("refusal", "it finds a request malformed: what"),
    ],
)
def test_what_is_no_answer_is_garbled_and_the_program_starts_anew(program, misdeed, words):
    with Subject.open(program(misdeed)) as subject:
        for _ in range(2):
            with pytest.raises(errors.InvalidAnswerError, match=words):
                step(subject)


def test_a_second_answer_is_not_taken_for_the_next_one(program):
    with Subject.open(program("twice")) as subject:
        handle = subject.construct([({"lr": 0.5}, [ONES])], "float32")
        subject.step(handle, [ONES])
        with pytest.raises(errors.InvalidAnswerError, match="the answer has id 3; the request has 4"):
            subject.step(handle, [ONES])


def test_silence_ends_at_the_deadline(program):
    with Subject.open(program("silence")) as subject:
        handle = subject.construct([({}, [ONES])], "float32")
        subject._transport._deadlines = Deadlines(request=0.2)
        with pytest.raises(errors.SubjectTimeoutError):
            subject.step(handle, [ONES])


def test_answers_that_come_in_time_have_a_limit_in_all(program):
    with Subject.open(program("none"), deadlines=Deadlines(request=60.0)) as subject:
        step(subject)
        subject._transport._total._left = 0.0
        for _ in range(2):  # and starting it again does not help
            with pytest.raises(errors.SubjectTimeoutError, match="its answers took 14400 s in all"):
                step(subject)


def test_a_program_that_reads_nothing_does_not_hold_up(program):
    with Subject.open(program("silence")) as subject:
        large = np.ones(100_000)
        handle = subject.construct([({}, [large])], "float64")
        subject._transport._deadlines = Deadlines(request=0.2)
        with pytest.raises(errors.SubjectTimeoutError):
            subject.step(handle, [large])


def test_a_crash_is_told_with_its_last_words(program):
    with Subject.open(program("crash")) as subject, pytest.raises(errors.SubjectDiedError) as caught:
        step(subject)
    assert caught.value.stderr == "out of memory"


def test_an_answer_as_large_as_it_has_to_be_is_taken(program_subject):
    values = np.full(50_000, 1 / 3)
    handle = program_subject.construct([({}, [values])], "float64")
    assert (program_subject.step(handle, [values]).theta[0] == 0).all()


_STARTS_ANOTHER = """
import ctypes, json, subprocess, sys
started = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "step":
        ctypes.PyDLL(None).sleep(600)  # it holds the interpreter's lock
    ok = {"start": {"name": "x", "version": str(started.pid), "dtypes": ["float32"]}, "construct": {"handle": 1}}
    print(json.dumps({"id": request["id"], "ok": ok.get(request["op"], {})}), flush=True)
    if request["op"] == "stop":
        break
"""
_PARENT = """
import sys
import numpy as np
from adamax_conformance.impl.subject.client import Subject
subject = Subject.open(sys.argv[1])
handle = subject.construct([({}, [np.ones(1)])], "float32")
print(subject.info.version, subject._transport._child._process.pid, flush=True)
subject.step(handle, [np.ones(1)])
"""


def ends(pid, seconds=30.0):
    """Tell whether a process is gone, or soon will be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="how a process is looked for")
def test_what_a_program_has_started_ends_with_it(tmp_path):
    (tmp_path / "program.py").write_text(_STARTS_ANOTHER)
    subject = Subject.open(f"process:'{sys.executable}' '{tmp_path / 'program.py'}'")
    started = int(subject.info.version)
    assert Path(f"/proc/{started}").exists()
    subject.close()
    assert ends(started)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="how a process is looked for")
def test_a_program_that_hangs_does_not_outlive_a_killed_parent(tmp_path):
    (tmp_path / "program.py").write_text(_STARTS_ANOTHER)
    (tmp_path / "parent.py").write_text(_PARENT)
    command = [
        sys.executable,
        tmp_path / "parent.py",
        f"process:'{sys.executable}' '{tmp_path / 'program.py'}'",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert all(map(ends, pids))


def test_a_guard_that_was_killed_is_started_again(program):
    with Subject.open(program("none")):
        GUARD._process.kill()
        GUARD._process.wait()
        with Subject.open(program("none")):
            assert GUARD._process.poll() is None
            assert len(GUARD._groups) >= 2
