"""The command that shows a verdict again, built from the verdict's own fields.

A record may come from elsewhere, and a reader copies this command into a shell. So nothing of the record is shown
as a command but our own, with the verdict's subject, dtype and check, and with options that we have; every word is
quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ...oracles.verdict import Verdict
from ..escape import visible
from ..options import REPRODUCING

_PROGRAM: Final = "adamax-conformance"
_LONGEST: Final = 2_000
_CHECK_OPTIONS: Final[Mapping[str, bool]] = {
    name: option.is_flag for option in REPRODUCING for name in option.opts
}
"""The options that change a verdict, and whether each is a flag."""
_AUDIT_OPTIONS: Final[Mapping[str, bool]] = {
    "--known": False,
    "--known-only": False,
    "--arithmetic": False,
    "--step": False,
    "--unfinished": True,
}


def command_of(verdict: Verdict) -> str:
    """The command for a shell; empty if the record names another than one of ours."""
    try:
        words = shlex.split(verdict.reproduce[:_LONGEST])
    except ValueError:
        return ""
    match words:
        case [program, "check", _, *rest] if program == _PROGRAM:
            fixed = ["--dtype", verdict.dtype, "--check", verdict.check]
            options = _known_options(_without(rest, ("--dtype", "--check")), _CHECK_OPTIONS)
            given = [verdict.subject]
        case [program, "audit", folder, *rest] if program == _PROGRAM:
            fixed = []
            options = _known_options(rest, _AUDIT_OPTIONS)
            given = [folder]
        case _:
            return ""
    named = [*given, verdict.dtype, verdict.check]
    built = [_PROGRAM, words[1], *given, *fixed, *options]
    if any(not word or word.startswith("-") for word in named) or any(visible(w) != w for w in built):
        return ""
    line = shlex.join(built)
    return line if "\n" not in line and "\t" not in line else ""


def _without(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The words without some options and their values."""
    left = list(words)
    for name in names:
        while name in left:
            index = left.index(name)
            del left[index : index + 2]
    return left


def _known_options(words: Sequence[str], known: Mapping[str, bool]) -> list[str]:
    """The options that there are, with their values; all others are left out."""
    return [word for words in _pairs(words, known) for word in words]


def _pairs(words: Sequence[str], known: Mapping[str, bool]) -> Iterator[list[str]]:
    left = iter(words)
    for word in left:
        if known.get(word, False):
            yield [word]
        elif word in known and (value := next(left, "")) and not value.startswith("-"):
            yield [word, value]
