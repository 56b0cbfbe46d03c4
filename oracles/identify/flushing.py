"""A test of each number for the flushing of subnormal ones to zero.

A device that flushes has a wide bound near the smallest normal number s, which covers other errors, too. So it is
reported only if each number is what the formula gives, or what it gives with some of these parts replaced by 0: the
gradient, the decayed m and u, eps, the two terms of m, and the step, each where it is below s. A result below s is then
exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from ...reference.formula import effective_gradient, first_moment, norm_branches
from ..bounds.radii import stored_theta_radius
from ..bounds.step import StepBounds, step_constants
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, precision_for
from ..judgement import step_judgements
from ..verdict import Quantity
from .reconstruction import After, Before, ObservedStep


def flushing_gives(step: ObservedStep, error_model: ErrorModel) -> bool:
    """Check that flushing gives each number of a step.

    Args:
        step: the elements of one step.
        error_model: of a device that does not flush.
    """
    judge = _FlushedStep(step, error_model)
    return all(judge.gives(before, after) for before, after in step.elements)


class _FlushedStep:
    """One step, with the numbers that a device may flush."""

    def __init__(self, step: ObservedStep, error_model: ErrorModel) -> None:
        self._ctx = mpmath_context(precision_for(step.t))
        self._scalars = exact_scalars(self._ctx, step.hyperparameters)
        self._t, self._error_model = step.t, error_model
        self._bounds = StepBounds(self._ctx, self._scalars, step.t, error_model)
        self._k = step_constants(self._scalars, step.t, error_model, self._ctx.mpf)
        flushing = replace(error_model.arithmetic, flush_to_zero=True)
        self._flushing = step_constants(
            self._scalars, step.t, replace(error_model, arithmetic=flushing), self._ctx.mpf
        )

    def _or_zero(self, number: Any, *sizes: Any) -> tuple[Any, ...]:
        """The number, and 0 if it or a size is at most the smallest normal number.

        MindSpore flushes that number itself, as an eps.
        """
        small = min(map(abs, (number, *sizes))) <= self._k.smallest_normal
        return (number, number * 0) if small else (number,)

    def gives(self, before: Before, after: After) -> bool:
        """Check that flushing, or none, gives theta, m and u of one element."""
        theta, m, u, g = (self._ctx.mpf(x) for x in before)
        rule = self._error_model.rule
        for quantity, exact, radius, actual in step_judgements(
            self._ctx, self._bounds, rule, self._t, before, after, tuple(Quantity)
        ):
            if radius == math.inf or abs(exact - actual) <= radius:
                continue
            if quantity is Quantity.THETA:
                if not self._gives_theta(theta, after):
                    return False
                continue
            candidates = self._moments(theta, m, g) if quantity is Quantity.M else self._norms(theta, u, g)
            if not any(self._is(actual, number, radius) for number in candidates):
                return False
        return True

    def _is(self, actual: float, number: Any, radius: Any) -> bool:
        """Check that a number is the one that flushing gives."""
        least = self._k.smallest_normal
        return bool(abs(number - actual) <= radius or (actual == 0 and abs(number) <= least + radius))

    def _gradients(self, theta: Any, g: Any) -> Iterator[Any]:
        for as_read in self._or_zero(g):
            yield from self._or_zero(
                effective_gradient(theta, as_read, self._scalars, self._error_model.rule)
            )

    def _moments(self, theta: Any, m: Any, g: Any) -> Iterator[Any]:
        s = self._scalars
        for effective in self._gradients(theta, g):
            terms = self._or_zero(m, s.beta1 * m), self._or_zero(effective, (1 - s.beta1) * effective)
            for kept, fresh in product(*terms):
                yield first_moment(kept, fresh, s)
            if min(s.beta1, 1 - s.beta1) * abs(effective - m) < self._k.smallest_normal:
                yield from (m, effective)  # an interpolation whose product is flushed

    def _norms(self, theta: Any, u: Any, g: Any) -> Iterator[Any]:
        s, rule = self._scalars, self._error_model.rule
        for effective, kept, eps in product(
            self._gradients(theta, g), self._or_zero(u, s.beta2 * u), self._or_zero(s.eps)
        ):
            yield max(norm_branches(kept, effective, replace(s, eps=eps), rule))

    def _gives_theta(self, theta: Any, after: After) -> bool:
        """Check that theta is flushed, or left alone because its step is flushed.

        If the bound of theta is infinite, nothing is known, and that passes.
        """
        m, u = self._ctx.mpf(after[1]), self._ctx.mpf(after[2])
        if stored_theta_radius(self._flushing, theta, m, u, self._ctx.inf, self._ctx.inf) == math.inf:
            return True
        least = self._k.smallest_normal
        lost = abs(m) < least or self._scalars.lr * abs(m) < least
        return bool((lost and after[0] == theta) or (after[0] == 0 and abs(theta) < least))
