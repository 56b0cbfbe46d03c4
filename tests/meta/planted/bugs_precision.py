"""Wrong precision: a scalar, the state or an operation too coarse, maybe at times.

Each scales with the format: `narrow` rounds to the precision of the next narrower one, `coarsen` errs by
16 unit roundoffs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import (
    coarsen,
    narrow,
    precision,
    round_to_bits,
    two_sum,
)
from adamax_conformance.tests.meta.planted.base import Adamax


class PrecisionBug(Adamax):
    """A right formula, too coarse."""

    family = "precision"


class ScalarBug(PrecisionBug):
    """One scalar too coarse; `replacements` gives the coarse scalars by name."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        return replace(right, **self.replacements(right))

    def replacements(self, scalars):
        raise NotImplementedError


class NarrowScalars(ScalarBug):
    """Every scalar has the precision of the next narrower format."""

    def replacements(self, scalars):
        names = ("lr", "beta1", "complement", "beta2", "eps", "weight_decay", "correction", "rate")
        return {name: narrow(getattr(scalars, name)) for name in names}


class NarrowLearningRate(ScalarBug):
    """The learning rate is kept in the next narrower format (mindspore's float64)."""

    def replacements(self, scalars):
        lr = narrow(scalars.lr)
        return {"lr": lr, "rate": lr / scalars.correction}


class NarrowBiasCorrection(ScalarBug):
    """The bias correction is in the next narrower format (mindspore's float64)."""

    def replacements(self, scalars):
        correction = narrow(scalars.correction)
        return {"correction": correction, "rate": scalars.lr / correction}


class NarrowRunningPower(PrecisionBug):
    """beta1^t is kept as a running product in the next narrower format."""

    def correction(self, beta1, t):
        power = beta1
        for _ in range(min(t, 200) - 1):
            power = narrow(self._format(power * beta1))
        return 1 - np.float64(power)

    def scalars_at(self, options, t, dtype):
        self._format = np.dtype(dtype).type
        return super().scalars_at(options, t, dtype)


class NarrowBetaOne(ScalarBug):
    """beta1 is kept in the next narrower format, 1 - beta1 is not."""

    def replacements(self, scalars):
        return {"beta1": narrow(scalars.beta1)}


class NarrowComplement(ScalarBug):
    """1 - beta1 is computed from a beta1 in the next narrower format."""

    def replacements(self, scalars):
        return {"complement": 1 - narrow(scalars.beta1)}


class NarrowBetaTwo(ScalarBug):
    """beta2 is kept in the next narrower format."""

    def replacements(self, scalars):
        return {"beta2": narrow(scalars.beta2)}


class NarrowEps(ScalarBug):
    """eps is kept in the next narrower format."""

    def replacements(self, scalars):
        return {"eps": narrow(scalars.eps)}


class NarrowWeightDecay(ScalarBug):
    """weight_decay is kept in the next narrower format."""

    def replacements(self, scalars):
        return {"weight_decay": narrow(scalars.weight_decay)}


class CoarseBiasCorrection(ScalarBug):
    """The bias correction is 16 unit roundoffs too large."""

    def replacements(self, scalars):
        correction = coarsen(scalars.correction)
        return {"correction": correction, "rate": scalars.lr / correction}


class CoarseBiasCorrectionLate(ScalarBug):
    """The bias correction is 16 unit roundoffs too large after a thousand steps."""

    def replacements(self, scalars):
        correction = coarsen(scalars.correction) if scalars.t > 1000 else scalars.correction
        return {"correction": correction, "rate": scalars.lr / correction}


class FirstOrderBiasCorrection(PrecisionBug):
    """1 - beta1^t is taken as t*(1 - beta1) if that is below 0.01."""

    dtypes = ("float32", "float64")

    def correction(self, beta1, t):
        first_order = t * (1 - beta1)
        return first_order if first_order < 0.01 else super().correction(beta1, t)


class NarrowGradient(PrecisionBug):
    """The gradient is cast to the next narrower format when it comes in."""

    def ascent(self, g, scalars):
        return super().ascent(narrow(g), scalars)


class NarrowMoment(PrecisionBug):
    """The moment is stored in the next narrower format."""

    def first_moment(self, m, g, scalars):
        return narrow(super().first_moment(m, g, scalars))


class EightBitMoment(PrecisionBug):
    """The moment is stored in 8 bits, scaled by the largest of its array."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        scale = np.max(np.abs(right), initial=0) / 127
        return (np.rint(right / scale) * scale).astype(right.dtype) if scale > 0 else right


class NarrowNorm(PrecisionBug):
    """The norm is stored in the next narrower format."""

    def norm(self, u, g, scalars):
        return narrow(super().norm(u, g, scalars))


class NarrowStep(PrecisionBug):
    """The step is computed in the next narrower format before theta takes it."""

    def step(self, m, u, scalars):
        return narrow(super().step(m, u, scalars))


class NarrowTheta(PrecisionBug):
    """theta is stored in the next narrower format."""

    def update(self, theta, m, u, scalars):
        return narrow(super().update(theta, m, u, scalars))


class CoarseDivision(PrecisionBug):
    """The division is 16 unit roundoffs off."""

    def step(self, m, u, scalars):
        return coarsen(super().step(m, u, scalars))


class CoarseDivisionInOneBinade(PrecisionBug):
    """The division is 16 unit roundoffs off if its quotient is in [1/4, 1/2)."""

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        size = np.abs(m / u)
        return np.where((size >= 0.25) & (size < 0.5), coarsen(right), right)


class CoarseMoment(PrecisionBug):
    """The moment is 16 unit roundoffs off."""

    def first_moment(self, m, g, scalars):
        return coarsen(super().first_moment(m, g, scalars))


class CoarseNorm(PrecisionBug):
    """The norm is 16 unit roundoffs off."""

    def norm(self, u, g, scalars):
        return coarsen(super().norm(u, g, scalars))


class CoarseTheta(PrecisionBug):
    """The new theta is 8 unit roundoffs off."""

    def update(self, theta, m, u, scalars):
        return coarsen(super().update(theta, m, u, scalars), units=8)


class CoarseDecay(PrecisionBug):
    """The decay's product with theta is kept in the next narrower format."""

    def decayed_gradient(self, theta, g, scalars):
        return g + narrow(scalars.weight_decay * theta)


class TruncatedTheta(PrecisionBug):
    """theta is rounded toward zero."""

    def update(self, theta, m, u, scalars):
        new, lost = two_sum(theta, -np.where(m == 0, m, self.step(m, u, scalars)))
        return np.where(new * lost < 0, np.nextafter(new, np.zeros_like(new)), new)


class SmallStepsDropped(PrecisionBug):
    """A step below 64 units in the last place of theta is not taken."""

    def update(self, theta, m, u, scalars):
        new = super().update(theta, m, u, scalars)
        return np.where(np.abs(new - theta) < 64 * np.spacing(np.abs(theta)), theta, new)


class LastBitsCleared(PrecisionBug):
    """The moment is stored without the last four bits of its significand."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        return round_to_bits(right, precision(right.dtype) - 4)


BUGS = (
    NarrowScalars,
    NarrowLearningRate,
    NarrowBiasCorrection,
    NarrowRunningPower,
    NarrowBetaOne,
    NarrowComplement,
    NarrowBetaTwo,
    NarrowEps,
    NarrowWeightDecay,
    CoarseBiasCorrection,
    CoarseBiasCorrectionLate,
    FirstOrderBiasCorrection,
    NarrowGradient,
    NarrowMoment,
    EightBitMoment,
    NarrowNorm,
    NarrowStep,
    NarrowTheta,
    CoarseDivision,
    CoarseDivisionInOneBinade,
    CoarseMoment,
    CoarseNorm,
    CoarseTheta,
    CoarseDecay,
    TruncatedTheta,
    SmallStepsDropped,
    LastBitsCleared,
)
