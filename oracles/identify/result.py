"""What a subject was identified as, and the cases that it refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...reference.case import Case
from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import DOCUMENTED, Rule
from ..error_model import Habits
from ..formats import Format
from ..verdict import Divergence, Quantity


@dataclass(frozen=True, eq=False)
class Refusal:
    """A case that the subject cannot be asked: it has no such argument, or does not take its value.

    Attributes:
        case: the case.
        reason: in the words of the subject, or of its adapter.
    """

    case: Case
    reason: str

    def concerns(self, part: str) -> bool:
        """Whether the case would have told something of a part of the rule."""
        return any(TELLING[part](group.hyperparameters) for group in self.case.groups)


TELLING: Final[Mapping[str, Callable[[Hyperparameters], bool]]] = {
    "epsilon": lambda h: h.eps > 0,
    "bias_correction": lambda h: h.beta1 > 0,
    "decay": lambda h: h.weight_decay > 0,
    "ascent": lambda h: h.maximize,
}
"""For each part of a rule, whether it shows under some hyperparameters."""


@dataclass(frozen=True)
class Identification:
    """What a subject was found to be.

    Attributes:
        rule: the rule that explains all quantities, the nearest to the documented one if there are several;
            None if there is none.
        nearest: that rule, or the one that explains the most.
        also: other rules that explain all quantities as well, each different in an `open` part only.
        open: the parts of the rule that could not be told, each with the reason: what of it cannot be asked.
        habits: the form and the scalar precision that go with `nearest`.
        format_: the working format, which the parameters are stored in.
        computes_in: the format that explains the numbers: the working one, or a coarser one that they were
            computed in before they were stored.
        misfits: for each quantity that `nearest` does not explain, the first error beyond the strictest bound.
        evidence: for each quantity, one sentence.
    """

    rule: Rule | None
    nearest: Rule
    also: tuple[Rule, ...]
    habits: Habits
    format_: Format
    computes_in: Format
    open: Mapping[str, str] = field(default_factory=dict)
    misfits: dict[Quantity, Divergence] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()

    @property
    def admissible(self) -> bool:
        """Whether neither its numbers nor its scalars are below the working precision."""
        return self.computes_in is self.format_ and self.habits.admissible(self.format_)

    def describe(self) -> str:
        """One sentence: the rule and the habits, and what of the rule is open."""
        habits = self.habits.describe(self.computes_in)
        if self.computes_in is not self.format_:
            habits = f"computed in {self.computes_in.name.lower()}, {habits}"
        if self.rule is not None:
            what = "the documented rule" if self.rule == DOCUMENTED else "; ".join(self.rule.deviations)
            if self.open:
                parts = " and ".join(part.replace("_", " ") for part in self.open)
                what = f"{what}, as far as it can be asked: its {parts} cannot be told"
            return f"{what} ({habits})"
        missed = ", ".join(quantity.value for quantity in self.misfits)
        return f"no known rule; the nearest is {self.nearest.name}, which does not explain {missed}"
