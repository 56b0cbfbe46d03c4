"""Faults at drawn moments of a run, and what must hold after each.

`python -m adamax_conformance.tests.meta.cli.drawn_faults --count 500` draws so many. Each run is a fork of this
process, so that nothing is imported twice.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from adamax_conformance.reports.cli import main as command_line
from adamax_conformance.reports.record.exit_codes import ExitCode, outcome
from adamax_conformance.reports.record.record import RecordError, read_record
from adamax_conformance.tests.meta.cli.forks import warm

_CHECKS: Final = ("--dtype", "float32", "--check", "contract/lr/*")
_RIGHT: Final = "numpy"
_WRONG: Final = "optimizers.py:NegativeLearningRateAccepted"
_REPORT: Final = Path("divergence-report")
_TESTS: Final = 23


def _interrupt() -> None:
    raise KeyboardInterrupt


def _fail() -> None:
    raise RuntimeError("a plugin fails")


def _full() -> None:
    # A module that is compiled now would be cut off, and stay so.
    sys.dont_write_bytecode, os.environ["PYTHONDONTWRITEBYTECODE"] = True, "1"
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))


def _starved() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _no_folder() -> None:
    shutil.rmtree(_REPORT, ignore_errors=True)


def _file_for_folder() -> None:
    _no_folder()
    _REPORT.touch()


def _cut() -> None:
    for path in _REPORT.glob("verdicts.jsonl*"):
        os.truncate(path, path.stat().st_size // 2)


def _kill_subject() -> None:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        if parent == os.getpid():
            os.kill(int(status.parent.name), signal.SIGKILL)


_HARM: Final[dict[str, Callable[[], object]]] = {
    "interrupt": _interrupt,
    "SIGINT": lambda: os.kill(os.getpid(), signal.SIGINT),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "skip": lambda: pytest.skip("a plugin skips this"),
    "error": _fail,
    "exit": lambda: pytest.exit("a plugin ends the run", 0),
    "SystemExit": lambda: sys.exit(0),
    "full": _full,
    "starved": _starved,
    "no folder": _no_folder,
    "a file": _file_for_folder,
    "cut": _cut,
    "killed subject": _kill_subject,
}
_SHOWN: Final = frozenset({"error", "skip", "SystemExit", "starved"})
"""What a plugin raises is shown with its traceback, and so is pytest that can import nothing any more."""
_HOOKS: Final = (
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_collection_modifyitems",
    "pytest_sessionfinish",
)


@dataclass(frozen=True)
class Fault:
    """A fault: what happens, and at what call of a hook."""

    harm: str
    hook: str
    at: int
    subject: str


class _Plugin:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.calls: Counter[str] = Counter()

    def pytest_runtest_setup(self) -> None:
        self.called("pytest_runtest_setup")

    def pytest_runtest_call(self) -> None:
        self.called("pytest_runtest_call")

    def pytest_runtest_teardown(self) -> None:
        self.called("pytest_runtest_teardown")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if (
            self.fault.harm == "lost"
            and report.nodeid
            and self.calls["pytest_runtest_logreport"] >= self.fault.at
        ):
            report.user_properties = []
        self.called("pytest_runtest_logreport")

    def pytest_runtest_logfinish(self) -> None:
        self.called("pytest_runtest_logfinish")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.fault.harm == "drop":
            del items[self.fault.at % len(items)]
        self.called("pytest_collection_modifyitems")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self.called("pytest_sessionfinish")

    def called(self, hook: str) -> None:
        self.calls[hook] += 1
        if hook == self.fault.hook and self.calls[hook] == self.fault.at and self.fault.harm in _HARM:
            _HARM[self.fault.harm]()


def draw(rng: random.Random) -> Fault:
    """Draw a fault."""
    hook = rng.choice(_HOOKS)
    once = hook in {"pytest_collection_modifyitems", "pytest_sessionfinish"}
    calls = _TESTS * 3 if hook == "pytest_runtest_logreport" else _TESTS
    at = 1 if once else rng.randint(1, calls)
    return Fault(rng.choice([*_HARM, "drop", "lost"]), hook, at, rng.choice([_RIGHT, _RIGHT, _WRONG]))


def perform(fault: Fault | None, folder: Path) -> tuple[int, str, str]:
    """Run the checks with a fault; return the exit code, the output and the errors.

    A signal is a negative code.
    """
    child = os.fork()
    if not child:
        _run(fault, folder)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, *((folder / name).read_text("utf-8", "replace") for name in ("out", "err"))


def _run(fault: Fault | None, folder: Path) -> None:
    """Run the command line in this process, and end it."""
    code = 99
    try:
        os.chdir(folder)
        for variable in [name for name in os.environ if name.startswith(("ADAMAX_", "PYTEST_"))]:
            del os.environ[variable]
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))  # noqa: SIM115
        subject = _RIGHT if fault is None else fault.subject
        sys.argv = ["adamax-conformance", "check", subject, *_CHECKS]
        if fault is not None:
            started = pytest.main
            plugin = _Plugin(fault)
            pytest.main = lambda words, plugins: started(words, plugins=[*plugins, plugin])  # type: ignore[assignment]
        command_line.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - this is the end of the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wrong_after(fault: Fault, ran: tuple[int, str, str], folder: Path, expected: set[str]) -> str:
    """Say what a run with a fault should not have done; empty if nothing."""
    code, out, err = ran
    if "Traceback" in err and fault.harm not in _SHOWN:
        return f"a traceback: {err[-300:]}"
    if code not in {*map(int, ExitCode), -signal.SIGKILL}:
        return f"exit code {code}"
    try:
        record = read_record(folder / _REPORT)
    except (RecordError, OSError):
        record = None
    whole = record is not None and record.complete and {v.check for v in record.verdicts} >= expected
    if code == ExitCode.CONFORMS and (fault.subject == _WRONG or not whole):
        return "exit code 0 without every verdict, or of a wrong subject"
    if "Conforms" in out and (fault.subject == _WRONG or (not whole and "cannot be written" not in err)):
        return "it says that the subject conforms"
    if record is not None and code != ExitCode.CONFORMS and "cannot be written" not in err:
        again = outcome(record.verdicts, complete=record.complete)
        if again is ExitCode.CONFORMS and code != -signal.SIGKILL:
            return f"its record is green, and its code was {code}"
    return ""


def try_faults(count: int, seed: int) -> tuple[Counter[int], list[tuple[Fault, str]]]:
    """Try drawn faults; how often each exit code came, and what went wrong."""
    warm()
    rng = random.Random(seed)
    codes: Counter[int] = Counter()
    found = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name, "none")
        base.mkdir()
        code, _, err = perform(None, base)
        assert code == 0, err
        expected = {v.check for v in read_record(base / _REPORT).verdicts}
        for number in range(count):
            fault, folder = draw(rng), Path(name, str(number))
            folder.mkdir()
            shutil.copy(Path(__file__).with_name("optimizers.py"), folder)
            ran = perform(fault, folder)
            codes[ran[0]] += 1
            if wrong := wrong_after(fault, ran, folder, expected):
                found.append((fault, wrong))
            shutil.rmtree(folder)
    return codes, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Try drawn faults, and print those after which something was not as it should be."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--count", type=int, default=500)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args(arguments)
    codes, found = try_faults(given.count, given.seed)
    for fault, wrong in found:
        print(f"{fault}: {wrong}")
    print(f"{given.count} faults, {len(found)} wrong; exit codes {dict(sorted(codes.items()))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
