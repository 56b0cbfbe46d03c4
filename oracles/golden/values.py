"""What is a golden case worth: its exact values, their correct rounding in each format, and the proven bounds.

Every digit is proven: the formula is called with intervals that certainly hold the exact values
(`enclosure.Enclosure`), and their precision is doubled until both ends are written, and rounded, alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpmath.ctx_mp import MPContext

from ...reference.case import Case, Group, Parameter
from ...reference.formula import Scalars, State, step
from ...reference.golden.model import FormatName, GoldenCase
from ...reference.rules import DOCUMENTED
from ..error_model import Assumption, Form, Habits
from ..exact.decimals import Direction, scientific
from ..exact.interval import Enclosure, larger
from ..exact.trajectory import context, exact_scalars, precision_for
from ..formats import Format
from ..judgement import GroupBounds, advance

DIGITS: Final = 42
"""Significant digits of an exact value."""
_BOUND_DIGITS: Final = 3
_UNWRITTEN: Final = 10 ** (DIGITS - 1)
"""What `DIGITS` digits leave out of a number is less than the number divided by this."""
_FIRST_BITS: Final = 512
_MOST_BITS: Final = 1 << 15
QUANTITIES: Final = ("theta", "m", "u")

Json = dict[str, Any]


class Undecidable(ValueError):  # noqa: N818 - named for what the case is
    """The digits of a case cannot be proven, or it has no exact values."""


def format_of(name: FormatName) -> Format:
    """A format by its name in a golden file."""
    return Format[name.upper()]


def habits_of(format_: Format) -> Mapping[str, Habits]:
    """The classes of honest evaluations for which a bound is given: the form of the moment, then the scalars.

    Binary64 has no other scalars than its own.
    """
    scalars = (Format.BINARY64,) if format_ is Format.BINARY64 else (Format.BINARY64, format_)
    return {
        f"{form.value}/{'binary64' if s is Format.BINARY64 else 'working'}": Habits(form).with_scalars(s)
        for form in Form
        for s in scalars
    }


HABITS: Final = tuple(habits_of(Format.BINARY32))


def formats_of(case: GoldenCase) -> tuple[FormatName, ...]:
    """The formats of a case: those it is for, of those that hold each of its numbers."""
    numbers = [
        x
        for group in case.groups
        for p in group.parameters
        for x in (*p.theta, *(g for gs in p.gradients for g in gs))
    ]
    return tuple(
        name for name in case.formats if all(math.isinf(x) or format_of(name).holds(x) for x in numbers)
    )


@dataclass(frozen=True)
class _Element:
    """One element of one parameter over a run."""

    run: Case
    group: Group
    parameter: Parameter
    place: int
    formats: tuple[FormatName, ...]
    shown: tuple[int, ...]

    def gradient(self, t: int) -> float:
        return float(self.parameter.gradients[t - 1][self.place])

    def values(self) -> dict[int, Json]:
        """What is given of it after each shown step."""
        last = next(
            (t for t in range(1, self.run.steps + 1) if not math.isfinite(self.gradient(t))),
            self.run.steps + 1,
        )
        finite = tuple(t for t in self.shown if t < last)
        result = {t: _special(self.gradient(last)) for t in self.shown if t >= last}
        exact = self._exact(finite)
        bounds = self._bounds(finite)
        for t in finite:
            result[t] = {
                quantity: exact[t][quantity]
                | {"bound": {name: bounds[t, name][quantity] for name in self.formats}}
                for quantity in QUANTITIES
            }
        return result

    def _exact(self, shown: Sequence[int]) -> dict[int, Json]:
        """Digits and roundings, at the first precision that proves them."""
        bits = _FIRST_BITS
        while bits <= _MOST_BITS:
            found = {
                t: {quantity: self._written(getattr(state, quantity)) for quantity in QUANTITIES}
                for t, state in self._enclosures(bits, shown)
            }
            if all(value is not None for state in found.values() for value in state.values()):
                return found
            bits *= 2
        raise Undecidable(f"{_MOST_BITS} bits do not prove {DIGITS} digits")

    def _enclosures(self, bits: int, shown: Sequence[int]) -> Iterator[tuple[int, State[Enclosure]]]:
        ctx = context(bits)
        zero = Enclosure.of(ctx, 0)
        state = State(Enclosure.of(ctx, float(self.parameter.theta[self.place])), zero, zero)
        for t in range(1, max(shown, default=0) + 1):
            h = self.group.at(t)
            scalars = Scalars(
                lr=Enclosure.of(ctx, h.lr),
                beta1=Enclosure.of(ctx, h.beta1),
                beta2=Enclosure.of(ctx, h.beta2),
                eps=Enclosure.of(ctx, h.eps),
                weight_decay=Enclosure.of(ctx, h.weight_decay),
                maximize=h.maximize,
            )
            g = Enclosure.of(ctx, self.gradient(t))
            try:
                state = step(state, g, t, scalars, DOCUMENTED, larger)
            except ZeroDivisionError:
                raise Undecidable(f"the formula divides by zero at step {t}") from None
            if t in shown:
                yield t, state

    def _written(self, value: Enclosure) -> Json | None:
        """An exact value as digits and roundings; None where its enclosure does not prove them."""
        ends = (value.low, value.high)
        digits = {scientific(end, DIGITS) for end in ends}
        rounded = {name: {format_of(name).round(end).hex() for end in ends} for name in self.formats}
        if len(digits) > 1 or any(len(each) > 1 for each in rounded.values()):
            return None
        return {"exact": digits.pop(), "rounded": {name: each.pop() for name, each in rounded.items()}}

    def _bounds(self, shown: Sequence[int]) -> dict[tuple[int, FormatName], Json]:
        """For each shown step and format, and each quantity, one bound for each of `habits_of`."""
        ctx = context(precision_for(self.run.steps))
        found: dict[tuple[int, FormatName], Json] = {
            (t, name): {quantity: [] for quantity in QUANTITIES} for t in shown for name in self.formats
        }
        for name in self.formats:
            for habits in habits_of(format_of(name)).values():
                for t, state, radii in self._carried(ctx, Assumption(format_of(name), habits=habits), shown):
                    for quantity in QUANTITIES:
                        bound = _bound(ctx, getattr(radii, quantity), getattr(state, quantity))
                        found[t, name][quantity].append(bound)
        return found

    def _carried(
        self, ctx: MPContext, assumption: Assumption, shown: Sequence[int]
    ) -> Iterator[tuple[int, State[Any], State[Any]]]:
        """The state and the radii carried from the start; these are infinite from where an evaluation may be."""
        zero = ctx.mpf(0)
        state: State[Any] = State(ctx.mpf(float(self.parameter.theta[self.place])), zero, zero)
        radii: State[Any] = State(0.0, 0.0, 0.0)
        for t in range(1, max(shown, default=0) + 1):
            if math.inf not in (radii.theta, radii.m, radii.u):
                bounds = GroupBounds(ctx, exact_scalars(ctx, self.group.at(t)), t, assumption)
                state, radii = advance(ctx, bounds, DOCUMENTED, state, radii, self.gradient(t), t)
            else:
                radii = State(math.inf, math.inf, math.inf)
            if t in shown:
                yield t, state, radii


def _bound(ctx: MPContext, radius: Any, exact: Any) -> str | None:
    """How far a result may be from the digits that are written, rounded up; None where it is infinite."""
    if radius == math.inf:
        return None
    return scientific(ctx.mpf(radius) + abs(exact) / _UNWRITTEN, _BOUND_DIGITS, Direction.UP)


def _special(gradient: float) -> Json:
    """What theta, m and u may be from a gradient on that is no number."""
    if math.isnan(gradient):
        return {quantity: {"any_of": ["nan"]} for quantity in QUANTITIES}
    return {
        "theta": {"any_of": ["-inf", "inf", "nan"]},
        "m": {"any_of": ["-inf", "inf", "nan"]},
        "u": {"any_of": ["inf", "nan"]},
    }


def states(case: GoldenCase) -> list[Json]:
    """The state after each shown step: for each quantity a list of values for each parameter."""
    run, formats = case.run(), formats_of(case)
    parameters = [
        [
            _Element(run, group, parameter, i, formats, case.shown_steps).values()
            for i in range(parameter.theta.size)
        ]
        for _, group, parameter in run.placed()
    ]
    return [
        {"t": t}
        | {
            quantity: [[element[t][quantity] for element in elements] for elements in parameters]
            for quantity in QUANTITIES
        }
        for t in case.shown_steps
    ]
