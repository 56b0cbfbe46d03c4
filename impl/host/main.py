"""The main program of the child process: it reads requests and writes answers.

The parent starts it by the path of this file, in an interpreter that may have neither the package nor its
requirements. So it imports only the standard library until it has checked the interpreter. Then it mounts the
rooms above it as the package that they are, which needs NumPy only. An old interpreter can read this file too.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import sys
import types
import warnings
from pathlib import Path
from typing import BinaryIO

OLDEST_PYTHON = (3, 11)
OLDEST_NUMPY = (1, 26)


def _forget_own_folder() -> None:
    """Take this file's folder off the path, where Python put it.

    Its modules belong to a package.
    """
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]


def _mount_package() -> None:
    """Make the rooms importable without any other folder of the package's environment."""
    package = types.ModuleType("adamax_conformance")
    package.__path__ = [str(Path(__file__).resolve().parents[2])]
    sys.modules[package.__name__] = package


def _describe_missing() -> str:
    """The interpreter's lack, in one line; empty if it lacks nothing."""
    if sys.version_info < OLDEST_PYTHON:
        return "Python {}.{} at {} is too old; the oldest that can host a subject is {}.{}".format(
            *sys.version_info[:2], sys.executable, *OLDEST_PYTHON
        )
    command = '{} -m pip install "numpy>={}.{}"'.format(sys.executable, *OLDEST_NUMPY)
    try:
        import numpy as np
    except ImportError as error:
        return f"{sys.executable} has no NumPy ({error}); get it with: {command}"
    if tuple(int(part) for part in np.__version__.split(".")[:2]) < OLDEST_NUMPY:
        return f"{sys.executable} has NumPy {np.__version__}, which is too old; get it with: {command}"
    return ""


def _take_pipe() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipe out of reach of code that reads standard input or prints."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # or few lines stay in the buffer
    return requests, answers


def _refuse_start(requests: BinaryIO, answers: BinaryIO, message: str) -> None:
    """Answer the first request with the lack."""
    line = json.loads(requests.readline())
    error = {"kind": "unavailable", "message": message}
    answers.write(json.dumps({"id": line["id"], "error": error}).encode() + b"\n")
    answers.flush()


def _rehearse(words: list[str]) -> None:
    """Record a short run of a subject on a device: subject, device, dtype and folder."""
    _forget_own_folder()
    message = _describe_missing()
    if message:
        sys.exit(message)
    _mount_package()
    from adamax_conformance.impl.recording.rehearsal import rehearse

    rehearse(*words)


def main() -> None:
    """Answer requests until there are none."""
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # it prints a traceback when the process hangs
    warnings.simplefilter("ignore")
    requests, answers = _take_pipe()
    _forget_own_folder()
    message = _describe_missing()
    if message:
        _refuse_start(requests, answers, message)
        return
    _mount_package()
    from adamax_conformance.impl.host.server import serve

    serve(requests, answers)
    # Frameworks may hang or crash when an interpreter ends, which no longer matters.
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:]:
        _rehearse(sys.argv[1:])
    else:
        main()
