"""The command line in forks of one process that has imported everything it needs.

A process of its own for each command imports for a second, and then runs for less. A fork is as much on its own: what a
command changes in memory ends with it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import click
from adamax_conformance.reports.cli import main as command_line
from adamax_conformance.reports.rule import diagnose

_LONGEST: Final = 300
_SEARCH: Final = 0.25
"""Seconds of the search for two causes at once, in place of 3; `tests/meta/causes` tests what it finds."""
_WARM: Final = (
    "_pytest.helpconfig",
    "_pytest.junitxml",
    "_pytest.skipping",
    "_pytest.stepwise",
    "_pytest.unittest",
    "adamax_conformance.reports.rule.decide",
    "adamax_conformance.reports.rule.explain",
    "adamax_conformance.tests.conformance.harness.catalogue",
    "adamax_conformance.tests.conformance.progress",
    "numpy.ma",
    "numpy.random",
)
"""What `check` imports besides its own module; the plugin is left to pytest, which rewrites its assertions."""


class Forks:
    """Runs commands in forks of a process, one after the other."""

    def __init__(self) -> None:
        # As for the installed command, nothing is imported from where the tests are run.
        self.server = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
        """Run a command in a folder, and return its exit code: negative for a signal."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        self.server.stdin.write(json.dumps(asked).encode() + b"\n")
        self.server.stdin.flush()
        if not select.select([self.server.stdout], [], [], _LONGEST)[0]:
            self.close()
            raise TimeoutError(f"{arguments} ran for more than {_LONGEST} s")
        return int(self.server.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()


def output_of(folder: Path) -> tuple[str, str]:
    """The output and the errors of the last command that ran in a folder."""
    out, err = (folder.with_name(f"{folder.name}.{name}").read_text("utf-8") for name in ("out", "err"))
    return out, err


def without_settings() -> dict[str, str]:
    """The environment, without what it says to the suite or to pytest."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("ADAMAX_", "PYTEST_"))}


def warm() -> None:
    """Import what the commands import."""
    context = click.Context(command_line.cli)
    for name in command_line.cli.list_commands(context):
        command_line.cli.get_command(context, name)
    for module in _WARM:
        import_module(module)
    if find_spec("matplotlib"):
        import_module("matplotlib.figure")


def serve() -> None:
    """Run one command a line, and answer with its exit code."""
    warm()
    search = diagnose.diagnose
    diagnose.diagnose = lambda observed, format_, budget: search(observed, format_, min(budget, _SEARCH))
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(**json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)


def _run(arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> NoReturn:
    """Run a command as `python -m` does in its folder, and end this process."""
    code = 99
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        path = environment.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [folder, *(each for each in path if each and each not in sys.path)]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            for number, mode in enumerate("rww")
        )
        sys.argv = ["adamax-conformance", *arguments]
        command_line.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - this is the end of the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
