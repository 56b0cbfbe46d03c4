"""The child process's main: reads requests, writes answers, and has nothing of the kit but NumPy and itself.

It is started by the path of this file, in an interpreter that may have neither the kit nor what the kit
needs. So it imports the standard library only until it has looked at the interpreter, and then mounts the
rooms above it as the package that they are. It is written so that an old interpreter can read it too.
"""

# ruff: noqa: PLC0415 - what is imported late may be missing here

from __future__ import annotations

import faulthandler
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
    """Take this file's folder off the path, where Python put it first: its modules belong to a package."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]


def _mount() -> None:
    """Make the rooms importable without any other folder of the kit's environment."""
    package = types.ModuleType("adamax_conformance")
    package.__path__ = [str(Path(__file__).resolve().parents[2])]
    sys.modules[package.__name__] = package


def _missing() -> str:
    """What the interpreter lacks, in one line; empty where it lacks nothing."""
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
    """The ends of the pipe, out of reach of whoever reads standard input or prints."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _refuse(requests: BinaryIO, answers: BinaryIO, message: str) -> None:
    """Answer the first request with what is missing."""
    line = json.loads(requests.readline())
    error = {"kind": "unavailable", "message": message}
    answers.write(json.dumps({"id": line["id"], "error": error}).encode() + b"\n")
    answers.flush()


def main() -> None:
    """Answer requests until there are none."""
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # where it is when it hangs
    warnings.simplefilter("ignore")
    requests, answers = _take_pipe()
    _forget_own_folder()
    message = _missing()
    if message:
        _refuse(requests, answers, message)
        return
    _mount()
    from adamax_conformance.impl.host.server import serve

    serve(requests, answers)
    # What frameworks do when an interpreter ends may hang or crash, and no longer matters.
    os._exit(0)


if __name__ == "__main__":
    main()
