"""The host's isolation of a subject's deeds.

Each subject here is a factory in a file, in a child process. One child serves all that leave it alive.
"""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.transports import HOST, Deadlines

ONES = np.ones(3)

SUBJECTS = '''
import ctypes, os, re, subprocess, sys
import numpy as np

sys.stdout.write("printed at import, ")
os.write(1, b"and written\\n")


class Optimizer:
    """What it does is chosen by the value of weight_decay."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        self.params = params
        self.deed = getattr(self, weight_decay) if isinstance(weight_decay, str) else self.nothing
        if weight_decay == "die_at_construction":
            os._exit(11)

    def __call__(self, gradients):
        self.deed()
        for p, g in zip(self.params, gradients):
            p -= g

    def nothing(self):
        pass

    die_at_construction = nothing

    def print_much(self):
        print("x" * 1_000_000)
        os.write(1, b"{}" * 100_000)
        subprocess.run([sys.executable, "-c", "print('and a child of it')"], check=True)

    def read_input(self):
        if sys.stdin.read() or os.read(0, 1):
            raise RuntimeError("there was input")

    def exit(self):
        sys.exit("enough")

    def die(self):
        print("so long", file=sys.stderr, flush=True)
        os._exit(7)

    def crash(self):
        ctypes.string_at(0)

    def kill(self):
        os.kill(os.getpid(), 9)

    def hang(self):
        re.match("(a+)+$", "a" * 64 + "b")

    def close_output(self):
        for fd in range(3, 64):
            try:
                os.close(fd)
            except OSError:
                pass
        self.hang()

    def leave_a_child_with_the_pipes(self):
        endless = "import re; re.match('(a+)+$', 'a' * 64 + 'b')"
        subprocess.Popen([sys.executable, "-c", endless], close_fds=False)
        os._exit(5)


not_callable = 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subjects")
    (folder / "mine.py").write_text(SUBJECTS)
    (folder / "numpy_.py").write_text("x = 1")
    (folder / "broken.py").write_text("import math\nmath.nothing_of_that_name\n")
    (folder / "leaves.py").write_text("import sys\nsys.exit('no')\n")
    return folder


@pytest.fixture
def at_home(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def module_subject(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with Subject.open("mine.py:Optimizer") as subject:
            yield subject


@pytest.fixture
def subject(module_subject):
    """Alive; the tests before may have ended its process."""
    yield module_subject
    transport = module_subject._transport
    if transport is not None:
        transport._deadlines = Deadlines()


def do(subject, deed, deadline=None):
    handle = subject.construct([({"weight_decay": deed}, [ONES])], "float32")
    if deadline is not None:
        subject._transport._deadlines = dataclasses.replace(Deadlines(), request=deadline)
    return subject.step(handle, [ONES])


def works(subject):
    return do(subject, "nothing").theta[0].tolist() == [0.0] * 3


@pytest.mark.parametrize("deed", ["nothing", "print_much", "read_input"])
def test_what_a_subject_prints_and_reads_is_kept_off_the_pipe(subject, deed):
    assert do(subject, deed).theta[0].tolist() == [0.0] * 3


def test_leaving_the_interpreter_is_a_rejection_and_no_death(subject):
    with pytest.raises(errors.RejectedError) as caught:
        do(subject, "exit")
    assert caught.value.type == "SystemExit"
    assert works(subject)


def test_a_process_that_ends_is_told_with_its_status_and_last_words(subject):
    with pytest.raises(errors.SubjectDiedError) as caught:
        do(subject, "die")
    assert caught.value.returncode == 7
    assert "ended with exit status 7" in str(caught.value)
    assert "so long" in caught.value.stderr
    assert works(subject)


def test_a_process_that_ends_at_construction_is_told_too(subject):
    with pytest.raises(errors.SubjectDiedError) as caught:
        subject.construct([({"weight_decay": "die_at_construction"}, [ONES])], "float32")
    assert caught.value.returncode == 11
    assert works(subject)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_process_that_is_killed_is_told_with_the_signal(subject):
    with pytest.raises(errors.SubjectDiedError, match=r"ended by SIGKILL") as caught:
        do(subject, "kill")
    assert caught.value.returncode == -signal.SIGKILL
    assert works(subject)


def test_a_crash_in_c_code_is_told_with_the_place_in_python(subject):
    with pytest.raises(errors.SubjectDiedError) as caught:
        do(subject, "crash")
    assert "in crash" in caught.value.stderr
    assert works(subject)


def test_a_hang_in_c_code_ends_at_the_deadline(subject):
    with pytest.raises(errors.SubjectTimeoutError, match=r"no answer within 0\.3 s"):
        do(subject, "hang", deadline=0.3)
    assert works(subject)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_hang_is_told_with_the_place_in_python(subject):
    with pytest.raises(errors.SubjectTimeoutError) as caught:
        do(subject, "hang", deadline=0.3)
    assert "in hang" in caught.value.stderr


def test_a_process_that_closes_its_pipe_and_stays_does_not_hold_up(subject):
    with pytest.raises(errors.SubjectDiedError, match="closed its output"):
        do(subject, "close_output")
    assert works(subject)


def test_a_child_of_the_subject_that_holds_the_pipes_does_not_hold_up(subject):
    with pytest.raises(errors.SubjectBrokenError):
        do(subject, "leave_a_child_with_the_pipes", deadline=5.0)
    assert works(subject)


def test_handles_and_checkpoints_of_a_process_that_is_gone_are_of_no_use(subject):
    old = subject.construct([({}, [ONES])], "float32")
    with pytest.raises(errors.SubjectDiedError):
        do(subject, "die")
    with pytest.raises(errors.SubjectDiedError, match="is gone"):
        subject.step(old, [ONES])
    assert works(subject)
    with pytest.raises(errors.SubjectDiedError, match="is gone"):
        subject.step(old, [ONES])
    subject.release(old)
    assert works(subject)


@pytest.mark.usefixtures("at_home")
def test_closing_ends_the_process_and_leaves_nothing_behind():
    subject = Subject.open("mine.py:Optimizer")
    process = subject._transport._child._process
    subject.close()
    assert process.returncode == 0
    assert process.stdout.closed
    assert process.stderr.closed
    subject.close()


@pytest.mark.usefixtures("at_home")
def test_a_closed_subject_is_started_anew_by_the_next_construction():
    with Subject.open("mine.py:Optimizer") as subject:
        subject.close()
        assert works(subject)


def test_the_folder_of_the_user_comes_first(folder, monkeypatch):
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "deeper.py").write_text("from neighbour import Optimizer\n")
    (folder / "sub" / "neighbour.py").write_text(
        "import os\nfrom mine import Optimizer\nassert os.getcwd()\n"
    )
    monkeypatch.chdir(folder)
    with Subject.open("sub/deeper.py:Optimizer") as subject:
        assert works(subject)


@pytest.mark.usefixtures("at_home")
def test_a_module_is_found_in_the_folder_of_the_user():
    with Subject.open("mine:Optimizer") as subject:
        assert subject.info.name == "mine:Optimizer"
        assert works(subject)


def test_a_file_with_the_name_of_a_needed_module_does_no_harm(folder, monkeypatch):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "registry.py").write_text("from mine import Optimizer\n")
    monkeypatch.chdir(folder)
    with Subject.open(os.path.join("inner", "registry.py:Optimizer")) as subject:  # noqa: PTH118
        assert works(subject)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.py:Optimizer", "file absent.py is not there"),
        ("mine.py:Nothing", "mine.py has no attribute 'Nothing'"),
        ("mine.py:not_callable", "is int; want something that can be called"),
        ("broken.py:Optimizer", "file broken.py cannot be imported: AttributeError"),
        ("leaves.py:Optimizer", "file leaves.py cannot be imported: SystemExit: no"),
        ("absent:Optimizer", "module absent cannot be imported: ModuleNotFoundError"),
    ],
)
@pytest.mark.usefixtures("at_home")
def test_a_factory_that_cannot_be_had_is_unavailable_in_one_line(name, words):
    with pytest.raises(errors.UnavailableError) as caught:
        Subject.open(name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("at_home")
def test_a_device_that_numpy_does_not_have_is_unsupported():
    with pytest.raises(errors.UnsupportedDeviceError, match="on the cpu, not on cuda"):
        Subject.open("mine.py:Optimizer", device="cuda")


@pytest.mark.parametrize("python", ["/no/such/python", "no-such-python-anywhere"])
def test_an_interpreter_that_is_not_there_is_unavailable(python):
    with pytest.raises(errors.UnavailableError, match="cannot be started"):
        Subject.open("torch", python=python)


# The interpreter that the user names: patched at its start, as if it lacked something.


@pytest.fixture
def interpreter(tmp_path, monkeypatch):
    """An interpreter's start, changed by some lines."""

    def changed(lines):
        (tmp_path / "sitecustomize.py").write_text(lines)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return sys.executable

    return changed


@pytest.mark.usefixtures("at_home")
def test_an_interpreter_that_is_too_old_says_so(interpreter):
    python = interpreter("import sys\nsys.version_info = (3, 9, 1, 'final', 0)\n")
    with pytest.raises(
        errors.UnavailableError, match=r"Python 3\.9 at .* is too old; the oldest .* is 3\.11"
    ):
        Subject.open("mine.py:Optimizer", python=python)


@pytest.mark.usefixtures("at_home")
def test_an_interpreter_without_numpy_says_how_to_get_it(interpreter):
    python = interpreter("import sys\nsys.modules['numpy'] = None\n")
    with pytest.raises(errors.UnavailableError, match=r"has no NumPy .*; get it with: .* -m pip install"):
        Subject.open("mine.py:Optimizer", python=python)


@pytest.mark.usefixtures("at_home")
def test_an_interpreter_with_an_old_numpy_says_how_to_get_another(interpreter):
    python = interpreter("import numpy\nnumpy.__version__ = '1.24.4'\n")
    with pytest.raises(errors.UnavailableError, match=r"has NumPy 1\.24\.4, which is too old"):
        Subject.open("mine.py:Optimizer", python=python)


@pytest.mark.parametrize(("name", "package"), [("torch", "torch"), ("mindspore", "mindspore")])
def test_a_framework_that_is_not_there_is_told_with_the_command_that_gets_it(interpreter, name, package):
    python = interpreter(f"import sys\nsys.modules[{package!r}] = None\n")
    with pytest.raises(errors.UnavailableError) as caught:
        Subject.open(name, python=python)
    assert str(caught.value).startswith(f"{package} is not here")
    assert f'-m pip install "{package}>=' in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package", "version", "words"),
    [
        ("torch", "torch", "2.3.1", "torch 2.3.1 is too old; the oldest supported version is 2.4"),
        ("torch[foreach]", "torch", "3.0.0.dev20270101", "is too new; supported versions are below 3"),
        ("torch:torch.optim.Adamax", "torch", "1.13+cpu", "torch 1.13+cpu is too old"),
        (
            "mindspore",
            "mindspore",
            "2.5.0",
            "mindspore 2.5.0 is too old; the oldest supported version is 2.7.1",
        ),
        ("mindspore[nn]", "numpy", "2.1.0", "numpy 2.1.0 is too new; supported versions are below 2"),
    ],
)
def test_a_framework_that_is_too_old_or_too_new_is_told_with_the_range_and_the_command(
    interpreter, tmp_path, name, package, version, words
):
    metadata = tmp_path / f"{package}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (tmp_path / f"{name.partition(':')[0].partition('[')[0]}.py").touch()
    if package == "numpy":
        (tmp_path / "mindspore-2.10.0.dist-info").mkdir()
        (tmp_path / "mindspore-2.10.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: mindspore\nVersion: 2.10.0\n"
        )
    with pytest.raises(errors.UnavailableError) as caught:
        Subject.open(name, python=interpreter(""))
    assert words in str(caught.value)
    assert re.search(r"get it with: .* -m pip install \"\w+>=[\d.]+,<\d+\"", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("at_home")
def test_the_host_needs_nothing_of_the_kit_but_numpy(interpreter):
    needed = (
        "{'click', 'hypothesis', 'jinja2', 'jsonschema', 'mpmath', 'packaging', 'pytest', 'rich', 'numba'}"
    )
    python = interpreter(f"import sys\nfor name in {needed}:\n    sys.modules[name] = None\n")
    with Subject.open("mine.py:Optimizer", python=python) as subject:
        assert works(subject)


def test_a_subject_may_use_the_kit_itself(folder, monkeypatch):
    (folder / "ours.py").write_text("from adamax_conformance.impl import Adamax as Optimizer\n")
    monkeypatch.chdir(folder)
    with Subject.open("ours.py:Optimizer") as subject:
        handle = subject.construct([({"lr": 0.5}, [ONES])], "float64")
        assert subject.step(handle, [ONES]).m is not None


def test_a_line_that_is_no_request_is_answered_and_ends_nothing():
    lines = b'hello\n{"id":4,"op":"fly"}\n{"id":5,"op":"read","handle":1}\n{"id":6,"op":"stop"}\n'
    done = subprocess.run([sys.executable, str(HOST)], input=lines, capture_output=True, check=True)
    kinds = [line for line in done.stdout.splitlines() if b'"protocol"' in line]
    assert len(kinds) == 3
    assert done.stdout.splitlines()[-1] == b'{"id":6,"ok":{}}'


def test_the_end_of_the_input_ends_the_host():
    done = subprocess.run([sys.executable, str(HOST)], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
