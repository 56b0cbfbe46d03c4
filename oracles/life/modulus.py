"""The other norm of complex numbers: the modulus, for both parts.

`torch.optim` takes complex parameters apart, so that each part has a norm of its own. Others divide both parts by a
norm of the modulus |g|. What follows identifies that, and accuses nobody: its tolerance is a guess of what rounding
does, far below the distance between the two norms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from ...reference.life import Construct, Life, Memory, Observation, Outcome, Step
from ...reference.values import FloatArray, Values
from ..formats import Format
from .model import OptimizerModel, gradient_values, zeros_like

_ROUNDINGS: Final = 64
"""Units of roundoff within which a number is explained: a few operations, and a bias correction of at least 1/16."""


def takes_modulus(life: Life, observations: Sequence[Observation]) -> bool:
    """Whether the modulus explains the complex parameters of a life of steps."""
    model: OptimizerModel | None = None
    roundoff = 2.0 ** -Format.of(life.dtype).precision * _ROUNDINGS
    explained = False
    for action, seen in zip(life.actions, observations, strict=False):
        if seen.outcome is not Outcome.DONE or not isinstance(action, Construct | Step):
            return False
        if isinstance(action, Construct):
            model = OptimizerModel.constructed(action.groups, action.options)
            continue
        assert model is not None
        after = seen.optimizers[action.optimizer]
        gradients = gradient_values(action.gradients, model.state.theta)
        for i, (parameter, gradient) in enumerate(zip(model.parameters, gradients, strict=True)):
            if gradient is None:
                continue
            model.parameters[i] = stepped = parameter.advanced()
            if parameter.spec.memory is not Memory.COMPLEX:
                continue
            if after.m is None or after.u is None or after.m[i] is None or after.u[i] is None:
                return False
            u_before = model.state.u[i] if model.state.u is not None else None
            before = _parts(model.state.theta[i]), _parts(u_before or zeros_like(gradient))[:, 0]
            numbers = _parts(after.theta[i]), _parts(after.m[i]), _parts(after.u[i])[:, 0]
            options = model.options[parameter.group]
            if not _is_explained(before, _parts(gradient), numbers, options, stepped.count, roundoff):
                return False
            explained = True
        model.state = after
    return explained


def _parts(values: Values | None) -> FloatArray:
    assert values is not None
    return values.expand().reshape(-1, 2)


def _is_explained(
    before: tuple[FloatArray, FloatArray],
    g: FloatArray,
    after: tuple[FloatArray, FloatArray, FloatArray],
    options: Hyperparameters,
    t: int,
    roundoff: float,
) -> bool:
    theta, u = before
    theta_after, m_after, u_after = after
    effective = (-g if options.maximize else g) + options.weight_decay * theta
    fresh = np.hypot(effective[:, 0], effective[:, 1]) + options.eps
    sizes = np.abs(g).sum(1) + options.weight_decay * np.abs(theta).sum(1) + options.eps + u
    wanted = np.maximum(options.beta2 * u, fresh)
    move = options.lr / (1 - math.pow(options.beta1, t)) * m_after / u_after[:, None]
    near_u = bool((np.abs(u_after - wanted) <= roundoff * sizes).all())
    slack = roundoff * (np.abs(move) + np.abs(theta))
    return near_u and bool((np.abs(theta_after - (theta - move)) <= slack).all())
