"""Each entry and each script of the shipped ledger shows what it names."""

from __future__ import annotations

import ast
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

import pytest
from adamax_conformance.impl.adapters.frameworks import FRAMEWORKS
from adamax_conformance.reference.documentation import CODE
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.ledger.ledger import SCRIPTS
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.meta.reports.running_scripts import run_scripts

ENTRIES = ledger.load().entries
PROGRAMS = sorted(SCRIPTS.glob("*.py"))
LONGEST = 20
ALLOWED = {"copy", "inspect", "io", "math", "sys", "numpy"}
BELOW = {"pytorch_optimizer": {"torch"}, "optax": {"jax"}}
"""Packages that a framework is built on, so that its users import them, too."""


def framework_of(path: Path) -> str:
    """The framework of a script, by the start of its name."""
    names = {framework.name for framework in FRAMEWORKS if path.stem.startswith(f"{framework.name}_")}
    return max(names, key=len)


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
    if entry.subject.startswith("bridge:"):
        assert entry.evidence == CODE[entry.subject]  # a bridge is itself the script
        return
    assert entry.script.startswith(entry.subject.split(",")[0].split("[")[0])


def test_every_script_belongs_to_an_entry():
    assert {path.name for path in PROGRAMS} == {entry.script for entry in ENTRIES} - {""}


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


def variables_of(path: Path) -> dict[str, str]:
    """The environment variables that a script needs."""
    # To MindSpore 3 means errors only, to PaddlePaddle a great deal more than that.
    glog = {"GLOG_v": "3"} if framework_of(path) == "mindspore" else {}
    return {**glog, "KERAS_BACKEND": keras_backend(path.stem), "JAX_ENABLE_X64": "1"}


def concerns_installed(path: Path) -> bool:
    """Whether an entry of a script is for the version that is here, or is unseen."""
    try:
        installed = version(framework_of(path))
    except PackageNotFoundError:
        return True
    return any(entry.admits(installed) for entry in ENTRIES if entry.script == path.name)


@pytest.mark.parametrize("framework", sorted({framework_of(path) for path in PROGRAMS}))
def test_each_script_of_a_framework_shows_its_divergence(framework: str, tmp_path):
    paths = [path for path in PROGRAMS if framework_of(path) == framework and concerns_installed(path)]
    if framework == "keras":
        backends = {path: keras_backend(path.stem) for path in paths}
        nothing = {path for path in paths if (path.stem, backends[path]) == ("keras_subnormals", "torch")}
        paths = [path for path in paths if backends[path] != "none" and path not in nothing]
    said = {}
    for variables, group in groupby(paths, variables_of):
        said |= run_scripts(framework, group, tmp_path, variables)
    wrong = {
        name: each
        for name, each in said.items()
        if each.code != 1 or not each.err.splitlines()[-1].startswith("diverges: ")
    }
    assert not wrong
