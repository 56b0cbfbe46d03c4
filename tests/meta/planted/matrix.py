"""The kill matrix and the soak: verdicts on planted bugs and faithful variants.

The suite must catch every planted bug, and accuse no faithful variant.

    python -m adamax_conformance.tests.meta.planted.matrix                    # every bug, every faithful variant
    python -m adamax_conformance.tests.meta.planted.matrix --only faithful --seeds 20
    python -m adamax_conformance.tests.meta.planted.matrix --only faithful --profile full
    python -m adamax_conformance.tests.meta.planted.matrix --only programs    # drawn faithful ones

It exits with 1 on a survivor, on a false alarm, or if the suite takes a faithful variant for another.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.contract import CLAUSES, Outcome
from adamax_conformance.tests.conformance.cases.pinned import SPECIALS, Expectation
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.target import Profile, Settings
from adamax_conformance.tests.meta.planted import BUGS, FAITHFUL
from adamax_conformance.tests.meta.planted.base import Adamax
from adamax_conformance.tests.meta.planted.contexts import ASKED
from adamax_conformance.tests.meta.planted.programs import PROGRAMS
from adamax_conformance.tests.meta.planted.trial import Trial, run_trials

NameAndDtype = tuple[str, str]
"""A bug's name, and a dtype."""

_KINDS: Final[dict[str, tuple[type[Adamax], ...]]] = {
    "bugs": BUGS,
    "faithful": FAITHFUL,
    "programs": PROGRAMS,
}
_VARIANTS: Final = {variant.name: variant for variant in (*FAITHFUL, *PROGRAMS)}
_RECORDING: Final = frozenset(
    [f"contract/{clause.id}" for clause in CLAUSES if clause.outcome is Outcome.OPEN]
    + [f"special/{special.id}" for special in SPECIALS if special.expectation is Expectation.OPEN]
)
"""Checks that only record what a subject does in a case that the page leaves open."""
_USUAL_DTYPES: Final = ("float32", "float64")
_SHOWN: Final = 4


@dataclass(frozen=True)
class Matrix:
    """The suite's verdicts on all planted classes.

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
        """Bugs that no check caught in any of their trials."""
        caught = {(trial.name, trial.dtype) for trial in self.bugs if trial.caught}
        return tuple(trial for trial in self.bugs if (trial.name, trial.dtype) not in caught)

    @cached_property
    def false_alarms(self) -> tuple[Trial, ...]:
        """Faithful variants that a check accused."""
        return tuple(trial for trial in self.faithful if trial.caught)

    @cached_property
    def misrecognized(self) -> dict[NameAndDtype, str]:
        """Faithful variants that the suite took for others, with the difference."""
        found = {(t.name, t.dtype): misrecognition(t) for t in self.faithful if t.recognized}
        return {index: words for index, words in found.items() if words is not None}

    @cached_property
    def caught_by(self) -> dict[str, frozenset[NameAndDtype]]:
        """For each check of the suite, the bugs that it caught."""
        caught: dict[str, set[NameAndDtype]] = {check: set() for check in CHECKS}
        for trial in self.bugs:
            for check in trial.caught:
                caught[check].add((trial.name, trial.dtype))
        return {check: frozenset(bugs) for check, bugs in caught.items()}

    @cached_property
    def caught_once(self) -> dict[str, list[NameAndDtype]]:
        """The bugs that one check alone caught, by that check."""
        result = defaultdict(list)
        for trial in self.bugs:
            if len(trial.caught) == 1:
                result[next(iter(trial.caught))].append((trial.name, trial.dtype))
        return dict(result)

    @cached_property
    def outdone(self) -> dict[str, str]:
        """Checks whose bugs another check also catches, with the best such check."""
        in_order = sorted(self.caught_by, key=lambda check: -len(self.caught_by[check]))
        result = {}
        for check, bugs in self.caught_by.items():
            others = (other for other in in_order if other != check and other not in result)
            over = next((other for other in others if bugs <= self.caught_by[other]), None)
            if bugs and over is not None:
                result[check] = over
        return result

    @property
    def idle(self) -> list[str]:
        """Checks that can catch a bug and caught none."""
        return [c for c, bugs in self.caught_by.items() if not bugs and c not in _RECORDING]

    @property
    def median_seconds(self) -> float | None:
        """The median time until the suite catches a bug."""
        times = [trial.seconds_to_first for trial in self.bugs if trial.seconds_to_first is not None]
        return statistics.median(times) if times else None

    @property
    def is_good(self) -> bool:
        """Whether every bug is caught, and no faithful variant accused or misrecognized."""
        return not (self.survivors or self.false_alarms or self.misrecognized)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "good": self.is_good,
            "survivors": [[t.name, t.dtype] for t in self.survivors],
            "false_alarms": [[t.name, t.dtype, t.seed, t.profile, t.caught] for t in self.false_alarms],
            "misrecognized": [[*index, words] for index, words in self.misrecognized.items()],
            "caught_once": self.caught_once,
            "outdone": self.outdone,
            "idle": self.idle,
            "median_seconds": self.median_seconds,
            "trials": [asdict(trial) for trial in self.trials],
        }


def misrecognition(trial: Trial) -> str | None:
    """The error in the recognition of a faithful variant; None for a drawn program."""
    variant = _VARIANTS[trial.name]
    if variant in PROGRAMS:
        return None
    form, scalars = trial.recognized["form"], trial.recognized["scalars"]
    if form != variant.form:
        return f"its form is {variant.form}, not {form}"
    # A scalar that is only passed on, such as beta2 and eps, is the same in both formats; the others are computed.
    wanted = Format.of(trial.dtype).name.lower() if variant.scalars == "working" else "binary64"
    if set(scalars.values()) - {wanted, "binary64"} or scalars["theta"] != wanted:
        return f"its scalars are {variant.scalars}, not {scalars}"
    return None


def pair_with_dtypes(
    planted: Iterable[type[Adamax]], dtypes: Collection[str] | None
) -> Iterator[tuple[type[Adamax], str]]:
    """Pair each class with each dtype to try it in.

    Without `dtypes`, a faithful variant is tried in all of its own. A bug is tried in those that
    `adamax-conformance check` takes, or in its own if it has none of these.
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
    """Run the suite on classes in several processes; yield the trials as they end.

    Args:
        tried: the classes and dtypes.
        settings: of the runs of each class.
        jobs: the number of processes; one for each core if None.
        until_caught: whether a trial stops at the first check that catches the class.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=spawn) as pool:
        futures = [
            pool.submit(run_trials, each, dtype, settings, until_caught=until_caught) for each, dtype in tried
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
        yield from _kind_lines(matrix)
        yield from _bug_lines(matrix)
        yield from _check_lines(matrix)


def _kind_lines(matrix: Matrix) -> Iterator[str]:
    yield from ("", "## Lives that have the context of each kind", "")
    yield from (
        "| kind | probes and pinned lives | drawn lives | bugs | first caught by |",
        "| --- " * 5 + "|",
    )
    for kind, checks in ASKED.items():
        names = [check.removeprefix("lives/") for check in checks]
        drawn = ", ".join(name.removeprefix("drawn-") for name in names if name.startswith("drawn-"))
        pinned = ", ".join(f"`{name}`" for name in names if not name.startswith("drawn-"))
        trials = [trial for trial in matrix.bugs if trial.family == kind]
        first = Counter(trial.first for trial in trials if trial.first).most_common()
        caught = ", ".join(f"`{check}` {count}" for check, count in first)
        yield f"| {kind} | {pinned} | {drawn} | {len({trial.name for trial in trials})} | {caught} |"


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
    for check, bugs in matrix.caught_by.items():
        if check in _RECORDING:
            continue
        alone = ", ".join(sorted({name for name, _ in matrix.caught_once.get(check, ())}))
        over = f"`{matrix.outdone[check]}`" if check in matrix.outdone else ""
        yield f"| `{check}` | {len({name for name, _ in bugs})} | {alone} | {over} |"


def _order(trial: Trial) -> tuple[str, str, str]:
    return trial.family, trial.name, trial.dtype


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# The command line -------------------------------------------------------------------------------------------


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="GLOB", help="only classes with such a name")
    add("--only", choices=_KINDS, help="only one kind; programs are tried only with this option")
    add("--dtype", action="append", help="only this dtype")
    add("--profile", choices=[p.label for p in Profile], default="quick", help="how many cases are drawn")
    add("--seeds", type=int, default=0, metavar="N", help="draw N times, from the seeds 1 to N")
    add("--jobs", type=int, metavar="N", help="the number of processes; one for each core by default")
    add("--until-caught", action="store_true", help="stop a trial at the first check that catches it")
    add("--output", type=Path, metavar="DIR", help="the folder for kill-matrix.md and kill-matrix.json")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 if anything is not as it should be."""
    asked = _arguments(argv)
    planted = [
        each
        for each in (_KINDS[asked.only] if asked.only else (*BUGS, *FAITHFUL))
        if not asked.names or any(fnmatchcase(each.name, glob) for glob in asked.names)
    ]
    if not planted:
        print(f"no planted class is called {' or '.join(asked.names)}", file=sys.stderr)
        return 2
    profile = next(p for p in Profile if p.label == asked.profile)
    seeds: list[int | None] = list(range(1, asked.seeds + 1)) or [None]
    settings = [Settings(profile, seed, shrink=False) for seed in seeds]
    trials = []
    tried = pair_with_dtypes(planted, asked.dtype)
    for trial in run(tried, settings, asked.jobs, until_caught=asked.until_caught):
        trials.append(trial)
        _print_progress(trial)
    matrix = Matrix(tuple(sorted(trials, key=_order)))
    page = markdown(matrix)
    if asked.output is not None:
        asked.output.mkdir(parents=True, exist_ok=True)
        (asked.output / "kill-matrix.md").write_text(page, encoding="utf-8")
        (asked.output / "kill-matrix.json").write_text(
            json.dumps(matrix.to_json(), indent=1), encoding="utf-8"
        )
    print(page)
    return 0 if matrix.is_good else 1


def _print_progress(trial: Trial) -> None:
    """Print one line for a finished trial."""
    if trial.name in _VARIANTS:
        what = "accused by " + ", ".join(trial.caught) if trial.caught else "not accused"
    else:
        what = f"caught by {trial.first}" if trial.caught else "SURVIVES"
    print(f"{trial.seconds:6.2f} s  {trial.name} {trial.dtype}: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
