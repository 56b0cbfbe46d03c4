"""Reconstruct a subject's numbers from coarse scalars, element by element.

The bound of scalars of a coarse format is wide, so it covers many errors that no such scalars make. Here the scalars are
what that format gives, and everything else has its strict bound:

    m      beta1 and 1 - beta1 as they are, or rounded on any of the ways; one way for all steps
    u      beta2 and eps likewise
    theta  one rate lr/(1 - beta1^t) for all elements of a step, such that it, its reciprocal or 1 - beta1^t is a number
           of that format, or such that lr or beta1 is rounded to it

A number that these do not give has another reason than its scalars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, NamedTuple

from ...reference.formula import (
    Scalars,
    bias_correction,
    effective_gradient,
    norm_branches,
    theta_after_decay,
    update,
)
from ...reference.hyperparameters import Hyperparameters
from ..bounds.radii import (
    StepConstants,
    moment_radius,
    norm_radius,
    storage_error,
    stored_theta_radius,
    theta_radius,
)
from ..bounds.scalar_errors import ScalarErrors
from ..bounds.step import StepBounds, step_constants
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, precision_for
from ..formats import Format
from ..verdict import Quantity

Before = tuple[float, float, float, float]
After = tuple[float, float, float]


@dataclass(frozen=True)
class ObservedStep:
    """Elements of one step that are finite before it, and m and u after it.

    Attributes:
        hyperparameters: in force.
        t: the number of the step, from 1.
        elements: for each, theta, m, u and the gradient before, and theta, m and u after it.
    """

    hyperparameters: Hyperparameters
    t: int
    elements: Sequence[tuple[Before, After]]


class ShownStep(NamedTuple):
    """One element after a step.

    Attributes:
        hyperparameters: in force.
        t: the number of the step, from 1.
        theta: as shown.
        m: likewise.
        u: likewise.
    """

    hyperparameters: Hyperparameters
    t: int
    theta: float
    m: float
    u: float


class _Way(NamedTuple):
    """The scalars of m and u as one way of rounding gives them."""

    beta1: Any
    complement: Any
    beta2: Any
    eps: Any
    weight_decay: Any


_NO_OPERANDS: Final = (False, False, False)


def reconstructs(steps: Iterable[ObservedStep], quantity: Quantity, error_model: ErrorModel) -> bool:
    """Check that scalars of the format of a scheme give the numbers of a quantity.

    If the scheme rounds operands, any of those that the quantity is formed of may be read as numbers of that format,
    too: m or u, the gradient, and theta.

    Args:
        steps: the observed steps.
        quantity: m, u or theta.
        error_model: its scheme has scalars of a coarse format for the quantity.
    """
    coarse: Format = getattr(error_model.scheme, quantity.value)
    operands = [_NO_OPERANDS]
    if error_model.scheme.rounds_operands:
        operands = list(product((False, True), (False, True), (False, True)))
        error_model = replace(error_model, scheme=replace(error_model.scheme, rounds_operands=False))
    strict = replace(error_model, scheme=error_model.scheme.with_scalars(Format.BINARY64))
    given = [_Step(step, strict, coarse, error_model) for step in steps if step.elements]
    if quantity is Quantity.THETA:
        return any(all(step.shares_a_rate(read) for step in given) for read in operands)
    ways = [step.ways(quantity) for step in given]
    number = len(ways[0]) if ways else 0
    return any(
        all(step.follows(quantity, own[index], read) for step, own in zip(given, ways, strict=True))
        for index, read in product(range(number), operands)
    )


def is_rounded_from_copy(start: float, steps: Sequence[ShownStep], error_model: ErrorModel) -> bool:
    """Check that an element of theta is rounded from a copy.

    The roundings of theta do not enter the copy, which takes every step from the m and u that are shown, within the
    bound of the step. Theta is the copy as stored.

    Args:
        start: theta before the first step.
        steps: the element after each step.
        error_model: the rule, and the strictest scheme that explains m and u.
    """
    ctx = mpmath_context(precision_for(len(steps)))
    copy, radius = ctx.mpf(start), ctx.mpf(0)
    for step in steps:
        if not all(map(math.isfinite, (step.theta, step.m, step.u))):
            return True
        scalars = exact_scalars(ctx, step.hyperparameters)
        k = step_constants(scalars, step.t, error_model, ctx.mpf)
        m, u = ctx.mpf(step.m), ctx.mpf(step.u)
        unrounded = k._replace(add=k.zero)
        m_off, u_off = storage_error(k, abs(m)), storage_error(k, u)
        radius = theta_radius(unrounded, copy, radius, m, m_off, u, u_off)
        if radius == math.inf:
            return True
        copy = update(copy, m, u, step.t, scalars, error_model.rule)
        if abs(copy - step.theta) > radius + storage_error(k, abs(copy) + radius):
            return False
    return True


class _Step:
    """One observed step and its strict bounds."""

    def __init__(self, observed: ObservedStep, strict: ErrorModel, coarse: Format, whole: ErrorModel) -> None:
        self._ctx = mpmath_context(precision_for(observed.t))
        self._scalars = exact_scalars(self._ctx, observed.hyperparameters)
        self._observed, self._strict, self._coarse, self._whole = observed, strict, coarse, whole
        self._constants: StepConstants = step_constants(self._scalars, observed.t, strict, self._ctx.mpf)
        self._bounds = StepBounds(self._ctx, self._scalars, observed.t, strict)

    def _rounded(self, value: Any) -> Any:
        return self._ctx.mpf(self._coarse.round(value))

    def ways(self, quantity: Quantity) -> list[_Way]:
        """The scalars by every way of rounding some of them.

        The order is the same for every step.
        """
        s, rounded = self._scalars, self._rounded
        decays = (s.weight_decay, rounded(s.weight_decay))
        if quantity is Quantity.U:
            return [
                _Way(s.beta1, 1 - s.beta1, beta2, eps, decay)
                for beta2, eps, decay in product((s.beta2, rounded(s.beta2)), (s.eps, rounded(s.eps)), decays)
            ]
        beta1 = rounded(s.beta1)
        complements = (1 - s.beta1, rounded(1 - s.beta1), 1 - beta1, rounded(1 - beta1))
        return [
            _Way(entering, complement, s.beta2, s.eps, decay)
            for entering, complement, decay in product((s.beta1, beta1), complements, decays)
        ]

    def _entering_errors(self, way: _Way) -> ScalarErrors:
        """The errors of scalars that are rounded once more, to the working format."""

        def error(value: Any) -> Any:
            return abs(self._strict.format_.round(value) - value) / value if value else value

        nought = self._constants.zero
        return ScalarErrors(
            lr=nought,
            beta1=error(way.beta1),
            complement=error(way.complement),
            beta2=error(way.beta2),
            eps=error(way.eps),
            weight_decay=error(way.weight_decay),
            correction=nought,
        )

    def _read(self, numbers: Iterable[float], rounded: Iterable[bool]) -> list[Any]:
        """Operands as they are read."""
        exact = (self._ctx.mpf(x) for x in numbers)
        return [self._rounded(x) if coarse else x for x, coarse in zip(exact, rounded, strict=True)]

    def follows(self, quantity: Quantity, way: _Way, read: tuple[bool, bool, bool]) -> bool:
        """Check that each number of m or u is within the strict bound of a way.

        Args:
            quantity: m or u.
            way: the scalars.
            read: whether the gradient, the quantity before the step, and theta are read as coarse numbers.
        """
        errors = self._entering_errors(way)
        k = self._constants._replace(**way._asdict(), m_errors=errors, u_errors=errors)
        scalars = replace(
            self._scalars, beta1=way.beta1, beta2=way.beta2, eps=way.eps, weight_decay=way.weight_decay
        )
        return all(
            self._is_within(
                quantity, k, scalars, self._read(before, (read[2], read[1], read[1], read[0])), after
            )
            for before, after in self._observed.elements
        )

    def _is_within(
        self, quantity: Quantity, k: StepConstants, scalars: Scalars[Any], before: list[Any], after: After
    ) -> bool:
        theta, m, u, g = before
        rule = self._strict.rule
        effective = effective_gradient(theta, g, scalars, rule)
        if quantity is Quantity.M:
            radius = moment_radius(k, m, k.zero, g, effective, theta, k.zero)
            return bool(abs(k.beta1 * m + k.complement * effective - after[1]) <= radius)
        branches = norm_branches(u, effective, scalars, rule)
        radius = norm_radius(k, u, k.zero, g, effective, branches, theta, k.zero)
        return bool(abs(max(branches) - after[2]) <= radius)

    def shares_a_rate(self, read: tuple[bool, bool, bool]) -> bool:
        """Check that one rate gives theta of all elements, by any way of eps and decay.

        Args:
            read: whether m, u and theta are read as coarse numbers.
        """
        return any(self._shares_a_rate(scalars, read) for scalars in self._scalars_of_theta())

    def _scalars_of_theta(self) -> Iterator[Scalars[Any]]:
        """The scalars with eps and a decoupled decay by every way; the rate stays exact."""
        s, rounded = self._scalars, self._rounded
        for eps in {s.eps, rounded(s.eps)} if self._constants.eps_in_denominator else {s.eps}:
            for share in self._decays():
                yield replace(s, eps=eps, weight_decay=share / s.lr if share else s.weight_decay)

    def _decays(self) -> list[Any]:
        """The share of theta that a decoupled decay takes; 0 stands for the exact one."""
        s, rounded = self._scalars, self._rounded
        if not (self._constants.decays_theta and s.lr):
            return [s.lr * 0]
        shares = {
            lr * decay
            for lr, decay in product((s.lr, rounded(s.lr)), (s.weight_decay, rounded(s.weight_decay)))
        }
        shares |= {rounded(share) for share in shares}
        shares |= {1 - rounded(1 - share) for share in shares}
        return sorted(shares)

    def _shares_a_rate(self, scalars: Scalars[Any], read: tuple[bool, bool, bool]) -> bool:
        t, rule = self._observed.t, self._strict.rule
        coarse = step_constants(self._scalars, t, self._whole, self._ctx.mpf)
        errors = coarse.theta_errors
        # The strict radius is a sum of products with at most four factors of the rate.
        widened = (1 + errors.lr + errors.correction) ** 4
        low, high = -self._ctx.inf, self._ctx.inf
        for number, (before, after) in enumerate(self._observed.elements):
            # What fits no element but these fits none with more of them.
            if low > high or (number.bit_count() == 1 and not self._has_coarse_rate(low, high)):
                return False
            m, u, theta = self._read((after[1], after[2], before[0]), read)
            own, _, number_of = self._bounds.for_sizes(theta, m, u)
            radius = stored_theta_radius(
                own, number_of(theta), number_of(m), number_of(u), math.inf, math.inf
            )
            if radius == math.inf:
                continue
            if not math.isfinite(after[0]):
                # Coarse scalars may be wrong in every digit: 1 - beta1^t is 0 where beta1 is rounded to 1.
                if stored_theta_radius(coarse, theta, m, u, self._ctx.inf, self._ctx.inf) == self._ctx.inf:
                    continue
                return False
            decayed = theta_after_decay(theta, scalars, rule)
            step, moved = decayed - update(theta, m, u, t, scalars, rule), decayed - after[0]
            if not step:
                if abs(moved) > widened * radius:
                    return False
                continue
            ends = [(moved + sign * widened * radius) / step for sign in (-1, 1)]
            low, high = max(low, min(ends)), min(high, max(ends))
        return bool(low <= high) and self._has_coarse_rate(low, high)

    def _has_coarse_rate(self, low: Any, high: Any) -> bool:
        """Check that the format gives a rate within [low, high] times the exact one."""
        s, t, rule = self._scalars, self._observed.t, self._strict.rule
        if not low > 0 or high == self._ctx.inf:
            return True
        exact = bias_correction(t, s, rule)
        if self._holds_between(s.lr / exact * low, s.lr / exact * high):
            return True
        if self._holds_between(exact / s.lr / high, exact / s.lr / low):
            return True
        rounded = 1 - self._rounded(s.beta1) ** t
        for lr in (s.lr, self._rounded(s.lr)):
            corrections = [exact * lr / s.lr / end for end in (high, low)]
            if self._holds_between(*corrections):
                return True
            if any(corrections[0] <= each <= corrections[1] for each in (rounded, exact)):
                return True
        return False

    def _holds_between(self, low: Any, high: Any) -> bool:
        """Check that a number of the coarse format lies in [low, high]; both are positive."""
        ulp = self._coarse.ulp(self._coarse.round(low))
        nearest = self._rounded(low)
        return any(low <= nearest + k * ulp <= high for k in (0, 1))
