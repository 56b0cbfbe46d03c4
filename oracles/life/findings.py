"""Everything that was found of a life: what is wrong, and how much was judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..verdict import Divergence


class Aspect(Enum):
    """The part of a life that is wrong."""

    M = "m"
    U = "u"
    THETA = "theta"
    SPECIAL = "special"
    """A number that is not finite, or should not be."""
    UNTOUCHED = "untouched"
    """Something that an action must leave alone has changed."""
    REFUSED = "refused"
    """A call that is right was refused, or one that was refused left a trace."""
    CHECKPOINT = "checkpoint"
    """A checkpoint or a copy brought back something else."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong about a life.

    Attributes:
        aspect: the part that is wrong.
        action: the index of the action after which it shows.
        divergence: the evidence.
    """

    aspect: Aspect
    action: int
    divergence: Divergence


@dataclass
class LifeFindings:
    """Everything that was found of one life.

    Attributes:
        findings: in the order of the actions.
        judged: numbers compared.
        open: those without a finite bound.
        largest_over_bound: the largest error as a fraction of its bound.
        unsupported: the first action that the subject does not support, and why.
        unrefused: calls that were accepted where a refusal was expected.
    """

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    open: int = 0
    largest_over_bound: float = 0.0
    unsupported: str = ""
    unrefused: str = ""

    def count(self, judged: int, opened: int, largest_over_bound: float) -> None:
        """Count numbers that were compared."""
        self.judged += judged
        self.open += opened
        self.largest_over_bound = max(self.largest_over_bound, largest_over_bound)
