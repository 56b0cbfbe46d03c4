"""The command `adamax-conformance diagnose`: the cause alone, in seconds."""

from __future__ import annotations

import json

import click
from rich.console import Console

from ...impl.protocol.errors import RejectedError, SubjectError, UnknownSubjectError
from ...impl.protocol.messages import DTYPES
from ...impl.subject.client import Subject
from ...impl.subject.parts import find_parts
from ...oracles.causes.diagnosis import Diagnosis
from ..escape import one_line
from ..options import STATE_HELP, DeviceName, StateNames
from ..record.diagnosis import diagnosis_to_json
from ..record.exit_codes import ExitCode
from ..render import terminal
from ..rule.decide import decide
from ..rule.diagnose import diagnose_dtypes, diagnose_subject, lacking_options
from ..rule.life_lines import life_lines
from .errors import CommandError


@click.command("diagnose")
@click.argument("subject")
@click.option("--dtype", type=click.Choice(DTYPES), help="The widest that shows something, by default.")
@click.option("--device", type=DeviceName(), default="cpu", show_default=True)
@click.option("--python", metavar="PATH", help="The interpreter to run the subject in.")
@click.option("--state", type=StateNames(), metavar="M,U", help=STATE_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diagnose_command(
    subject: str,
    dtype: str | None,
    device: str,
    python: str | None,
    state: tuple[str, str] | None,
    *,
    as_json: bool,
) -> int:
    """Name the cause why SUBJECT diverges, or the conditions under which it does."""
    try:

        def renew() -> Subject:
            return Subject.open(subject, device=device, python=python, state=state)

        with renew() as tried:
            groups = find_parts(tried, dtype or tried.info.dtypes[0]).get("groups", True)
        with renew() as opened:
            if dtype is not None and dtype not in opened.info.dtypes:
                raise CommandError(f"{subject} has no {dtype}; it has {', '.join(opened.info.dtypes)}")
            found = (
                diagnose_subject(opened, dtype, groups=groups)
                if dtype
                else diagnose_dtypes(opened, groups=groups)
            )
            lacking = lacking_options(opened)
        found = decide(found, renew, groups=groups)
    except UnknownSubjectError as error:
        raise CommandError(str(error)) from error
    except RejectedError as error:
        raise CommandError(f"{subject} raises: {one_line(str(error))}", ExitCode.DIVERGES) from error
    except SubjectError as error:
        raise CommandError(one_line(str(error)), ExitCode.NOTHING_JUDGED) from error
    if as_json:
        click.echo(json.dumps(diagnosis_to_json(found, subject, lacking), indent=2))
    else:
        _show(found, subject, lacking, Console())
    return int(_exit_code(found))


def _exit_code(found: Diagnosis) -> ExitCode:
    """The exit code of a diagnosis: a subject that raises in every life is not right."""
    if found.is_wrong or (found.refused and not found.steps):
        return ExitCode.DIVERGES
    return ExitCode.CONFORMS if found.steps else ExitCode.NOTHING_JUDGED


def _show(found: Diagnosis, subject: str, lacking: tuple[str, ...], console: Console) -> None:
    def line(text: str) -> None:
        indent = text[: len(text) - len(text.lstrip())]
        terminal.print_line(indent + one_line(text), console)

    lacks = "".join(f"it has no argument {name}; " for name in lacking)
    line(f"{subject} {found.dtype}: {lacks}{found.sentence}")
    for cause in found.causes:
        line(f"  documented:  {cause.documented}")
        line(f"  the subject: {cause.line}")
    if found.besides:
        line(f"  besides, {found.besides}")
    if found.shortest is not None:
        line(
            f"  {found.diverges} of {found.lives} lives show it, for example this one ({found.shortest.name}):"
        )
        for text in life_lines(found.shortest):
            line(f"    {text}")
    for life in found.asked:
        line(
            f"  asked, to tell several causes apart: {life.name}, of {len(life.actions)} actions (--json has it)"
        )
    for words in (*(f"raises {x}" for x in found.refused), *(f"changes: {x}" for x in found.changed)):
        line(f"  it {words}")
