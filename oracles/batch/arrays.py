"""Steps of many elements judged in NumPy, by the compiled oracle's arithmetic.

The bounds are those of `oracles.bounds.radii` and the exact values those of `oracles.batch.kernels.formula`. Both are
vectorised as they stand. BOUNDS.md, "The compiled oracle", proves how far both are off. An error nearer to its bound
than that, or beyond the range in which binary64 may evaluate a bound, is left to the exact oracle.

Each element may belong to a step of its own: hyperparameters and the number of the step are arrays like the rest. So all
steps of a run, of many parameters and groups, are judged in one call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import Decay, Epsilon
from ..bounds.radii import StepConstants
from ..bounds.step import constants_at, lasting_constants
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, needs_wide_range, precision_for
from ..formats import Format
from ..judgement import Judgement
from ..verdict import Quantity
from .exact_step import QUANTITIES, ExactStepJudge
from .kernels.formula_constants import FormulaConstants, rate_at
from .kernels.formula_constants import lasting_constants as lasting_formula
from .kernels.safe_range import NO_SAFE_RANGE, SafeRanges, safe_range_constants, safe_ranges
from .vectorize import vectorized

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DOUBT: Final = 2.0**-20
"""An error that is evaluated in binary64 is left open where it is so near to its bound, as a part of it."""
CLOSE_DOUBT: Final = 2.0**-44
"""The same of one that is evaluated in twice the precision."""
_SMALLEST_NORMAL: Final = 2.0**-1022
_RADII: Final = "adamax_conformance.oracles.bounds.radii"
_FORMULA: Final = "adamax_conformance.oracles.batch.kernels.formula"
_DOUBLE: Final = "adamax_conformance.oracles.batch.kernels.double_double"


def _nothing_is_lost(*_: Any) -> float:
    return 0.0


_SAFE: Final = (
    ("operand_radius", lambda _, __, radius: radius),
    ("underflow_error", _nothing_is_lost),
    ("sum_underflow_error", _nothing_is_lost),
    ("divisor_underflow", _nothing_is_lost),
    ("factor_underflow", _nothing_is_lost),
    ("storage_error", lambda k, size: k.roundoff * size),
    ("overflows", lambda _, __: False),
)
"""The functions of `radii`, as they are for an element in the safe range, where no branch has to be evaluated."""


def _leaves(value: Any) -> Iterator[float]:
    """The numbers of nested tuples."""
    if isinstance(value, tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield float(value)


def _rebuilt(template: Any, leaves: Iterator[Any]) -> Any:
    """Nested tuples like a template, of other numbers."""
    if not isinstance(template, tuple):
        return next(leaves)
    parts = [_rebuilt(each, leaves) for each in template]
    return type(template)(*parts) if hasattr(template, "_fields") else tuple(parts)


class _Table:
    """Constants of several steps, to be had as arrays over elements.

    Args:
        rows: of each step, all nested alike.
        leaves: the numbers of each row.
    """

    def __init__(self, rows: Sequence[Any], leaves: Sequence[Sequence[float]]) -> None:
        self._template = rows[0] if rows else ()
        self._columns = np.array(leaves, np.float64).reshape(len(rows), -1).T

    def at(self, used: npt.NDArray[np.intp], which: npt.NDArray[np.intp]) -> Any:
        """The constants of elements as arrays; one that all share stays a number.

        Args:
            used: the indices of some steps.
            which: the index of each element's step among these.
        """
        columns = self._columns[:, used]
        shared = (columns == columns[:, :1]).all(axis=1).tolist()
        first = columns[:, 0].tolist()
        leaves = (x if s else column[which] for x, s, column in zip(first, shared, columns, strict=True))
        return _rebuilt(self._template, leaves)


@dataclass(frozen=True, eq=False)
class StepErrors:
    """Errors and bounds of many elements; the first axis is m, u, theta.

    Attributes:
        exact: the exact values, rounded to binary64.
        error: how far the subject's number is off; infinite for one that is not finite.
        radius: the bound; infinite where an admissible evaluation overflows or divides by zero.
        ulp: the error in ulp of the expected value.
        judged: the elements that are compared; the others are not finite before the step.
        decided: where these numbers say on which side of its bound an error is; the other numbers of an undecided
            one are 0, or too inexact.
    """

    exact: Numbers
    error: Numbers
    radius: Numbers
    ulp: Numbers
    judged: Mask
    decided: Mask

    @property
    def exceeds(self) -> Mask:
        """The elements whose error is certainly beyond its bound, and compared."""
        return self.judged & self.decided & (self.error > self.radius)


@dataclass(frozen=True, eq=False)
class CarriedState:
    """The exact m and u of some elements, in twice binary64's precision, and radii.

    Attributes:
        m: high and low parts.
        u: likewise.
        m_radius: of m.
        u_radius: of u; infinite for an element that cannot be judged any more.
    """

    m: tuple[Numbers, Numbers]
    u: tuple[Numbers, Numbers]
    m_radius: Numbers
    u_radius: Numbers

    @classmethod
    def start(cls, count: int) -> CarriedState:
        """Before the first step."""
        zeros = np.zeros(count)
        return cls((zeros, zeros), (zeros, zeros), zeros, zeros)


@dataclass(frozen=True)
class _PreparedStep:
    """The constants of a step that judge its elements.

    Attributes:
        bounds: the constants of the bounds.
        formula: those of the exact values.
        bounds_leaves: the numbers of `bounds`.
        formula_leaves: the numbers of `formula`.
        ranges: the safe ranges.
    """

    bounds: StepConstants
    formula: FormulaConstants
    bounds_leaves: list[float]
    formula_leaves: list[float]
    ranges: SafeRanges


class _PreparedOptions:
    """The constants of all steps with the same options.

    Args:
        hyperparameters: in force.
        error_model: what is judged against.

    Attributes:
        wide_eps: whether eps is beyond the range of binary64's bounds.
        moments_fit: whether binary64 evaluates the bounds of m and u.
        fits: whether it evaluates theta's, too.
    """

    def __init__(self, hyperparameters: Hyperparameters, error_model: ErrorModel) -> None:
        h = hyperparameters
        self.wide_eps = needs_wide_range((h.eps,))
        # A small eps vanishes next to every gradient that binary64 judges (BOUNDS.md, "The vectorised oracle in NumPy").
        eps_fits = not self.wide_eps or (
            _SMALLEST_NORMAL <= h.eps < 1 and error_model.rule.epsilon is Epsilon.IN_NORM
        )
        self.moments_fit = eps_fits and not needs_wide_range((h.beta1, h.beta2, h.weight_decay))
        self.fits = self.moments_fit and not needs_wide_range((h.lr,))
        self._hyperparameters, self._error_model = h, error_model
        scalars = _scalars(precision_for(1), h)
        self._bounds = lasting_constants(scalars, error_model, float)
        self._formula = lasting_formula(scalars, error_model.rule)
        self._bounds_leaves, self._formula_leaves = list(_leaves(self._bounds)), list(_leaves(self._formula))
        bounds: StepConstants = _rebuilt(self._bounds, itertools.count())
        formula: FormulaConstants = _rebuilt(self._formula, itertools.count())
        errors = (bounds.m_errors, bounds.u_errors, bounds.theta_errors)
        self._of_bounds: Any = (bounds.correction, *(each.correction for each in errors))
        self._of_formula: Any = formula.rate
        self._known: dict[int, _PreparedStep] = {}

    def step(self, t: int) -> _PreparedStep:
        """The constants of step t."""
        if t not in self._known:
            scalars = _scalars(precision_for(t), self._hyperparameters)
            k = constants_at(self._bounds, scalars, t, self._error_model, float)
            x = self._formula._replace(rate=rate_at(scalars, t, self._error_model.rule))
            # Of the numbers, only those of the bias correction change from step to step.
            of_k, of_x = self._bounds_leaves.copy(), self._formula_leaves.copy()
            errors = (k.m_errors, k.u_errors, k.theta_errors)
            for index, value in zip(
                self._of_bounds, (k.correction, *(e.correction for e in errors)), strict=True
            ):
                of_k[index] = value
            for index, value in zip(self._of_formula, x.rate, strict=True):
                of_x[index] = value
            ranges = (
                safe_ranges(k, self._error_model.format_.precision)
                if self.fits and not self.wide_eps
                else NO_SAFE_RANGE
            )
            self._known[t] = _PreparedStep(k, x, of_k, of_x, ranges)
        return self._known[t]


_scalars = lru_cache(maxsize=1 << 8)(
    lambda bits, hyperparameters: exact_scalars(mpmath_context(bits), hyperparameters)
)
"""The exact hyperparameters in a precision."""

_prepare = lru_cache(maxsize=1 << 9)(_PreparedOptions)
"""The constants of steps, kept for further elements of them."""

_exact_judge = lru_cache(maxsize=1 << 10)(ExactStepJudge)
"""The exact oracle's judge of a step, kept for further elements of it."""


@lru_cache(maxsize=1 << 13)
def _judge_exactly(
    hyperparameters: Hyperparameters,
    t: int,
    error_model: ErrorModel,
    before: tuple[float, ...],
    after: tuple[float, ...],
    quantities: tuple[Quantity, ...],
) -> dict[Quantity, Judgement]:
    """One element by the exact oracle; lives repeat each other's numbers."""
    return _exact_judge(hyperparameters, t, error_model).judge(before, after, quantities)


class ArraySteps:
    """Some steps of one rule, for judging elements of any of them.

    Args:
        steps: the hyperparameters in force and the number of each step, from 1.
        error_model: what is judged against.
    """

    def __init__(self, steps: Sequence[tuple[Hyperparameters, int]], error_model: ErrorModel) -> None:
        self._steps, self._error_model = steps, error_model
        options = {each: _prepare(each, error_model) for each in dict.fromkeys(each for each, _ in steps)}
        prepared = [options[each].step(t) for each, t in steps]
        self._constants = [each.bounds for each in prepared]
        self._values = [each.formula for each in prepared]
        self._ranges = [each.ranges for each in prepared]
        self._bounds_table = _Table(self._constants, [each.bounds_leaves for each in prepared])
        self._formula_table = _Table(self._values, [each.formula_leaves for each in prepared])
        self._moments_fit = np.array([options[each].moments_fit for each, _ in steps], bool)
        self._wide_eps = np.array([options[each].wide_eps for each, _ in steps], bool)
        self._fits = np.array([options[each].fits for each, _ in steps], bool)

    def judge(
        self,
        which: npt.NDArray[np.intp],
        before: tuple[Numbers, Numbers, Numbers, Numbers],
        after: tuple[Numbers, Numbers, Numbers],
    ) -> StepErrors:
        """Judge elements in lockstep: theta from the subject's own m and u after the step.

        Args:
            which: the index of each element's step.
            before: theta, m, u and the gradient before it, one-dimensional.
            after: theta, m and u after it.
        """
        count = which.size
        exact, error, radius, ulp = (np.zeros((3, count)) for _ in range(4))
        judged, decided = np.zeros((3, count), bool), np.zeros((3, count), bool)
        found = StepErrors(exact, error, radius, ulp, judged, decided)
        finite = np.logical_and.reduce([np.isfinite(x) for x in before])
        found.judged[:2] = finite
        found.judged[2] = finite & np.isfinite(after[1]) & np.isfinite(after[2])
        with np.errstate(all="ignore"):
            safe = finite & self._safe(which, before, after)
            near = finite & ~safe & self._moments_fit[which] & ~(self._wide_eps[which] & (before[3] == 0))
            for x in (*before[1:], after[1], after[2]):
                near &= _in_range(x)
            # The theta that enters m and u: none without a decay.
            entering = np.where(
                np.array([bool(k.decays_gradient) for k in self._constants])[which], before[0], 0.0
            )
            whole = near & _in_range(before[0]) & self.fits(which)
            moments = near & _in_range(entering) & ~whole
            narrow = self._error_model.format_ is not Format.BINARY64
            self._judge(found, safe, which, before, after, safe=True, narrow=narrow)
            self._judge(found, whole, which, before, after, safe=False)
            self._judge(found, moments, which, (entering, *before[1:]), after, safe=False, quantities=2)
            if narrow:
                doubtful = safe & ~found.decided.all(axis=0)
                self._judge(found, doubtful, which, before, after, safe=True)
        return found

    def _safe(
        self, which: npt.NDArray[np.intp], before: tuple[Numbers, ...], after: tuple[Numbers, ...]
    ) -> Mask:
        """The elements of whose numbers none underflows or overflows."""
        columns: Any = (np.asarray(column)[which] for column in zip(*self._ranges, strict=True))
        r: Any = SafeRanges(*columns)
        decay = np.array([k.weight_decay if k.decays_gradient else 0.0 for k in self._constants])[which]
        theta, m, u, g = before
        theta_after, m_after, u_after = after

        def within(x: Numbers, low: Any, high: Any) -> Mask:
            size = np.abs(x)
            result: Mask = (size >= low) & (size <= high)
            return result

        still = (m == 0) & (g == 0) & ((decay == 0) | (theta == 0)) & (m_after == 0)
        result: Mask = (
            ((m == 0) | within(m, r.m_low, r.m_high))
            & ((g == 0) | within(g, r.m_low, r.m_high))
            & ((theta == 0) | within(theta, r.theta_low, r.theta_high))
            & ((u == 0) | within(u, r.u_low, r.u_high))
            & (within(m_after, r.m_low, r.m_high) | still)
            & within(u_after, r.u_low, r.u_high)
            & (np.abs(theta_after) <= r.theta_high)
        )
        return result

    def _judge(
        self,
        found: StepErrors,
        mask: Mask,
        which: npt.NDArray[np.intp],
        before: tuple[Numbers, ...],
        after: tuple[Numbers, ...],
        *,
        safe: bool,
        narrow: bool = False,
        quantities: int = 3,
    ) -> None:
        """Judge the elements of a mask: m, u and theta, or the first of these."""
        places = np.flatnonzero(mask)
        if not places.size:
            return
        own = which[places]
        used, index = np.unique(own, return_inverse=True)
        k, x = self._bounds_table.at(used, index), self._formula_table.at(used, index)
        theta, m, u, g = (a[places] for a in before)
        theta_after, m_after, u_after = (a[places] for a in after)
        formula = vectorized(_FORMULA, inside=(("dd", _DOUBLE),))
        radii = vectorized(_RADII, overrides=_SAFE if safe else ())
        doubt = DOUBT if narrow else CLOSE_DOUBT
        evaluate = formula["evaluate_in_binary64" if narrow else "evaluate_in_double_double"]
        effective, branches, *numbers = evaluate(x, theta, m, u, g, theta_after, m_after, u_after)
        o = safe_range_constants(k) if safe else k
        m_radius = radii["moment_radius"](o, m, 0.0, g, effective, theta, 0.0)
        u_radius = radii["norm_radius"](o, u, 0.0, g, effective, branches, theta, 0.0)
        (m_exact, m_off), (u_exact, u_off), (theta_exact, theta_off) = numbers
        theta_radius = radii["stored_theta_radius"](
            o, theta, m_after, u_after, m_off + m_radius, u_off + u_radius
        )
        layout = self._error_model.format_
        rows = (
            (m_exact, m_off, m_radius, m_after),
            (u_exact, u_off, u_radius, u_after),
            (theta_exact, theta_off, theta_radius, theta_after),
        )
        for q, (exact, off, radius, came) in enumerate(rows[:quantities]):
            error = np.where(np.isfinite(came), off, math.inf)
            size = np.broadcast_to(np.asarray(radius, np.float64), error.shape)
            found.exact[q, places], found.error[q, places], found.radius[q, places] = exact, error, size
            found.ulp[q, places] = _in_ulp(layout, exact, error)
            opened = size == math.inf
            certain = (size > 0) | (error == 0) | (error > 2.0**-90 * np.abs(exact))
            certain &= ~((np.abs(error - size) <= doubt * size) & (size > 0))
            certain &= ~np.isnan(size) & ~np.isnan(error)
            found.decided[q, places] = opened | certain | ~found.judged[q, places]

    def fits(self, which: npt.NDArray[np.intp]) -> Mask:
        """The elements of steps without an option beyond the range of binary64's bounds."""
        result: Mask = self._fits[which]
        return result

    def unmoved(
        self, which: npt.NDArray[np.intp], before: tuple[Numbers, ...], after: tuple[Numbers, ...]
    ) -> Numbers:
        """An upper bound on theta's error over its bound where theta stays; else infinite.

        BOUNDS.md, "Lives", derives it.

        Args:
            which: the index of each element's step.
            before: theta, m, u and the gradient before it.
            after: theta, m and u after it.
        """
        theta, (came, m, u) = before[0], after
        rate = np.array([x.rate[0] for x in self._values])[which]
        applies = (
            (came == theta) & (theta != 0) & (u > 0) & np.isfinite(theta) & np.isfinite(m) & np.isfinite(u)
        )
        applies &= self._error_model.rule.decay is not Decay.DECOUPLED
        with np.errstate(all="ignore"):
            part = np.log2(rate) + np.log2(np.abs(m)) - np.log2(u) - np.log2(np.abs(theta))
            bound = np.exp2(part + self._error_model.format_.precision + 2)
        return np.where(applies & (part < -8), bound, math.inf)

    def carry(
        self, state: CarriedState, theta: Numbers, g: Numbers
    ) -> tuple[CarriedState, tuple[Numbers, Numbers], Numbers]:
        """Take the exact step of elements whose theta is known; m and u are carried.

        The step is the first of those that the judge was made for.

        Args:
            state: m and u before the step.
            theta: before the step, exactly.
            g: the gradient.

        Returns:
            m and u after the step; theta after it, its high and low parts; and theta's bound, infinite where nothing
            can be judged.
        """
        k, x = self._constants[0], self._values[0]
        formula = vectorized(_FORMULA, inside=(("dd", _DOUBLE),))
        radii = vectorized(_RADII)
        zeros = np.zeros(theta.size)
        with np.errstate(all="ignore"):
            effective, branches, m, u = formula["moments"](x, (theta, zeros), state.m, state.u, g)
            m_radius = radii["moment_radius"](k, state.m[0], state.m_radius, g, effective, theta, 0.0) + zeros
            u_radius = (
                radii["norm_radius"](k, state.u[0], state.u_radius, g, effective, branches, theta, 0.0)
                + zeros
            )
            radius = radii["theta_radius"](k, theta, 0.0, m[0], m_radius, u[0], u_radius) + zeros
            exact = formula["theta_after_step"](x, (theta, zeros), m, u)
            lost = ~(np.isfinite(theta) & np.isfinite(g) & np.isfinite(m_radius) & np.isfinite(u_radius))
            for number in (theta, g, m[0], u[0], m_radius, u_radius):
                lost |= (number != 0) & ~((np.abs(number) > 2.0**-200) & (np.abs(number) < 2.0**200))
        if not self._fits[0]:
            lost = np.ones(theta.size, bool)
        infinite = np.where(lost, math.inf, u_radius)
        radius = np.where(lost | np.isnan(radius), math.inf, radius)
        return CarriedState(m, u, m_radius, infinite), exact, radius

    def in_ulp(self, exact: Numbers, error: Numbers) -> Numbers:
        """Errors in ulp of the exact values rounded to the format."""
        return _in_ulp(self._error_model.format_, exact, error)

    def exactly(
        self,
        which: int,
        before: Sequence[float],
        after: Sequence[float],
        quantities: Sequence[Quantity] = QUANTITIES,
    ) -> dict[Quantity, Judgement]:
        """One element, judged by the exact oracle: all its quantities, or some."""
        step = self._steps[which]
        return _judge_exactly(*step, self._error_model, tuple(before), tuple(after), tuple(quantities))


def _in_range(x: Numbers) -> Mask:
    """The numbers whose bounds binary64 evaluates, and those that are not finite."""
    result: Mask = (x == 0) | ((np.abs(x) > 2.0**-200) & (np.abs(x) < 2.0**200)) | ~np.isfinite(x)
    return result


def _in_ulp(format_: Format, exact: Numbers, error: Numbers) -> Numbers:
    """Errors in ulp of the exact values rounded to the format; 0 beyond its range."""
    bits = np.ascontiguousarray(exact).view(np.int64) & 0x7FFFFFFFFFFFFFFF
    exponent = (bits + ((1 << (53 - format_.precision)) >> 1)) >> 52
    place = np.maximum(exponent, format_.emin + 1023) - format_.precision + 1
    beyond = place + format_.precision - 1 > format_.emax + 1023
    return np.where(
        beyond, np.where(error < math.inf, 0.0, math.inf), np.ldexp(error, (1023 - place).astype(np.int32))
    )
