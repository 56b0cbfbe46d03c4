"""The exit codes of the command line, and that of a run."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ...oracles.verdict import Status, Verdict


class ExitCode(IntEnum):
    """The command line's exit codes, the same for every command and output format."""

    CONFORMS = 0
    """Known divergences may be among the verdicts."""
    DIVERGES = 1
    """A divergence that is not on the ledger, a verdict broken by the subject, or a stale ledger entry."""
    USAGE = 2
    """Wrong usage, or input that cannot be read."""
    NOTHING_JUDGED = 3
    """The subject is not available, or every check was skipped."""


def outcome(verdicts: Iterable[Verdict]) -> ExitCode:
    """The exit code of a run with these verdicts."""
    statuses = {verdict.status for verdict in verdicts}
    if statuses & {Status.DIVERGES, Status.BROKEN}:
        return ExitCode.DIVERGES
    if statuses - {Status.SKIPPED}:
        return ExitCode.CONFORMS
    return ExitCode.NOTHING_JUDGED
