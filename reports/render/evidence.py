"""The evidence on one divergence, with the specification's statement.

"The page" is the specification: the documentation of mindspore.experimental.optim.Adamax.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Final

from ...oracles.verdict import Divergence, Quantity, Verdict
from ...oracles.worked import WORKED
from ...reference.case import FloatArray
from ...reference.contract import CLAUSES
from ...reference.rules import DOCUMENTED
from ..reproduce.script import smallest_case
from ..rule import notation
from ..rule.demo import rule_named

FORMULA: Final = notation.lines()
"""The documented step, line by line; γ is lr, λ is weight_decay."""

_LINES: Final = {Quantity.M: 2, Quantity.U: 3, Quantity.THETA: 4}
_STATEMENTS: Final = {clause.id: clause.statement for clause in CLAUSES}
_SHOWN_STEPS: Final = 8
_SHOWN_ELEMENTS: Final = 12


@dataclass(frozen=True)
class MarkedText:
    """A number as text, with the digits that differ from another marked.

    Attributes:
        same: the start that both have.
        different: the digits that differ.
        after: the end that both have.
    """

    same: str
    different: str
    after: str = ""


@dataclass(frozen=True)
class WorkedLine:
    """One number of a step that is worked out.

    Attributes:
        name: `g`, `m`, `u`, `correction`, `lr`, `step` or `theta`.
        source: what the subject's is taken from.
        exact: what it must be.
        subject: what the subject's numbers say that it was.
        uncertain: how far the latter may be off.
        off: whether it is further off.
    """

    name: str
    source: str
    exact: MarkedText
    subject: MarkedText
    uncertain: str
    off: bool


_WORKED_SOURCES: Final = {
    "g": "from its m",
    "m": "its own",
    "u": "its own",
    "correction": "from its step",
    "lr": "from its step",
    "step": "from its theta",
    "theta": "its own",
}
_WORKED_LONGEST: Final = 40


def worked_lines(divergence: Divergence) -> tuple[WorkedLine, ...]:
    """The step of a divergence, worked out; empty if none is recorded."""
    lines = divergence.extra.get(WORKED)
    if not isinstance(lines, list | tuple):
        return ()
    made = []
    for line in lines[: len(_WORKED_SOURCES)]:
        match line:
            case {
                "name": str(name),
                "exact": str(exact),
                "subject": str(subject),
                "uncertain by": str(uncertain),
                "off": bool(off),
            } if name in _WORKED_SOURCES and all(map(_is_number, (exact, subject, uncertain))):
                made.append(_worked_line(name, exact, subject, uncertain, off=off))
            case _:
                return ()
    return tuple(made)


def _worked_line(name: str, exact: str, subject: str, uncertain: str, *, off: bool) -> WorkedLine:
    exact, subject, uncertain = (text[:_WORKED_LONGEST] for text in (exact, subject, uncertain))
    plain = MarkedText(exact, ""), MarkedText(subject, "")
    first, second = mark_differences(exact, subject) if off else plain
    return WorkedLine(name, _WORKED_SOURCES[name], first, second, uncertain, off)


def statement(verdict: Verdict) -> tuple[str, ...]:
    """The specification's statement on the subject of a verdict's check, in lines."""
    group, _, rest = verdict.check.partition("/")
    if group == "contract" and rest in _STATEMENTS:
        return (_STATEMENTS[rest],)
    if group == "rule":
        return FORMULA
    divergence = verdict.divergence
    if (
        divergence is not None
        and "life" in divergence.extra
        and divergence.bound is None
        and divergence.expected_hex
    ):
        return ()  # a number that should not have changed: the formula says nothing about it
    quantity = divergence.quantity if divergence is not None else None
    return (FORMULA[_LINES[quantity]],) if quantity in _LINES else ()


def formulas(verdict: Verdict) -> tuple[tuple[MarkedText, MarkedText], ...]:
    """The lines of the documented step and of the subject's, if its rule differs."""
    rule = rule_named(verdict.measured.get("rule"))
    if rule is None or rule == DOCUMENTED or verdict.check != "rule/documented":
        return ()
    return tuple(mark_between(*pair) for pair in zip(FORMULA, notation.lines(rule), strict=True))


def mark_differences(expected: str, actual: str) -> tuple[MarkedText, MarkedText]:
    """Mark the digits in which two numbers differ; other texts stay unmarked."""
    if expected == actual or not (_is_number(expected) and _is_number(actual)):
        return MarkedText(expected, ""), MarkedText(actual, "")
    if len(expected) == len(actual):
        return mark_between(expected, actual)
    start = len(
        os.path.commonprefix((expected, actual))
    )  # an end in common means nothing: the digits have other weights
    return _split(expected, start, 0), _split(actual, start, 0)


def mark_between(expected: str, actual: str) -> tuple[MarkedText, MarkedText]:
    """Mark two texts between their common start and their common end."""
    start = len(os.path.commonprefix((expected, actual)))
    stop = len(os.path.commonprefix((expected[start:][::-1], actual[start:][::-1])))
    return _split(expected, start, stop), _split(actual, start, stop)


def mark_words(expected: str, actual: str) -> tuple[MarkedText, MarkedText]:
    """Mark two sentences where they differ, without cutting a word."""
    if expected == actual:
        return MarkedText(expected, ""), MarkedText(actual, "")
    start = len(os.path.commonprefix((expected, actual)))
    stop = len(os.path.commonprefix((expected[start:][::-1], actual[start:][::-1])))
    while start and expected[start - 1].isalnum():
        start -= 1
    while stop and expected[-stop].isalnum():
        stop -= 1
    return _split(expected, start, stop), _split(actual, start, stop)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float.fromhex(text) if "0x" in text else float(text))
    except (ValueError, OverflowError):
        return False


def _split(text: str, start: int, stop: int) -> MarkedText:
    end = len(text) - stop
    return MarkedText(text[:start], text[start:end], text[end:])


def figures(divergence: Divergence) -> list[tuple[str, str]]:
    """The facts that a divergence has, as names and texts."""
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
    known = {"life", WORKED, *(name for name, text in facts if text)}
    facts += [(str(name), str(value)) for name, value in divergence.extra.items() if name not in known]
    return [(name, text) for name, text in facts if text]


def case_lines(divergence: Divergence) -> list[tuple[str, str]]:
    """The smallest case that shows a divergence, as names and texts, cut if long."""
    cut = smallest_case(divergence)
    if cut is None:
        return []
    case, index = cut
    lines = [("case", case.name), ("layout", case.layout.value)]
    for at, group, parameter in case.indexed_parameters():
        if at != index:
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
