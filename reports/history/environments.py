"""An environment for each version of a framework, and the record of a check in it.

The environment has the framework and nothing of this package: `check --python` runs the subject in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...impl.adapters.frameworks import Framework
from ..escape import one_line
from ..record.record import FILE_NAME

_LONGEST: Final = 300


class RecordingError(Exception):
    """A version could not be installed or checked; the message says why in one line."""


def install(folder: Path, framework: Framework, version: str, others: Sequence[str]) -> Path:
    """Make an environment with one version of a framework.

    Args:
        folder: a new one.
        framework: to install.
        version: of its first package.
        others: requirements of the caller's, which replace those of the same package.

    Returns:
        Its interpreter.

    Raises:
        RecordingError: pip fails.
    """
    first, *rest = framework.requires
    extra = f"[{first.extra}]" if first.extra else ""
    wanted = [f"{first.package}{extra}=={version}", *map(str, rest), *others]
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run([*command, "numpy"], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr]
        raise RecordingError(f"pip cannot install {wanted[0]}: {one_line(errors[-1], _LONGEST)}")
    return python


def record(subject: str, python: Path, folder: Path, options: Sequence[str]) -> Path:
    """Check a subject in an environment.

    Args:
        subject: as on the command line.
        python: the environment's interpreter.
        folder: the report's.
        options: of `check`.

    Returns:
        The record.

    Raises:
        RecordingError: there is no record, since nothing could be judged.
    """
    command = [sys.executable, "-m", "adamax_conformance.reports.cli", "check", subject, "--quiet"]
    command += ["--python", str(python), "--report", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    file = folder / FILE_NAME
    if not file.exists():
        raise RecordingError(f"it cannot be checked: {one_line(done.stderr.strip(), _LONGEST)}")
    return file
