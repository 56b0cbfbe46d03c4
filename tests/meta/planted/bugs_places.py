"""Wrong in some domain, for special values in a context, or by bits in a place."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import coarsen, precision, round_to_bits
from adamax_conformance.tests.meta.planted.base import Adamax


class DomainBug(Adamax):
    """Right for usual options."""

    family = "domain"


class ContextBug(Adamax):
    """Right for special values in a vector, in the first steps, by default."""

    family = "context"


class PlaceBug(Adamax):
    """Right but for a few bits of some numbers."""

    family = "place"


class HiddenBug(Adamax):
    """Right but for some bits of m and u, which are not shown."""

    family = "hidden"

    @property
    def exp_avg(self):
        raise AttributeError("exp_avg")

    @property
    def exp_inf(self):
        raise AttributeError("exp_inf")


class DecayCappedAtOne(DomainBug):
    """A weight decay above 1 is taken for 1."""

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(options | {"weight_decay": min(options["weight_decay"], 1.0)}, t, dtype)


class TinyDecayIgnored(DomainBug):
    """A weight decay below 7e-5 is taken for none."""

    def scalars_at(self, options, t, dtype):
        decay = options["weight_decay"]
        return super().scalars_at(options | {"weight_decay": decay if decay >= 7e-5 else 0.0}, t, dtype)


class LargeEpsHalved(DomainBug):
    """An eps above 2 is halved."""

    def scalars_at(self, options, t, dtype):
        eps = options["eps"]
        return super().scalars_at(options | {"eps": eps / 2 if eps > 2 else eps}, t, dtype)


class CorrectionLinearNearOne(DomainBug):
    """For beta1 of 0.9993 and above, 1 - beta1^t is t*(1 - beta1), up to step 100."""

    def correction(self, beta1, t):
        return t * (1 - beta1) if beta1 >= 0.9993 and t <= 100 else super().correction(beta1, t)


class SmallBetaOneIsZero(DomainBug):
    """A beta1 below 0.002 is taken for zero."""

    def scalars_at(self, options, t, dtype):
        beta1, beta2 = options["betas"]
        return super().scalars_at(options | {"betas": (beta1 if beta1 >= 0.002 else 0.0, beta2)}, t, dtype)


class NaNZeroedInMatrices(ContextBug):
    """A NaN in the gradient of a matrix counts as zero."""

    def ascent(self, g, scalars):
        return super().ascent(np.where(np.isnan(g), np.zeros_like(g), g) if g.ndim > 1 else g, scalars)


class NaNDroppedByMaximumInAscent(ContextBug):
    """The maximum drops a NaN where the objective is maximized."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        return np.fmax(scalars.beta2 * u, np.abs(g) + scalars.eps) if scalars.maximize else right


class InfinityClippedLater(ContextBug):
    """An infinite gradient counts as the largest finite number from the third step on."""

    def ascent(self, g, scalars):
        largest = np.finfo(g.dtype).max
        return super().ascent(np.clip(g, -largest, largest) if scalars.t > 2 else g, scalars)


class InfinitySkippedInLaterParameters(ContextBug):
    """An element with an infinite gradient stays, but in the first parameter."""

    def visit(self, index, group_index, theta, g):
        before = theta.copy(), self.m[index].copy(), self.u[index].copy()
        super().visit(index, group_index, theta, g)
        if index:
            for old, new in zip(before, (theta, self.m[index], self.u[index]), strict=True):
                new[...] = np.where(np.isinf(g), old, new)


class NaNZeroedWithDecay(ContextBug):
    """A NaN gradient counts as zero where weight decay is added to it."""

    def decayed_gradient(self, theta, g, scalars):
        right = super().decayed_gradient(theta, g, scalars)
        decay = scalars.weight_decay
        return np.where(np.isnan(g), decay * theta, right) if decay else right


class InfiniteThetaResetInLongVectors(ContextBug):
    """An infinite theta in a vector of more than 20 elements starts again from zero."""

    def advance(self, theta, m, u, g, scalars):
        reset = np.isinf(theta) & (theta.ndim == 1) & (theta.size > 20)
        return super().advance(np.where(reset, theta.dtype.type(0), theta), m, u, g, scalars)


class HugeGradientHalvedInTensors(ContextBug):
    """A gradient near the largest number counts for half in three dimensions."""

    def ascent(self, g, scalars):
        huge = (np.abs(g) > np.finfo(g.dtype).max / 8) & (g.ndim > 2)
        return super().ascent(np.where(huge, g / 2, g), scalars)


class InfinityLosesSign(ContextBug):
    """A gradient of minus infinity counts as infinity in later parameters."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, np.where(np.isinf(g), np.abs(g), g) if index else g)


class MomentCoarseInOneBinade(PlaceBug):
    """m is off by 16 unit roundoffs in [2^-5, 2^-4)."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        size = np.abs(right)
        return np.where((size >= 2.0**-5) & (size < 2.0**-4), coarsen(right), right)


class StepCoarseForLargeTheta(PlaceBug):
    """The step has 8 bits where theta is above 2^14."""

    dtypes = ("float32", "float64")

    def update(self, theta, m, u, scalars):
        right = super().update(theta, m, u, scalars)
        step = np.where(m == 0, m, self.step(m, u, scalars))
        coarse = np.where(np.isfinite(step), round_to_bits(step, 8), step)
        return np.where(np.abs(theta) > 2.0**14, theta - coarse, right)


class EveryThousandthMomentCoarse(PlaceBug):
    """m is off by 16 unit roundoffs in every 1024th element."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        chosen = (np.arange(right.size) % 1024 == 1023).reshape(right.shape)
        return np.where(chosen, coarsen(right), right)


class NormCoarseInLongVectors(PlaceBug):
    """u is off by 8 unit roundoffs in vectors of more than 4096 elements."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        return coarsen(right, 8) if u.ndim == 1 and u.size > 4096 else right


class MomentCoarseInWindow(PlaceBug):
    """m is off by 8 unit roundoffs where its significand is in one 64th of a binade."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        significand = np.frexp(np.abs(right))[0]
        window = (significand >= 0.625) & (significand < 0.625 + 1 / 128)
        return np.where(window, coarsen(right, 8), right)


class HiddenNormTruncated(HiddenBug):
    """u lacks its last three bits."""

    def norm(self, u, g, scalars):
        return truncate(super().norm(u, g, scalars), 3)


class HiddenMomentTruncated(HiddenBug):
    """m lacks its last three bits."""

    def first_moment(self, m, g, scalars):
        return truncate(super().first_moment(m, g, scalars), 3)


class HiddenNormTruncatedWhereItDecays(HiddenBug):
    """u lacks its last three bits where it decays."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        decays = scalars.beta2 * u > np.abs(g) + scalars.eps
        return np.where(decays, truncate(right, 3), right)


class HiddenMomentLost(HiddenBug):
    """m of the second parameter and those after it starts again every sixteen steps."""

    def visit(self, index, group_index, theta, g):
        if index and self.steps % 16 == 0:
            self.m[index][...] = 0
        super().visit(index, group_index, theta, g)


def truncate(x, bits):
    """X without its last bits, towards zero."""
    with np.errstate(all="ignore"):
        significand, exponent = np.frexp(x)
        shift = x.dtype.type(2.0 ** (precision(x.dtype) - bits))
        shorter = np.ldexp(np.trunc(significand * shift) / shift, exponent)
    return np.where(np.isfinite(x), shorter, x).astype(x.dtype)


BUGS = (
    DecayCappedAtOne,
    TinyDecayIgnored,
    LargeEpsHalved,
    CorrectionLinearNearOne,
    SmallBetaOneIsZero,
    NaNZeroedInMatrices,
    NaNDroppedByMaximumInAscent,
    InfinityClippedLater,
    InfinitySkippedInLaterParameters,
    NaNZeroedWithDecay,
    InfiniteThetaResetInLongVectors,
    HugeGradientHalvedInTensors,
    InfinityLosesSign,
    MomentCoarseInOneBinade,
    StepCoarseForLargeTheta,
    EveryThousandthMomentCoarse,
    NormCoarseInLongVectors,
    MomentCoarseInWindow,
    HiddenNormTruncated,
    HiddenMomentTruncated,
    HiddenNormTruncatedWhereItDecays,
    HiddenMomentLost,
)
