"""An audited run at a glance: the tensors, groups and steps that are off.

Where none is, it shows how near they come to their bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...oracles.verdict import Status
from ..escape import one_line
from .heat_map import HeatMap
from .rates import RateCurves
from .summary import Configuration, Summary, VerdictRow

_QUANTITIES: Final = ("theta", "m", "u")
_LOCKSTEP: Final = "audit/lockstep/"
_RANKED: Final = 10
"""The most tensors and groups that are ranked."""
_WORST: Final = 5
"""The most elements of each quantity that are listed."""
_NAME: Final = 60


@dataclass(frozen=True)
class Table:
    """A small table.

    Attributes:
        title: what it lists.
        columns: the headings.
        rows: the texts.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class RunView:
    """One dtype of an audited run.

    Attributes:
        number: of its first verdict; unique in the report.
        configuration: the subject, dtype and device.
        sentences: the answer in words, one or two.
        heat_map: tensors by steps.
        rates: the learning rates of the groups.
        tables: tensors and groups by their errors, and the worst elements.
    """

    number: int
    configuration: Configuration
    sentences: tuple[str, ...]
    heat_map: HeatMap
    rates: RateCurves | None
    tables: tuple[Table, ...]


def run_views(summary: Summary) -> list[RunView]:
    """A view of each dtype of each audited run; none of what is not well formed."""
    parts: dict[Configuration, dict[str, VerdictRow]] = {}
    rates: dict[int, Any] = {}
    for row in summary.rows:
        check, measured = row.verdict.check, row.verdict.measured
        if check.startswith(_LOCKSTEP) and "by_tensor" in measured:
            parts.setdefault(row.configuration, {})[check.removeprefix(_LOCKSTEP)] = row
        elif check == "audit/recording":
            rates[row.configuration.run] = measured.get("rates")
    views = []
    for configuration, rows in parts.items():
        try:
            views.append(_view(configuration, rows, rates.pop(configuration.run, None)))
        except (AttributeError, TypeError, ValueError, KeyError, IndexError, OverflowError):
            continue  # a record from elsewhere
    return views


@dataclass
class _Tensor:
    """A tensor, or a group of tensors, over all quantities."""

    name: str
    group: str
    by_quantity: dict[str, float]
    exceeded: int = 0
    first: float = math.inf
    tensors: int = 1

    @property
    def worst(self) -> tuple[float, str]:
        """The largest fraction of a bound, and the quantity that has it."""
        over, which = max((over, -_QUANTITIES.index(name)) for name, over in self.by_quantity.items())
        return over, _QUANTITIES[-which]

    @property
    def rank(self) -> tuple[bool, float, float]:
        """A sort key: what is beyond its bound first, then what is nearest to it."""
        return not self.exceeded, -self.worst[0], self.first


def _view(configuration: Configuration, rows: Mapping[str, VerdictRow], rates: Any) -> RunView:
    tensors: dict[int, _Tensor] = {}
    groups: dict[int, _Tensor] = {}
    cells: dict[int, dict[int, float]] = {}
    columns: set[int] = set()
    for quantity in _QUANTITIES:
        if quantity not in rows:
            continue
        figures = rows[quantity].verdict.measured["by_tensor"]
        starts = [int(start) for start in figures["columns"]]
        columns.update(starts)
        for each in figures["tensors"]:
            index = int(each["parameter"])
            _add(tensors, index, _name(each), each, quantity)
            own = cells.setdefault(index, {})
            for start, over in zip(starts, each["over_bound"], strict=True):
                if over is not None:
                    own[start] = max(own.get(start, 0.0), float(over))
        for each in figures["groups"]:
            group = _add(groups, int(each["group"]), f"param_groups[{int(each['group'])}]", each, quantity)
            group.tensors = int(each["tensors"])
    count = sum(group.tensors for group in groups.values())
    ranked = sorted(tensors.items(), key=lambda each: (*each[1].rank, each[0]))
    steps = sorted(columns)
    shown = [(tensors[i].name, tuple(cells[i].get(c) for c in steps)) for i, _ in ranked]
    worst = tuple(_worst_elements(rows))
    return RunView(
        min(row.number for row in rows.values()),
        configuration,
        tuple(_sentences(rows, [tensor for _, tensor in ranked], count)),
        HeatMap(tuple(steps), tuple(shown), count),
        RateCurves.of(rates),
        (
            Table("Tensors, the worst first", *_ranking(tensor for _, tensor in ranked)),
            *_group_table(groups.values()),
            Table("The worst elements", _ELEMENT_COLUMNS, worst),
        ),
    )


def _name(each: Mapping[str, Any]) -> str:
    return one_line(str(each["name"]), _NAME) or f"parameter {int(each['parameter'])}"


def _add(found: dict[int, _Tensor], index: int, name: str, each: Mapping[str, Any], quantity: str) -> _Tensor:
    tensor = found.setdefault(index, _Tensor(name, str(int(each["group"])), {}))
    tensor.by_quantity[quantity] = float(each["largest"])
    tensor.exceeded += int(each["exceeded"])
    if each["first"] is not None:
        tensor.first = min(tensor.first, int(each["first"]))
    return tensor


def _sentences(rows: Mapping[str, VerdictRow], ranked: Sequence[_Tensor], count: int) -> Iterator[str]:
    """The answer in words."""
    judged = sum(int(row.verdict.measured["judged"]) for row in rows.values())
    wrong = [tensor for tensor in ranked if tensor.exceeded]
    if not wrong:
        if any(row.verdict.status is Status.DIVERGES for row in rows.values()):
            return
        names = [quantity for quantity in _QUANTITIES if quantity in rows]
        yield f"All {judged:,} numbers of {_and(names)} in {_tensors(count)} are within their bounds."
        if ranked:
            over, quantity = ranked[0].worst
            yield f"Nearest to its bound is {quantity} of {ranked[0].name}, at {over:.3f} of it."
        return
    first = min(wrong, key=lambda tensor: tensor.first)
    beyond = sum(tensor.exceeded for tensor in wrong)
    yield f"The first number beyond its bound is at recorded step {first.first}, in {first.name}."
    listed = _and([tensor.name for tensor in wrong[:3]]) + (", ..." if len(wrong) > 3 else "")
    yield (
        f"{beyond:,} of {judged:,} numbers are beyond their bounds, in {len(wrong)} of {_tensors(count)}: {listed}."
    )


def _tensors(count: int) -> str:
    return f"{count:,} tensor{'' if count == 1 else 's'}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


_RANKING: Final = ("tensor", "group", "largest error over bound", "in", "numbers beyond it", "first at step")
_ELEMENT_COLUMNS: Final = ("of", "step", "tensor", "element", "error over bound", "ulp", "expected", "actual")


def _ranking(tensors: Iterable[_Tensor]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    rows = []
    for each in list(tensors)[:_RANKED]:
        over, quantity = each.worst
        rows.append((each.name, each.group, f"{over:.4g}", quantity, *_beyond(each)))
    return _RANKING, tuple(rows)


def _beyond(each: _Tensor) -> tuple[str, str]:
    return (f"{each.exceeded:,}", f"{each.first}") if each.exceeded else ("–", "–")


def _group_table(groups: Iterable[_Tensor]) -> Iterator[Table]:
    """The groups by their errors, where there are several."""
    ranked = sorted(groups, key=lambda each: (*each.rank, each.name))
    if len(ranked) > 1:
        rows = tuple(
            (g.name, str(g.tensors), f"{g.worst[0]:.4g}", g.worst[1], *_beyond(g)) for g in ranked[:_RANKED]
        )
        yield Table("Groups, the worst first", ("group", "tensors", *_RANKING[2:]), rows)


def _worst_elements(rows: Mapping[str, VerdictRow]) -> Iterator[tuple[str, ...]]:
    for quantity in _QUANTITIES:
        measured = rows[quantity].verdict.measured if quantity in rows else {}
        for one in measured.get("worst", ())[:_WORST]:
            name = one_line(str(one.get("name") or f"parameter {one['parameter']}"), _NAME)
            yield (
                quantity,
                str(int(one["recorded step"])),
                name,
                one_line(str(one.get("element", one["index"])), _NAME),
                f"{float(one['error_over_bound']):.4g}",
                f"{float(one['error_ulp']):.4g}",
                *(_decimal(one.get(which)) for which in ("expected", "actual")),
            )


def _decimal(value: object) -> str:
    """A hexadecimal number in decimal."""
    return "–" if value is None else repr(float.fromhex(str(value)))
