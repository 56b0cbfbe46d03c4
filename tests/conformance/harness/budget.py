"""The share of the cases that a subject runs if it compiles each new optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adamax_conformance.impl.protocol.messages import SubjectInfo


@dataclass(frozen=True)
class Budget:
    """The divisors of the number of cases: 1 for a subject that compiles nothing.

    Attributes:
        drawn: the subject runs one in so many of the drawn cases.
        golden: it runs one in so many of the golden cases in the quick profile. Cases with the same number of
            steps then become groups of one optimizer.
    """

    drawn: int = 1
    golden: int = 1

    @property
    def compiles(self) -> bool:
        """Whether a new optimizer costs much time."""
        return self.golden > 1

    def share(self, cases: int) -> int:
        """The number of cases that are drawn of so many: one at least."""
        return max(1, cases // self.drawn)


_BUDGETS: Final = {
    "mindspore": Budget(drawn=12, golden=8),
    "torch[compile]": Budget(drawn=48, golden=24),
}


def budget_of(info: SubjectInfo) -> Budget:
    """The budget of a subject, by the name of its mode or of its framework."""
    named = f"{info.framework}[{info.mode}]"
    return _BUDGETS.get(named) or _BUDGETS.get(info.framework) or Budget()
