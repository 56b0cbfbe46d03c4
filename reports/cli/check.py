"""The command `check`: the suite, run by pytest.

Everything that people know of pytest keeps working: what stands after `--` is passed on
(`adamax-conformance check torch -- -n 2 -k nan`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import pytest
from rich.console import Console

from ...impl.adapters.registry import parse_name
from .. import arithmetic_file, documentation_file
from ..escape import github_error, terminal_line
from ..ledger import ledger
from ..ledger.choice import choose
from ..options import OPTIONS, pytest_arguments
from ..record.exit_codes import ExitCode
from ..record.record import Record
from ..record.run_result import RunResult
from ..render import terminal
from ..render.summary import Summary, summarize
from .errors import CommandError, make_folder

_SUITE: Final = "adamax_conformance.tests.conformance"
_SUITE_PLUGIN: Final = "adamax-conformance-suite"
"""The name under which the suite's plugin is registered."""
_NO_PLUGINS: Final = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
_LONGEST_LINE: Final = 300
_SUBJECT_HELP: Final = """
SUBJECT is numpy (our own, where nothing is named), torch, torch[foreach], mindspore, ...;
package.module:factory or path/to/file.py:factory; torch:package.module.Class; process:COMMAND."""


@click.command(epilog=_SUBJECT_HELP, params=[*OPTIONS])
@click.argument("subject", nargs=-1)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    default="divergence-report",
    show_default=True,
    help="The folder of the record and the report.",
)
@click.option(
    "--print-known", is_flag=True, help="Write ledger entries for what diverges to standard output."
)
@click.option(
    "--skip-absent", is_flag=True, help="If the framework or the device is missing, say so and exit 0."
)
@click.option("--quiet", is_flag=True, help="Print nothing but the answer.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Check subjects and dtypes in N processes at once; it needs pytest-xdist.",
)
@click.pass_obj
def check(passed: tuple[str, ...], /, **options: Any) -> int:
    """Check optimizers. Without SUBJECT, our own implementation."""
    if options["print_known"]:
        options["quiet"] = True
    _check_early(options)
    _require_xdist(passed, options["workers"])
    arguments = _pytest_arguments(options, passed)
    watch = _RunWatcher()
    with _without_pytest_settings(plugins=bool(passed)):
        code = int(pytest.main([*arguments, *passed], plugins=[watch]))
    if watch.failure:
        raise CommandError(f"the suite itself failed:\n{watch.failure}", ExitCode.NOTHING_JUDGED)
    result = watch.result
    if result is None:
        if watch.interrupted:
            raise click.Abort
        return _code_without_run(code, skip_absent=options["skip_absent"] and _may_be_absent(options))
    _show_run(result, options)
    if code == pytest.ExitCode.TESTS_FAILED and result.exit_code == ExitCode.CONFORMS:
        raise CommandError("a test failed, and no verdict says why", ExitCode.NOTHING_JUDGED)
    return result.exit_code


def _show_run(result: RunResult, options: dict[str, Any]) -> None:
    """Print what the run found, and what it lacks."""
    record = result.record
    console = Console(no_color=None if sys.stdout.isatty() else True)
    if options["print_known"]:
        click.echo(ledger.write_entries(record.verdicts, _versions(record)), nl=False)
    elif options["quiet"]:
        terminal.print_line(summarize([record]).answer, console)
    else:
        terminal.show(summarize([record]), console)
        if not result.unwritten:
            terminal.print_line(f"report: {options['report'] / 'index.html'}", console)
    for note in result.notes:
        click.echo(f"Note: {terminal_line(note, _LONGEST_LINE)}", err=True)
    if os.environ.get("GITHUB_ACTIONS") == "true" and not options["print_known"]:
        _annotate(summarize([record]))
    if result.problem:
        click.echo(f"Error: {terminal_line(result.problem, _LONGEST_LINE)}", err=True)


def _annotate(summary: Summary) -> None:
    """Print what diverges as annotations of GitHub: the causes, or the answer."""
    if summary.exit_code is ExitCode.DIVERGES:
        for words in summary.diagnoses or (summary.answer,):
            click.echo(github_error(words, "Adamax conformance"))


class _RunWatcher:
    """Keeps the result of the run, and pytest's report of an internal error.

    Pytest itself prints the latter only on its own terminal.
    """

    failure = ""
    interrupted = False
    result: RunResult | None = None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note an interrupt; pytest also calls this hook where a plugin ends the run."""
        self.interrupted |= excinfo.errisinstance(KeyboardInterrupt)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Keep the error; a hook of pytest."""
        self.failure = str(excrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Keep the result of the suite; a hook of pytest."""
        result = getattr(config.pluginmanager.get_plugin(_SUITE_PLUGIN), "result", None)
        self.result = result if isinstance(result, RunResult) else None


@contextmanager
def _without_pytest_settings(*, plugins: bool) -> Iterator[None]:
    """Hide pytest's environment variables.

    A plugin or an option that they name could leave checks out. Plugins that are installed are loaded only on
    request: with arguments that are passed to pytest.
    """
    settings = {name: os.environ.pop(name, None) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    if not plugins:
        settings[_NO_PLUGINS] = os.environ.get(_NO_PLUGINS)
        os.environ[_NO_PLUGINS] = "1"
    try:
        yield
    finally:
        for name, value in settings.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _may_be_absent(options: dict[str, Any]) -> bool:
    """Whether a framework or a device can be what is missing.

    An interpreter or a file that the user named may have moved: then nothing would be checked any more.
    """
    if options["python"] is not None and shutil.which(options["python"]) is None:
        return False
    own = [name for name in map(parse_name, options["subject"]) if not name.is_builtin]
    files = [f"{name.target.partition('.py:')[0]}.py" for name in own if ".py:" in name.target]
    return all(map(os.path.exists, files)) and (not own or options["device"] != "cpu")


def _code_without_run(code: int, *, skip_absent: bool) -> int:
    """The exit code of a run that did not begin; pytest has said why."""
    match code:
        case ExitCode.NOTHING_JUDGED if skip_absent:
            click.echo("skipped: nothing was judged")
            return int(ExitCode.CONFORMS)
        case pytest.ExitCode.INTERRUPTED | pytest.ExitCode.USAGE_ERROR:
            return int(ExitCode.USAGE)
    return int(ExitCode.NOTHING_JUDGED)


def _check_early(options: dict[str, Any]) -> None:
    """Raise at once the errors of usage that the run would find later."""
    try:
        choose(options["known"], options["known_only"])
        arithmetic_file.load(options["arithmetic"])
        documentation_file.load(options["documented_by"])
    except (
        ledger.LedgerError,
        arithmetic_file.DeclarationError,
        documentation_file.DocumentationError,
    ) as error:
        raise CommandError(str(error)) from error
    make_folder(options["report"], "--report")


def _require_xdist(passed: Sequence[str], workers: int = 1) -> None:
    """Raise if the caller wants processes of pytest, and its plugin is missing."""
    asked = ["--workers"] if workers > 1 else []
    asked += [word for word in passed if word.startswith("--numprocesses") or re.fullmatch(r"-n(\w*)", word)]
    if asked and importlib.util.find_spec("xdist") is None:
        raise CommandError(
            f"{asked[0]} needs pytest-xdist, which is not here; get it with: "
            f"{sys.executable} -m pip install pytest-xdist"
        )


def _pytest_arguments(options: dict[str, Any], passed: Sequence[str]) -> list[str]:
    suite = importlib.util.find_spec(_SUITE)
    assert suite is not None
    assert suite.origin is not None
    # By its folder rather than with --pyargs: for a name, pytest loads a conftest.py that lies where the user is.
    folder = Path(suite.origin).parent
    arguments = [str(folder), "-c", str(folder / "pytest.ini"), "-p", f"{_SUITE}.plugin"]
    if not passed:  # a user who passes arguments on knows pytest, and wants to see it
        arguments += ["-p", "no:terminal"]
    arguments += [f"--adamax-subject={name}" for name in options["subject"]]
    arguments += [f"--adamax-report={options['report']}", *pytest_arguments(options)]
    if options["fail_fast"]:
        arguments.append("--maxfail=1")
    if (workers := options["workers"]) > 1:
        arguments += ["-p", "xdist", "--dist=loadgroup", f"--numprocesses={workers}"]
    if not options["quiet"] and not passed:
        arguments.append("--adamax-progress")
    return arguments


def _versions(record: Record) -> dict[str, str]:
    return {str(s["name"]): str(s.get("version", "")) for s in record.header.subjects}
