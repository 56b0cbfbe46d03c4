"""Run the command line in a folder of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.tests.meta.cli.forks import output_of, without_settings


@dataclass(frozen=True)
class Ran:
    """The result of a command."""

    code: int
    out: str
    err: str
    folder: Path

    def verdicts(self, *statuses: Status) -> list[Verdict]:
        """The verdicts of the report's record with some statuses."""
        record = read_record(self.folder / "divergence-report" / "verdicts.jsonl")
        return [v for v in record.verdicts if not statuses or v.status in statuses]

    def diverging(self) -> set[str]:
        """The checks that diverge."""
        return {v.check for v in self.verdicts(Status.DIVERGES)}


@pytest.fixture
def folder(tmp_path):
    """A folder with a copy of `optimizers.py`."""
    result = tmp_path / "here"
    result.mkdir()
    shutil.copy(Path(__file__).with_name("optimizers.py"), result)
    return result


@pytest.fixture
def run_alone(folder):
    """Run adamax-conformance next to `optimizers.py`, in a process of its own."""

    def call(*arguments: str, **more: str) -> Ran:
        command = [sys.executable, "-m", "adamax_conformance.reports.cli.main", *arguments]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**without_settings(), **more},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, folder)

    return call


@pytest.fixture
def run(forks, folder, run_alone):
    """Run adamax-conformance next to a copy of `optimizers.py`, in a fork."""
    if forks is None:
        return run_alone

    def call(*arguments: str, **more: str) -> Ran:
        code = forks.run(arguments, folder, {**without_settings(), **more})
        return Ran(code, *output_of(folder), folder)

    return call
