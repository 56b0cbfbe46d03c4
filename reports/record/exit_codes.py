"""The exit codes of the command line, and that of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from ...oracles.verdict import Status, Verdict

_AUDIT: Final = "audit/"
_UNJUDGED: Final = "audit/unjudged"
_THETA: Final = "audit/lockstep/theta"
_JUDGED: Final = frozenset({Status.CONFORMS, Status.KNOWN})


class ExitCode(IntEnum):
    """The command line's exit codes, the same for every command and output format."""

    CONFORMS = 0
    """Known divergences may be among the verdicts."""
    DIVERGES = 1
    """A divergence that is not on the ledger, a verdict broken by the subject, or a stale ledger entry."""
    USAGE = 2
    """Wrong usage, or input that cannot be read."""
    NOTHING_JUDGED = 3
    """The subject is not available, every check was skipped, or verdicts are missing."""
    INTERRUPTED = 130
    """An interrupt ended the run."""


def outcome(verdicts: Iterable[Verdict], *, complete: bool = True) -> ExitCode:
    """The exit code of a run with these verdicts.

    A run conforms only if it is complete. That a recording is whole, and what the specification leaves open, says
    nothing of the optimizer.
    """
    verdicts = tuple(verdicts)
    if {verdict.status for verdict in verdicts} & {Status.DIVERGES, Status.BROKEN}:
        return ExitCode.DIVERGES
    return ExitCode.CONFORMS if complete and _judge_something(verdicts) else ExitCode.NOTHING_JUDGED


def _judge_something(verdicts: Sequence[Verdict]) -> bool:
    """Whether a number was compared; in an audit theta of every parameter."""
    if any(verdict.check.startswith(_AUDIT) for verdict in verdicts):
        if any(verdict.check == _UNJUDGED for verdict in verdicts):
            return False
        thetas = [verdict for verdict in verdicts if verdict.check == _THETA]
        return bool(thetas) and all(verdict.status in _JUDGED for verdict in thetas)
    return any(verdict.status in _JUDGED for verdict in verdicts)
