"""Whatever lies in the user's folder and environment, the verdicts are the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.reports.record.verdict_json import to_json

_CHECKS = ("--dtype", "float32", "--check", "contract/lr/*", "--check", "value/lockstep/*")
_STRANGERS = (
    "_pytest", "adamax_conformance", "click", "conftest", "execnet", "hypothesis", "jinja2", "json", "mpmath",
    "numba", "numpy", "pickle", "pytest", "queue", "random", "rich", "sitecustomize", "socket", "threading",
    "tomllib", "usercustomize", "xdist",
)  # fmt: skip
_LEAVES_ALL_OUT = "addopts = -k nothing --no-such-option\n"
_SETTINGS = {
    "pytest.ini": f"[pytest]\n{_LEAVES_ALL_OUT}",
    "tox.ini": f"[pytest]\n{_LEAVES_ALL_OUT}",
    "setup.cfg": f"[tool:pytest]\n{_LEAVES_ALL_OUT}",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-k nothing --no-such-option"\n',
}
_PLUGIN = '''
"""A plugin that does what pytest-randomly does: another order, and another seed."""

import random

import pytest

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    random.Random(7).shuffle(items)

def pytest_runtest_setup(item):
    random.seed(7)
'''


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The verdicts of a run in a folder, by check, after it was filled."""

    def call(*passed, fill=lambda _folder: None, **more):
        folder = tmp_path_factory.mktemp("run")
        fill(folder)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ADAMAX_", "PYTEST_"))}
        if "PYTHONPATH" in more:
            more["PYTHONPATH"] = os.pathsep.join(
                filter(None, [str(folder / more["PYTHONPATH"]), os.environ.get("PYTHONPATH")])
            )
        # As the command does: without the current folder on the path.
        command = [sys.executable, "-P", "-m", "adamax_conformance.reports.cli.main", "check", "numpy"]
        done = subprocess.run(
            [*command, *_CHECKS, *passed],
            cwd=folder,
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        verdicts = read_record(folder / "divergence-report").verdicts
        return {v.check: {k: x for k, x in to_json(v).items() if k != "duration"} for v in verdicts}

    return call


@pytest.fixture(scope="module")
def usual(judged):
    """The verdicts of a run in an empty folder."""
    return judged()


def _fill_with_strangers(folder):
    for name in _STRANGERS:
        (folder / f"{name}.py").write_text("raise RuntimeError('a stranger was imported')\n")
    for name, content in _SETTINGS.items():
        (folder / name).write_text(content)


def _install_plugin(folder):
    facts = folder / "site" / "stranger-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[pytest11]\nstranger = stranger\n")
    (folder / "site" / "stranger.py").write_text(_PLUGIN)


@pytest.mark.parametrize(
    "passed", [(), ("--", "-q"), ("--", "-q", "-n", "2")], ids=["alone", "pytest", "xdist"]
)
def test_modules_and_settings_in_the_folder_change_no_verdict(judged, usual, passed):
    assert judged(*passed, fill=_fill_with_strangers) == usual


@pytest.mark.parametrize("passed", [(), ("--", "-q")], ids=["hidden", "loaded"])
def test_a_plugin_that_is_installed_changes_no_verdict(judged, usual, passed):
    assert judged(*passed, fill=_install_plugin, PYTHONPATH="site") == usual
