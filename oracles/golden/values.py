"""The values of a golden case: exact, correctly rounded, and their bounds.

Every digit is proven. The formula is called with intervals that certainly hold the exact values
(`exact.interval.Interval`). Their precision is doubled until both ends have the same digits and the same roundings.
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
from ..bounds.step import StepBounds
from ..error_model import ErrorModel, EvaluationScheme, Form
from ..exact.decimals import Direction, scientific
from ..exact.interval import Interval, larger
from ..exact.trajectory import exact_scalars, mpmath_context, precision_for
from ..formats import Format
from ..judgement import advance

DIGITS: Final = 42
"""Significant digits of an exact value."""
_BOUND_DIGITS: Final = 3
_UNWRITTEN_SHARE: Final = 10 ** (DIGITS - 1)
"""The digits beyond `DIGITS` of a number are less than the number divided by this."""
_FIRST_BITS: Final = 512
_MOST_BITS: Final = 1 << 15
QUANTITIES: Final = ("theta", "m", "u")

Json = dict[str, Any]


class UndecidableCaseError(ValueError):
    """The digits of a case cannot be proven, or it has no exact values."""


def format_of(name: FormatName) -> Format:
    """Look up a format by its name in a golden file."""
    return Format[name.upper()]


def evaluation_schemes(format_: Format) -> Mapping[str, EvaluationScheme]:
    """The evaluation schemes with bounds in the files, by name: form, then scalars.

    Binary64 has no scalars but its own.
    """
    scalars = (Format.BINARY64,) if format_ is Format.BINARY64 else (Format.BINARY64, format_)
    return {
        f"{form.value}/{'binary64' if s is Format.BINARY64 else 'working'}": EvaluationScheme(
            form
        ).with_scalars(s)
        for form in (Form.WEIGHTED, Form.INTERPOLATED)
        for s in scalars
    }


SCHEME_NAMES: Final = tuple(evaluation_schemes(Format.BINARY32))


def formats_of(case: GoldenCase) -> tuple[FormatName, ...]:
    """The formats of a case: those it lists that hold each of its numbers."""
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
    index: int
    formats: tuple[FormatName, ...]
    shown: tuple[int, ...]

    def gradient(self, t: int) -> float:
        return float(self.parameter.gradients[t - 1][self.index])

    def values(self) -> dict[int, Json]:
        """Its values after each shown step."""
        last = next(
            (t for t in range(1, self.run.steps + 1) if not math.isfinite(self.gradient(t))),
            self.run.steps + 1,
        )
        finite = tuple(t for t in self.shown if t < last)
        result = {t: _special_values(self.gradient(last)) for t in self.shown if t >= last}
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
        """Its digits and roundings, at the first precision that proves them."""
        bits = _FIRST_BITS
        while bits <= _MOST_BITS:
            found = {
                t: {quantity: self._write(getattr(state, quantity)) for quantity in QUANTITIES}
                for t, state in self._intervals(bits, shown)
            }
            if all(value is not None for state in found.values() for value in state.values()):
                return found
            bits *= 2
        raise UndecidableCaseError(f"{_MOST_BITS} bits do not prove {DIGITS} digits")

    def _intervals(self, bits: int, shown: Sequence[int]) -> Iterator[tuple[int, State[Interval]]]:
        ctx = mpmath_context(bits)
        zero = Interval.of(ctx, 0)
        state = State(Interval.of(ctx, float(self.parameter.theta[self.index])), zero, zero)
        for t in range(1, max(shown, default=0) + 1):
            h = self.group.at(t)
            scalars = Scalars(
                lr=Interval.of(ctx, h.lr),
                beta1=Interval.of(ctx, h.beta1),
                beta2=Interval.of(ctx, h.beta2),
                eps=Interval.of(ctx, h.eps),
                weight_decay=Interval.of(ctx, h.weight_decay),
                maximize=h.maximize,
            )
            g = Interval.of(ctx, self.gradient(t))
            try:
                state = step(state, g, t, scalars, DOCUMENTED, larger)
            except ZeroDivisionError:
                raise UndecidableCaseError(f"the formula divides by zero at step {t}") from None
            if t in shown:
                yield t, state

    def _write(self, value: Interval) -> Json | None:
        """Write digits and roundings of an exact value; None where they are not proven."""
        ends = (value.low, value.high)
        digits = {scientific(end, DIGITS) for end in ends}
        rounded = {name: {format_of(name).round(end).hex() for end in ends} for name in self.formats}
        if len(digits) > 1 or any(len(each) > 1 for each in rounded.values()):
            return None
        return {"exact": digits.pop(), "rounded": {name: each.pop() for name, each in rounded.items()}}

    def _bounds(self, shown: Sequence[int]) -> dict[tuple[int, FormatName], Json]:
        """One bound for each of `evaluation_schemes`, by shown step, format and quantity."""
        ctx = mpmath_context(precision_for(self.run.steps))
        found: dict[tuple[int, FormatName], Json] = {
            (t, name): {quantity: [] for quantity in QUANTITIES} for t in shown for name in self.formats
        }
        for name in self.formats:
            for scheme in evaluation_schemes(format_of(name)).values():
                for t, state, radii in self._carry(ctx, ErrorModel(format_of(name), scheme=scheme), shown):
                    for quantity in QUANTITIES:
                        bound = _bound(ctx, getattr(radii, quantity), getattr(state, quantity))
                        found[t, name][quantity].append(bound)
        return found

    def _carry(
        self, ctx: MPContext, error_model: ErrorModel, shown: Sequence[int]
    ) -> Iterator[tuple[int, State[Any], State[Any]]]:
        """Carry state and radii from the start; yield them at each shown step.

        The radii stay infinite once one of them is.
        """
        zero = ctx.mpf(0)
        state: State[Any] = State(ctx.mpf(float(self.parameter.theta[self.index])), zero, zero)
        radii: State[Any] = State(0.0, 0.0, 0.0)
        for t in range(1, max(shown, default=0) + 1):
            if math.inf not in (radii.theta, radii.m, radii.u):
                bounds = StepBounds(ctx, exact_scalars(ctx, self.group.at(t)), t, error_model)
                state, radii = advance(ctx, bounds, DOCUMENTED, state, radii, self.gradient(t), t)
            else:
                radii = State(math.inf, math.inf, math.inf)
            if t in shown:
                yield t, state, radii


def _bound(ctx: MPContext, radius: Any, exact: Any) -> str | None:
    """The bound of a result's distance from the digits, rounded up; None if infinite."""
    if radius == math.inf:
        return None
    return scientific(ctx.mpf(radius) + abs(exact) / _UNWRITTEN_SHARE, _BOUND_DIGITS, Direction.UP)


def _special_values(gradient: float) -> Json:
    """The admissible theta, m and u from a gradient on that is not finite."""
    if math.isnan(gradient):
        return {quantity: {"any_of": ["nan"]} for quantity in QUANTITIES}
    return {
        "theta": {"any_of": ["-inf", "inf", "nan"]},
        "m": {"any_of": ["-inf", "inf", "nan"]},
        "u": {"any_of": ["inf", "nan"]},
    }


def expected_states(case: GoldenCase) -> list[Json]:
    """The state after each shown step: by quantity and parameter, a list of values."""
    run, formats = case.run(), formats_of(case)
    parameters = [
        [
            _Element(run, group, parameter, i, formats, case.shown_steps).values()
            for i in range(parameter.theta.size)
        ]
        for _, group, parameter in run.indexed_parameters()
    ]
    return [
        {"t": t}
        | {
            quantity: [[element[t][quantity] for element in elements] for elements in parameters]
            for quantity in QUANTITIES
        }
        for t in case.shown_steps
    ]
