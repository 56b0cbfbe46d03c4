"""The place of errors by all judged steps, and not by those looked at alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .causes import Findings, Place, tensors_in_words
from .tallies import AuditResult
from .tensors import Columns, TensorErrors

_ORDER = ("theta", "m", "u")


@dataclass(frozen=True)
class _Tensors:
    """The tensors of an audit, by the places of their errors."""

    errors: Mapping[Place, TensorErrors]

    def name(self, parameter: int) -> str:
        """A tensor's name, or its number."""
        return self._first(parameter).name or f"parameter {parameter}"

    def group(self, parameter: int) -> int:
        """The index of a tensor's group."""
        return self._first(parameter).group

    def _first(self, parameter: int) -> TensorErrors:
        return next(errors for (_, index), errors in self.errors.items() if index == parameter)


def name_place(found: Findings, result: AuditResult, dtype: str, columns: Columns) -> Findings:
    """Name the tensors that are off, and the step from which on they are.

    Args:
        found: what was found in some of the steps.
        result: of all steps.
        dtype: of the tensors.
        columns: of the result.

    Returns:
        The same finding where a cause or single elements are named, where the errors come and go, or where a column of
        the result is of several steps.
    """
    if found.causes or found.is_by_element or columns.width > 1:
        return found
    all_ = {(column, index): e for (of, index, column), e in sorted(result.tensors.items()) if of == dtype}
    wrong = {place: errors for place, errors in all_.items() if errors.exceeded}
    if not wrong:
        return found
    tensors, first = {index for _, index in wrong}, min(column for column, _ in wrong)
    own = {(column, index) for column, index in all_ if index in tensors}
    if any(place not in wrong for place in own if place[0] >= first):
        return found
    step = min(number for errors in wrong.values() for number in errors.wrong.values())
    begins = step == min(all_[place].number for place in own)
    names = [name for name in _ORDER if any(name in errors.exceeded for errors in wrong.values())]
    words = [
        " and ".join(names),
        "is off" if len(names) == 1 else "are off",
        tensors_in_words(_Tensors(all_), all_, wrong),
        "" if begins else f"from step {step} on",
    ]
    return replace(found, where=" ".join(word for word in words if word))
