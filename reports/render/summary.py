"""What do the verdicts of one or more runs say at a glance: the answer, the counts, the matrix?

Every rendering of the report starts from one `Summary`, so that all of them say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...oracles.verdict import Quantity, Status, Verdict
from ..record.exit_codes import ExitCode, outcome
from ..record.record import Record

GROUPS: Final = (
    "contract",
    "rule",
    "value",
    "relations",
    "bookkeeping",
    "schedulers",
    "special",
    "golden",
)
"""The check groups in the order in which a subject is judged; others that a record has, such as `ledger` for
stale entries, come after."""

_TELLING: Final = (
    "rule",
    "value",
    "special",
    "golden",
    "relations",
    "bookkeeping",
    "schedulers",
    "contract",
)
"""The check groups in the order in which their findings explain what is wrong: another formula before the
numbers that it gives, and the numbers before how arguments are refused."""

WORST_FIRST: Final = (
    Status.DIVERGES,
    Status.BROKEN,
    Status.KNOWN,
    Status.UNSPECIFIED,
    Status.SKIPPED,
    Status.CONFORMS,
)
_HEADLINE: Final = (
    Status.DIVERGES,
    Status.BROKEN,
    Status.KNOWN,
    Status.CONFORMS,
    Status.UNSPECIFIED,
    Status.SKIPPED,
)
"""What a cell of the matrix is called after: the first of these that it has. So a cell in which everything
was skipped, or left open by the page, is never taken for one that passed."""

SYMBOL: Final[Mapping[Status | None, str]] = {
    Status.CONFORMS: "✓",
    Status.DIVERGES: "✗",
    Status.KNOWN: "≈",
    Status.UNSPECIFIED: "?",
    Status.SKIPPED: "○",
    Status.BROKEN: "!",
    None: "·",
}
NOT_RUN: Final = "not run"


@dataclass(frozen=True)
class Configuration:
    """What was judged: one row of the matrix.

    Attributes:
        run: which run of the report it belongs to, from 1.
        subject: as on the command line.
        version: of the subject's framework; empty where unknown.
        dtype: the working format.
        device: where it ran.
    """

    run: int
    subject: str
    version: str
    dtype: str
    device: str


@dataclass(frozen=True)
class Judged:
    """A verdict with its place in the report.

    Attributes:
        number: from 1, in the order of the records; the anchor of its row.
        configuration: what was judged.
        verdict: what was said.
    """

    number: int
    configuration: Configuration
    verdict: Verdict

    @property
    def group(self) -> str:
        """The check group: the first part of the check's id."""
        return group_of(self.verdict)


@dataclass(frozen=True)
class Finding:
    """What is said in the same words of several subjects, formats or devices, or by several checks.

    Attributes:
        places: the verdicts that say it; at least one.
    """

    places: tuple[Judged, ...]

    @property
    def judged(self) -> Judged:
        """The first of them, which stands for all."""
        return self.places[0]

    @property
    def checks(self) -> tuple[str, ...]:
        """The ids of the checks that say it."""
        return tuple(dict.fromkeys(place.verdict.check for place in self.places))

    @property
    def others(self) -> str:
        """What follows the first check's id where there are others; else empty."""
        count = len(self.checks) - 1
        return f"and {count} other {'check' if count == 1 else 'checks'}" if count else ""

    @property
    def linked(self) -> tuple[tuple[str, Judged], ...]:
        """The rows to look at: each place, or where several checks say it the first of each, by the check's id."""
        if not self.others:
            return tuple(("", place) for place in self.places)
        firsts = {place.verdict.check: place for place in reversed(self.places)}
        return tuple((check, firsts[check]) for check in self.checks)

    @property
    def spots(self) -> tuple[tuple[Configuration, str], ...]:
        """The cells of the matrix that it is seen in: their rows and groups."""
        return tuple(dict.fromkeys((place.configuration, place.group) for place in self.places))

    @property
    def where(self) -> str:
        """Subjects, formats and devices in which it was seen."""
        rows = [place.configuration for place in self.places]
        subjects = dict.fromkeys(f"{row.subject} {row.version}".strip() for row in rows)
        parts = (subjects, dict.fromkeys(r.dtype for r in rows), dict.fromkeys(r.device for r in rows))
        return " · ".join(", ".join(part) for part in parts)


@dataclass(frozen=True)
class Cell:
    """How many verdicts of each status a configuration has in one check group."""

    counts: Mapping[Status, int]

    @property
    def status(self) -> Status | None:
        """The status that the cell is called after; None where nothing ran."""
        return next((status for status in _HEADLINE if self.counts.get(status)), None)

    @property
    def leading_first(self) -> tuple[Status, ...]:
        """The statuses that the cell has: the one that it is called after, then the others, worst first."""
        had = (status for status in WORST_FIRST if self.counts.get(status))
        return tuple(sorted(had, key=lambda status: status is not self.status))

    @property
    def words(self) -> str:
        """All counts in words, as in `2 diverges, 30 conforms`."""
        return ", ".join(f"{n} {s.value}" for s in WORST_FIRST if (n := self.counts.get(s))) or NOT_RUN


Row = tuple[Configuration, Mapping[str, Cell]]
"""A row of the matrix, with one cell for each group."""


@dataclass(frozen=True)
class Summary:
    """A report at a glance.

    Attributes:
        records: the runs.
        judged: every verdict, in the order of the records.
        groups: the columns of the matrix.
        matrix: its rows.
        counts: how many verdicts there are of each status, all statuses included.
        notes: what a reader must know of the records themselves, such as one that was cut off.
    """

    records: tuple[Record, ...]
    judged: tuple[Judged, ...]
    groups: tuple[str, ...]
    matrix: tuple[Row, ...]
    counts: Mapping[Status, int]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """What a run with these verdicts exits with."""
        return outcome(judged.verdict for judged in self.judged)

    @property
    def answer(self) -> str:
        """One sentence."""
        diverging, broken = self.counts[Status.DIVERGES], self.counts[Status.BROKEN]
        known = f"; known divergences: {n}" if (n := self.counts[Status.KNOWN]) else ""
        match self.exit_code:
            case ExitCode.DIVERGES:
                wrong = [f"{diverging} {'diverges' if diverging == 1 else 'diverge'}"] if diverging else []
                wrong += [f"{broken} gave no answer"] if broken else []
                return f"Does not conform: of {len(self.judged):,} checks, {' and '.join(wrong)}{known}"
            case ExitCode.CONFORMS if not self.counts[Status.CONFORMS]:
                return f"Nothing new diverges, and nothing was shown to conform{known}"
            case ExitCode.CONFORMS:
                if not known:
                    return f"Conforms: {self.counts[Status.CONFORMS]:,} checks, nothing diverges"
                return f"Conforms: {self.counts[Status.CONFORMS]:,} checks, nothing new diverges{known}"
            case _:
                return "Nothing was judged"

    def of(self, *statuses: Status) -> tuple[Judged, ...]:
        """The verdicts of these statuses, in the order of the statuses and then of the records."""
        return tuple(j for status in statuses for j in self.judged if j.verdict.status is status)

    def findings(self, *statuses: Status) -> tuple[Finding, ...]:
        """The verdicts of these statuses, those that say the same taken together, the most telling first."""
        groups: dict[tuple[str, ...], list[Judged]] = {}
        for judged in sorted(self.of(*statuses), key=lambda j: (statuses.index(j.verdict.status), _rank(j))):
            verdict, divergence = judged.verdict, judged.verdict.divergence
            said = (divergence.reason, divergence.expected, divergence.actual) if divergence else ()
            check = "" if _of_any_check(verdict) else verdict.check
            key = (verdict.status.value, check, verdict.reason, *said)
            groups.setdefault(key, []).append(judged)
        return tuple(Finding(tuple(group)) for group in groups.values())


def summarize(records: Iterable[Record]) -> Summary:
    """The summary of one or more runs."""
    records = tuple(records)
    judged: list[Judged] = []
    cells: dict[Configuration, dict[str, Counter[Status]]] = {}
    for run, record in enumerate(records, start=1):
        versions = versions_of(record)
        for verdict in record.verdicts:
            configuration = Configuration(
                run, verdict.subject, versions.get(verdict.subject, ""), verdict.dtype, verdict.device
            )
            judged.append(Judged(len(judged) + 1, configuration, verdict))
            row = cells.setdefault(configuration, {})
            row.setdefault(group_of(verdict), Counter())[verdict.status] += 1
    others = sorted({item.group for item in judged} - set(GROUPS))
    groups = (*GROUPS, *others)
    matrix = tuple(
        (configuration, {group: Cell(dict(row.get(group, {}))) for group in groups})
        for configuration, row in cells.items()
    )
    tally = Counter(item.verdict.status for item in judged)
    counts = {status: tally[status] for status in WORST_FIRST}
    return Summary(records, tuple(judged), groups, matrix, counts, tuple(_notes(records)))


def _of_any_check(verdict: Verdict) -> bool:
    """Whether it says nothing of the check itself: that the subject raises, or is gone."""
    divergence = verdict.divergence
    if verdict.status is Status.BROKEN:
        return True
    return (
        verdict.status is Status.DIVERGES
        and divergence is not None
        and divergence.quantity is Quantity.OUTCOME
    )


def _rank(judged: Judged) -> int:
    return _TELLING.index(judged.group) if judged.group in _TELLING else len(_TELLING)


def group_of(verdict: Verdict) -> str:
    """The check group: the first part of the check's id."""
    return verdict.check.partition("/")[0]


def versions_of(record: Record) -> dict[str, str]:
    """The version of each subject's framework, by the subject's name, as the hosts gave it.

    Where the subject is not called after its framework, the framework's name comes with it.
    """
    versions = {}
    for facts in record.header.subjects:
        if "name" in facts and "version" in facts:
            name, framework = str(facts["name"]), str(facts.get("framework", ""))
            named = name.startswith(framework)
            versions[name] = str(facts["version"]) if named else f"{framework} {facts['version']}"
    return versions


def facts_of(record: Record) -> list[tuple[str, str]]:
    """What a run's header says, as names and texts to be shown."""
    header = record.header
    facts = [
        ("suite", header.suite_version),
        ("began", header.created),
        ("profile", header.profile),
        ("seed", "derandomized" if header.seed is None else str(header.seed)),
        ("arithmetic", "correctly rounded" if header.arithmetic is None else in_words(header.arithmetic)),
    ]
    facts += [(name, in_words(value)) for name, value in header.platform.items()]
    facts += [(name, version) for name, version in header.versions.items()]
    facts.append(("digest", record.digest))
    return facts


def in_words(value: Any) -> str:  # noqa: ANN401 - a JSON value
    """A JSON value as a reader wants it: no braces, no quotes."""
    match value:
        case Mapping():
            return ", ".join(f"{key}: {in_words(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(in_words(item) for item in value)
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
    return str(value)


def _notes(records: Sequence[Record]) -> Iterable[str]:
    for run, record in enumerate(records, start=1):
        if not record.complete:
            yield (
                f"Run {run} was cut off after {len(record.verdicts)} verdicts: what is missing of it was "
                "not judged."
            )
        if record.header.arithmetic is not None:
            yield (
                f"Run {run} was judged under a declared arithmetic "
                f"({in_words(record.header.arithmetic)}), not under correct rounding."
            )
    if len(suites := {record.header.suite_version for record in records}) > 1:
        yield f"The runs are of different versions of the suite: {', '.join(sorted(suites))}."
    places: dict[tuple[str, ...], set[int]] = {}
    for run, record in enumerate(records, start=1):
        for verdict in record.verdicts:
            key = (verdict.subject, verdict.dtype, verdict.device)
            places.setdefault(key, set()).add(run)
    for (subject, dtype, device), runs in places.items():
        if len(runs) > 1:
            yield (
                f"{subject} in {dtype} on {device} was judged by runs "
                f"{', '.join(map(str, sorted(runs)))}; each has its own row."
            )
