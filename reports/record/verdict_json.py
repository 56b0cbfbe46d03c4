"""Verdicts as JSON, and back.

A verdict is one flat object: its fields, and next to them those of its divergence. `reason` is the verdict's;
the sentence of its divergence is `finding`. JSON has no infinity and no NaN: such a number is written as the
string `inf`, `-inf` or `nan`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import numpy as np

from ...oracles.verdict import Divergence, Quantity, Status, Verdict

_OPTIONAL: Final = (
    "expected_hex",
    "actual_hex",
    "error_ulp",
    "error_over_bound",
    "bound",
    "step",
    "parameter",
    "element",
    "case",
)


def to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values, without optional fields that are None or empty.

    A verdict without a reason of its own takes its divergence's.
    """
    divergence = verdict.divergence
    line: dict[str, Any] = {
        "check": verdict.check,
        "status": verdict.status.value,
        "subject": verdict.subject,
        "dtype": verdict.dtype,
        "device": verdict.device,
    }
    if reason := verdict.reason or (divergence.reason if divergence else ""):
        line["reason"] = reason
    if divergence is not None:
        line |= {
            "quantity": divergence.quantity.value,
            "finding": divergence.reason,
            "expected": divergence.expected,
            "actual": divergence.actual,
        }
        line |= {name: plain(value) for name in _OPTIONAL if (value := getattr(divergence, name)) is not None}
        if divergence.extra:
            line["extra"] = plain(divergence.extra)
    if verdict.reproduce:
        line["reproduce"] = verdict.reproduce
    if verdict.since:
        line["since"] = verdict.since
    if verdict.measured:
        line["measured"] = plain(verdict.measured)
    line["duration"] = round(float(verdict.duration), 6)
    return line


def from_json(line: Mapping[str, Any]) -> Verdict:
    """The inverse of `to_json`, for an object that the record's schema admits."""
    return Verdict(
        check=line["check"],
        status=Status(line["status"]),
        subject=line["subject"],
        dtype=line["dtype"],
        device=line["device"],
        reason=line.get("reason", ""),
        since=line.get("since", ""),
        divergence=_divergence(line) if "finding" in line else None,
        reproduce=line.get("reproduce", ""),
        measured=line.get("measured", {}),
        duration=line["duration"],
    )


def plain(value: Any) -> Any:
    """The value as JSON can hold it: NumPy's numbers, tuples, inf, NaN converted.

    Raises:
        TypeError: for a type that no record holds.
    """
    match value:
        case float():
            return float(value) if math.isfinite(value) else str(float(value))
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case None | bool() | int() | str():
            return value
        case Enum():
            return plain(value.value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    raise TypeError(f"a record holds JSON values; {value!r} is {type(value).__name__}")


def _divergence(line: Mapping[str, Any]) -> Divergence:
    element = line.get("element")
    return Divergence(
        quantity=Quantity(line["quantity"]),
        reason=line["finding"],
        expected=line["expected"],
        actual=line["actual"],
        expected_hex=line.get("expected_hex"),
        actual_hex=line.get("actual_hex"),
        error_ulp=_number(line.get("error_ulp")),
        error_over_bound=_number(line.get("error_over_bound")),
        bound=line.get("bound"),
        step=line.get("step"),
        parameter=line.get("parameter"),
        element=None if element is None else tuple(element),
        case=line.get("case"),
        extra=line.get("extra", {}),
    )


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
