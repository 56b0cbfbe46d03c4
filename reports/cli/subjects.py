"""The commands `subjects` and `identify`."""

from __future__ import annotations

import json
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...impl.adapters.registry import BRIDGES, BUILTIN
from ...impl.protocol.errors import RejectedError, SubjectError, UnknownSubjectError
from ...impl.protocol.messages import DTYPES, SubjectInfo
from ...impl.subject.client import Subject
from ...oracles.identify.result import Identification
from ...reference.rules import DOCUMENTED
from ..escape import one_line
from ..options import STATE_HELP, DeviceName, StateNames
from ..record.exit_codes import ExitCode
from ..render import terminal
from ..rule.identify import identify_rule
from .errors import CommandError


def show(python: str | None, console: Console) -> ExitCode:
    """Print a table of the built-in subjects.

    Args:
        python: the interpreter to look in; this one if None.
        console: to print on.

    Returns:
        Whether there is any.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("subject", "version", "dtypes", "devices", "note"):
        table.add_column(column, overflow="fold")
    missing: dict[str, list[str]] = {}
    for name in BUILTIN:
        try:
            with Subject.open(name, python=python) as subject:
                info = subject.info
        except SubjectError as error:
            missing.setdefault(one_line(str(error)), []).append(name)
            continue
        cells = (name, info.version, ", ".join(info.dtypes), ", ".join(info.devices), _note(info))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    for reason, names in missing.items():
        terminal.print_line(f"\n{', '.join(names)}: {reason}", console)
    terminal.print_line(f"\nBridges to packages that are not looked for here: {', '.join(BRIDGES)}", console)
    terminal.print_line(f"\nYour own: {_FORMS}", console)
    return ExitCode.CONFORMS if table.row_count else ExitCode.NOTHING_JUDGED


_FORMS: Final = "package.module:factory, path/to/file.py:factory, torch:package.module.Class, process:COMMAND"


def _note(info: SubjectInfo) -> str:
    missing = [part for part, there in info.has.items() if there is False]
    return f"without {', '.join(missing)}" if missing else ""


def identify_and_show(
    name: str,
    dtypes: tuple[str, ...],
    device: str,
    python: str | None,
    console: Console,
    *,
    state: tuple[str, str] | None = None,
    as_json: bool = False,
) -> ExitCode:
    """Print what a subject implements, in each dtype.

    Args:
        name: the subject's, as on the command line.
        dtypes: those to identify; empty for all that it has.
        device: where it runs.
        python: the interpreter that it runs in.
        console: to print on.
        state: the names under which it keeps m and u, if they are the user's.
        as_json: whether to print one JSON object.

    Raises:
        CommandError: there is no such subject here, or it did not compute.
    """
    try:
        with Subject.open(name, device=device, python=python, state=state) as subject:
            if missing := [d for d in dtypes if d not in subject.info.dtypes]:
                raise CommandError(
                    f"{name} has no {', '.join(missing)} on {device}; it has {', '.join(subject.info.dtypes)}",
                    ExitCode.NOTHING_JUDGED,
                )
            found = [identify_rule(subject, dtype) for dtype in dtypes or subject.info.dtypes]
    except UnknownSubjectError as error:
        raise CommandError(str(error)) from error
    except RejectedError as error:
        raise CommandError(f"{name} raises in the midst of a step: {error}", ExitCode.DIVERGES) from error
    except SubjectError as error:
        raise CommandError(str(error), ExitCode.NOTHING_JUDGED) from error
    if as_json:
        click.echo(json.dumps({"subject": name, "identified": [_to_json(each) for each in found]}, indent=2))
    else:
        for identification in found:
            _print(name, identification, console)
    documented = all(i.rule == DOCUMENTED and i.admissible for i in found)
    return ExitCode.CONFORMS if documented else ExitCode.DIVERGES


def _to_json(found: Identification) -> dict[str, Any]:
    """An identification as JSON values; the rule is null where no known one fits."""
    return {
        "dtype": found.format_.dtype,
        "words": found.describe(),
        "rule": found.rule.name if found.rule else None,
        "documented": found.rule == DOCUMENTED,
        "fits as well": [rule.name for rule in found.alternatives],
        "cannot be determined": dict(found.undetermined),
        "form": found.scheme.form.value,
        "scalars": {q: getattr(found.scheme, q).name.lower() for q in ("m", "u", "theta")},
        "computes in": found.computes_in.name.lower(),
        "admissible": found.admissible,
        "evidence": list(found.evidence),
        "breaks where": [each.reason for each in found.mismatches.values()],
    }


def _print(name: str, found: Identification, console: Console) -> None:
    def line(text: str, indent: str = "  ") -> None:
        terminal.print_line(indent + one_line(text), console)

    line(f"{name} {found.format_.dtype}: {found.describe()}", indent="")
    for rule in found.alternatives:
        line(f"fits as well: {rule.name}")
    for part, reason in found.undetermined.items():
        line(f"{part.replace('_', ' ')} cannot be determined: {reason}")
    for evidence in found.evidence:
        line(f"{evidence}")
    for mismatch in found.mismatches.values():
        line(f"it breaks where {mismatch.reason}")
    if found.rule is not None and not found.admissible:
        what = "scalars" if found.computes_in is found.format_ else "numbers"
        line(f"{what} are computed below the working precision")


@click.command("subjects")
@click.option("--python", metavar="PATH", help="The interpreter to look in.")
def list_subjects(python: str | None) -> int:
    """List the subjects here, with versions, dtypes and devices, and what is missing."""
    return int(show(python, terminal.table_console()))


@click.command("identify")
@click.argument("subject")
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES))
@click.option("--device", type=DeviceName(), default="cpu", show_default=True)
@click.option("--python", metavar="PATH", help="The interpreter to run the subject in.")
@click.option("--state", type=StateNames(), metavar="M,U", help=STATE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def identify_subject(
    subject: str,
    dtype: tuple[str, ...],
    device: str,
    python: str | None,
    state: tuple[str, str] | None,
    *,
    as_json: bool,
) -> int:
    """Identify the rule, form and scalar precision of SUBJECT, with the evidence."""
    code = identify_and_show(subject, dtype, device, python, Console(), state=state, as_json=as_json)
    return int(code)
