"""Verdicts on programs in C, JavaScript and plain Python, right and wrong."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import ANY

import pytest
from adamax_conformance import impl
from adamax_conformance.tests.meta.cli.forks import output_of, without_settings

PROGRAMS = Path(impl.__file__).parent / "programs"
COMPILER = shutil.which("cc") or shutil.which("gcc")
NODE = shutil.which("node")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler is here")
needs_node = pytest.mark.skipif(NODE is None, reason="no node is here")
LANGUAGES = [pytest.param("c", marks=needs_compiler), pytest.param("javascript", marks=needs_node), "python"]

BUGS = [
    ("c", "adamax.c", "ABS(g) + eps", "ABS(g)", "rule/*"),
    ("c", "adamax.c", "1 - pow(options->beta1, (double)t)", "1 - options->beta1", "rule/*"),
    ("c", "adamax.c", "if (!(options->eps > 0", "if (!(options->eps > -2", "contract/eps/*"),
    ("c", "subject.c", "to->t = from->t;", "", "bookkeeping/resume"),
    ("javascript", "adamax.mjs", "Math.abs(g) + eps", "Math.abs(g)", "rule/*"),
    (
        "javascript",
        "adamax.mjs",
        "const complement = round(1 - ",
        "const complement = round(1.0001 - ",
        "rule/*",
    ),
    ("javascript", "adamax.mjs", "beta >= 0 && beta < 1", "beta >= 0 && beta <= 1", "contract/betas/*"),
    ("javascript", "adamax.mjs", "this.stepCount = stepCount;", "", "bookkeeping/resume"),
    ("python", "adamax.py", "-x for x in gradient", "x for x in gradient", "rule/*"),
    ("python", "adamax.py", "return x if x > y or x != x else y", "return x if x > y else y", "special/nan*"),
    ("python", "adamax.py", "self.options[group]", "self.options[0]", "bookkeeping/*"),
    (
        "python",
        "adamax.py",
        "1 - beta1**self.step_count",
        "1 - beta1 ** min(self.step_count, 256)",
        "value/long-run/*",
    ),
]


def command(language, folder, built):
    """The command line of a program in a folder; C is compiled first."""
    match language:
        case "c":
            sources = [str(folder / name) for name in ("subject.c", "adamax.c", "json.c")]
            options = ["-std=c11", "-O2", "-ffp-contract=off"]
            subprocess.run([COMPILER, *options, "-o", str(built), *sources, "-lm"], check=True)
            words = [str(built)]
        case "javascript":
            words = [NODE, str(folder / "subject.mjs")]
        case "python":
            words = [
                sys.executable,
                "-I",
                "-c",
                f"import sys; sys.path.insert(0, {str(folder)!r}); import subject; subject.main()",
            ]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


@pytest.fixture
def check(forks, tmp_path):
    """Check a program, and return the exit code and what was printed."""

    def call(program, *options):
        words = ["check", f"process:{program}", "--quiet", *options]
        if forks is None:
            front = [sys.executable, "-m", "adamax_conformance.reports.cli.main"]
            done = subprocess.run(
                [*front, *words], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
            )
            return done.returncode, done.stdout + done.stderr
        folder = tmp_path / "here"
        folder.mkdir(exist_ok=True)
        return forks.run(words, folder, without_settings()), "".join(output_of(folder))

    return call


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_right_program_conforms_in_every_dtype_that_it_states(language, tmp_path, check):
    program = command(language, PROGRAMS / language, tmp_path / "adamax")
    assert check(program, "--dtype", "float32") == (0, ANY)
    layers = "contract/*,rule/*,value/lockstep/*,value/scales/*,special/*"
    assert check(program, "--dtype", "float64", "--check", layers) == (0, ANY)


def bug_param(bug):
    language, _, right, wrong, _ = bug
    marks = {"c": [needs_compiler], "javascript": [needs_node]}.get(language, [])
    return pytest.param(*bug, id=f"{language}: {right} becomes {wrong or 'nothing'}", marks=marks)


@pytest.mark.parametrize(("language", "file", "right", "wrong", "caught"), [bug_param(bug) for bug in BUGS])
def test_a_copy_with_a_planted_bug_diverges(language, file, right, wrong, caught, tmp_path, check):
    folder = shutil.copytree(PROGRAMS / language, tmp_path / "copy")
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(right) >= 1
    (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
    program = command(language, folder, tmp_path / "adamax")
    assert check(program, "--dtype", "float32", "--fail-fast", "--check", caught) == (1, ANY)
