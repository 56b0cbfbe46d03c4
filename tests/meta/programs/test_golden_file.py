"""A C program that checks itself with nothing but the golden files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from adamax_conformance import impl
from adamax_conformance.reports.cli.vectors import PUBLISHED

SOURCE = Path(impl.__file__).parent / "programs" / "c"
COMPILER = shutil.which("cc") or shutil.which("gcc")
FILES = [str(file) for file in sorted(PUBLISHED.glob("*.json"))]

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler is here")


def run_program(folder, right="", wrong=""):
    """Run the program on all files, after a change to the optimizer."""
    source = shutil.copytree(SOURCE, folder / "c")
    text = (source / "adamax.c").read_text(encoding="utf-8")
    assert right in text
    (source / "adamax.c").write_text(text.replace(right, wrong) if right else text, encoding="utf-8")
    program = folder / "golden"
    sources = [str(source / name) for name in ("golden.c", "adamax.c", "json.c")]
    options = ["-std=c11", "-O2", "-ffp-contract=off"]
    subprocess.run([COMPILER, *options, "-o", str(program), *sources, "-lm"], check=True)
    return subprocess.run([str(program), *FILES], capture_output=True, encoding="utf-8", check=False)


def test_a_right_optimizer_follows_every_golden_trajectory(tmp_path):
    run = run_program(tmp_path)
    assert run.returncode == 0, run.stdout
    assert run.stdout.startswith("192 cases, ")
    assert run.stdout.endswith(", 0 wrong\n")


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("ABS(g) + eps", "ABS(g)", "eps/fresh-0.1 after step 1"),
        ("pow(options->beta1, (double)t)", "pow(options->beta1, t > 256 ? 256.0 : t)", "long/one-byte"),
        ("isnan(decayed) ? decayed : fresh", "0 ? decayed : fresh", "special/nan-2"),
        ("g += decay * theta[i]", "theta[i] -= decay * theta[i]", "decay/alone-0"),
        ("options->maximize ?", "0 ?", "maximize/momentum-0"),
        ("(REAL)(1 - options->beta1)", "1 - (REAL)options->beta1", "betas/4-0 after step 1"),
    ],
)
def test_a_wrong_one_is_told_where(right, wrong, named, tmp_path):
    run = run_program(tmp_path, right, wrong)
    assert run.returncode == 1
    assert named in run.stdout
