"""The command `accuracy`: the largest known errors, with their inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ...impl.adapters.registry import SubjectKind, parse_name
from ...impl.protocol.errors import RejectedError, SubjectError, UnknownSubjectError
from ...impl.protocol.messages import DTYPES
from ...impl.subject.client import Subject
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters
from ..accuracy.constructed import NearTies, find_near_ties
from ..accuracy.measure import (
    HiddenStateError,
    KnownError,
    Model,
    Start,
    measure_runs,
    restrict_options,
)
from ..accuracy.search import RUN_STEPS, confirm, search_largest, search_run
from ..escape import one_line
from ..options import STATE_HELP, DeviceName, StateNames
from ..record.exit_codes import ExitCode
from ..render import terminal
from ..rule.identify import identify_rule
from ..untrusted import LARGEST_TOML, UntrustedError, read_file
from .errors import CommandError

_SHOWN: Final = 4
_OPTIONS: Final = ("lr", "beta1", "beta2", "eps", "weight_decay")
_STEPS_EACH: Final = 30
"""Of so many rounds of single steps, one of runs."""

_QUANTITIES: Final = {each.value: each for each in (Quantity.M, Quantity.U, Quantity.THETA)}


@dataclass(frozen=True)
class _Row:
    """One row of the table.

    Attributes:
        dtype: of the parameters.
        known: the error.
        earlier: the error that a file says; None if there is no file.
    """

    dtype: str
    known: KnownError
    earlier: float | None = None


@dataclass(frozen=True)
class _Answer:
    """The measurements of a subject.

    Attributes:
        rows: of the table.
        near_ties: of each dtype.
        left: what cannot be measured, in words.
    """

    rows: list[_Row] = field(default_factory=list)
    near_ties: dict[str, NearTies] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


@click.command("accuracy")
@click.argument("subject")
@click.option("--dtype", multiple=True, type=click.Choice(DTYPES), help="float32 and float64 by default.")
@click.option("--device", type=DeviceName(), default="cpu", show_default=True, help="Where it runs.")
@click.option("--python", metavar="PATH", help="The interpreter to run the subject in.")
@click.option("--state", type=StateNames(), metavar="M,U", help=STATE_HELP)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=900,
    show_default=True,
    metavar="N",
    help="How long it searches: 6,000 steps of an element each.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--again",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Measure the inputs of an earlier answer (--json) again, and search nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def accuracy(subject: str, again: Path | None, *, as_json: bool, **options: Any) -> int:
    """Search the largest errors of SUBJECT: in one step, and of theta in a run.

    A longer search may find a larger one. The proven bound of the same input stands next to it.
    """
    earlier = None if again is None else _read(again)
    try:
        with Subject.open(
            subject, device=options["device"], python=options["python"], state=options["state"]
        ) as opened:
            version = f"{opened.info.framework} {opened.info.version}"
            answer = (
                _measure(opened, options) if earlier is None else _measure_again(opened, earlier, options)
            )
    except UnknownSubjectError as error:
        raise CommandError(str(error)) from error
    except RejectedError as error:
        raise CommandError(f"{subject} raises in the midst of a step: {error}", ExitCode.DIVERGES) from error
    except (SubjectError, ValueError) as error:
        raise CommandError(one_line(str(error)), ExitCode.NOTHING_JUDGED) from error
    if as_json:
        click.echo(
            json.dumps(
                {
                    "subject": subject,
                    "version": version,
                    "known": [_to_json(r) for r in answer.rows],
                    "near ties": [{"dtype": d, **asdict(n)} for d, n in answer.near_ties.items()],
                    "not measured": answer.left,
                },
                indent=2,
            )
        )
    else:
        _show(f"{subject} {version}", answer, Console())
    for words in answer.left:
        click.echo(f"not measured: {one_line(words)}", err=True)
    if any(r.known.error > r.known.bound for r in answer.rows):
        return int(ExitCode.DIVERGES)
    return int(ExitCode.NOTHING_JUDGED if answer.left else ExitCode.CONFORMS)


def _measure(subject: Subject, options: Mapping[str, Any]) -> _Answer:
    usual = [dtype for dtype in ("float32", "float64") if dtype in subject.info.dtypes]
    dtypes = options["dtype"] or usual or subject.info.dtypes
    if missing := [dtype for dtype in dtypes if dtype not in subject.info.dtypes]:
        raise ValueError(
            f"{subject.name} has no {', '.join(missing)}; it has {', '.join(subject.info.dtypes)}"
        )
    answer = _Answer()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for dtype in dtypes:
            try:
                model = _model(subject, dtype)
            except ValueError as error:
                answer.left.append(str(error))
                continue
            task = progress.add_task(dtype, total=options["rounds"])
            try:
                found = search_largest(
                    subject,
                    model,
                    options["rounds"],
                    options["seed"],
                    lambda done, task=task: progress.update(task, completed=done),  # type: ignore[misc]
                )
                answer.rows.extend(_Row(dtype, known) for known in found.values())
                answer.near_ties[dtype] = _near_ties(subject, model, options["seed"])
            except HiddenStateError as error:
                answer.left.append(f"{dtype}: {error}")
            run = search_run(subject, model, options["rounds"] // _STEPS_EACH + 1, options["seed"])
            answer.rows.append(_Row(dtype, run))
    if not answer.rows:
        raise ValueError("; ".join(answer.left))
    return answer


def _measure_again(
    subject: Subject, earlier: Sequence[tuple[str, Quantity, Start, float]], options: Mapping[str, Any]
) -> _Answer:
    answer = _Answer()
    models = {dtype: _model(subject, dtype) for dtype in dict.fromkeys(dtype for dtype, *_ in earlier)}
    for dtype, quantity, start, error in earlier:
        answer.rows.append(_Row(dtype, _measure_one(subject, models[dtype], quantity, start), error))
    for dtype in {dtype: None for dtype, _, start, _ in earlier if len(start.gradients) < RUN_STEPS}:
        answer.near_ties[dtype] = _near_ties(subject, models[dtype], options["seed"])
    return answer


def _near_ties(subject: Subject, model: Model, seed: int) -> NearTies:
    return find_near_ties(subject, model, seed, restrict=lambda options: restrict_options(subject, options))


def _measure_one(subject: Subject, model: Model, quantity: Quantity, start: Start) -> KnownError:
    if len(start.gradients) < RUN_STEPS:
        return confirm(subject, model, quantity, start)
    theta, gradients = np.array([start.theta]), np.array(start.gradients)[:, None]
    (known,) = measure_runs(subject, model, start.options, theta, gradients)
    return known


def _model(subject: Subject, dtype: str) -> Model:
    found = identify_rule(subject, dtype)
    if found.rule is None:
        raise ValueError(
            f"{subject.name} follows no known rule in {dtype}, so there is nothing to measure it by"
        )
    return Model.of(found, is_own=parse_name(subject.name).kind is SubjectKind.NUMPY)


def _show(title: str, answer: _Answer, console: Console) -> None:
    rows = answer.rows
    table = Table(box=None, pad_edge=False, header_style="bold")
    searched = all(row.earlier is None for row in rows)
    for heading in (
        "dtype",
        "",
        "largest known error",
        "bound there",
        "largest bound" if searched else "earlier",
    ):
        table.add_column(heading, overflow="fold")
    for row in rows:
        known = row.known
        cells = (
            row.dtype,
            known.quantity.value + (f" after {len(known.start.gradients)} steps" if known.is_run else ""),
            f"{known.error:.4f} ulp",
            f"{known.bound:.4f} ulp",
            f"{known.largest_bound if row.earlier is None else row.earlier:.4f} ulp"
            + (", so proved" if known.is_proved else ""),
        )
        table.add_row(*cells)
    terminal.print_line(title, console)
    console.print(table)
    for dtype, ties in answer.near_ties.items():
        words = (
            f"{dtype} theta is rounded correctly at {ties.correct} of {ties.inputs} near-ties, "
            f"and at {ties.ordinary} of {ties.inputs} ordinary inputs next to them"
        )
        terminal.print_line(words, console)
    for row in rows:
        words = f"{row.dtype} {row.known.quantity.value}: {_describe(row.known.start)}"
        terminal.print_line(words, console)


def _describe(start: Start) -> str:
    h = start.options
    shown = [repr(g) for g in start.gradients[:_SHOWN]]
    gradients = ", ".join([*shown, *(["..."] if len(start.gradients) > _SHOWN else [])])
    options = f"lr={h.lr!r}, betas=({h.beta1!r}, {h.beta2!r}), eps={h.eps!r}"
    return f"theta {start.theta!r}; gradients {gradients}; {options}"


def _to_json(row: _Row) -> dict[str, Any]:
    start = row.known.start
    options = {name: float(getattr(start.options, name)).hex() for name in _OPTIONS}
    return {
        "dtype": row.dtype,
        "quantity": row.known.quantity.value,
        "steps": len(start.gradients),
        "whole run": row.known.is_run,
        "error": row.known.error,
        "bound": row.known.bound,
        "largest bound": row.known.bound if row.earlier is not None else row.known.largest_bound,
        "proved": row.known.is_proved,
        "options": options,
        "theta": start.theta.hex(),
        "gradients": [g.hex() for g in start.gradients],
    }


def _options(hexadecimal: Mapping[str, str]) -> Hyperparameters:
    lr, beta1, beta2, eps, weight_decay = (float.fromhex(hexadecimal[name]) for name in _OPTIONS)
    return Hyperparameters(lr, beta1, beta2, eps, weight_decay)


def _read(file: Path) -> list[tuple[str, Quantity, Start, float]]:
    """The inputs of an earlier answer, and the errors that it says."""
    try:
        known = json.loads(read_file(file, LARGEST_TOML))["known"]
        return [
            (
                DTYPES[DTYPES.index(each["dtype"])],
                _QUANTITIES[each["quantity"]],
                Start(
                    _options(each["options"]),
                    float.fromhex(each["theta"]),
                    tuple(float.fromhex(g) for g in each["gradients"]),
                ),
                float(each["error"]),
            )
            for each in known
        ]
    except OSError as error:
        raise CommandError(f"{file} cannot be read ({error.strerror})") from error
    except (UntrustedError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise CommandError(f"{file} is not an answer of `accuracy --json`: {one_line(str(error))}") from error
