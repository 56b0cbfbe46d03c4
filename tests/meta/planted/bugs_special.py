"""Wrong at special values: NaN, infinities, subnormals, or one range of numbers."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.base import Adamax


class SpecialBug(Adamax):
    """Right but for some values."""

    family = "special"


def flush_subnormals(x):
    """X with subnormals set to zero."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.zeros_like(x), x)


class NaNDroppedByMaximum(SpecialBug):
    """The maximum drops a NaN, so u does not show it (mindspore on CPU)."""

    def norm(self, u, g, scalars):
        return np.fmax(scalars.beta2 * u, np.abs(g) + scalars.eps)


class NaNGradientZeroed(SpecialBug):
    """A NaN gradient counts as zero."""

    def ascent(self, g, scalars):
        return super().ascent(np.where(np.isnan(g), np.zeros_like(g), g), scalars)


class NaNElementSkipped(SpecialBug):
    """An element whose gradient is NaN keeps theta, m and u."""

    def advance(self, theta, m, u, g, scalars):
        news = super().advance(theta, m, u, g, scalars)
        return tuple(np.where(np.isnan(g), old, new) for old, new in zip((theta, m, u), news, strict=True))


class NaNStepNotTaken(SpecialBug):
    """theta does not change if the step is NaN."""

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        return np.where(np.isnan(right), np.zeros_like(right), right)


class NaNMomentCleared(SpecialBug):
    """A moment that became NaN is stored as zero."""

    def advance(self, theta, m, u, g, scalars):
        theta, m, u = super().advance(theta, m, u, g, scalars)
        return theta, np.where(np.isnan(m), np.zeros_like(m), m), u


class NaNReadAsDecayedNorm(SpecialBug):
    """The maximum is a comparison that a NaN gradient loses."""

    def norm(self, u, g, scalars):
        decayed, size = scalars.beta2 * u, np.abs(g) + scalars.eps
        return np.where(size > decayed, size, decayed)


class NaNDroppedInWholeVectors(SpecialBug):
    """The maximum drops a NaN in whole vectors of eight, but not in the tail."""

    def norm(self, u, g, scalars):
        right = np.array(super().norm(u, g, scalars))
        whole = right.size - right.size % 8
        dropped = np.fmax(scalars.beta2 * u, np.abs(g) + scalars.eps)
        right.flat[:whole] = np.ravel(dropped)[:whole]
        return right


class InfinityClippedInWholeVectors(SpecialBug):
    """An infinite gradient is taken as the largest number in whole vectors of eight."""

    def ascent(self, g, scalars):
        right = np.array(super().ascent(g, scalars))
        whole = right.size - right.size % 8
        largest = np.finfo(g.dtype).max
        right.flat[:whole] = np.clip(np.ravel(right)[:whole], -largest, largest)
        return right


class SubnormalsFlushedInWholeVectors(SpecialBug):
    """Subnormal moments are stored as zero in whole vectors of sixteen."""

    def first_moment(self, m, g, scalars):
        right = np.array(super().first_moment(m, g, scalars))
        whole = right.size - right.size % 16
        right.flat[:whole] = flush_subnormals(np.ravel(right)[:whole])
        return right


class InfinityClipped(SpecialBug):
    """An infinite gradient is taken as the largest finite number."""

    def ascent(self, g, scalars):
        largest = np.finfo(g.dtype).max
        return super().ascent(np.clip(g, -largest, largest), scalars)


class InfiniteElementSkipped(SpecialBug):
    """An element whose gradient is infinite keeps theta, m and u."""

    def advance(self, theta, m, u, g, scalars):
        news = super().advance(theta, m, u, g, scalars)
        return tuple(np.where(np.isinf(g), old, new) for old, new in zip((theta, m, u), news, strict=True))


class InfinityStepNotTaken(SpecialBug):
    """theta does not change if u is infinite."""

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        return np.where(np.isinf(u), np.zeros_like(right), right)


class LargeGradientClipped(SpecialBug):
    """A gradient above the root of the largest number is clipped to it."""

    def ascent(self, g, scalars):
        limit = np.sqrt(np.finfo(g.dtype).max)
        return super().ascent(np.clip(g, -limit, limit), scalars)


class NormSaturates(SpecialBug):
    """u stops at a quarter of the largest number."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        return np.where(np.isinf(right), right, np.minimum(right, np.finfo(right.dtype).max / 4))


class NormBySquares(SpecialBug):
    """The gradient's size is the root of its square, which overflows and underflows."""

    def norm(self, u, g, scalars):
        return super().norm(u, np.sqrt(g * g), scalars)


class GradientSubnormalsFlushed(SpecialBug):
    """A subnormal gradient counts as zero."""

    def ascent(self, g, scalars):
        return super().ascent(flush_subnormals(g), scalars)


class MomentSubnormalsFlushed(SpecialBug):
    """A subnormal moment is stored as zero."""

    def first_moment(self, m, g, scalars):
        return flush_subnormals(super().first_moment(m, g, scalars))


class NormSubnormalsRaised(SpecialBug):
    """The denominator is never below the smallest normal number."""

    def step(self, m, u, scalars):
        return super().step(m, np.maximum(u, np.finfo(u.dtype).tiny), scalars)


class ThetaSubnormalsFlushed(SpecialBug):
    """A subnormal theta is stored as zero."""

    def update(self, theta, m, u, scalars):
        return flush_subnormals(super().update(theta, m, u, scalars))


class LargeThetaClipped(SpecialBug):
    """theta stays within plus and minus 10000."""

    def update(self, theta, m, u, scalars):
        return np.clip(super().update(theta, m, u, scalars), -10000, 10000)


class TinyGradientIgnored(SpecialBug):
    """A gradient below the root of the smallest normal (1e-19 in float32) counts as 0."""

    def ascent(self, g, scalars):
        limit = np.sqrt(np.finfo(g.dtype).tiny)
        return super().ascent(np.where(np.abs(g) < limit, np.zeros_like(g), g), scalars)


class ZeroGradientSkipsElement(SpecialBug):
    """An element whose gradient is zero keeps theta, m and u, as for sparse gradients."""

    def advance(self, theta, m, u, g, scalars):
        news = super().advance(theta, m, u, g, scalars)
        return tuple(np.where(g == 0, old, new) for old, new in zip((theta, m, u), news, strict=True))


class ZeroGradientSkipsArray(SpecialBug):
    """A parameter whose gradients are all zero is passed over."""

    def advance(self, theta, m, u, g, scalars):
        return super().advance(theta, m, u, g, scalars) if np.any(g) else (theta, m, u)


class SmallEpsRaised(SpecialBug):
    """An eps below 1e-7 is taken as 1e-7."""

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(dict(options, eps=max(options["eps"], 1e-7)), t, dtype)


class DecayBelowThousandthIgnored(SpecialBug):
    """A weight_decay below a thousandth counts as none."""

    def decayed_gradient(self, theta, g, scalars):
        return super().decayed_gradient(theta, g, scalars) if scalars.weight_decay >= 1e-3 else g


class LearningRateCappedAtOne(SpecialBug):
    """A learning rate above 1 counts as 1."""

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(dict(options, lr=min(float(options["lr"]), 1.0)), t, dtype)


class EpsCappedAtTenth(SpecialBug):
    """An eps above a tenth counts as a tenth."""

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(dict(options, eps=min(options["eps"], 0.1)), t, dtype)


class BetasCapped(SpecialBug):
    """A beta above 0.99999 counts as that."""

    def scalars_at(self, options, t, dtype):
        betas = tuple(min(beta, 0.99999) for beta in options["betas"])
        return super().scalars_at(dict(options, betas=betas), t, dtype)


class BiasCorrectionEndsWhereSmall(SpecialBug):
    """The bias correction is taken to be 1 if beta1^t is below a thousandth."""

    def correction(self, beta1, t):
        return super().correction(beta1, t) if beta1**t >= 1e-3 or not beta1 else np.ones_like(beta1)


class NegativeGradientWithoutEps(SpecialBug):
    """eps is added to positive gradients only."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.where(g > 0, g + scalars.eps, -g))


class SmallStepToZero(SpecialBug):
    """A quotient m/u below 1e-3 counts as zero."""

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        return np.where(np.abs(m) < u.dtype.type(1e-3) * u, np.zeros_like(right), right)


class EpsRoundsToZero(SpecialBug):
    """The default eps rounds to 0; zero gradients give NaN (torch, mindspore, optax)."""

    dtypes = ("float16",)

    def update(self, theta, m, u, scalars):
        return theta - self.step(m, u, scalars)


BUGS = (
    NaNDroppedByMaximum,
    NaNGradientZeroed,
    NaNElementSkipped,
    NaNStepNotTaken,
    NaNMomentCleared,
    NaNReadAsDecayedNorm,
    NaNDroppedInWholeVectors,
    InfinityClippedInWholeVectors,
    SubnormalsFlushedInWholeVectors,
    InfinityClipped,
    InfiniteElementSkipped,
    InfinityStepNotTaken,
    LargeGradientClipped,
    NormSaturates,
    NormBySquares,
    GradientSubnormalsFlushed,
    MomentSubnormalsFlushed,
    NormSubnormalsRaised,
    ThetaSubnormalsFlushed,
    LargeThetaClipped,
    TinyGradientIgnored,
    ZeroGradientSkipsElement,
    ZeroGradientSkipsArray,
    SmallEpsRaised,
    DecayBelowThousandthIgnored,
    LearningRateCappedAtOne,
    EpsCappedAtTenth,
    BetasCapped,
    BiasCorrectionEndsWhereSmall,
    NegativeGradientWithoutEps,
    SmallStepToZero,
    EpsRoundsToZero,
)
