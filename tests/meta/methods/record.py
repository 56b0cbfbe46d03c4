"""The record of the answers of each method to each planted class: lines of JSON.

A line with the key `run` names the machine and the state of this repository for the lines after it. Each of these has
one answer. A later answer replaces an earlier one.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Record:
    """All answers, and the runs that they come from.

    Attributes:
        runs: in order.
        answers: the last one to each question.
    """

    runs: tuple[Run, ...]
    answers: dict[Key, Answer]


def read(path: Path = RECORDED) -> Record:
    """Read a record; one that does not exist is empty."""
    runs, answers = [], {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        values = json.loads(line)
        if "run" in values:
            runs.append(Run(**values["run"]))
        else:
            answer = Answer(**values)
            answers[answer.key] = answer
    return Record(tuple(runs), answers)


def write(record: Record, path: Path = RECORDED) -> None:
    """Write a record in a fixed order, the runs first."""
    lines = [{"run": asdict(run)} for run in record.runs]
    lines += [asdict(record.answers[key]) for key in sorted(record.answers)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def append(lines: Iterable[Run | Answer], path: Path = RECORDED) -> None:
    """Append runs and answers as they come: a run that is stopped loses none."""
    with path.open("a", encoding="utf-8") as file:
        for line in lines:
            values = {"run": asdict(line)} if isinstance(line, Run) else asdict(line)
            file.write(json.dumps(values) + "\n")
            file.flush()


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
