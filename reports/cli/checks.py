"""The command `checks`, and the globs that choose checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import click
from packaging.version import InvalidVersion, Version

from .errors import CommandError

_CATALOGUE: Final = "adamax_conformance.tests.conformance.harness.catalogue"
_NEAREST: Final = 3

GROUPS: Final[Mapping[str, str]] = {
    "contract": "what the page says about arguments",
    "rule": "which formula it implements, and how precisely",
    "value": "each number within the proven bound of the exact one",
    "relations": "runs that must agree with each other",
    "bookkeeping": "groups, learning rates, checkpoints, arrays of every layout",
    "schedulers": "the framework's own learning rate schedulers",
    "special": "zeros, subnormal and infinite numbers, NaN",
    "lives": "whole histories, in which all of these combine",
    "framework": "features that only some frameworks have",
    "golden": "published trajectories with proven digits",
}
"""What the checks of each group are about."""


class ChoiceError(ValueError):
    """A choice of checks that there are not; the message says which there are."""


def all_checks() -> Mapping[str, Any]:
    """Every check by its id, from the suite that is installed."""
    # By its name: the suite imports this room, and this room may not import the suite.
    checks: Mapping[str, Any] = import_module(_CATALOGUE).CHECKS
    return checks


def split_globs(given: Iterable[str]) -> tuple[str, ...]:
    """The globs of an option that may be given several times, each with commas."""
    return tuple(glob for words in given for word in words.split(",") if (glob := word.strip()))


def matches(check: str, globs: Iterable[str]) -> bool:
    """Whether an id fits one of the globs."""
    return any(fnmatchcase(check, glob) for glob in globs)


def require_matches(globs: Iterable[str], ids: Iterable[str]) -> None:
    """Check that each glob matches an id.

    Raises:
        ChoiceError: one does not.
    """
    ids = list(ids)
    for glob in globs:
        if any(fnmatchcase(check, glob) for check in ids):
            continue
        groups = {check.partition("/")[0] for check in ids}
        if glob in groups:
            raise ChoiceError(f"no check has the id {glob!r}; did you mean {glob}/*?")
        nearest = get_close_matches(glob, ids, _NEAREST, cutoff=0.5)
        words = f"the nearest are {', '.join(nearest)}" if nearest else f"the groups are {', '.join(GROUPS)}"
        raise ChoiceError(f"no check has an id like {glob!r}; {words} (adamax-conformance checks)")


def require_suite(suite: str | None) -> None:
    """Check that there is, or was, such a version of the suite.

    Raises:
        ChoiceError: it is not a version, or a later one than this.
    """
    if suite is None:
        return
    own = version("adamax-conformance")
    try:
        is_later = Version(suite) > Version(own)
    except InvalidVersion:
        raise ChoiceError(f"--suite {suite!r} is not a version; this suite is {own}") from None
    if is_later:
        raise ChoiceError(f"--suite {suite} is later than this suite, which is {own}")


@click.command("checks")
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
def list_checks(globs: tuple[str, ...]) -> int:
    """List every check by its group, with its title."""
    checks = all_checks()
    wanted = split_globs(globs)
    try:
        require_matches(wanted, checks)
    except ChoiceError as error:
        raise CommandError(str(error)) from error
    chosen = [check for name, check in checks.items() if not wanted or matches(name, wanted)]
    width = max(len(check.id) for check in chosen)
    layer = ""
    for check in chosen:
        if check.layer != layer:
            click.echo(f"{chr(10) if layer else ''}{check.layer}: {GROUPS[check.layer]}")
            layer = check.layer
        click.echo(f"  {check.id:{width}}  {check.title}")
    return 0
