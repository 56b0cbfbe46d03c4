"""Numbers that are not finite: what one step must make of them.

A NaN in the effective gradient, in m or in u makes what it enters NaN. An infinity makes it infinite or NaN, as
admissible orders of evaluation differ in what they divide or subtract. Where one infinity alone enters, the result has
its sign, unless it is NaN: m that of the gradient or of the old m, theta its own, and u is never below 0. What does not
meet one is judged by its bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import Ascent, Decay
from ..error_model import ErrorModel
from ..verdict import Quantity

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NAN: Final = "nan"
"""What a number must be that a NaN enters."""
_FIRST: Final = 1


def special_errors(
    steps: Sequence[tuple[Hyperparameters, int]],
    which: npt.NDArray[np.intp],
    before: Sequence[Numbers],
    after: Sequence[Numbers],
    error_model: ErrorModel,
) -> Iterator[tuple[int, Quantity, str]]:
    """Find what a step makes wrongly of numbers that are not finite before it.

    Args:
        steps: the hyperparameters of each step, and its number.
        which: the index of each element's step.
        before: theta, m, u and the gradient before it.
        after: theta, m and u after it.
        error_model: what is judged against.

    Yields:
        The element's index, the quantity, and what it must be, in words; the first of each quantity and kind.
    """
    theta, m, u, g = before
    theta_after, m_after, u_after = after
    finite = np.logical_and.reduce([np.isfinite(x) for x in before])
    if finite.all():
        return
    used = [options for options, _ in steps]
    # A decay that rounds to 0 may be left out: then theta does not enter the gradient.
    round_float = error_model.format_.round_float
    decay = np.array([round_float(options.weight_decay) for options in used])[which]
    beta1 = np.array([options.beta1 for options in used])[which]
    beta2 = np.array([options.beta2 for options in used])[which]
    lr = np.array([options.lr for options in used])[which]
    joins = (decay != 0) if error_model.rule.decay is Decay.L2 else np.zeros(decay.shape, bool)
    nan_g = np.isnan(g) | (joins & np.isnan(theta))
    inf_g = np.isinf(g) | (joins & np.isinf(theta))
    nan_m, nan_u = nan_g | np.isnan(m), nan_g | np.isnan(u)
    off_m = nan_m | inf_g | (np.isinf(m) & (beta1 > 0))
    off_u = nan_u | inf_g | (np.isinf(u) & (beta2 > 0))
    nan_theta = np.isnan(theta) | ((nan_m | nan_u) & (lr > 0))
    # Over an infinite norm alone a finite m may leave theta as it is.
    off_theta = ~np.isfinite(theta) | nan_theta | (inf_g & (lr > 0)) | (off_m & ~np.isinf(u) & (lr > 0))
    # NaN beats all where it must be NaN; the NaN of beta1 = 0 or beta2 = 0 times an infinity is left open.
    rules: tuple[tuple[Quantity, Numbers, Mask, Mask], ...] = (
        (Quantity.M, m_after, nan_m & ((beta1 > 0) | nan_g), off_m),
        (Quantity.U, u_after, nan_u & ((beta2 > 0) | nan_g), off_u & ((beta2 > 0) | inf_g | nan_g)),
        (Quantity.THETA, theta_after, nan_theta & ((beta1 > 0) | nan_g | np.isnan(theta)), off_theta),
    )
    for quantity, came, must_be_nan, must_be_off in rules:
        wrong = np.flatnonzero(~finite & must_be_nan & ~np.isnan(came))
        for index in wrong[:_FIRST]:
            yield int(index), quantity, NAN
        wrong = np.flatnonzero(~finite & ~must_be_nan & must_be_off & np.isfinite(came))
        for index in wrong[:_FIRST]:
            yield int(index), quantity, "infinite or nan"
    for quantity, came, sign in _signs((used, which), before, after, error_model, decay):
        wrong = np.flatnonzero(~finite & np.isinf(came) & (sign == np.where(came < 0, 1.0, -1.0)))
        for index in wrong[:_FIRST]:
            yield int(index), quantity, f"{sign[index] * np.inf} or nan"


def _signs(
    steps: tuple[Sequence[Hyperparameters], npt.NDArray[np.intp]],
    before: Sequence[Numbers],
    after: Sequence[Numbers],
    error_model: ErrorModel,
    decay: Numbers,
) -> Sequence[tuple[Quantity, Numbers, Numbers]]:
    """The sign of each result, should it be infinite; 0 where that is open.

    BOUNDS.md, "Lives", says why the others are forced.

    Returns:
        Each quantity, its numbers after the step, and their signs.
    """
    used, which = steps
    theta, m, u, g = before
    theta_after, m_after, u_after = after
    joins = (decay != 0) & (error_model.rule.decay is Decay.L2)
    beta1 = np.array([options.beta1 for options in used])[which]
    ascent = np.where(np.array([options.maximize for options in used])[which], -1.0, 1.0)
    of_g = _infinity(g) * (1.0 if error_model.rule.ascent is Ascent.NONE else ascent)
    of_theta = _infinity(theta) * (ascent if error_model.rule.ascent is Ascent.NEGATE_AFTER_DECAY else 1.0)
    # The sign of the effective gradient, where it is infinite by one of its terms alone.
    alone = np.where(joins & np.isinf(theta), np.where(np.isinf(g), 0.0, of_theta), of_g)
    of_m = np.where(np.isinf(g) | (joins & np.isinf(theta)) | (beta1 == 0), 0.0, _infinity(m))
    moves_little = np.isfinite(m_after) & (u_after != 0) & (joins | (decay == 0))
    return (
        (Quantity.M, m_after, np.where(np.isfinite(m), alone, of_m)),
        (Quantity.U, u_after, np.where(u < 0, 0.0, 1.0)),
        (Quantity.THETA, theta_after, np.where(moves_little, _infinity(theta), 0.0)),
    )


def _infinity(numbers: Numbers) -> Numbers:
    """The sign of each infinite number; 0 for the others."""
    return np.where(np.isinf(numbers), np.sign(numbers), 0.0)
