"""Wrong from some shape, size, number of parameters or count of steps on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.base import Adamax


class ShapeBug(Adamax):
    """Right but for some shapes."""

    family = "shape"


class SizeBug(Adamax):
    """Right but for some sizes."""

    family = "size"


class NumberBug(Adamax):
    """Right for few parameters and groups."""

    family = "number"


class CounterBug(Adamax):
    """Right for few steps."""

    family = "counter"


class FiltersTransposed(ShapeBug):
    """The gradient of square filters is read with their two axes exchanged."""

    def ascent(self, g, scalars):
        square = g.ndim == 4 and g.shape[-1] == g.shape[-2]
        return super().ascent(g.swapaxes(-1, -2) if square else g, scalars)


class WideMatricesWithoutDecay(ShapeBug):
    """A matrix that is wider than tall takes no weight decay."""

    def decayed_gradient(self, theta, g, scalars):
        if theta.ndim == 2 and theta.shape[0] < theta.shape[1]:
            return g
        return super().decayed_gradient(theta, g, scalars)


class TensorsReadInColumnMajorOrder(ShapeBug):
    """The gradient of an array of three dimensions is read in column-major order."""

    def ascent(self, g, scalars):
        return super().ascent(g.ravel(order="F").reshape(g.shape) if g.ndim == 3 else g, scalars)


class LastRowKeepsNorm(ShapeBug):
    """The norm of a matrix's last row does not decay, from four rows on."""

    def norm(self, u, g, scalars):
        right = np.array(super().norm(u, g, scalars))
        if u.ndim == 2 and len(u) > 3:
            right[-1] = np.maximum(u[-1], right[-1])
        return right


class LastBlockSkipped(SizeBug):
    """Whole blocks of 64 elements lack their last one, where no tail follows it."""

    def advance(self, theta, m, u, g, scalars):
        news = super().advance(theta, m, u, g, scalars)
        if theta.size < 128 or theta.size % 64:
            return news
        skipped = (np.arange(theta.size) >= theta.size - 64).reshape(theta.shape)
        return tuple(np.where(skipped, old, new) for old, new in zip((theta, m, u), news, strict=True))


class IndexOfSeventeenBits(SizeBug):
    """The gradient of an element past 2^17 is read 2^17 elements earlier."""

    def ascent(self, g, scalars):
        if g.size > 2**17:
            g = g.ravel()[np.arange(g.size) % 2**17].reshape(g.shape)
        return super().ascent(g, scalars)


class HalvesOverlap(SizeBug):
    """Two threads share long arrays, and both step the element between the halves."""

    def update(self, theta, m, u, scalars):
        right = np.array(super().update(theta, m, u, scalars))
        if right.size > 2**15:
            middle = right.size // 2
            right.flat[middle] -= super().step(m.flat[middle], u.flat[middle], scalars)
        return right


class OneSpareElementWithoutEps(SizeBug):
    """The one element past a power of two, from 2^10 on, lacks eps."""

    def norm(self, u, g, scalars):
        right = np.array(super().norm(u, g, scalars))
        if g.size > 2**10 and not (g.size - 1) & (g.size - 2):
            right.flat[-1] = max(scalars.beta2 * u.flat[-1], abs(g.flat[-1]))
        return right


class ParametersBeyond512LoseNorm(NumberBug):
    """The norm of the 513th parameter, and of later ones, restarts every step."""

    def visit(self, index, group_index, theta, g):
        if index >= 512:
            self.u[index][...] = 0
        super().visit(index, group_index, theta, g)


class GroupIndexOfFourBits(NumberBug):
    """The seventeenth group has the learning rate of the first one."""

    def options_of(self, group_index):
        return super().options_of(group_index) | {"lr": self.param_groups[group_index % 16]["lr"]}


class FourthGroupLearningRateFrozen(NumberBug):
    """A learning rate that is set later does not reach the fourth group."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        self.first_rates = [group["lr"] for group in self.param_groups]

    def options_of(self, group_index):
        options = super().options_of(group_index)
        return options | {"lr": self.first_rates[group_index]} if group_index > 2 else options


class LastOfManyParametersKeepsMoment(NumberBug):
    """The moment of the last parameter is not stored, if there are more than fifteen."""

    def store(self, index, theta, new_theta, m, u):
        kept = index > 14 and index == len(self.m) - 1
        super().store(index, theta, new_theta, self.m[index] if kept else m, u)


class StepHeldInSixteenBits(CounterBug):
    """The count of steps is a signed number of sixteen bits, and its size is taken."""

    def step_of(self, index):
        return max(abs((super().step_of(index) + 2**15) % 2**16 - 2**15), 1)


class StepWrapsAt4096(CounterBug):
    """Step 4096 is taken for the first."""

    def step_of(self, index):
        return (super().step_of(index) - 1) % 4095 + 1


class EveryPageOfStepsKeepsNorm(CounterBug):
    """The norm does not decay in a step whose number is a multiple of 4096."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        return replace(right, beta2=np.dtype(dtype).type(1)) if t % 4096 == 0 else right


class LongRunsWithoutMomentum(CounterBug):
    """Past step 4000 there is no momentum any more."""

    def first_moment(self, m, g, scalars):
        return g if scalars.t > 4000 else super().first_moment(m, g, scalars)


BUGS = (
    FiltersTransposed,
    WideMatricesWithoutDecay,
    TensorsReadInColumnMajorOrder,
    LastRowKeepsNorm,
    LastBlockSkipped,
    IndexOfSeventeenBits,
    HalvesOverlap,
    OneSpareElementWithoutEps,
    ParametersBeyond512LoseNorm,
    GroupIndexOfFourBits,
    FourthGroupLearningRateFrozen,
    LastOfManyParametersKeepsMoment,
    StepHeldInSixteenBits,
    StepWrapsAt4096,
    EveryPageOfStepsKeepsNorm,
    LongRunsWithoutMomentum,
)
