"""Compare two runs: what began to diverge, stopped, changed in size, or is gone.

The ledger decides what fails a run, so changes of the ledger are kept apart here: a known divergence is still a
divergence. Worse is a check that began to diverge, grew, lost its answer or its ledger entry. Worse too is one that
was judged before and is not any more, as nobody knows whether it still conforms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from rich.table import Table

from ...oracles.verdict import Status, Verdict
from ..escape import markdown, markdown_code
from ..record import verdict_json
from ..record.exit_codes import ExitCode
from ..record.record import Record
from ..render.html import render_page
from ..render.summary import WORST_FIRST, versions_of
from ..render.terminal import text

Key = tuple[str, str, str, str]
"""Subject, dtype, device, check: these identify a verdict in both runs."""


class Change(Enum):
    """A change of a check between two runs."""

    BEGAN = "began to diverge"
    BROKE = "no longer gives an answer"
    GREW = "diverges by more"
    UNLISTED = "is no longer on the ledger"
    LOST = "is no longer judged"
    STOPPED = "no longer diverges"
    SHRANK = "diverges by less"
    LISTED = "is now on the ledger"
    GAINED = "is judged now"
    OPENED = "is now left open by the page"
    DECIDED = "is no longer left open by the page"

    @property
    def is_worse(self) -> bool:
        """Whether someone should look."""
        return self in _WORSE


_WORSE: Final = frozenset({Change.BEGAN, Change.BROKE, Change.GREW, Change.UNLISTED, Change.LOST})
_DIVERGING: Final = frozenset({Status.DIVERGES, Status.KNOWN})
_SHOWN: Final = 200
_SHOWN_IN_HTML: Final = 2_000


@dataclass(frozen=True)
class Difference:
    """One check that changed.

    Attributes:
        change: how.
        subject: as on the command line.
        dtype: the working format.
        device: where it ran.
        check: the check's id.
        old: the verdict before; None if there was none.
        new: the verdict now; None if there is none.
    """

    change: Change
    subject: str
    dtype: str
    device: str
    check: str
    old: Verdict | None
    new: Verdict | None

    @property
    def was(self) -> str:
        """The old verdict in a few words."""
        return _words(self.old)

    @property
    def now(self) -> str:
        """The new verdict in a few words."""
        return _words(self.new)


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs.

    Attributes:
        differences: what changed, the worse first.
        same: how many checks did not.
        versions: each subject's framework's version before and now, where they differ.
    """

    differences: tuple[Difference, ...]
    same: int
    versions: tuple[tuple[str, str, str], ...]

    @property
    def exit_code(self) -> ExitCode:
        """1 if something got worse, else 0."""
        return ExitCode.DIVERGES if any(d.change.is_worse for d in self.differences) else ExitCode.CONFORMS

    @property
    def answer(self) -> str:
        """One sentence."""
        if not self.differences:
            return f"Nothing changed: {self.same} checks have the same verdict"
        worse = sum(difference.change.is_worse for difference in self.differences)
        rest = len(self.differences) - worse
        return f"{worse} worse, {rest} otherwise changed, {self.same} the same"

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "answer": self.answer,
            "worse": self.exit_code is ExitCode.DIVERGES,
            "same": self.same,
            "versions": [{"subject": s, "old": old, "new": new} for s, old, new in self.versions],
            "differences": [
                {
                    "change": d.change.name.lower(),
                    "worse": d.change.is_worse,
                    "subject": d.subject,
                    "dtype": d.dtype,
                    "device": d.device,
                    "check": d.check,
                    "old": None if d.old is None else verdict_json.to_json(d.old),
                    "new": None if d.new is None else verdict_json.to_json(d.new),
                }
                for d in self.differences
            ],
        }

    def to_markdown(self) -> str:
        """The comparison for a pull request; a long one is cut, with a note."""
        lines = [f"# {markdown(self.answer)}", ""]
        lines += [
            f"- {markdown_code(s, 80)}: {markdown(old, 40) or 'none'} → {markdown(new, 40) or 'none'}"
            for s, old, new in self.versions
        ]
        if self.differences:
            columns = ["change", "check", "subject", "dtype", "device", "was", "is"]
            lines += ["", f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
        for d in self.differences[:_SHOWN]:
            change = f"**{d.change.value}**" if d.change.is_worse else d.change.value
            names = (markdown_code(d.check, 120), markdown_code(d.subject, 80))
            rest = (markdown(value, 160) for value in (d.dtype, d.device, d.was, d.now))
            lines.append(f"| {' | '.join((change, *names, *rest))} |")
        if left := len(self.differences) - _SHOWN:
            lines += [] if left < 0 else ["", f"*and {left} more*"]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """The comparison as one HTML page; a long one is cut, with a note."""
        return render_page(
            "diff.html",
            comparison=self,
            headline=Status.DIVERGES if self.exit_code else Status.CONFORMS,
            changes=list(Counter(d.change for d in self.differences).items()),
            shown=self.differences[:_SHOWN_IN_HTML],
            left_out=max(0, len(self.differences) - _SHOWN_IN_HTML),
        )

    def to_table(self) -> Table:
        """The comparison for a terminal."""
        table = Table(title=text(self.answer), title_justify="left", box=None, pad_edge=False)
        for name in ("change", "check", "subject", "dtype", "device", "was", "is"):
            table.add_column(name, overflow="fold")
        for d in self.differences:
            style = "bold red" if d.change.is_worse else "green"
            cells = (d.check, d.subject, d.dtype, d.device, d.was, d.now)
            table.add_row(text(d.change.value, style), *(text(cell, limit=160) for cell in cells))
        return table


def compare(old: Iterable[Record], new: Iterable[Record]) -> Comparison:
    """Compare the runs of one record with those of another.

    If a record has two verdicts on the same, from two machines say, the worst stands for both.
    """
    old, new = tuple(old), tuple(new)
    before, after = _verdicts(old), _verdicts(new)
    differences = []
    same = 0
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        change = _change(was, now)
        if change is None:
            same += 1
        else:
            differences.append(Difference(change, *key, was, now))
    order = list(Change)
    differences.sort(key=lambda d: order.index(d.change))
    return Comparison(tuple(differences), same, tuple(_versions(old, new)))


def _verdicts(records: Sequence[Record]) -> dict[Key, Verdict]:
    worst: dict[Key, Verdict] = {}
    for verdict in (verdict for record in records for verdict in record.verdicts):
        key = (verdict.subject, verdict.dtype, verdict.device, verdict.check)
        if key not in worst or _rank(verdict) < _rank(worst[key]):
            worst[key] = verdict
    return worst


def _rank(verdict: Verdict) -> int:
    return WORST_FIRST.index(verdict.status)


def _is_judged(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.status is not Status.SKIPPED


def _change(was: Verdict | None, now: Verdict | None) -> Change | None:
    """The change of a check; None if it did not change."""
    before = was.status if was is not None else Status.SKIPPED
    after = now.status if now is not None else Status.SKIPPED
    size = _size_change(was, now)
    rules: tuple[tuple[bool, Change | None], ...] = (
        (after is Status.BROKEN, Change.BROKE if before is not Status.BROKEN else None),
        (after in _DIVERGING and before not in _DIVERGING, Change.BEGAN),
        (size is Change.GREW, Change.GREW),
        (before is Status.KNOWN and after is Status.DIVERGES, Change.UNLISTED),
        (before is Status.DIVERGES and after is Status.KNOWN, Change.LISTED),
        (after in _DIVERGING, size),
        (not _is_judged(now), Change.LOST if _is_judged(was) else None),
        (before in _DIVERGING | {Status.BROKEN}, Change.STOPPED),
        (not _is_judged(was), Change.GAINED),
        (after is not before, Change.OPENED if after is Status.UNSPECIFIED else Change.DECIDED),
    )
    return next((change for holds, change in rules if holds), None)


def _size_change(was: Verdict | None, now: Verdict | None) -> Change | None:
    """Growth or shrinkage of a divergence, by its error over the bound or its ulp."""
    old = was.divergence if was is not None else None
    new = now.divergence if now is not None else None
    if old is None or new is None:
        return None
    measures: tuple[Callable[[Any], float | None], ...] = (
        lambda d: d.error_over_bound,
        lambda d: d.error_ulp,
    )
    for measure in measures:
        before, after = measure(old), measure(new)
        if before is not None and after is not None and before != after:
            return Change.GREW if not after < before else Change.SHRANK
    return None


def _versions(old: Sequence[Record], new: Sequence[Record]) -> Iterable[tuple[str, str, str]]:
    def known(records: Sequence[Record]) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for record in records:
            for subject, version in versions_of(record).items():
                found.setdefault(subject, []).append(version)
        return {subject: ", ".join(dict.fromkeys(versions)) for subject, versions in found.items()}

    before, after = known(old), known(new)
    for subject in dict.fromkeys((*before, *after)):
        if before.get(subject) != after.get(subject):
            yield subject, before.get(subject, ""), after.get(subject, "")


def _words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not run"
    if verdict.divergence is not None and verdict.divergence.error_ulp is not None:
        over = verdict.divergence.error_over_bound
        bound = "" if over is None else f", {over:.4g} of the bound"
        return f"{verdict.status.value}: {verdict.divergence.error_ulp:.4g} ulp{bound}"
    return f"{verdict.status.value}: {verdict.reason}" if verdict.reason else verdict.status.value
