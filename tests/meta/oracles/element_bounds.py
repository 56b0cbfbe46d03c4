"""The bounds of one step over one element, from the numbers before it alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from adamax_conformance.oracles.bounds import radii
from adamax_conformance.oracles.bounds.step import step_constants
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.reference.formula import Scalars, effective_gradient, norm_branches


class ElementBounds:
    """The functions of `oracles.bounds.radii` in one type of numbers.

    Each method forms the effective gradient and the branches of the norm that they take.

    Args:
        scalars: the exact hyperparameters of the step, as mpf.
        t: the number of the step, from 1.
        error_model: the format, rule, evaluation scheme and arithmetic.
        number: the type, `float` or an mpf.
    """

    def __init__(
        self, scalars: Scalars[Any], t: int, error_model: ErrorModel, number: Callable[[Any], Any]
    ) -> None:
        self.constants = k = step_constants(scalars, t, error_model, number)
        self.zero = k.zero
        self._rule = error_model.rule
        self._scalars = Scalars(k.lr, k.beta1, k.beta2, k.eps, k.weight_decay, scalars.maximize)

    def moment_radius(self, m, m_radius, g, theta, theta_radius):
        """Radius of m after the step."""
        effective = effective_gradient(theta, g, self._scalars, self._rule)
        return radii.moment_radius(self.constants, m, m_radius, g, effective, theta, theta_radius)

    def norm_radius(self, u, u_radius, g, theta, theta_radius):
        """Radius of u after the step."""
        effective = effective_gradient(theta, g, self._scalars, self._rule)
        branches = norm_branches(u, effective, self._scalars, self._rule)
        return radii.norm_radius(self.constants, u, u_radius, g, effective, branches, theta, theta_radius)

    def theta_radius(self, theta, theta_radius, m, m_radius, u, u_radius):
        """Radius of theta after the step, from m and u after it."""
        return radii.theta_radius(self.constants, theta, theta_radius, m, m_radius, u, u_radius)

    def stored_theta_radius(self, theta, m, u, m_formed=math.inf, u_formed=math.inf):
        """Radius of theta after the step, from m and u as they were stored."""
        return radii.stored_theta_radius(self.constants, theta, m, u, m_formed, u_formed)
