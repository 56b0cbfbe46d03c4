"""The result of a run, as the process that ran it knows it.

It does not depend on what the files of the run hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from .exit_codes import ExitCode, outcome
from .record import Record


@dataclass(frozen=True)
class RunResult:
    """The verdicts of a run, and those that it lacks.

    Attributes:
        record: the verdicts; complete only if none is missing and nothing interrupted the run.
        missing: the names of the verdicts that the run had to give and did not.
        interrupted: whether an interrupt ended the run.
        failed: whether a test or pytest failed, and no verdict says so.
        unwritten: why the report could not be written; empty if it was.
        notes: what the user may want to correct, such as a ledger's entry for a subject that is not in the run.
    """

    record: Record
    missing: tuple[str, ...] = ()
    interrupted: bool = False
    failed: bool = False
    unwritten: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the run.

        It is 0 only if every verdict is there and the report is written.
        """
        if self.interrupted:
            return int(ExitCode.INTERRUPTED)
        code = outcome(self.record.verdicts, complete=self.record.complete)
        return int(ExitCode.NOTHING_JUDGED if self.unwritten and code is ExitCode.CONFORMS else code)

    @property
    def problem(self) -> str:
        """One sentence on what the run lacks; empty if it lacks nothing."""
        given = len(self.record.verdicts)
        parts = []
        if self.interrupted:
            parts.append(f"interrupted: the run ended after {_counted(given, 'verdict')}")
        if self.missing:
            named = ", ".join(self.missing[:_SHOWN])
            more = f" and {len(self.missing) - _SHOWN} more" if len(self.missing) > _SHOWN else ""
            parts.append(f"the run has no verdict of {_counted(len(self.missing), 'check')}: {named}{more}")
        if self.failed:
            parts.append("a test failed, and no verdict says why")
        if self.unwritten:
            parts.append(self.unwritten)
        return "; ".join(parts)


_SHOWN = 3


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
