"""The command line: `check`, `subjects`, `identify`, `report`, `diff` and more.

A command's module is imported when the command is needed: they take most of a second.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Final, NoReturn, TextIO

import click

from ..escape import terminal_line, terminal_text
from ..record.exit_codes import ExitCode

_LONGEST_LINE: Final = 300
_CLOSED: Final = 141
"""The exit code of a program whose reader has gone, as a shell has it."""


@dataclass(frozen=True)
class _Command:
    """A command that is not imported yet.

    Attributes:
        module: next to this one.
        name: of the command in it.
        about: the first sentence of its help.
    """

    module: str
    name: str
    about: str


_COMMANDS: Final = {
    "accuracy": _Command(
        "accuracy", "accuracy", "Search the largest errors of SUBJECT: in one step, and of theta in a run."
    ),
    "audit": _Command(
        "audit", "audit_recording", "Check a recorded training run: every element of every recorded step."
    ),
    "badge": _Command(
        "badge",
        "write_badges",
        "Write a badge of each subject in FILES, which are records or reports' folders.",
    ),
    "check": _Command("check", "check", "Check optimizers."),
    "check-device": _Command(
        "check_device",
        "check_device",
        "Check every mode and format of a device, into one folder to send back.",
    ),
    "checks": _Command("checks", "list_checks", "List every check by its group, with its title."),
    "diagnose": _Command(
        "diagnose",
        "diagnose_command",
        "Name the cause why SUBJECT diverges, or the conditions under which it does.",
    ),
    "diff": _Command(
        "records", "compare_records", "Compare two runs: what began to diverge, stopped, or changed in size."
    ),
    "history": _Command(
        "history",
        "history",
        "Tell in which versions SUBJECT diverges, and which changed its bits.",
    ),
    "identify": _Command(
        "subjects",
        "identify_subject",
        "Identify the rule, form and scalar precision of SUBJECT, with the evidence.",
    ),
    "report": _Command("records", "merge_records", "Merge the records of several runs, and render them."),
    "subjects": _Command(
        "subjects",
        "list_subjects",
        "List the subjects here, with versions, dtypes and devices, and what is missing.",
    ),
    "vectors": _Command("vectors", "vectors", "Write the golden trajectories, or check files of them."),
}


def main() -> NoReturn:
    """Run the command line; what stands after `--` is passed to pytest."""
    arguments = sys.argv[1:]
    passed: list[str] = []
    if "--" in arguments:
        end = arguments.index("--")
        arguments, passed = arguments[:end], arguments[end + 1 :]
    # Terminated is interrupted: what was judged is written, and no process stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    output = sys.stdout
    try:
        code = cli.main(
            arguments,
            "adamax-conformance",
            standalone_mode=False,
            obj=tuple(passed),
            auto_envvar_prefix="ADAMAX_CONFORMANCE",
        )
    except click.ClickException as error:
        _show_error(error)
        code = error.exit_code
    except click.Abort:
        code = ExitCode.INTERRUPTED
        click.echo("Error: interrupted", err=True)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
        click.echo("Error: interrupted", err=True)
    except BrokenPipeError:
        # The reader of our output has closed it; the interpreter must not try to flush it again.
        _discard_output()
        code = _CLOSED
    except OSError as error:
        _discard_output()
        named = f": {error.filename}" if error.filename else ""
        click.echo(f"Error: {terminal_line(f'{error.strerror or error}{named}', _LONGEST_LINE)}", err=True)
        code = ExitCode.NOTHING_JUDGED
    except SystemExit as error:
        code = _code_of_exit(error, output)
    except BaseException:  # noqa: BLE001 - whatever it is, nothing has been proved
        traceback.print_exc()
        code = ExitCode.NOTHING_JUDGED
    sys.exit(int(code or 0))


def _code_of_exit(error: SystemExit, output: TextIO) -> int:
    """The exit code of an exit that is not the command line's own.

    Rich and click raise it where the reader of the output has closed it, and click replaces that output. If a plugin
    does, even with 0, nothing has been proved.
    """
    if isinstance(error.__context__, BrokenPipeError) or sys.stdout is not output:
        _discard_output()
        return _CLOSED
    traceback.print_exception(error)
    return int(ExitCode.NOTHING_JUDGED)


def _discard_output() -> None:
    """Have the interpreter flush to nowhere what cannot be written."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no descriptor is left, and the output is as it was
        return
    os.dup2(nowhere, sys.stdout.fileno())


def _show_error(error: click.ClickException) -> None:
    """Print click's message, with names and reasons that a file or subject may give."""
    shown = io.StringIO()
    error.show(shown)
    click.echo(terminal_text(shown.getvalue()), err=True, nl=False)


class _Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of a name; None if there is none."""
        found = _COMMANDS.get(cmd_name)
        if found is None:
            return None
        command = getattr(import_module(f".{found.module}", __package__), found.name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].about) for name in sorted(_COMMANDS)])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("adamax-conformance"), prog_name="adamax-conformance")
def cli() -> None:
    """Tell whether an Adamax optimizer computes what its documentation says.

    A report shows where it does not.

    Exit codes: 0 conforms (known divergences listed), 1 a divergence, 2 wrong usage or unreadable input,
    3 nothing could be judged, or verdicts are missing, 130 interrupted.
    """


if __name__ == "__main__":
    main()
