"""One element's step, judged by the exact oracle."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

from ...reference.hyperparameters import Hyperparameters
from ..bounds.step import StepBounds
from ..error_model import ErrorModel
from ..exact.trajectory import exact_scalars, mpmath_context, precision_for
from ..judgement import Judgement, error_size, step_judgements
from ..verdict import Quantity

QUANTITIES: Final = (Quantity.M, Quantity.U, Quantity.THETA)
"""The quantities in the order in which a cause shows."""


class ExactStepJudge:
    """Judges one step of one group by the exact oracle, an element at a time.

    Args:
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: what is judged against.
    """

    def __init__(self, hyperparameters: Hyperparameters, t: int, error_model: ErrorModel) -> None:
        self._ctx = mpmath_context(precision_for(t))
        self._t = t
        self._error_model = error_model
        self._bounds = StepBounds(self._ctx, exact_scalars(self._ctx, hyperparameters), t, error_model)

    def judge(
        self, before: Sequence[float], after: Sequence[float], quantities: Collection[Quantity] = QUANTITIES
    ) -> dict[Quantity, Judgement]:
        """Judge one element.

        Args:
            before: theta, m, u and the gradient before the step.
            after: theta, m and u after it.
            quantities: to judge.

        Returns:
            Each quantity's judgement. There is none of an element that is not finite before the step, and none
            of theta where m or u after it is not.
        """
        if not all(map(math.isfinite, before)):
            return {}
        rule, format_ = self._error_model.rule, self._error_model.format_
        return {
            quantity: Judgement(
                exact,
                radius,
                actual,
                None if radius == math.inf else error_size(format_, exact, radius, actual),
            )
            for quantity, exact, radius, actual in step_judgements(
                self._ctx, self._bounds, rule, self._t, before, after, quantities
            )
        }
