"""The result of an identification, and the cases that the subject refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...reference.case import Case
from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import DOCUMENTED, Rule
from ..error_model import EvaluationScheme
from ..formats import Format
from ..verdict import Divergence, Quantity


@dataclass(frozen=True, eq=False)
class Refusal:
    """A case that the subject cannot run: it lacks an argument or rejects its value.

    Attributes:
        case: the case.
        reason: in the words of the subject, or of its adapter.
    """

    case: Case
    reason: str

    def concerns(self, part: str) -> bool:
        """Check whether the case would have distinguished a part of the rule."""
        return any(DISTINGUISHES[part](group.hyperparameters) for group in self.case.groups)


DISTINGUISHES: Final[Mapping[str, Callable[[Hyperparameters], bool]]] = {
    "epsilon": lambda h: h.eps > 0,
    "bias_correction": lambda h: h.beta1 > 0,
    "decay": lambda h: h.weight_decay > 0,
    "ascent": lambda h: h.maximize,
}
"""For each part of a rule, whether some hyperparameters distinguish it."""


@dataclass(frozen=True)
class Identification:
    """The rule, evaluation scheme and format that explain a subject's numbers.

    Attributes:
        rule: the rule that explains all quantities, the nearest to the documented one if there are several;
            None if there is none.
        nearest: that rule, or the one that explains the most.
        alternatives: other rules that explain all quantities as well; each differs in `undetermined` parts only.
        undetermined: the parts of the rule that could not be determined, each with the reason.
        scheme: the form and the scalar precision that go with `nearest`.
        format_: the working format, which the parameters are stored in.
        computes_in: the format that explains the numbers: the working one, or a coarser one that they were
            computed in before they were stored.
        mismatches: for each quantity that `nearest` does not explain, the first error beyond the strictest bound.
        kept_in: for each of these whose every number is one of a coarser format, that format.
        goes_on_from_copy: whether theta's steps are beyond their bounds, and its runs within theirs: it is then rounded
            from a more precise copy than the one that is shown.
        evidence: for each quantity, one sentence.
    """

    rule: Rule | None
    nearest: Rule
    alternatives: tuple[Rule, ...]
    scheme: EvaluationScheme
    format_: Format
    computes_in: Format
    undetermined: Mapping[str, str] = field(default_factory=dict)
    mismatches: dict[Quantity, Divergence] = field(default_factory=dict)
    kept_in: Mapping[Quantity, Format] = field(default_factory=dict)
    goes_on_from_copy: bool = False
    evidence: tuple[str, ...] = ()

    @property
    def admissible(self) -> bool:
        """Check that neither numbers nor scalars are below the working precision."""
        return self.computes_in is self.format_ and self.scheme.admissible(self.format_)

    def describe(self) -> str:
        """Describe the rule, the scheme and the undetermined parts in one sentence."""
        scheme = self.scheme.describe(self.computes_in)
        if self.computes_in is not self.format_:
            scheme = f"computed in {self.computes_in.name.lower()}, {scheme}"
        if self.rule is not None:
            what = "the documented rule" if self.rule == DOCUMENTED else "; ".join(self.rule.deviations)
            if self.undetermined:
                parts = " and ".join(part.replace("_", " ") for part in self.undetermined)
                what = f"{what}, as far as it can be tested: its {parts} cannot be determined"
            return f"{what} ({scheme})"
        missed = ", ".join(quantity.value for quantity in self.mismatches)
        words = f"no known rule; the nearest is {self.nearest.name}, which does not explain {missed}"
        for quantity, kept in self.kept_in.items():
            words += f"; every {quantity.value} is a number of {kept.name.lower()}"
        return words
