"""The command `check-device`: every mode and format, in one folder to send back."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from ...impl.adapters.registry import parse_name
from ...impl.protocol.errors import SubjectError, UnknownSubjectError
from ...impl.protocol.messages import SubjectInfo
from ...impl.subject.client import Subject
from ...impl.subject.transports import HOST, find_interpreter
from ..options import DeviceName
from ..record.exit_codes import ExitCode
from ..record.merge import merge
from ..record.record import FILE_NAME
from ..render import terminal
from ..render.report import render
from .errors import CommandError, make_folder, unwritten

_SUBJECTS: Final = {
    "torch": (
        "torch",
        "torch[foreach]",
        "torch[capturable]",
        "torch[capturable-foreach]",
        "torch[tensor-lr]",
        "torch[compile]",
    ),
    "mindspore": ("mindspore", "mindspore[nn]"),
}
"""The subjects of each framework whose steps differ from device to device."""

_OF_COMPILED: Final = ("rule/*", "value/*", "special/*", "relations/*")
"""The checks of a compiled step: each of its many shapes is compiled for seconds."""

_ORDER: Final = ("float32", "float64", "bfloat16", "float16")
"""What most people train in comes first."""

_MOST_AT_ONCE: Final = 4
_LAST_WORDS: Final = 300


@dataclass(frozen=True)
class _Run:
    """A run of a command in a process of its own.

    Attributes:
        name: of its folder among the records.
        words: the command and its arguments, without the report's folder.
    """

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Outcome:
    """The end of a run.

    Attributes:
        run: its name.
        seconds: how long it took.
        exit_code: of the process; None where the time was over.
        words: the last line of its errors, or why it did not run.
    """

    run: str
    seconds: float
    exit_code: int | None
    words: str = ""


@click.command("check-device")
@click.argument("subject", nargs=-1)
@click.option("--device", type=DeviceName(), default="cpu", show_default=True, help="Where it runs.")
@click.option("--python", metavar="PATH", help="The interpreter that has the framework, and NumPy.")
@click.option("--check", "checks", multiple=True, metavar="GLOB", help="Only checks with such an id.")
@click.option(
    "--arithmetic", type=click.Path(), metavar="FILE", help="The declared arithmetic of the device."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="device-report",
    show_default=True,
    help="The folder to send back; it must be empty.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help="What has not begun after so long is left out, and listed.",
)
def check_device(
    subject: tuple[str, ...],
    device: str,
    python: str | None,
    checks: tuple[str, ...],
    arithmetic: str | None,
    output: Path,
    minutes: float,
) -> int:
    """Check every mode and format of a device, into one folder to send back.

    Without SUBJECT, all modes of torch, or of mindspore, whichever the interpreter has.
    """
    begin = time.monotonic()
    make_folder(output, "--output")
    if found := next(output.iterdir(), None):
        raise CommandError(f"the folder {output} holds {found.name}; name an empty one with --output")
    infos, lacking = _describe(subject, device, python)
    more = [f"--device={device}", *([f"--python={python}"] if python else [])]
    more += [f"--arithmetic={arithmetic}"] if arithmetic else []
    more += [f"--check={glob}" for glob in checks]
    end = begin + 60 * minutes
    builtin = [name for name in infos if parse_name(name).is_builtin]
    outcomes = [_rehearse(name, device, python, output, end) for name in builtin[:1]]
    with ThreadPoolExecutor(min(_MOST_AT_ONCE, os.cpu_count() or 1)) as pool:
        for outcome in pool.map(lambda run: _perform(run, output, end), _runs(infos, more)):
            click.echo(_line(outcome), err=True)
            outcomes.append(outcome)
    return _conclude(output, infos, lacking, outcomes, time.monotonic() - begin)


def _describe(
    subjects: Sequence[str], device: str, python: str | None
) -> tuple[dict[str, SubjectInfo], dict[str, str]]:
    """Describe each subject, and say why the others cannot be opened."""
    try:
        for name in subjects:
            parse_name(name)
    except UnknownSubjectError as error:
        raise CommandError(str(error)) from error
    infos: dict[str, SubjectInfo] = {}
    lacking: dict[str, str] = {}
    for group in [subjects] if subjects else _SUBJECTS.values():
        for name in group:
            try:
                with Subject.open(name, device=device, python=python) as opened:
                    infos[name] = opened.info
            except SubjectError as error:
                lacking[name] = str(error)
        if infos:
            return infos, lacking
    raise CommandError("; ".join(dict.fromkeys(lacking.values())), ExitCode.NOTHING_JUDGED)


def _runs(infos: dict[str, SubjectInfo], more: Sequence[str]) -> Iterator[_Run]:
    """The runs of `check`: what is most used comes first."""
    for name, info in infos.items():
        compiled = name.endswith("[compile]")
        few = [f"--check={glob}" for glob in _OF_COMPILED] if compiled else []
        few += ["--timeout=300"] if compiled else []
        for dtype in sorted(info.dtypes, key=_ORDER.index):
            if compiled and dtype not in _ORDER[:2]:
                continue
            words = ("check", name, f"--dtype={dtype}", *more, *few, "--quiet")
            yield _Run(f"{name}-{dtype}".replace("[", "-").replace("]", ""), words)


def _rehearse(name: str, device: str, python: str | None, output: Path, end: float) -> _Outcome:
    """Record a short run in the device's interpreter, and audit it here."""
    recording = output / "recording"
    command = [find_interpreter(python), str(HOST), name, device, "float32", str(recording.resolve())]
    recorded = _call("recording", command, end)
    if recorded.exit_code != 0:
        return recorded
    return _perform(_Run("audit", ("audit", str(recording), "--quiet")), output, end)


def _perform(run: _Run, output: Path, end: float) -> _Outcome:
    folder = output / "records" / run.name
    command = [sys.executable, "-m", "adamax_conformance.reports.cli", *run.words, f"--report={folder}"]
    return _call(run.name, command, end)


def _call(name: str, command: Sequence[str], end: float) -> _Outcome:
    """Run a command until the time is over."""
    begin = time.monotonic()
    if begin >= end:
        return _Outcome(name, 0.0, None, "the time was over")
    try:
        done = subprocess.run(command, capture_output=True, timeout=end - begin, check=False)
    except subprocess.TimeoutExpired:
        return _Outcome(name, time.monotonic() - begin, None, "the time was over in the middle of it")
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    words = lines[-1][:_LAST_WORDS] if lines and done.returncode not in {0, 1} else ""
    return _Outcome(name, time.monotonic() - begin, done.returncode, words)


def _line(outcome: _Outcome) -> str:
    words = f": {outcome.words}" if outcome.words else ""
    code = "not run" if outcome.exit_code is None else f"exit code {outcome.exit_code}"
    return f"{outcome.run}: {code}, {outcome.seconds:.0f} s{words}"


def _conclude(
    output: Path,
    infos: dict[str, SubjectInfo],
    lacking: dict[str, str],
    outcomes: Sequence[_Outcome],
    seconds: float,
) -> int:
    """Merge the records, describe the device, and say what was left out."""
    about: dict[str, Any] = {
        "platform": platform.platform(),
        "processor": platform.processor(),
        "subjects": {
            name: f"{info.framework} {info.version}, {info.runtime}" for name, info in infos.items()
        },
        "lacking": lacking,
        "runs": [asdict(outcome) for outcome in outcomes],
        "seconds": round(seconds, 1),
    }
    files = sorted((output / "records").glob(f"*/{FILE_NAME}*"))  # a run that was stopped has left a part
    try:
        (output / "device.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        records = merge(files, cut_off=True)
        if not records:
            raise CommandError(
                "nothing was judged: " + "; ".join(map(_line, outcomes)), ExitCode.NOTHING_JUDGED
            )
        summary = render(records, output)
    except OSError as error:
        raise unwritten(output, error) from error
    terminal.show(summary, Console())
    left_out = [outcome.run for outcome in outcomes if outcome.exit_code not in {0, 1}]
    for name, reason in lacking.items():
        click.echo(f"not here: {name} ({reason})")
    if left_out:
        click.echo(f"left out: {', '.join(left_out)} (device.json says why)")
    click.echo(f"the folder to send back: {output}")
    code = ExitCode(int(summary.exit_code))
    return int(ExitCode.NOTHING_JUDGED if left_out and code is ExitCode.CONFORMS else code)
