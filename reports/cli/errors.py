"""Errors of a command: one line, and the exit code that goes with it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from ..record.exit_codes import ExitCode


class CommandError(click.ClickException):
    """An error of one line, and the exit code that goes with it."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]


def make_folder(folder: Path, option: str) -> None:
    """Make a folder, if it is not there, and try whether it can be written to.

    Args:
        folder: to write to.
        option: with which another one is named.

    Raises:
        CommandError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"the folder {folder} cannot be written to ({error.strerror}); name another with {option}"
        ) from error


def unwritten(folder: Path, error: OSError) -> CommandError:
    """The error of a folder that could be written to, and then no more.

    The disk is full, or the folder is gone.
    """
    return CommandError(
        f"{error.filename or folder} cannot be written to ({error.strerror})", ExitCode.NOTHING_JUDGED
    )
