"""The verdicts of runs at a glance: the answer, the counts, the matrix.

Every rendering of the report starts from one `Summary`, so that all of them say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...oracles.verdict import Quantity, Status, Verdict
from ...reference.causes.formula import LINES
from ...reference.rules import DOCUMENTED
from ..record.diagnosis import REFUSALS, diagnosis_in_words, is_of_arguments
from ..record.exit_codes import ExitCode
from ..record.exit_codes import outcome as exit_code_of
from ..record.record import Record
from ..rule.demo import rule_named

GROUPS: Final = (
    "contract",
    "rule",
    "value",
    "relations",
    "bookkeeping",
    "schedulers",
    "special",
    "lives",
    "framework",
    "golden",
)
"""The check groups in the order in which a subject is judged; others that a record has, such as `ledger` for
stale entries, come after."""

_MOST_INFORMATIVE: Final = (
    "rule",
    "value",
    "special",
    "lives",
    "golden",
    "relations",
    "bookkeeping",
    "schedulers",
    "framework",
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
"""The status of a cell of the matrix is the first of these that it has. So a cell in which everything was skipped,
or left open by the specification, is never taken for one that passed."""

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
OTHER_FORMULA: Final = "≠"
"""Marks a cell whose values were held to another formula than the documented one."""
WITHOUT_VALUES: Final = frozenset({"contract", "rule", "ledger"})
"""The check groups that hold no value to a formula."""
_FEW: Final = 30
"""How many names or notes are listed; a record from elsewhere may have thousands."""


def few(items: Iterable[str], limit: int = _FEW) -> list[str]:
    """The first items, and how many more there are."""
    listed = list(items)
    more = len(listed) - limit
    return [*listed[:limit], f"and {more:,} more"] if more > 0 else listed


@dataclass(frozen=True)
class Configuration:
    """A subject in one dtype on one device in one run: one row of the matrix.

    Attributes:
        run: which run of the report it belongs to, from 1.
        subject: as on the command line.
        version: of the subject's framework; empty if unknown.
        dtype: the working format.
        device: where it ran.
    """

    run: int
    subject: str
    version: str
    dtype: str
    device: str


@dataclass(frozen=True)
class VerdictRow:
    """A verdict as a row of the report.

    Attributes:
        number: from 1, in the order of the records; the anchor of its row.
        configuration: what was judged.
        verdict: of one check.
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
    """Verdicts with the same words, of several subjects, formats, devices or checks.

    Attributes:
        rows: the verdicts; at least one.
    """

    rows: tuple[VerdictRow, ...]

    @property
    def row(self) -> VerdictRow:
        """The first of them, which stands for all."""
        return self.rows[0]

    @property
    def checks(self) -> tuple[str, ...]:
        """The ids of the checks that say it."""
        return tuple(dict.fromkeys(row.verdict.check for row in self.rows))

    @property
    def others(self) -> str:
        """The words after the first check's id if there are other checks; else empty."""
        count = len(self.checks) - 1
        return f"and {count} other {'check' if count == 1 else 'checks'}" if count else ""

    @property
    def linked(self) -> tuple[tuple[str, VerdictRow], ...]:
        """The rows to link, by check: all of one check, or the first of each."""
        if not self.others:
            return tuple(("", row) for row in self.rows)
        firsts = {row.verdict.check: row for row in reversed(self.rows)}
        return tuple((check, firsts[check]) for check in self.checks)

    @property
    def cells(self) -> tuple[tuple[Configuration, str], ...]:
        """The cells of the matrix that it is seen in: configurations and groups."""
        return tuple(dict.fromkeys((row.configuration, row.group) for row in self.rows))

    @property
    def where(self) -> str:
        """Subjects, formats and devices in which it was seen."""
        found = [row.configuration for row in self.rows]
        subjects = dict.fromkeys(f"{one.subject} {one.version}".strip() for one in found)
        parts = (
            subjects,
            dict.fromkeys(one.dtype for one in found),
            dict.fromkeys(one.device for one in found),
        )
        return " · ".join(", ".join(few(part)) for part in parts)


@dataclass(frozen=True)
class FindingGroup:
    """Divergences with one cause.

    Attributes:
        title: what they have in common, in a sentence.
        findings: the most informative first.
        model: the lines of the documented step that differ, each with the subject's; empty if no cause is known.
        life: the shortest life that shows the cause; None where there is none.
        is_one: whether it is one finding; False for what has nothing in common.
    """

    title: str
    findings: tuple[Finding, ...]
    model: tuple[tuple[str, str], ...] = ()
    life: Mapping[str, Any] | None = None
    is_one: bool = True


@dataclass(frozen=True)
class StatusCounts:
    """The number of verdicts of each status for a configuration and check group.

    Attributes:
        counts: by status.
        held_to: the formula that the values were held to, if it is not the documented one.
    """

    counts: Mapping[Status, int]
    held_to: str = ""

    @property
    def status(self) -> Status | None:
        """The status of the cell; None if nothing ran."""
        return next((status for status in _HEADLINE if self.counts.get(status)), None)

    @property
    def leading_first(self) -> tuple[Status, ...]:
        """The statuses in the cell: its own first, then the others, worst first."""
        had = (status for status in WORST_FIRST if self.counts.get(status))
        return tuple(sorted(had, key=lambda status: status is not self.status))

    @property
    def words(self) -> str:
        """All counts in words, as in `2 diverges, 30 conforms`; another formula."""
        parts = [f"{n} {s.value}" for s in WORST_FIRST if (n := self.counts.get(s))]
        return f"{', '.join(parts) or NOT_RUN}{self.held_to and f'; held to another formula: {self.held_to}'}"


Row = tuple[Configuration, Mapping[str, StatusCounts]]
"""A row of the matrix, with one cell for each group."""


@dataclass(frozen=True)
class Summary:
    """A report at a glance.

    Attributes:
        records: the runs.
        rows: every verdict, in the order of the records.
        groups: the columns of the matrix.
        matrix: its rows.
        counts: how many verdicts there are of each status, all statuses included.
        notes: what a reader must know of the records themselves, such as one that was cut off.
    """

    records: tuple[Record, ...]
    rows: tuple[VerdictRow, ...]
    groups: tuple[str, ...]
    matrix: tuple[Row, ...]
    counts: Mapping[Status, int]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the runs together; none of them may lack verdicts."""
        codes = {exit_code_of(record.verdicts) for record in self.records}
        if ExitCode.DIVERGES in codes:
            return ExitCode.DIVERGES
        return ExitCode.CONFORMS if self.complete and ExitCode.CONFORMS in codes else ExitCode.NOTHING_JUDGED

    @property
    def complete(self) -> bool:
        """Whether every run has all of its verdicts."""
        return all(record.complete for record in self.records)

    @property
    def answer(self) -> str:
        """One sentence with the outcome.

        It names the formula that values were held to if it is not the page's.
        """
        return "; ".join(filter(None, (self.outcome, self.held_to)))

    @property
    def outcome(self) -> str:
        """The outcome and the counts, without the formula."""
        diverging, broken = self.counts[Status.DIVERGES], self.counts[Status.BROKEN]
        known = f"; known divergences: {n}" if (n := self.counts[Status.KNOWN]) else ""
        match self.exit_code:
            case ExitCode.NOTHING_JUDGED if not self.complete:
                return f"Not complete: {len(self.rows):,} verdicts are there, and others are missing{known}"
            case ExitCode.DIVERGES:
                wrong = [f"{diverging} {'diverges' if diverging == 1 else 'diverge'}"] if diverging else []
                wrong += [f"{broken} gave no answer"] if broken else []
                return f"Does not conform: of {_checks(len(self.rows))}, {' and '.join(wrong)}{known}"
            case ExitCode.CONFORMS if not self.counts[Status.CONFORMS]:
                return f"Nothing new diverges, and nothing was shown to conform{known}"
            case ExitCode.CONFORMS:
                if not known:
                    return f"Conforms: {_checks(self.counts[Status.CONFORMS])}, nothing diverges"
                return f"Conforms: {_checks(self.counts[Status.CONFORMS])}, nothing new diverges{known}"
            case _:
                return "Nothing was judged"

    @property
    def held_to(self) -> str:
        """The formulas, other than the documented one, that values were held to.

        Empty if there are none.
        """
        found: dict[str, list[str]] = {}
        for row in self.rows:
            words = held_to_in_words(row.verdict)
            if words:
                found.setdefault(words, []).append(row.verdict.subject)
        parts = [f"{', '.join(few(dict.fromkeys(subjects)))}: {words}" for words, subjects in found.items()]
        return (
            f"values were held to another formula than the page's ({', '.join(few(parts))})" if found else ""
        )

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """The cause of what diverges, a sentence for each subject that was diagnosed."""
        return tuple(few(words for record in self.records for _, words in _diagnoses_of(record)))

    def diagnoses_of_run(self, run: int) -> tuple[tuple[str, str], ...]:
        """The sentence of each diagnosis of a run, counted from 1, with its subject."""
        return tuple(_diagnoses_of(self.records[run - 1]))

    def groups_by_cause(self) -> tuple[FindingGroup, ...]:
        """The divergences by their cause, those on arguments as one group, and the rest."""
        wrong = self.of(Status.DIVERGES)
        by_subject: dict[tuple[int, str], list[VerdictRow]] = {}
        for row in wrong:
            by_subject.setdefault((row.configuration.run, row.configuration.subject), []).append(row)
        taken: set[int] = set()
        groups: list[FindingGroup] = []

        def take(title: str, chosen: Sequence[VerdictRow], entry: Mapping[str, Any] | None = None) -> None:
            taken.update(row.number for row in chosen)
            model = () if entry is None else model_lines(entry["causes"][0])
            groups.append(
                FindingGroup(title, _findings(chosen, (Status.DIVERGES,)), model, entry and entry.get("life"))
            )

        for run, record in enumerate(self.records, start=1):
            sentences = dict(_diagnoses_of(record))
            for entry in record.diagnoses:
                pairs = {(check, dtype) for check, dtype in entry.get("explains", ())}
                chosen = [
                    row
                    for row in by_subject.get((run, entry["subject"]), ())
                    if row.number not in taken and (row.verdict.check, row.verdict.dtype) in pairs
                ]
                if chosen and entry["causes"]:
                    take(sentences[str(entry["subject"])], chosen, entry)
        refusals = _refusals(self.rows)
        left = dict.fromkeys(row.configuration.subject for row in wrong if row.number not in taken)
        for subject in left:
            asked = refusals.get(subject, [])
            if chosen := [row for row in asked if row.verdict.status is Status.DIVERGES]:
                take(f"{subject}: does not validate arguments: {len(chosen)} of {len(asked)}", chosen)
        if groups and (rest := [row for row in wrong if row.number not in taken]):
            apart = "Apart: what no cause explains, or could not be performed again"
            groups.append(FindingGroup(apart, _findings(rest, (Status.DIVERGES,)), is_one=False))
        return tuple(groups)

    def of(self, *statuses: Status) -> tuple[VerdictRow, ...]:
        """The verdicts of these statuses, by status and then in the records' order."""
        return tuple(row for status in statuses for row in self.rows if row.verdict.status is status)

    def findings(self, *statuses: Status) -> tuple[Finding, ...]:
        """The verdicts of these statuses, equal ones grouped, the most informative first."""
        return _findings(self.of(*statuses), statuses)


def _refusals(rows: Iterable[VerdictRow]) -> dict[str, list[VerdictRow]]:
    """The verdicts on how arguments are refused, by subject."""
    found: dict[str, list[VerdictRow]] = {}
    for row in rows:
        if row.verdict.check in REFUSALS and row.verdict.status is not Status.SKIPPED:
            found.setdefault(row.configuration.subject, []).append(row)
    return found


def _findings(rows: Iterable[VerdictRow], statuses: Sequence[Status]) -> tuple[Finding, ...]:
    groups: dict[tuple[str, ...], list[VerdictRow]] = {}
    for row in sorted(rows, key=lambda r: (statuses.index(r.verdict.status), _rank(r))):
        verdict, divergence = row.verdict, row.verdict.divergence
        words = (divergence.reason, divergence.expected, divergence.actual) if divergence else ()
        check = "" if _of_any_check(verdict) else verdict.check
        key = (verdict.status.value, check, verdict.reason, *words)
        groups.setdefault(key, []).append(row)
    return tuple(Finding(tuple(group)) for group in groups.values())


def _diagnoses_of(record: Record) -> list[tuple[str, str]]:
    """The sentence of each diagnosis of a record, with its subject."""
    wrong = Counter(
        v.subject for v in record.verdicts if v.status is Status.DIVERGES and not is_of_arguments(v)
    )
    return [
        (str(entry["subject"]), diagnosis_in_words(entry, wrong[entry["subject"]]))
        for entry in record.diagnoses
    ]


def model_lines(cause: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The lines of the documented step, each next to that of a cause."""
    changed = dict(zip(cause["documented"].split("; "), cause["line"].split("; "), strict=False))
    if len(changed) == 1:
        changed = {cause["documented"]: cause["line"]}
    lines = [(line, changed.pop(line, line)) for line in LINES]
    return (*lines, *changed.items())


def held_to_in_words(verdict: Verdict) -> str:
    """The formula that a subject's values are held to, by `rule/documented`.

    Empty for the documented one.
    """
    if verdict.check != "rule/documented" or verdict.status in {Status.SKIPPED, Status.BROKEN}:
        return ""
    return other_formula(verdict.measured)


def other_formula(measured: Mapping[str, Any]) -> str:
    """The formula that facts of a rule name; empty for the documented one."""
    rule = rule_named(measured.get("rule"))
    if rule is None:
        return "" if "rule" not in measured else "the nearest one, since it follows no known rule"
    return "; ".join(rule.deviations) if rule != DOCUMENTED else ""


def _checks(count: int) -> str:
    return f"{count:,} check{'' if count == 1 else 's'}"


def summarize(records: Iterable[Record]) -> Summary:
    """Summarize one or more runs."""
    records = tuple(records)
    rows: list[VerdictRow] = []
    cells: dict[Configuration, dict[str, Counter[Status]]] = {}
    held_to: dict[Configuration, str] = {}
    for run, record in enumerate(records, start=1):
        versions = versions_of(record)
        for verdict in record.verdicts:
            configuration = Configuration(
                run, verdict.subject, versions.get(verdict.subject, ""), verdict.dtype, verdict.device
            )
            rows.append(VerdictRow(len(rows) + 1, configuration, verdict))
            held_to[configuration] = held_to.get(configuration) or held_to_in_words(verdict)
            counters = cells.setdefault(configuration, {})
            counters.setdefault(group_of(verdict), Counter())[verdict.status] += 1
    others = sorted({row.group for row in rows} - set(GROUPS))
    groups = (*GROUPS, *others)
    if records and all(record.header.profile == "audit" for record in records):
        # A recording cannot answer the others.
        groups = tuple(group for group in groups if any(row.group == group for row in rows))
    matrix = tuple(
        (
            configuration,
            {group: _cell(counters.get(group, {}), group, held_to[configuration]) for group in groups},
        )
        for configuration, counters in cells.items()
    )
    tally = Counter(row.verdict.status for row in rows)
    counts = {status: tally[status] for status in WORST_FIRST}
    return Summary(records, tuple(rows), groups, matrix, counts, tuple(few(_notes(records))))


def _cell(counts: Mapping[Status, int], group: str, held_to: str) -> StatusCounts:
    judged = set(counts) - {Status.SKIPPED, Status.BROKEN}
    return StatusCounts(dict(counts), held_to if judged and group not in WITHOUT_VALUES else "")


def _of_any_check(verdict: Verdict) -> bool:
    """Whether any check would have this verdict: the subject raises, or is gone."""
    divergence = verdict.divergence
    if verdict.status is Status.BROKEN:
        return True
    return (
        verdict.status is Status.DIVERGES
        and divergence is not None
        and divergence.quantity is Quantity.OUTCOME
    )


def _rank(row: VerdictRow) -> int:
    return _MOST_INFORMATIVE.index(row.group) if row.group in _MOST_INFORMATIVE else len(_MOST_INFORMATIVE)


def group_of(verdict: Verdict) -> str:
    """The check group: the first part of the check's id."""
    return verdict.check.partition("/")[0]


def versions_of(record: Record) -> dict[str, str]:
    """The version of each subject's framework, by name, as its host reported it.

    If the subject is not named after its framework, the framework's name comes with it.
    """
    versions = {}
    for facts in record.header.subjects:
        if "name" in facts and "version" in facts:
            name, framework = str(facts["name"]), str(facts.get("framework", ""))
            named = name.startswith(framework)
            versions[name] = str(facts["version"]) if named else f"{framework} {facts['version']}"
    return versions


def facts_of(record: Record) -> list[tuple[str, str]]:
    """The facts of a run's header, as names and texts to show."""
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
    if seconds := sum(verdict.duration for verdict in record.verdicts):
        facts.append(("checks took", seconds_in_words(seconds)))
    facts.append(("digest", record.digest))
    return facts


def seconds_in_words(seconds: float) -> str:
    """A duration, to a hundredth of a second below ten seconds."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def in_words(value: Any) -> str:
    """A JSON value as words: no braces, no quotes."""
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
    runs_of: dict[tuple[str, ...], set[int]] = {}
    for run, record in enumerate(records, start=1):
        for verdict in record.verdicts:
            key = (verdict.subject, verdict.dtype, verdict.device)
            runs_of.setdefault(key, set()).add(run)
    for (subject, dtype, device), runs in runs_of.items():
        if len(runs) > 1:
            yield (
                f"{subject} in {dtype} on {device} was judged by runs "
                f"{', '.join(map(str, sorted(runs)))}; each has its own row."
            )
