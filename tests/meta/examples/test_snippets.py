"""Every snippet of the guides runs, or `ELSEWHERE` says which test runs it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.reports.cli.main import cli

ROOT = Path(__file__).parents[3]
OPTIMIZERS = Path(__file__).parents[1] / "cli" / "optimizers.py"
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in {"typings", "build"} for part in path.relative_to(ROOT).parts)
)

ELSEWHERE = {
    "$ adamax-conformance identify my_optim.py:MyAdamax --dtype float32": "cli/test_choice.py",
    "from adamax_conformance.reports.api import assert_conforms": "reports/test_api.py",
    "import numpy as np\nfrom adamax_conformance.impl import Adamax\nfrom": "reports/test_api.py",
    'title = "mypackage.optim.MyAdamax"': "cli/test_documented_by.py",
    'name = "CUDA, as documented"': "cli/test_check_device.py",
    'name = "OpenCL, single precision, as documented"': "cli/test_check_device.py",
    'name = "Metal, fast math, as documented"': "cli/test_check_device.py",
    'name = "flushing to zero"': "cli/test_check_device.py",
    "import numpy as np\nimport somewhere": "impl/test_bridges.py",
    '[[divergence]]\nid = "mine-arguments"': "reports/test_ledger.py",
    "- uses: OWNER/adamax-conformance@v0.1.0": "reports/test_github.py",
}
"""Beginnings of snippets, and the test of `tests/meta` that runs each."""


@dataclass(frozen=True)
class Snippet:
    page: str
    language: str
    text: str

    @property
    def is_elsewhere(self):
        return any(self.text.startswith(beginning) for beginning in ELSEWHERE)


SNIPPETS = [
    Snippet(path.relative_to(ROOT).as_posix(), language, text)
    for path in PAGES
    for language, text in re.findall(
        r"^```(\w+)\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]


def of(*languages):
    found = [each for each in SNIPPETS if each.language in languages and not each.is_elsewhere]
    return pytest.mark.parametrize(
        "snippet", found, ids=lambda each: f"{each.page}: {each.text.splitlines()[0]}"
    )


def test_a_snippet_of_another_test_is_there_and_so_is_the_test():
    for beginning, test in ELSEWHERE.items():
        assert any(each.text.startswith(beginning) for each in SNIPPETS), beginning
        assert (ROOT / "tests" / "meta" / test).is_file()


def test_every_snippet_has_a_language_that_is_run():
    assert {each.language for each in SNIPPETS if not each.is_elsewhere} == {"python", "sh", "yaml"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_and_option_that_a_page_names_is_there(path):
    for command, rest in re.findall(
        r"adamax-conformance ([a-z]+(?:-[a-z]+)*)([^\n`]*)", path.read_text("utf-8")
    ):
        commands = [cli.get_command(click.Context(cli), command)]
        assert commands[0] is not None, command
        commands += getattr(commands[0], "commands", {}).values()
        known = {option for each in commands for parameter in each.params for option in parameter.opts}
        # What is quoted may be another program's; what stands after -- is pytest's.
        ours = re.sub(r"(['\"]).*?\1", "", rest).partition(" -- ")[0]
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours)) <= known, (command, rest)


PROGRAMS = {
    "adamax-conformance": 'if [ "$1" = check ]; then set -- "$@" --dtype float32 --check contract/lr/zero; fi\n'
    'exec {python} -m adamax_conformance.reports.cli.main "$@"',
    "pytest": "if [ $# = 0 ]; then exit 0; fi\n"
    'exec {python} -m pytest "$@" --adamax-check contract/lr/zero -p no:cacheprovider',
    # Installing needs the network, and tox runs all that there is, for hours.
    "pip": "exit 0",
    "tox": "exit 0",
    "python3.11": "exit 0",
}
"""What stands for each program: the real one on a small case, or nothing."""


@pytest.fixture
def shell(tmp_path):
    """Run lines in a folder with a package of the user's own, and with small programs."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body.format(python=sys.executable)}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__init__.py").touch()
    optim = OPTIMIZERS.read_text(encoding="utf-8")
    (tmp_path / "mypackage" / "optim.py").write_text(f"{optim}\n\nadamax = Adamax\n", encoding="utf-8")
    (tmp_path / "my_optim.py").write_text(f"{optim}\n\nMyAdamax = Adamax\n", encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ADAMAX_", "PYTEST_"))}
    path = f"{programs}{os.pathsep}{environment['PATH']}"
    added = {"PATH": path, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    added["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [environment.get("PYTHONPATH")])])

    def run(lines):
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", lines],
            cwd=tmp_path,
            env=environment | added,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@of("sh", "yaml")
def test_a_snippet_for_a_shell_runs(snippet, shell, tmp_path):
    lines = snippet.text
    if "audit recording" in lines:
        record_a_run(tmp_path)
    if snippet.language == "yaml":
        lines = "\n".join(re.findall(r"^- run: (.*)$", lines, re.MULTILINE))
        # A framework's class is one of its own environment.
        lines = lines.replace("torch:mypackage.optim.Adamax", "mypackage.optim:adamax")
    assert lines
    done = shell(lines)
    assert done.returncode == 0, done.stdout + done.stderr


def record_a_run(folder):
    """Run the snippet that records."""
    (snippet,) = (each for each in SNIPPETS if "import record" in each.text)
    theta = np.zeros(3, np.float32)
    optimizer = Adamax([theta])
    given = {"optimizer": optimizer, "train": lambda: optimizer((np.ones(3, np.float32),))}
    with contextlib.chdir(folder):
        exec(snippet.text, given)
    assert (folder / "recording").is_dir()


@of("python")
def test_a_snippet_in_python_runs_and_prints_what_it_says(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "import record" in snippet.text:
        record_a_run(tmp_path)
        return
    text, namespace = snippet.text, {}
    if text.startswith("optimizer = factory("):
        theta = np.zeros(1)
        namespace = {"factory": Adamax, "params": [theta], "gradients": (np.ones(1),)}
        text = text.replace(", *, maximize", ", maximize")
    if "subprocess.run(command)" in text:
        text = text.replace('"--quiet",', '"--quiet", "--dtype", "float32", "--check", "contract/lr/zero",')
        text = text.replace("mypackage.optim:adamax", f"{OPTIMIZERS}:Adamax")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(text, namespace)
        for name, test in list(namespace.items()):
            if name.startswith("test_"):
                test()
    promised = [" ".join(line.split()) for line in re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE)]
    assert [" ".join(line.split()) for line in printed.getvalue().splitlines()] == promised
