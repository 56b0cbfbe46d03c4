"""How much is a subject asked, where each new optimizer is compiled anew?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adamax_conformance.impl.protocol.messages import SubjectInfo


@dataclass(frozen=True)
class Budget:
    """How many times fewer cases a subject is given than one that compiles nothing.

    Attributes:
        drawn: of the drawn cases, one in so many.
        golden: of the golden ones, one in so many in the quick profile; cases of as many steps become groups
            of one optimizer.
    """

    drawn: int = 1
    golden: int = 1

    @property
    def compiles(self) -> bool:
        """Whether a new optimizer is dear."""
        return self.golden > 1


_BUDGETS: Final = {
    "mindspore": Budget(drawn=12, golden=8),
    "torch[compile]": Budget(drawn=48, golden=24),
}


def budget_of(info: SubjectInfo) -> Budget:
    """The budget of a subject, by its name or its framework's."""
    named = f"{info.framework}[{info.mode}]"
    return _BUDGETS.get(named) or _BUDGETS.get(info.framework) or Budget()
