"""The table of README.md, from the record."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from adamax_conformance.tests.meta.methods import METHODS
from adamax_conformance.tests.meta.methods.asking import JUDGES, PLANTED, questions
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.methods.record import DTYPES, Answer, Answers
from adamax_conformance.tests.meta.planted import BUGS, FAITHFUL

README: Final = Path(__file__).resolve().parents[3] / "README.md"
OPENING: Final = "<!-- tests/meta/methods writes this table -->\n"
CLOSING: Final = "<!-- end of the table -->\n"
NUMBERS: Final = frozenset({"formula", "precision"})
"""The families of bugs that show in the numbers of a plain run."""
_BUGS: Final = frozenset(bug.name for bug in BUGS)
_RIGHT: Final = frozenset(variant.name for variant in FAITHFUL)
_HEAD: Final = (
    "| test | bugs caught | of these in formula and precision | right ones accused | CPU seconds | it tells |",
    "| --- | --- | --- | --- | --- | --- |",
)


def table(answers: Answers) -> str:
    """The table, as Markdown."""
    return "\n".join([*_HEAD, *(_row(method, answers) for method in METHODS), "", *_notes(answers)]) + "\n"


def replace_table(page: str, answers: Answers) -> str:
    """The page with the table of these answers."""
    before, opening, rest = page.partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    if not (opening and closing):
        raise ValueError(f"the page must have the lines {OPENING.strip()} and {CLOSING.strip()}")
    return f"{before}{opening}{table(answers)}{closing}{after}"


def _row(method: Method, answers: Answers) -> str:
    mine = [answer for _, answer in answers.values() if answer.method == method.name]
    right = [answer for answer in mine if answer.planted in _RIGHT]
    seconds = statistics.median(answer.seconds for answer in right)
    cells = (
        method.title,
        _shares(mine, lambda answer: answer.planted in _BUGS),
        _shares(mine, _is_in_the_numbers),
        _shares(right, lambda _: True),
        f"{seconds:.2g}",
        method.purpose,
    )
    return f"| {' | '.join(cells)} |"


def _is_in_the_numbers(answer: Answer) -> bool:
    return answer.planted in _BUGS and PLANTED[answer.planted].family in NUMBERS


def _shares(answers: list[Answer], counts: Callable[[Answer], bool]) -> str:
    """The number of findings and of questions, for each dtype."""
    shares = []
    for dtype in DTYPES:
        asked = [answer for answer in answers if answer.dtype == dtype and counts(answer)]
        shares.append(f"{sum(answer.found is not None for answer in asked)} of {len(asked)}")
    return shares[0] if len(set(shares)) == 1 else ", ".join(shares)


def _notes(answers: Answers) -> Iterator[str]:
    runs = dict.fromkeys(run for run, _ in answers.values())
    machines = " and ".join(dict.fromkeys(run.machine for run in runs))
    dates = " and ".join(dict.fromkeys(run.date for run in runs))
    yield f"Two figures are for {' and '.join(DTYPES)}. CPU seconds are the median over the right ones, on one core of"
    yield f"{machines}, {dates}."
    missing = sum(key not in answers for key in questions(list(JUDGES)))
    if missing:
        yield f"{missing} questions are still to be asked, all about right ones."
