"""One deviation against what was observed: which numbers it leaves unexplained."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...reference.causes.machine import Inputs, Machine, Origin, Source, Terms
from ..formats import Format
from .numbers import ROUNDINGS, Number, Rounding, round_to
from .rows import Array, Books, Check, LifeTrace

Mask: TypeAlias = npt.NDArray[np.bool_]
QUANTITIES: Final = ("m", "u", "theta")
_SCALARS: Final = ("lr", "beta1", "beta2", "eps", "weight_decay")


@dataclass(frozen=True, eq=False)
class Unexplained:
    """The observations that a deviation leaves unexplained.

    Attributes:
        wrong: of m, u and theta (the first axis), each element of each row.
        checks: moments that are not what they should be after an action that is not a step.
    """

    wrong: Mask
    checks: list[Check]

    @property
    def is_empty(self) -> bool:
        """Whether the deviation explains everything."""
        return not self.checks and not self.wrong.any()


class Batch:
    """Some lives whose rows are evaluated together.

    Args:
        traces: of the lives.
        format_: the working format.
    """

    def __init__(self, traces: Sequence[LifeTrace], format_: Format) -> None:
        self.traces, self.format_ = traces, format_
        rows = self.rows = [row for each in traces for row in each.rows]
        first = np.cumsum([0, *(len(each.rows) for each in traces)])
        self.base = [int(first[k]) for k, each in enumerate(traces) for _ in each.rows]
        self.sizes = np.array([row.indices.size for row in rows], np.intp)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.intp)
        self.owner = np.repeat(np.arange(len(rows)), self.sizes)
        nothing = [np.full(row.indices.size, np.nan) for row in rows]
        zeros = [np.zeros(row.indices.size) for row in rows]
        self.theta = _joined([row.theta for row in rows])
        self.g = _joined([row.g for row in rows])
        self.before = {
            "m": _joined(_filled([row.m for row in rows], nothing)),
            "u": _joined(_filled([row.u for row in rows], nothing)),
        }
        self.theta_after = _joined([row.after[0] for row in rows])
        self.after = {
            "m": _joined(_filled([row.after[1] for row in rows], nothing)),
            "u": _joined(_filled([row.after[2] for row in rows], nothing)),
        }
        self.visible = np.array([row.m is not None and row.u is not None for row in rows], bool)
        self.shown = np.array([row.after[1] is not None and row.after[2] is not None for row in rows], bool)
        # Of other dtypes than the working format's there is nothing to be said here.
        self.foreign = np.array(
            [row.features.get("dtype", format_.dtype) != format_.dtype for row in rows], bool
        )
        self.old_g = _joined(_filled([row.old and row.old[0] for row in rows], zeros))
        self.old_theta = _joined(_filled([row.old and row.old[1] for row in rows], zeros))
        self.old_decay = np.array([row.old[2] if row.old else 0.0 for row in rows])[self.owner]
        self.has_old = np.array([row.old is not None for row in rows], bool)[self.owner]
        # After steps without looking, theta before the last of them is not known, and so not the decay of its gradient.
        self.lost_old = np.isnan(self.old_theta) & (self.old_decay != 0)
        calls: dict[tuple[int, int], int] = {}
        call = np.array([calls.setdefault((row.life, row.action), len(calls)) for row in rows], np.intp)
        norms = np.array([row.norm for row in rows])
        squares = np.bincount(call, norms * norms, minlength=len(calls))
        self.norms = {"array_norm": norms[self.owner], "call_norm": np.sqrt(squares)[call][self.owner]}

    def books(self, kind: type[Machine], process: MutableMapping[str, Any] | None = None) -> list[Books]:
        """Let the machines of a kind live all lives."""
        process = {} if process is None else process
        return [each.books(kind, process) for each in self.traces]

    def evaluate(
        self, kind: type[Machine], books: Sequence[Books], scalars: Format | None = None
    ) -> Unexplained:
        """Find what a deviation leaves unexplained, given the books of its machines.

        Args:
            kind: the deviation.
            books: of its machines.
            scalars: the format in which alone the scalars may be computed; the working one or a wider by default.
        """
        checks = [check for each in books for check in each.wrong]
        with np.errstate(all="ignore"):
            wrong = _Evaluation(self, kind, [x for each in books for x in each.inputs], scalars).run()
        return Unexplained(wrong, checks)

    def slice(self, row: int) -> slice:
        """The elements of a row."""
        return slice(int(self.starts[row]), int(self.starts[row + 1]))


_ZERO: Final = -1


@dataclass(frozen=True)
class _From:
    """The row that a moment comes from, as seen before it or computed after it.

    Attributes:
        row: its index, or `_ZERO`.
        computed: whether the moment is what that row's step left.
    """

    row: int
    computed: bool = False


class _Evaluation:
    """One deviation on one batch."""

    def __init__(
        self, batch: Batch, kind: type[Machine], inputs: Sequence[Inputs], scalars: Format | None
    ) -> None:
        self.batch, self.kind, self.inputs = batch, kind, inputs
        self.machine = kind({})
        format_ = batch.format_ if kind.computes_in is None else Format.of(kind.computes_in)
        self.rounding = Rounding(format_, format_.unit_roundoff * ROUNDINGS)
        self.scalars = (
            None
            if scalars is None or kind.computes_in is not None
            else Rounding(scalars, scalars.unit_roundoff * ROUNDINGS)
        )
        count = batch.owner.size
        self.computed = {name: (np.zeros(count), np.zeros(count)) for name in ("m", "u")}
        self.wrong = np.zeros((3, count), bool)
        self.open = np.zeros(len(batch.rows), bool)
        self.sources: list[dict[str, _From | None]] = []
        self.levels: list[int] = []

    def run(self) -> Mask:
        """The elements that are not explained."""
        for k, each in enumerate(self.inputs):
            self.sources.append({"m": self._source(k, each.m), "u": self._source(k, each.u)})
            origins = [x.row for x in self.sources[k].values() if x is not None and x.computed and x.row < k]
            self.open[k] |= any(self.open[row] for row in origins)
            self.levels.append(1 + max((self.levels[row] for row in origins), default=-1))
        for level in range(max(self.levels, default=-1) + 1):
            self._step([k for k, each in enumerate(self.levels) if each == level])
        self._exchange()
        self.wrong[:, (self.open | self.batch.foreign)[self.batch.owner]] = False
        return self.wrong

    def _source(self, k: int, source: Source) -> _From | None:
        """The row of a moment; None where it is the row's own, as it was seen."""
        row, base = self.batch.rows[k], self.batch.base[k]
        other = row.others.get(source.parameter)
        match source.origin:
            case Origin.ZERO:
                return _From(_ZERO)
            case Origin.STEPPED if other is not None:
                return _From(base + other, computed=True)
            case Origin.BEFORE:
                owner = k if other is None else base + other
                if self.batch.visible[k]:
                    return None if owner == k else _From(owner)
                last = self.batch.rows[owner].last
                self.open[k] |= last is None
                return _From(_ZERO) if last is None or last < 0 else _From(base + last, computed=True)
            case _:
                self.open[k] = True
                return None

    # One level of rows, which do not depend on each other -------------------------------------------------------

    def _step(self, rows: Sequence[int]) -> None:
        batch, machine = self.batch, self.machine
        elements, owner = self._elements(rows)
        x = self._terms(rows, elements, owner)
        g = machine.effective(x)
        used: dict[str, Number] = {}
        shown = batch.shown[list(rows)]
        m = machine.moment(x, g)
        # The interpolated forms round the distance of m and g, however small beta1*m or (1 - beta1)*g is.
        apart = np.abs(g.value) + np.abs(x.m.value)
        m = Number(m.value, m.radius + self.rounding.roundoff * 2 * np.nan_to_num(apart), self.rounding)
        for q, (name, number) in enumerate((("m", m), ("u", machine.norm(x, g)))):
            for array, new in zip(self.computed[name], (number.value, number.radius), strict=True):
                array[elements] = new
            seen = batch.after[name][elements]
            self.wrong[q, elements] = self._differs(seen, number, elements) & shown[owner]
            own = shown & np.array([self._shown(k, name) == batch.rows[k].parameter for k in rows], bool)
            used[name] = Number(
                np.where(own[owner], seen, number.value),
                np.where(own[owner], 0.0, number.radius),
                self.rounding,
            )
        moved = machine.update(x, used["m"], used["u"])
        self.wrong[2, elements] = self._differs(batch.theta_after[elements], moved, elements)

    def _elements(self, rows: Sequence[int]) -> tuple[Any, npt.NDArray[np.intp]]:
        """The elements of some rows, and for each the index of its row among them."""
        batch = self.batch
        if len(rows) == len(batch.rows):
            return slice(None), batch.owner
        parts = [np.arange(batch.starts[k], batch.starts[k + 1]) for k in rows]
        return np.concatenate(parts), np.repeat(np.arange(len(rows)), batch.sizes[list(rows)])

    def _terms(self, rows: Sequence[int], elements: Any, owner: npt.NDArray[np.intp]) -> Terms:
        batch, rounding = self.batch, self.rounding
        zero = np.zeros(owner.size)
        mine = [self.inputs[k] for k in rows]

        def exactly(value: Array) -> Number:
            return Number(value, zero, rounding)

        scalars = {name: self._scalar(name, mine, owner) for name in _SCALARS}
        x = Terms(
            theta=self._read(exactly(batch.theta[elements])),
            m=self._read(self._moment("m", rows, elements, owner)),
            u=self._read(self._moment("u", rows, elements, owner)),
            g=self._read(exactly(batch.g[elements])),
            lr=scalars["lr"],
            beta1=scalars["beta1"],
            beta2=scalars["beta2"],
            eps=scalars["eps"],
            weight_decay=scalars["weight_decay"],
            array_norm=self._norm("array_norm", elements),
            call_norm=self._norm("call_norm", elements),
            t=np.array([each.t for each in mine], np.float64)[owner],
            decays=np.array([each.weight_decay != 0 for each in mine], bool)[owner],
            maximize=np.array([each.maximize for each in mine], bool)[owner],
            has_old=batch.has_old[elements],
        )
        x.old = replace(
            x,
            theta=exactly(batch.old_theta[elements]),
            g=self._read(exactly(batch.old_g[elements])),
            weight_decay=exactly(batch.old_decay[elements]),
            decays=batch.old_decay[elements] != 0,
        )
        return x

    def _scalar(self, name: str, mine: Sequence[Inputs], owner: npt.NDArray[np.intp]) -> Number:
        """A scalar of each element, as exact as the working format or its own holds it."""
        values = np.array([getattr(each, name) for each in mine], np.float64)
        value = self.machine.narrowed(name, Number(values, 0.0, self.rounding)).value
        if self.scalars is not None:
            roundoff = 0.0 if self.scalars.format_ is Format.BINARY64 else self.scalars.format_.unit_roundoff
            return Number(value[owner], np.abs(value[owner]) * roundoff, self.scalars)
        return Number(value[owner], np.abs(value[owner]) * self.rounding.format_.unit_roundoff, self.rounding)

    def _norm(self, name: str, elements: Any) -> Number:
        """A norm, whose squares and sums are rounded in any order."""
        value = self.batch.norms[name][elements]
        return Number(value, value * (self.rounding.roundoff * 8), self.rounding)

    def _moment(self, name: str, rows: Sequence[int], elements: Any, owner: npt.NDArray[np.intp]) -> Number:
        """A moment before the step, from wherever it comes."""
        batch = self.batch
        value, radius = np.array(batch.before[name][elements]), np.zeros(owner.size)
        for position, k in enumerate(rows):
            source = self.sources[k][name]
            if source is None:
                continue
            here = owner == position
            if source.row == _ZERO:
                value[here] = 0.0
            elif source.computed:
                there = batch.slice(source.row)
                value[here], radius[here] = (array[there] for array in self.computed[name])
            else:
                value[here] = batch.before[name][batch.slice(source.row)]
        return Number(value, radius, self.rounding)

    def _read(self, number: Number) -> Number:
        return number if self.kind.computes_in is None else number.rounded(self.kind.computes_in)

    def _shown(self, k: int, name: str) -> int:
        return self.inputs[k].m_shown if name == "m" else self.inputs[k].u_shown

    def _exchange(self) -> None:
        """Compare what is seen of a parameter with what another one's step left."""
        batch = self.batch
        for k in range(len(self.inputs)):
            for q, name in enumerate(("m", "u")):
                shown = self._shown(k, name)
                other = batch.rows[k].others.get(shown)
                if shown == batch.rows[k].parameter or other is None or not batch.shown[k]:
                    continue
                mine, theirs = batch.slice(k), batch.slice(batch.base[k] + other)
                value, radius = (array[theirs] for array in self.computed[name])
                number = Number(value, radius, self.rounding)
                self.wrong[q, mine] = self._differs(batch.after[name][mine], number, mine)

    # The comparison -------------------------------------------------------------------------------------------

    def _differs(self, seen: Array, number: Number, elements: Any) -> Mask:
        """The elements whose observed number is beyond its radius.

        This evaluation, in binary64, makes the errors that the subject may make in its own format, or smaller ones.
        """
        batch, format_ = self.batch, self.rounding.format_
        value, size = number.value, np.abs(number.value)
        own = 1 + Format.BINARY64.unit_roundoff / format_.unit_roundoff
        radius = (number.radius + 0.0) * own + format_.unit_roundoff * size * 2 + format_.smallest_subnormal
        radius = np.where(np.isnan(radius), np.inf, radius)
        # An infinity may become NaN, or stay.
        special = ~(np.isfinite(batch.theta[elements]) & np.isfinite(batch.g[elements]))
        agrees = np.where(
            np.isfinite(value),
            np.abs(seen - value) <= radius,
            np.where(np.isnan(value), np.isnan(seen) | (special & ~np.isfinite(seen)), ~np.isfinite(seen)),
        )
        largest = min(format_.largest, batch.format_.largest)
        beyond = size + np.where(np.isfinite(value), radius, 0) >= largest * (1 - 2.0**-8)
        agrees |= beyond & ~np.isfinite(seen)
        lost = ~(np.isfinite(batch.before["m"][elements]) & np.isfinite(batch.before["u"][elements]))
        agrees |= np.isnan(value) & ~special & lost & batch.visible[batch.owner[elements]]
        agrees |= np.isnan(value) & batch.lost_old[elements]
        if self.kind.computes_in is not None:
            agrees &= ~np.isfinite(seen) | (round_to(seen, self.kind.computes_in) == seen)
        return np.asarray(~agrees)


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _filled(arrays: Sequence[Array | None], instead: Sequence[Array]) -> list[Array]:
    return [other if each is None else each for each, other in zip(arrays, instead, strict=True)]
