"""The record of the answers of each method to each planted class: lines of JSON.

A line with an object names a run: the machine and the state of this repository. The lines with arrays that follow it,
up to the next run, are its answers.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

RECORDED: Final = Path(__file__).with_name("recorded.jsonl")
DTYPES: Final = ("float32", "float64")

Key = tuple[str, str, str]
"""A method, a planted class and a dtype, by name."""


@dataclass(frozen=True)
class Run:
    """The state of this repository, the machine and the day of some answers.

    Attributes:
        commit: of this repository; it ends with `-dirty` if files had changed since.
        date: the day, in UTC.
        python: its version.
        numpy: its version.
        machine: the processor.
    """

    commit: str
    date: str
    python: str
    numpy: str
    machine: str


@dataclass(frozen=True)
class Answer:
    """The answer of a method to a planted class in a dtype.

    Attributes:
        method: its name.
        planted: the name of the class.
        dtype: the dtype.
        found: what it found wrong; None if nothing.
        seconds: the CPU time that it took.
    """

    method: str
    planted: str
    dtype: str
    found: str | None
    seconds: float

    @property
    def key(self) -> Key:
        """The question that it answers."""
        return self.method, self.planted, self.dtype


Answers = Mapping[Key, tuple[Run, Answer]]
"""The last answer to each question, and the run that it comes from."""


def read(path: Path = RECORDED) -> dict[Key, tuple[Run, Answer]]:
    """Read a record; one that does not exist is empty."""
    result = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        match json.loads(line):
            case dict() as values:
                run = Run(**values)
            case values:
                answer = Answer(*values)
                result[answer.key] = run, answer
    return result


def append(line: Run | Answer, path: Path = RECORDED) -> None:
    """Append a run or an answer at once, so that a run that is stopped loses none."""
    values = asdict(line) if isinstance(line, Run) else astuple(line)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")


def tidy(asked: Collection[Key], path: Path = RECORDED) -> None:
    """Put the record in order, without answers that were replaced or not asked for."""
    kept = {key: value for key, value in read(path).items() if key in asked}
    path.unlink(missing_ok=True)
    runs = sorted({run for run, _ in kept.values()}, key=lambda run: (run.date, run.commit))
    for run in runs:
        append(run, path)
        for key in sorted(key for key, (each, _) in kept.items() if each == run):
            append(kept[key][1], path)


def this_run() -> Run:
    """The run that starts now."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    here = Path(__file__).resolve().parent
    commit = subprocess.run(describe, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    return Run(
        commit=commit,
        date=datetime.now(UTC).date().isoformat(),
        python=platform.python_version(),
        numpy=np.__version__,
        machine=_processor(),
    )


def _processor() -> str:
    """The name of the processor, as Linux knows it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
