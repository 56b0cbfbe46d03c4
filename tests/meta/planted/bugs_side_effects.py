"""Side effects: gradients or options changed, params left alone, nondeterminism."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import narrow, precision
from adamax_conformance.tests.meta.planted.base import Adamax


class SideEffectBug(Adamax):
    """A right step with a side effect, or one that depends on more than its input."""

    family = "side-effects"


class GradientNegatedInPlace(SideEffectBug):
    """With maximize, the caller's gradient is negated."""

    def ascent(self, g, scalars):
        if scalars.maximize:
            g[...] = -g
        return g


class GradientDecayedInPlace(SideEffectBug):
    """The decay is added to the caller's gradient."""

    def decayed_gradient(self, theta, g, scalars):
        right = super().decayed_gradient(theta, g, scalars)
        if not scalars.maximize:
            g[...] = right
        return right


class GradientMadeAbsolute(SideEffectBug):
    """The caller's gradient loses its sign when the norm is taken."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        g[...] = np.abs(g)


class GradientZeroed(SideEffectBug):
    """The caller's gradient is cleared after the step."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        g[...] = 0


class GradientRoundedInPlace(SideEffectBug):
    """The caller's gradient is rounded to the next narrower format after the step."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        g[...] = narrow(g)


class LearningRateConsumed(SideEffectBug):
    """Every step makes the group's learning rate a thousandth smaller."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for group in self.param_groups:
            group["lr"] = group["lr"] * 0.999


class LearningRateCorrectedInPlace(SideEffectBug):
    """The group's learning rate is overwritten with the corrected one."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        group = self.param_groups[group_index]
        group["lr"] = group["lr"] / self.correction(np.float64(group["betas"][0]), self.steps)


class EpsRaisedInPlace(SideEffectBug):
    """The first step doubles the group's eps."""

    def __call__(self, gradients):
        super().__call__(gradients)
        if self.steps == 1:
            for group in self.param_groups:
                group["eps"] = 2 * group["eps"]


class BetasRoundedInPlace(SideEffectBug):
    """The first step rounds the group's betas to half precision."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for group in self.param_groups:
            group["betas"] = tuple(float(np.float16(beta)) for beta in group["betas"])


class MaximizeCleared(SideEffectBug):
    """maximize holds for the first step only."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for group in self.param_groups:
            group["maximize"] = False


class WeightDecayCleared(SideEffectBug):
    """weight_decay holds for the first step only."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for group in self.param_groups:
            group["weight_decay"] = 0.0


class ParamsCopied(SideEffectBug):
    """The optimizer keeps copies, so the caller's arrays never change."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        for group in self.param_groups:
            group["params"] = [theta.copy() for theta in group["params"]]


class ParamsReplacedAfterFirstStep(SideEffectBug):
    """After the first step the optimizer goes on with new arrays, not the caller's."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for group in self.param_groups:
            group["params"] = [theta.copy() for theta in group["params"]]


class NoiseInStep(SideEffectBug):
    """The step is off by up to 64 unit roundoffs, at random."""

    _noise = np.random.default_rng()

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        units = self._noise.uniform(-64, 64, np.shape(right))
        return (right * (1 + units * 2.0 ** -precision(right.dtype))).astype(right.dtype)


class EverySecondRunDiffers(SideEffectBug):
    """Every second optimizer evaluates the step in another order, within the bound."""

    _made = 0

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        EverySecondRunDiffers._made += 1
        self._second = EverySecondRunDiffers._made % 2 == 0

    def step(self, m, u, scalars):
        return scalars.rate * m / u if self._second else super().step(m, u, scalars)


class StepSharedBetweenOptimizers(SideEffectBug):
    """The counter belongs to the class, so that a second optimizer goes on with it."""

    _counted = 0

    def step_of(self, _index):
        return StepSharedBetweenOptimizers._counted

    def next_step(self, t):
        StepSharedBetweenOptimizers._counted += 1
        return t + 1


class StateOfEqualShapeReused(SideEffectBug):
    """A new optimizer takes over an earlier one's state for arrays of equal shape."""

    _kept: ClassVar[dict] = {}

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        for state in (self.m, self.u):
            for index, array in enumerate(state):
                key = (state is self.m, index, array.shape, array.dtype)
                state[index] = self._kept.setdefault(key, array)


BUGS = (
    GradientNegatedInPlace,
    GradientDecayedInPlace,
    GradientMadeAbsolute,
    GradientZeroed,
    GradientRoundedInPlace,
    LearningRateConsumed,
    LearningRateCorrectedInPlace,
    EpsRaisedInPlace,
    BetasRoundedInPlace,
    MaximizeCleared,
    WeightDecayCleared,
    ParamsCopied,
    ParamsReplacedAfterFirstStep,
    NoiseInStep,
    EverySecondRunDiffers,
    StepSharedBetweenOptimizers,
    StateOfEqualShapeReused,
)
