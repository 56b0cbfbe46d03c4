"""The command `adamax-conformance badge`: a badge of each subject, from records.

A badge is a file in the schema of shields.io's endpoint, to publish with the report:
https://img.shields.io/endpoint?url=... shows it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from ...oracles.verdict import Status, Verdict
from ..record.exit_codes import ExitCode
from ..record.merge import find_records, merge
from ..record.record import Record, RecordError
from .errors import CommandError

_LONGEST: Final = 80
_JUDGED: Final = frozenset({Status.CONFORMS, Status.KNOWN})
_WRONG: Final = frozenset({Status.DIVERGES, Status.BROKEN})
_VALUES: Final = re.compile(r"(value|audit)/.*theta\Z")


def badge_of(verdicts: Sequence[Verdict], *, complete: bool) -> dict[str, object]:
    """The badge of one subject.

    It is green only if the runs are complete, nothing new diverges or broke, and values of theta were judged.

    Args:
        verdicts: of the subject.
        complete: whether no run lacks any.
    """
    judged = {v.check for v in verdicts if v.status in _JUDGED | _WRONG}
    wrong = {v.check for v in verdicts if v.status in _WRONG}
    known = {v.check for v in verdicts if v.status is Status.KNOWN}
    if wrong:
        what = "diverges" if len(wrong) == 1 else "diverge"
        message, color = f"{len(wrong)} of {len(judged)} checks {what}", "red"
    elif not complete:
        message, color = "incomplete run", "lightgrey"
    elif not any(_VALUES.match(check) for check in judged):
        message, color = f"no values judged ({_counted(judged, 'check')})", "lightgrey"
    elif known:
        message, color = (
            f"conforms ({_counted(judged, 'check')}, {_counted(known, 'known divergence')})",
            "green",
        )
    else:
        message, color = f"conforms ({_counted(judged, 'check')})", "brightgreen"
    return {"schemaVersion": 1, "label": "Adamax", "message": message, "color": color}


def _counted(checks: Collection[str], what: str) -> str:
    return f"{len(checks)} {what}{'' if len(checks) == 1 else 's'}"


def _badges(records: Sequence[Record]) -> Iterator[tuple[str, dict[str, object]]]:
    """The name of each subject's file, and its badge."""
    subjects = dict.fromkeys(verdict.subject for record in records for verdict in record.verdicts)
    taken: set[str] = set()
    for subject in subjects:
        own = [r for r in records if any(v.subject == subject for v in r.verdicts)]
        verdicts = [v for record in own for v in record.verdicts if v.subject == subject]
        stem = re.sub(r"[^A-Za-z0-9]+", "-", subject).strip("-")[:_LONGEST] or "subject"
        name = next(n for k in range(len(taken) + 1) if (n := f"{stem}-{k}" if k else stem) not in taken)
        taken.add(name)
        yield f"{name}.json", badge_of(verdicts, complete=all(record.complete for record in own))


@click.command("badge")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="badges",
    show_default=True,
    help="The folder to write to.",
)
def write_badges(files: tuple[Path, ...], output: Path) -> int:
    """Write a badge of each subject in FILES, which are records or reports' folders.

    A badge is JSON that shields.io shows: https://img.shields.io/endpoint?url=URL-OF-THE-FILE.
    """
    try:
        badges = list(_badges(merge(path for file in files for path in find_records(file))))
        if not badges:
            raise CommandError("the records hold no verdict, so there is no badge", ExitCode.NOTHING_JUDGED)
        output.mkdir(parents=True, exist_ok=True)
        for name, badge in badges:
            (output / name).write_text(json.dumps(badge, indent=2) + "\n", encoding="utf-8")
            click.echo(f"{output / name}: {badge['message']}")
    except RecordError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    except OSError as error:
        raise CommandError(f"{output} cannot be written to ({error.strerror})", ExitCode.USAGE) from error
    return int(ExitCode.CONFORMS)
