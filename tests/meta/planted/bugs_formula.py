"""Wrong formulas: eps, bias correction, betas, decay, sign, order of operations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.base import Adamax


class FormulaBug(Adamax):
    """A wrong formula."""

    family = "formula"


class EpsOutsideMaximum(FormulaBug):
    """eps is in the denominator, not the gradient's size (Keras, TensorFlow, MLX)."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g))

    def step(self, m, u, scalars):
        return super().step(m, u + scalars.eps, scalars)


class EpsOnDecayedNorm(FormulaBug):
    """eps is added to the decayed norm, not to the gradient's size (PaddlePaddle)."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u + scalars.eps, np.abs(g))


class EpsMissing(FormulaBug):
    """eps is nowhere (the paper's algorithm)."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g))


class EpsTwice(FormulaBug):
    """eps is in the norm and in the denominator."""

    def step(self, m, u, scalars):
        return super().step(m, u + scalars.eps, scalars)


class EpsOnMaximum(FormulaBug):
    """eps is added to the maximum and stays in u."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g)) + scalars.eps


class EpsOnBothBranches(FormulaBug):
    """eps is added to both branches of the maximum."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u + scalars.eps, np.abs(g) + scalars.eps)


class EpsInsideAbsolute(FormulaBug):
    """eps is added before the absolute value is taken."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g + scalars.eps))


class EpsAsFloor(FormulaBug):
    """eps is a third branch of the maximum, added to nothing."""

    def norm(self, u, g, scalars):
        return np.maximum(np.maximum(scalars.beta2 * u, np.abs(g)), scalars.eps)


class EpsSquaredRoot(FormulaBug):
    """eps is added under a square root, as in some Adams."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.sqrt(g * g + scalars.eps))


class EpsInNumerator(FormulaBug):
    """eps is added to the moment in the step, so that theta drifts at zero gradients."""

    def step(self, m, u, scalars):
        return super().step(m + scalars.eps, u, scalars)

    def update(self, theta, m, u, scalars):
        return theta - self.step(m, u, scalars)


class NoBiasCorrection(FormulaBug):
    """The moment is not corrected for its start at zero."""

    def correction(self, beta1, _t):
        return np.ones_like(beta1)


class BiasCorrectionOneStepAhead(FormulaBug):
    """Step t is corrected as step t + 1."""

    def correction(self, beta1, t):
        return super().correction(beta1, t + 1)


class BiasCorrectionOneStepBehind(FormulaBug):
    """Step t is corrected as step t - 1, the first as itself."""

    def correction(self, beta1, t):
        return super().correction(beta1, max(t - 1, 1))


class BiasCorrectionByBeta2(FormulaBug):
    """The moment is corrected with beta2."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        correction = self.correction(np.float64(options["betas"][1]), t)
        number = np.dtype(dtype).type
        return replace(
            right, correction=number(correction), rate=number(np.float64(options["lr"]) / correction)
        )


class BiasCorrectionOfNorm(FormulaBug):
    """The norm is corrected for its start at zero, as Adam's second moment is."""

    def step(self, m, u, scalars):
        return super().step(m, u / (1 - scalars.beta2**scalars.t), scalars)


class BiasCorrectionStored(FormulaBug):
    """The corrected moment is stored, and corrected again at the next step."""

    def advance(self, theta, m, u, g, scalars):
        theta, m, u = super().advance(theta, m, u, g, scalars)
        return theta, m / scalars.correction, u


class BiasCorrectionMultiplied(FormulaBug):
    """The learning rate is multiplied by the bias correction instead of divided."""

    def step(self, m, u, scalars):
        return scalars.lr * scalars.correction * (m / u)


class BiasCorrectionEndsAfterTenSteps(FormulaBug):
    """After ten steps the bias correction is taken to be 1."""

    def correction(self, beta1, t):
        return super().correction(beta1, t) if t <= 10 else np.ones_like(beta1)


class BiasCorrectionEndsAfterThousandSteps(FormulaBug):
    """After a thousand steps the bias correction is taken to be 1."""

    def correction(self, beta1, t):
        return super().correction(beta1, t) if t <= 1000 else np.ones_like(beta1)


class BiasCorrectionLinear(FormulaBug):
    """The bias correction uses t*beta1 instead of beta1^t."""

    def correction(self, beta1, t):
        return 1 - beta1 * t if beta1 * t < 1 else np.ones_like(beta1)


class BetasSwapped(FormulaBug):
    """beta1 decays the norm, beta2 the moment."""

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(dict(options, betas=options["betas"][::-1]), t, dtype)


class MomentUndamped(FormulaBug):
    """The gradient enters the moment in full, as in momentum descent."""

    def first_moment(self, m, g, scalars):
        return scalars.beta1 * m + g


class MomentWeightsSwapped(FormulaBug):
    """The moment keeps 1 - beta1 of itself and takes beta1 of the gradient."""

    def first_moment(self, m, g, scalars):
        return scalars.complement * m + scalars.beta1 * g


class MomentDecaysAll(FormulaBug):
    """beta1 multiplies the sum of moment and damped gradient."""

    def first_moment(self, m, g, scalars):
        return scalars.beta1 * (m + scalars.complement * g)


class NesterovMoment(FormulaBug):
    """The step looks one gradient ahead (NAdamax)."""

    def advance(self, theta, m, u, g, scalars):
        g = self.effective_gradient(theta, g, scalars)
        m = self.first_moment(m, g, scalars)
        u = self.norm(u, g, scalars)
        return self.update(theta, self.first_moment(m, g, scalars), u, scalars), m, u


class StaleMoment(FormulaBug):
    """The step is taken with the moment from before it."""

    def advance(self, theta, m, u, g, scalars):
        _, new_m, new_u = super().advance(theta, m, u, g, scalars)
        return self.update(theta, m, new_u, scalars), new_m, new_u


class StaleNorm(FormulaBug):
    """The step is taken with the norm from before it, if there is one."""

    def advance(self, theta, m, u, g, scalars):
        _, new_m, new_u = super().advance(theta, m, u, g, scalars)
        return self.update(theta, new_m, np.where(u == 0, new_u, u), scalars), new_m, new_u


class NormKept(FormulaBug):
    """The norm never decays (AMSGrad's maximum)."""

    def norm(self, u, g, scalars):
        return np.maximum(u, np.abs(g) + scalars.eps)


class NormDampsGradient(FormulaBug):
    """The gradient's size enters the maximum times 1 - beta2."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, (1 - scalars.beta2) * np.abs(g) + scalars.eps)


class NormAveraged(FormulaBug):
    """The norm is a running average, not a maximum."""

    def norm(self, u, g, scalars):
        return scalars.beta2 * u + (1 - scalars.beta2) * (np.abs(g) + scalars.eps)


class NormSigned(FormulaBug):
    """The gradient enters the maximum with its sign."""

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, g + scalars.eps)


class NormDecayedUnderRoot(FormulaBug):
    """The maximum is taken of squares, so that the norm decays by the root of beta2."""

    def norm(self, u, g, scalars):
        return np.maximum(np.sqrt(scalars.beta2) * u, np.abs(g) + scalars.eps)


class NormOfNextMoment(FormulaBug):
    """The maximum is taken of the moment's size, not of the gradient's."""

    def advance(self, theta, m, u, g, scalars):
        m = self.first_moment(m, self.effective_gradient(theta, g, scalars), scalars)
        u = self.norm(u, m, scalars)
        return self.update(theta, m, u, scalars), m, u


class NormMinimum(FormulaBug):
    """After the first step the norm is the smaller branch."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        return np.where(u == 0, right, np.minimum(scalars.beta2 * u, np.abs(g) + scalars.eps))


class NormOfWholeArray(FormulaBug):
    """The largest gradient of the array is every element's."""

    def norm(self, u, g, scalars):
        return super().norm(u, np.full_like(g, np.max(np.abs(g), initial=0)), scalars)


class DecayDecoupled(FormulaBug):
    """The decay is taken from theta, apart from the gradient (AdamW)."""

    def decayed_gradient(self, _theta, g, _scalars):
        return g

    def update(self, theta, m, u, scalars):
        return super().update(theta - scalars.lr * scalars.weight_decay * theta, m, u, scalars)


class DecayOfNewTheta(FormulaBug):
    """The decay shrinks theta after the step."""

    def decayed_gradient(self, _theta, g, _scalars):
        return g

    def update(self, theta, m, u, scalars):
        return super().update(theta, m, u, scalars) * (1 - scalars.lr * scalars.weight_decay)


class DecayIgnored(FormulaBug):
    """weight_decay does nothing."""

    def decayed_gradient(self, _theta, g, _scalars):
        return g


class DecaySubtracted(FormulaBug):
    """The decay has the wrong sign."""

    def decayed_gradient(self, theta, g, scalars):
        return g - scalars.weight_decay * theta


class DecayDoubled(FormulaBug):
    """The penalty is differentiated without its factor of one half."""

    def decayed_gradient(self, theta, g, scalars):
        return g + 2 * scalars.weight_decay * theta


class DecayOfSign(FormulaBug):
    """The decay is that of an L1 penalty."""

    def decayed_gradient(self, theta, g, scalars):
        return g + scalars.weight_decay * np.sign(theta)


class DecayTimesLearningRate(FormulaBug):
    """The decay is multiplied by the learning rate before it joins the gradient."""

    def decayed_gradient(self, theta, g, scalars):
        return g + scalars.lr * scalars.weight_decay * theta


class DecayOfMomentOnly(FormulaBug):
    """The decay joins the moment, and the norm takes the bare gradient."""

    def advance(self, theta, m, u, g, scalars):
        m = self.first_moment(m, self.effective_gradient(theta, g, scalars), scalars)
        u = self.norm(u, g, scalars)
        return self.update(theta, m, u, scalars), m, u


class DecayWithComplement(FormulaBug):
    """g is damped by 1 - lambda as if the decay interpolated."""

    def decayed_gradient(self, theta, g, scalars):
        return (1 - scalars.weight_decay) * g + scalars.weight_decay * theta


class DecayTowardsStart(FormulaBug):
    """The decay pulls towards the parameter as it was first seen, not towards 0."""

    def visit(self, index, group_index, theta, g):
        self._start = self.__dict__.setdefault("_starts", {}).setdefault(index, theta.copy())
        super().visit(index, group_index, theta, g)

    def decayed_gradient(self, theta, g, scalars):
        return super().decayed_gradient(theta - self._start, g, scalars)


class MaximizeIgnored(FormulaBug):
    """maximize does nothing."""

    def ascent(self, g, _scalars):
        return g


class MaximizeAfterDecay(FormulaBug):
    """The decay is added first, and the sum negated."""

    def effective_gradient(self, theta, g, scalars):
        return self.ascent(self.decayed_gradient(theta, g, scalars), scalars)


class MaximizeFlipsStep(FormulaBug):
    """The step is negated, not the gradient: m has the wrong sign, decay grows theta."""

    def ascent(self, g, _scalars):
        return g

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        return -right if scalars.maximize else right


class MaximizeAlways(FormulaBug):
    """The gradient is negated whatever maximize says."""

    def ascent(self, g, _scalars):
        return -g


class StepAdded(FormulaBug):
    """The step is added."""

    def step(self, m, u, scalars):
        return -super().step(m, u, scalars)


class LearningRateSquared(FormulaBug):
    """The learning rate multiplies twice."""

    def step(self, m, u, scalars):
        return scalars.lr * super().step(m, u, scalars)


class LearningRateFades(FormulaBug):
    """The learning rate is divided by the root of t, as in the paper's analysis."""

    def step(self, m, u, scalars):
        return super().step(m, u, scalars) / np.sqrt(u.dtype.type(scalars.t))


BUGS = (
    EpsOutsideMaximum,
    EpsOnDecayedNorm,
    EpsMissing,
    EpsTwice,
    EpsOnMaximum,
    EpsOnBothBranches,
    EpsInsideAbsolute,
    EpsAsFloor,
    EpsSquaredRoot,
    EpsInNumerator,
    NoBiasCorrection,
    BiasCorrectionOneStepAhead,
    BiasCorrectionOneStepBehind,
    BiasCorrectionByBeta2,
    BiasCorrectionOfNorm,
    BiasCorrectionStored,
    BiasCorrectionMultiplied,
    BiasCorrectionEndsAfterTenSteps,
    BiasCorrectionEndsAfterThousandSteps,
    BiasCorrectionLinear,
    BetasSwapped,
    MomentUndamped,
    MomentWeightsSwapped,
    MomentDecaysAll,
    NesterovMoment,
    StaleMoment,
    StaleNorm,
    NormKept,
    NormDampsGradient,
    NormAveraged,
    NormSigned,
    NormDecayedUnderRoot,
    NormOfNextMoment,
    NormMinimum,
    NormOfWholeArray,
    DecayDecoupled,
    DecayOfNewTheta,
    DecayIgnored,
    DecaySubtracted,
    DecayDoubled,
    DecayOfSign,
    DecayTimesLearningRate,
    DecayOfMomentOnly,
    DecayWithComplement,
    DecayTowardsStart,
    MaximizeIgnored,
    MaximizeAfterDecay,
    MaximizeFlipsStep,
    MaximizeAlways,
    StepAdded,
    LearningRateSquared,
    LearningRateFades,
)
