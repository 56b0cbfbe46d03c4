"""Run scripts, and tell what each of them said."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("scripts_in_forks.py")
FORKING = ("torch", "mindspore")
"""Frameworks that a process may import before it forks; others start threads that a fork would lack."""


@dataclass(frozen=True)
class Said:
    """The exit code of a script, and what it wrote."""

    code: int
    out: str
    err: str


def interpreter(framework: str) -> str:
    """An interpreter that has the framework, or a skip."""
    if importlib.util.find_spec(framework):
        return sys.executable
    python = os.environ.get("MINDSPORE_PYTHON") if framework == "mindspore" else None
    return python or pytest.skip(f"{framework} is not installed")


def run_scripts(
    framework: str, paths: Iterable[Path], folder: Path, variables: Mapping[str, str]
) -> dict[str, Said]:
    """Run the scripts of a framework in a folder; by the name of each, what it said."""
    python, paths = interpreter(framework), [str(path.absolute()) for path in paths]
    together = framework in FORKING and hasattr(os, "fork")
    words = [[str(PROGRAM), framework, *paths]] if together else [[path] for path in paths]
    found = {}
    for each in words:
        done = subprocess.run(
            [python, "-W", "ignore", *each],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
            check=together,
        )
        if not together:
            found[each[0]] = Said(done.returncode, done.stdout, done.stderr)
            continue
        for line in done.stdout.splitlines():
            path, code, out, err = json.loads(line)
            found[path] = Said(code, out, err)
    assert list(found) == paths
    return {Path(path).stem: said for path, said in found.items()}
