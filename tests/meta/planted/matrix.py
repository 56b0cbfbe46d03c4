"""Does the suite catch every planted bug, and accuse no faithful variant? The kill matrix, and the soak.

    python -m adamax_conformance.tests.meta.planted.matrix                    # every bug, every faithful variant
    python -m adamax_conformance.tests.meta.planted.matrix --only faithful --seeds 20
    python -m adamax_conformance.tests.meta.planted.matrix --only faithful --profile full
    python -m adamax_conformance.tests.meta.planted.matrix --only programs    # drawn faithful ones

Exits with 1 on a survivor, a false alarm, or a faithful variant that is not recognized for what it is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.contract import CLAUSES, Outcome
from adamax_conformance.tests.conformance.cases.pinned import SPECIALS, Wanted
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.target import Profile, Settings
from adamax_conformance.tests.meta.planted import BUGS, FAITHFUL
from adamax_conformance.tests.meta.planted.base import Adamax
from adamax_conformance.tests.meta.planted.programs import PROGRAMS
from adamax_conformance.tests.meta.planted.trial import Trial, attempt

Place = tuple[str, str]
"""A bug's name, and a dtype."""

_KINDS: Final[dict[str, tuple[type[Adamax], ...]]] = {
    "bugs": BUGS,
    "faithful": FAITHFUL,
    "programs": PROGRAMS,
}
_VARIANTS: Final = {variant.name: variant for variant in (*FAITHFUL, *PROGRAMS)}
_RECORDING: Final = frozenset(
    [f"contract/{clause.id}" for clause in CLAUSES if clause.outcome is Outcome.OPEN]
    + [f"special/{special.id}" for special in SPECIALS if special.wanted is Wanted.OPEN]
)
"""Checks that record what a subject does where the page leaves room, and accuse nobody."""
_USUAL_DTYPES: Final = ("float32", "float64")
_SHOWN: Final = 4


@dataclass(frozen=True)
class Matrix:
    """What the suite said of all that was planted.

    Attributes:
        trials: one for each class, dtype, seed and profile.
    """

    trials: tuple[Trial, ...]

    @cached_property
    def bugs(self) -> tuple[Trial, ...]:
        """The trials of the planted bugs."""
        return tuple(trial for trial in self.trials if trial.name not in _VARIANTS)

    @cached_property
    def faithful(self) -> tuple[Trial, ...]:
        """The trials of the faithful variants."""
        return tuple(trial for trial in self.trials if trial.name in _VARIANTS)

    @cached_property
    def survivors(self) -> tuple[Trial, ...]:
        """Bugs that no check caught in any trial of theirs."""
        caught = {(trial.name, trial.dtype) for trial in self.bugs if trial.caught}
        return tuple(trial for trial in self.bugs if (trial.name, trial.dtype) not in caught)

    @cached_property
    def false_alarms(self) -> tuple[Trial, ...]:
        """Faithful variants that a check accused."""
        return tuple(trial for trial in self.faithful if trial.caught)

    @cached_property
    def misrecognized(self) -> dict[Place, str]:
        """Faithful variants whose form or scalars were taken for others, with what is wrong."""
        found = {(t.name, t.dtype): misrecognition(t) for t in self.faithful if t.recognized}
        return {place: words for place, words in found.items() if words is not None}

    @cached_property
    def caught_by(self) -> dict[str, frozenset[Place]]:
        """For each check of the suite, the bugs that it caught."""
        places: dict[str, set[Place]] = {check: set() for check in CHECKS}
        for trial in self.bugs:
            for check in trial.caught:
                places[check].add((trial.name, trial.dtype))
        return {check: frozenset(found) for check, found in places.items()}

    @cached_property
    def caught_once(self) -> dict[str, list[Place]]:
        """The bugs that one check alone caught, by that check."""
        result = defaultdict(list)
        for trial in self.bugs:
            if len(trial.caught) == 1:
                result[next(iter(trial.caught))].append((trial.name, trial.dtype))
        return dict(result)

    @cached_property
    def outdone(self) -> dict[str, str]:
        """Checks that catch nothing that another does not, with the one that catches the most of those."""
        in_order = sorted(self.caught_by, key=lambda check: -len(self.caught_by[check]))
        result = {}
        for check, places in self.caught_by.items():
            others = (other for other in in_order if other != check and other not in result)
            over = next((other for other in others if places <= self.caught_by[other]), None)
            if places and over is not None:
                result[check] = over
        return result

    @property
    def idle(self) -> list[str]:
        """Checks that caught nothing, though they can."""
        return [c for c, places in self.caught_by.items() if not places and c not in _RECORDING]

    @property
    def median_seconds(self) -> float | None:
        """Until a bug is caught, the suite's own work alone."""
        times = [trial.seconds_to_first for trial in self.bugs if trial.seconds_to_first is not None]
        return statistics.median(times) if times else None

    @property
    def is_good(self) -> bool:
        """Whether every bug is caught, and every faithful variant let be and recognized."""
        return not (self.survivors or self.false_alarms or self.misrecognized)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "good": self.is_good,
            "survivors": [[t.name, t.dtype] for t in self.survivors],
            "false_alarms": [[t.name, t.dtype, t.seed, t.profile, t.caught] for t in self.false_alarms],
            "misrecognized": [[*place, words] for place, words in self.misrecognized.items()],
            "caught_once": self.caught_once,
            "outdone": self.outdone,
            "idle": self.idle,
            "median_seconds": self.median_seconds,
            "trials": [asdict(trial) for trial in self.trials],
        }


def misrecognition(trial: Trial) -> str | None:
    """What is wrong about how a faithful variant was recognized; None where nothing is, or a drawn program was."""
    variant = _VARIANTS[trial.name]
    if variant in PROGRAMS:
        return None
    form, scalars = trial.recognized["form"], trial.recognized["scalars"]
    if form != variant.form:
        return f"its form is {variant.form}, not {form}"
    # A scalar that is only passed on, as beta2 and eps are, is the same in either; the rest is computed.
    wanted = Format.of(trial.dtype).name.lower() if variant.scalars == "working" else "binary64"
    if set(scalars.values()) - {wanted, "binary64"} or scalars["theta"] != wanted:
        return f"its scalars are {variant.scalars}, not {scalars}"
    return None


def places(
    planted: Iterable[type[Adamax]], dtypes: Collection[str] | None
) -> Iterator[tuple[type[Adamax], str]]:
    """Each class with each dtype that it is to be tried in.

    Where none is asked for: a faithful variant in all of its own, a bug in those that `adamax-conformance
    check` takes, or in its own where it lives in none of these.
    """
    for each in planted:
        wanted = dtypes or (each.dtypes if each.name in _VARIANTS else _USUAL_DTYPES)
        yield from ((each, d) for d in each.dtypes if d in wanted or (not dtypes and len(each.dtypes) == 1))


def run(
    tried: Iterable[tuple[type[Adamax], str]],
    settings: Sequence[Settings],
    jobs: int | None = None,
    *,
    until_caught: bool = False,
) -> Iterator[Trial]:
    """The suite on classes, each in a dtype, in processes of their own, as they end.

    Args:
        tried: the classes and dtypes.
        settings: each is tried with each of them.
        jobs: how many processes; one for each core where None.
        until_caught: whether a trial stops at the first check that catches the class.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as pool:
        futures = [
            pool.submit(attempt, each, dtype, settings, until_caught=until_caught) for each, dtype in tried
        ]
        for future in as_completed(futures):
            yield from future.result()


# Writing it down -------------------------------------------------------------------------------------------


def markdown(matrix: Matrix) -> str:
    """The matrix as a page."""
    return "\n".join(_lines(matrix)) + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    yield from ("# Kill matrix", "")
    yield f"- planted bugs: {len({t.name for t in matrix.bugs})}, in {len(matrix.bugs)} trials"
    yield f"- faithful variants: {len({t.name for t in matrix.faithful})}, in {len(matrix.faithful)} trials"
    yield f"- survivors: {len(matrix.survivors)}"
    yield f"- false alarms: {len(matrix.false_alarms)}"
    yield f"- faithful variants taken for others: {len(matrix.misrecognized)}"
    if matrix.median_seconds is not None:
        yield f"- median seconds until a bug is caught: {matrix.median_seconds:.2f}"
    if matrix.survivors:
        yield from ("", "## Survivors", "", "| bug | dtype |", "| --- | --- |")
        yield from (f"| {t.name} | {t.dtype} |" for t in sorted(matrix.survivors, key=_order))
    if matrix.false_alarms:
        yield from (
            "",
            "## False alarms",
            "",
            "| variant | dtype | seed | check | reason |",
            "| --- " * 5 + "|",
        )
        for t in sorted(matrix.false_alarms, key=_order):
            for check, reason in t.caught.items():
                yield f"| {t.name} | {t.dtype} | {t.seed} | `{check}` | {_cell(reason)} |"
    if matrix.misrecognized:
        yield from ("", "## Taken for others", "", "| variant | dtype | what |", "| --- | --- | --- |")
        yield from (f"| {name} | {dtype} | {_cell(w)} |" for (name, dtype), w in matrix.misrecognized.items())
    if matrix.bugs:
        yield from _bug_lines(matrix)
        yield from _check_lines(matrix)


def _bug_lines(matrix: Matrix) -> Iterator[str]:
    yield from ("", "## Which check catches which bug", "")
    yield from ("| bug | family | dtype | caught by | seconds |", "| --- " * 5 + "|")
    for trial in sorted(matrix.bugs, key=_order):
        names = [f"`{check}`" for check in trial.caught]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        seconds = "" if trial.seconds_to_first is None else f"{trial.seconds_to_first:.2f}"
        caught = ", ".join(names[:_SHOWN]) + more
        yield f"| {trial.name} | {trial.family} | {trial.dtype} | {caught or '**none**'} | {seconds} |"


def _check_lines(matrix: Matrix) -> Iterator[str]:
    yield from ("", "## What each check catches", "")
    yield from (f"{len(_RECORDING)} checks that only record what the page leaves open are not listed.", "")
    yield from ("| check | bugs | alone | outdone by |", "| --- " * 4 + "|")
    for check, places in matrix.caught_by.items():
        if check in _RECORDING:
            continue
        alone = ", ".join(sorted({name for name, _ in matrix.caught_once.get(check, ())}))
        over = f"`{matrix.outdone[check]}`" if check in matrix.outdone else ""
        yield f"| `{check}` | {len({name for name, _ in places})} | {alone} | {over} |"


def _order(trial: Trial) -> tuple[str, str, str]:
    return trial.family, trial.name, trial.dtype


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# The command line -------------------------------------------------------------------------------------------


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="GLOB", help="only classes with such a name")
    add("--only", choices=_KINDS, help="only one kind; programs are tried when they are asked for")
    add("--dtype", action="append", help="only this dtype")
    add("--profile", choices=[p.label for p in Profile], default="quick", help="how much is drawn")
    add("--seeds", type=int, default=0, metavar="N", help="draw N times, from the seeds 1 to N")
    add("--jobs", type=int, metavar="N", help="how many processes; one for each core by default")
    add("--until-caught", action="store_true", help="stop a trial at the first check that catches it")
    add("--output", type=Path, metavar="DIR", help="where kill-matrix.md and kill-matrix.json are written")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it as asked on the command line; 1 where anything is not as it should be."""
    asked = _arguments(argv)
    planted = [
        each
        for each in (_KINDS[asked.only] if asked.only else (*BUGS, *FAITHFUL))
        if not asked.names or any(fnmatchcase(each.name, glob) for glob in asked.names)
    ]
    if not planted:
        print(f"no planted class is called {' or '.join(asked.names)}", file=sys.stderr)  # noqa: T201
        return 2
    profile = next(p for p in Profile if p.label == asked.profile)
    seeds: list[int | None] = list(range(1, asked.seeds + 1)) or [None]
    settings = [Settings(profile, seed, shrink=False) for seed in seeds]
    trials = []
    tried = places(planted, asked.dtype)
    for trial in run(tried, settings, asked.jobs, until_caught=asked.until_caught):
        trials.append(trial)
        _tell(trial)
    matrix = Matrix(tuple(sorted(trials, key=_order)))
    page = markdown(matrix)
    if asked.output is not None:
        asked.output.mkdir(parents=True, exist_ok=True)
        (asked.output / "kill-matrix.md").write_text(page, encoding="utf-8")
        (asked.output / "kill-matrix.json").write_text(
            json.dumps(matrix.to_json(), indent=1), encoding="utf-8"
        )
    print(page)  # noqa: T201 - the command's answer
    return 0 if matrix.is_good else 1


def _tell(trial: Trial) -> None:
    """One line for whoever waits."""
    if trial.name in _VARIANTS:
        what = "accused by " + ", ".join(trial.caught) if trial.caught else "let be"
    else:
        what = f"caught by {trial.first}" if trial.caught else "SURVIVES"
    print(f"{trial.seconds:6.2f} s  {trial.name} {trial.dtype}: {what}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
