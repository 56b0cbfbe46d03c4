"""Run the command line in a folder of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reports.record.record import read_record


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
def run(tmp_path):
    """Run adamax-conformance next to a copy of `optimizers.py`."""
    shutil.copy(Path(__file__).with_name("optimizers.py"), tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ADAMAX_", "PYTEST_"))}

    def call(*arguments: str, **more: str) -> Ran:
        command = [sys.executable, "-m", "adamax_conformance.reports.cli.main", *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, tmp_path)

    return call
