"""The overview of an audited run: the errors of tensors and groups, and rates.

Each list has the largest errors first, and the tensors that are left out are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from ...oracles.verdict import Quantity
from .tallies import AuditResult
from .tensors import TensorErrors, merge_errors

_TENSORS: Final = 48
"""The most tensors that a record has of each quantity."""


@dataclass
class _Row:
    """A tensor, or a group of them, with its errors of one quantity."""

    whole: TensorErrors
    by_column: dict[int, float] = field(default_factory=dict)

    def rank(self, quantity: str) -> tuple[bool, float]:
        """A sort key: what is beyond its bound first, then what is nearest to it."""
        return quantity not in self.whole.exceeded, -self.whole.over_bound.get(quantity, 0.0)


def tensor_figures(result: AuditResult, dtype: str, quantity: Quantity) -> dict[str, Any]:
    """The errors of one quantity by tensor and column of steps, and by group.

    Args:
        result: of an audit.
        dtype: of the tensors.
        quantity: whose errors.

    Returns:
        `columns`, the first step of each; `tensors`, each as a dict, the worst first; `left out`, how many there are
        besides; `groups`, each as a dict, the worst first.
    """
    name = quantity.value
    rows: dict[int, _Row] = {}
    columns = sorted({column for of, _, column in result.tensors if of == dtype})
    for (of, index, column), errors in sorted(result.tensors.items()):
        if of != dtype or name not in errors.over_bound:
            continue
        row = rows.setdefault(index, _Row(errors))
        row.whole = merge_errors(row.whole, errors) if row.by_column else errors
        row.by_column[column] = errors.over_bound[name]
    ranked = sorted(rows.items(), key=lambda each: (*each[1].rank(name), each[0]))
    return {
        "columns": columns,
        "tensors": [
            {
                "parameter": index,
                "name": row.whole.name,
                "group": row.whole.group,
                **_errors(row.whole, name),
                "over_bound": [_short(row.by_column.get(column)) for column in columns],
            }
            for index, row in ranked[:_TENSORS]
        ],
        "left out": max(0, len(ranked) - _TENSORS),
        "groups": _groups((row.whole for row in rows.values()), name),
    }


def _groups(tensors: Iterable[TensorErrors], quantity: str) -> list[dict[str, Any]]:
    merged: dict[int, _Row] = {}
    counts: dict[int, int] = {}
    for each in tensors:
        counts[each.group] = counts.get(each.group, 0) + 1
        row = merged.get(each.group)
        merged[each.group] = _Row(each if row is None else merge_errors(row.whole, each))
    ranked = sorted(merged.items(), key=lambda each: (*each[1].rank(quantity), each[0]))
    return [
        {"group": group, "tensors": counts[group], **_errors(row.whole, quantity)} for group, row in ranked
    ]


def _errors(errors: TensorErrors, quantity: str) -> dict[str, Any]:
    return {
        "largest": _short(errors.over_bound.get(quantity)),
        "exceeded": errors.exceeded.get(quantity, 0),
        "first": errors.wrong.get(quantity),
    }


def _short(over_bound: float | None) -> float | None:
    """A fraction of a bound with four digits, on the same side of 1."""
    if over_bound is None:
        return None
    short = float(f"{over_bound:.4g}")
    return max(short, 1.001) if over_bound > 1 else min(short, 1.0)


def rate_figures(result: AuditResult) -> dict[str, list[list[float]]]:
    """The learning rate of each group: pairs of a recorded step and the rate in it."""
    rates: dict[str, list[list[float]]] = {}
    for (group, _), (step, lr) in sorted(result.rates.items()):
        rates.setdefault(str(group), []).append([step, lr])
    return rates
