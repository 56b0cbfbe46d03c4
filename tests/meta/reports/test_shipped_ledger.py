"""Each entry and each script of the shipped ledger shows what it names."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from adamax_conformance.impl.adapters.frameworks import FRAMEWORKS
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.ledger.ledger import SCRIPTS
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS

ENTRIES = ledger.load().entries
PROGRAMS = sorted(SCRIPTS.glob("*.py"))
LONGEST = 20
ALLOWED = {"inspect", "io", "math", "sys", "numpy"}
BELOW = {"pytorch_optimizer": {"torch"}, "optax": {"jax"}}
"""Packages that a framework is built on, so that its users import them, too."""


def framework_of(path: Path) -> str:
    """The framework of a script, by the start of its name."""
    names = {framework.name for framework in FRAMEWORKS if path.stem.startswith(f"{framework.name}_")}
    return max(names, key=len)


def interpreter(framework: str) -> str:
    """An interpreter that has the framework, or a skip."""
    if importlib.util.find_spec(framework):
        return sys.executable
    python = os.environ.get("MINDSPORE_PYTHON") if framework == "mindspore" else None
    return python or pytest.skip(f"{framework} is not installed")


def keras_backend(script: str) -> str:
    """The backend that a script needs, or one that is installed.

    PyTorch comes last, which does not flush subnormal numbers.
    """
    backends = ("torch",) if script.startswith("keras_torch_") else ("tensorflow", "jax", "torch")
    return next((name for name in backends if importlib.util.find_spec(name)), "none")


def test_every_entry_names_a_check_that_exists():
    ledger.load().require(CHECKS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_entry_says_from_which_version_on_why_and_with_which_script(entry):
    assert entry.versions
    assert entry.reason.endswith(".")
    assert entry.script.startswith(entry.subject.split(",")[0].split("[")[0])


def test_every_script_belongs_to_an_entry():
    assert {path.name for path in PROGRAMS} == {entry.script for entry in ENTRIES}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_script_is_short_and_needs_its_framework_alone(path: Path):
    text = path.read_text(encoding="utf-8")
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module)] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert len(text.splitlines()) < LONGEST
    framework = framework_of(path)
    assert imported - ALLOWED - BELOW.get(framework, set()) == {framework}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_script_shows_its_divergence(path: Path, tmp_path):
    backend = keras_backend(path.stem)
    if path.stem.startswith("keras_") and (
        backend == "none" or (path.stem, backend) == ("keras_subnormals", "torch")
    ):
        pytest.skip(f"it has nothing to show where the backend is {backend}")
    # To MindSpore 3 means errors only, to PaddlePaddle a great deal more than that.
    glog = {"GLOG_v": "3"} if framework_of(path) == "mindspore" else {}
    variables = {**glog, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    done = subprocess.run(
        [interpreter(framework_of(path)), "-W", "ignore", path],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("diverges: "), done.stderr
