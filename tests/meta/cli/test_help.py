"""The help and the start of the command line."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from adamax_conformance.reports.cli.main import cli

HEAVY = ("hypothesis", "jinja2", "jsonschema", "matplotlib", "mpmath", "numba", "numpy", "pytest", "rich")
COMMANDS = cli.list_commands(click.Context(cli))


def imported_by(statement):
    """The heavy modules that a new interpreter has after a statement."""
    shown = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["nothing"]])
def test_what_needs_no_command_imports_none(words):
    start = (
        "from adamax_conformance.reports.cli.main import main\n"
        f"sys.argv[1:] = {words!r}\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert imported_by(start) == []


def test_our_optimizer_imports_numpy_alone():
    assert imported_by("import adamax_conformance.impl") == ["numpy"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_of_each_command_what_its_own_help_says(name, run):
    command = cli.get_command(click.Context(cli), name)
    sentence = command.get_short_help_str(limit=300)
    assert " ".join(sentence.split()) in " ".join(run("--help").out.split())


def test_a_command_that_there_is_not_is_one_line(run):
    ran = run("judge")
    assert ran.code == 2
    assert "No such command 'judge'" in ran.err
