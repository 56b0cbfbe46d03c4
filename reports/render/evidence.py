"""What does a reader need to see of one divergence: what the page says, and where the numbers part?"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Final

from ...oracles.verdict import Divergence, Quantity, Verdict
from ...reference.case import FloatArray
from ...reference.contract import CLAUSES
from ...reference.rules import DOCUMENTED
from ..reproduce.script import smallest
from ..rule import notation
from ..rule.demo import rule_named

PAGE: Final = "mindspore.experimental.optim.Adamax"
FORMULA: Final = notation.lines()
"""The documented step, line by line; γ is lr, λ is weight_decay."""

_LINES: Final = {Quantity.M: 2, Quantity.U: 3, Quantity.THETA: 4}
_STATEMENTS: Final = {clause.id: clause.statement for clause in CLAUSES}
_SHOWN_STEPS: Final = 8
_SHOWN_ELEMENTS: Final = 12


@dataclass(frozen=True)
class Marked:
    """A number as text, with the digits in which it differs from another marked.

    Attributes:
        same: what both begin with.
        different: where they part.
        after: what both end with.
    """

    same: str
    different: str
    after: str = ""


def statement(verdict: Verdict) -> tuple[str, ...]:
    """What the documented page says about what the verdict's check looks at, in lines."""
    group, _, rest = verdict.check.partition("/")
    if group == "contract" and rest in _STATEMENTS:
        return (_STATEMENTS[rest],)
    if group == "rule":
        return FORMULA
    quantity = verdict.divergence.quantity if verdict.divergence else None
    return (FORMULA[_LINES[quantity]],) if quantity in _LINES else ()


def formulas(verdict: Verdict) -> tuple[tuple[Marked, Marked], ...]:
    """The lines of the documented step and of the subject's, where the verdict names another rule."""
    rule = rule_named(verdict.measured.get("rule"))
    if rule is None or rule == DOCUMENTED or verdict.check != "rule/documented":
        return ()
    return tuple(_parted(*pair) for pair in zip(FORMULA, notation.lines(rule), strict=True))


def marked(expected: str, actual: str) -> tuple[Marked, Marked]:
    """Two numbers as texts, with the digits in which they differ marked; other texts have no digits."""
    if expected == actual or not (_is_number(expected) and _is_number(actual)):
        return Marked(expected, ""), Marked(actual, "")
    if len(expected) == len(actual):
        return _parted(expected, actual)
    start = len(os.path.commonprefix((expected, actual)))  # an end in common means nothing: other places
    return _split(expected, start, 0), _split(actual, start, 0)


def _parted(expected: str, actual: str) -> tuple[Marked, Marked]:
    """Two texts between what both begin with and what both end with."""
    start = len(os.path.commonprefix((expected, actual)))
    stop = len(os.path.commonprefix((expected[start:][::-1], actual[start:][::-1])))
    return _split(expected, start, stop), _split(actual, start, stop)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float.fromhex(text) if "0x" in text else float(text))
    except (ValueError, OverflowError):
        return False


def _split(text: str, start: int, stop: int) -> Marked:
    end = len(text) - stop
    return Marked(text[:start], text[start:end], text[end:])


def figures(divergence: Divergence) -> list[tuple[str, str]]:
    """The facts of a divergence, as names and texts, those that it lacks left out."""
    facts = [
        ("quantity", None if divergence.quantity is Quantity.OUTCOME else divergence.quantity.value),
        ("step", _text(divergence.step)),
        ("parameter", _text(divergence.parameter)),
        ("element", None if divergence.element is None else str(list(divergence.element))),
        ("error", None if divergence.error_ulp is None else f"{divergence.error_ulp:.4g} ulp"),
        (
            "error over bound",
            None if divergence.error_over_bound is None else f"{divergence.error_over_bound:.4g}",
        ),
        ("bound", divergence.bound),
    ]
    facts += [(str(name), str(value)) for name, value in divergence.extra.items()]
    return [(name, text) for name, text in facts if text]


def case_lines(divergence: Divergence) -> list[tuple[str, str]]:
    """The smallest case that shows a divergence, as names and texts; a long one is cut, and says so."""
    cut = smallest(divergence)
    if cut is None:
        return []
    case, place = cut
    lines = [("case", case.name), ("layout", case.layout.value)]
    for at, group, parameter in case.placed():
        if at != place:
            continue
        lines += [(name, repr(value)) for name, value in group.hyperparameters.options().items()]
        if group.learning_rates is not None:
            lines.append(("lr by step", _numbers(list(group.learning_rates))))
        lines.append(("theta before", _array(parameter.theta)))
        hidden = max(0, case.steps - _SHOWN_STEPS)
        if hidden:
            lines.append(("gradients", f"of steps 1 to {hidden} are in the record; the last follow"))
        lines += [
            (f"gradient {t}", _array(parameter.gradients[t - 1])) for t in range(hidden + 1, case.steps + 1)
        ]
    if others := len(case.parameters) - 1:
        lines.append(("further parameters", f"{others}, in the record"))
    return lines


def _array(array: FloatArray) -> str:
    if array.size <= _SHOWN_ELEMENTS:
        return repr(array.tolist())
    return f"{_numbers(array.ravel().tolist())} of shape {list(array.shape)}"


def _numbers(values: list[float]) -> str:
    shown = ", ".join(repr(value) for value in values[:_SHOWN_ELEMENTS])
    return f"[{shown}{', …' if len(values) > _SHOWN_ELEMENTS else ''}]"


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
