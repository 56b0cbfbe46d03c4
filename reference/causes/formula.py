"""Deviations of the formula: each overrides one part of it."""

from __future__ import annotations

from typing import Any, Final

from .machine import Machine, Number, Terms

_U: Final = "u = max(beta2*u, |g| + eps)"
_M: Final = "m = beta1*m + (1 - beta1)*g"
_THETA: Final = "theta = theta - lr*m / ((1 - beta1^t)*u)"
_DECAY: Final = "g = g + weight_decay*theta"
_MAXIMIZE: Final = "g = -g if maximize, then the decay is added"

LINES: Final = (_MAXIMIZE, _DECAY, _M, _U, _THETA)
"""The documented step, line by line."""


class OfNorm(Machine):
    """A deviation of u."""

    documented = _U


class OfMoment(Machine):
    """A deviation of m."""

    documented = _M


class OfStep(Machine):
    """A deviation of theta."""

    documented = _THETA


class OfDecay(Machine):
    """A deviation of the decay."""

    documented = _DECAY


class OfMaximize(Machine):
    """A deviation of the ascent."""

    documented = _MAXIMIZE


# eps ----------------------------------------------------------------------------------------------------------


class EpsOutsideMaximum(OfNorm):
    slug = "eps-outside-maximum"
    sentence = "eps is added outside the maximum, to u itself"
    line = "u = max(beta2*u, |g|) + eps"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g)) + x.eps


class EpsAtDivision(OfNorm):
    slug = "eps-at-division"
    sentence = "eps is added where u divides, and is not in the maximum"
    line = "u = max(beta2*u, |g|), and theta is divided by u + eps"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g))

    def divisor(self, x: Terms, u: Number) -> Number:
        return u + x.eps


class EpsAtDivisionToo(OfStep):
    slug = "eps-at-division-too"
    sentence = "eps is added in the maximum, and again where u divides"
    line = "theta = theta - lr*m / ((1 - beta1^t)*(u + eps))"

    def divisor(self, x: Terms, u: Number) -> Number:
        return u + x.eps


class EpsOnDecayedNorm(OfNorm):
    slug = "eps-on-decayed-norm"
    sentence = "eps is added to the decayed norm, not to the gradient's size"
    line = "u = max(beta2*u + eps, |g|)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u + x.eps).maximum(abs(g))


class EpsSquared(OfNorm):
    slug = "eps-squared"
    sentence = "eps is squared, so it is far too small"
    line = "u = max(beta2*u, |g| + eps^2)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g) + x.eps * x.eps)


class EpsUnderRoot(OfNorm):
    slug = "eps-under-root"
    sentence = "eps is added under a square root"
    line = "u = max(beta2*u, sqrt(g^2 + eps))"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum((g * g + x.eps).sqrt())


class EpsSquaredUnderRoot(OfNorm):
    slug = "eps-squared-under-root"
    sentence = "the square of eps is added under a square root"
    line = "u = max(beta2*u, sqrt(g^2 + eps^2))"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(g.hypot(x.eps))


class EpsUnderRootOfDivisor(OfNorm):
    slug = "eps-under-root-of-divisor"
    sentence = "eps is added under a square root where u divides"
    line = "u = max(beta2*u, |g|), and theta is divided by sqrt(u^2 + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g))

    def divisor(self, x: Terms, u: Number) -> Number:
        return (u * u + x.eps).sqrt()


class EpsMissing(OfNorm):
    slug = "eps-missing"
    sentence = "eps is ignored"
    line = "u = max(beta2*u, |g|)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g))


class EpsAsMaximum(OfNorm):
    slug = "eps-as-maximum"
    sentence = "eps is a lower limit of u, and not added to the gradient's size"
    line = "u = max(beta2*u, |g|, eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(g)).maximum(x.eps)


# The bias correction ------------------------------------------------------------------------------------------


class CorrectionMissing(OfStep):
    slug = "correction-missing"
    sentence = "there is no bias correction"
    line = "theta = theta - lr*m / u"

    def correction(self, x: Terms) -> Number:
        return x.beta1 * 0 + 1


class CorrectionBehind(OfStep):
    slug = "correction-behind"
    sentence = "the bias correction uses t - 1"
    line = "theta = theta - lr*m / ((1 - beta1^(t-1))*u)"

    def correction(self, x: Terms) -> Number:
        return 1 - x.beta1 ** (x.t - 1)


class CorrectionBehindGuarded(OfStep):
    slug = "correction-behind-guarded"
    sentence = "the bias correction uses t - 1, and is left out at the first step"
    line = "theta = theta - lr*m / ((1 - beta1^(t-1))*u), and lr*m/u at t = 1"

    def correction(self, x: Terms) -> Number:
        one = x.beta1 * 0 + 1
        return one.where(x.t == 1, 1 - x.beta1 ** (x.t - 1))


class CorrectionFirstAgain(OfStep):
    slug = "correction-first-again"
    sentence = "the bias correction uses t - 1, but 1 at the first step"
    line = "theta = theta - lr*m / ((1 - beta1^max(t-1, 1))*u)"

    def correction(self, x: Terms) -> Number:
        return (1 - x.beta1).where(x.t == 1, 1 - x.beta1 ** (x.t - 1))


class CorrectionAhead(OfStep):
    slug = "correction-ahead"
    sentence = "the bias correction uses t + 1"
    line = "theta = theta - lr*m / ((1 - beta1^(t+1))*u)"

    def correction(self, x: Terms) -> Number:
        return 1 - x.beta1 ** (x.t + 1)


class CorrectionFrozen(OfStep):
    slug = "correction-frozen"
    sentence = "the bias correction is always that of the first step"
    line = "theta = theta - lr*m / ((1 - beta1)*u)"

    def correction(self, x: Terms) -> Number:
        return 1 - x.beta1


class CorrectionOfBeta2(OfStep):
    slug = "correction-of-beta2"
    sentence = "the bias correction uses beta2 where it needs beta1"
    line = "theta = theta - lr*m / ((1 - beta2^t)*u)"

    def correction(self, x: Terms) -> Number:
        return 1 - x.beta2**x.t


class CorrectionOfNormToo(OfStep):
    slug = "correction-of-norm-too"
    sentence = "u is corrected for its bias too, which a maximum does not need"
    line = "theta = theta - lr*m/(1 - beta1^t) / (u/(1 - beta2^t))"

    def divisor(self, x: Terms, u: Number) -> Number:
        return super().divisor(x, u) / (1 - x.beta2**x.t)


class CorrectionOfNormRoot(OfStep):
    slug = "correction-of-norm-root"
    sentence = "the step is multiplied by sqrt(1 - beta2^t), as in Adam"
    line = "theta = theta - lr*sqrt(1 - beta2^t)*m / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return super().ratio(x, m, u) * (1 - x.beta2**x.t).sqrt()


class CorrectionOfBoth(OfStep):
    slug = "correction-of-both"
    sentence = "the step is divided by 1 - beta2^t too"
    line = "theta = theta - lr*m / ((1 - beta1^t)*(1 - beta2^t)*u)"

    def correction(self, x: Terms) -> Number:
        return super().correction(x) * (1 - x.beta2**x.t)


class CorrectionSquared(OfStep):
    slug = "correction-squared"
    sentence = "the bias correction is applied twice"
    line = "theta = theta - lr*m / ((1 - beta1^t)^2*u)"

    def correction(self, x: Terms) -> Number:
        once = super().correction(x)
        return once * once


class CorrectionRoot(OfStep):
    slug = "correction-root"
    sentence = "the bias correction has a square root"
    line = "theta = theta - lr*m / (sqrt(1 - beta1^t)*u)"

    def correction(self, x: Terms) -> Number:
        return super().correction(x).sqrt()


class CorrectionMultiplies(OfStep):
    slug = "correction-multiplies"
    sentence = "the bias correction multiplies where it should divide"
    line = "theta = theta - lr*(1 - beta1^t)*m / u"

    def correction(self, x: Terms) -> Number:
        return 1 / super().correction(x)


class CorrectionProduct(OfStep):
    slug = "correction-of-product"
    sentence = "the bias correction is 1 - beta1*t"
    line = "theta = theta - lr*m / ((1 - beta1*t)*u)"

    def correction(self, x: Terms) -> Number:
        return 1 - x.beta1 * x.t


# betas --------------------------------------------------------------------------------------------------------


class BetasSwapped(Machine):
    slug = "betas-swapped"
    sentence = "beta1 and beta2 are swapped"
    documented = "betas = (beta1, beta2)"
    line = "betas = (beta2, beta1)"

    def option(self, name: str, i: int) -> Any:
        return super().option({"beta1": "beta2", "beta2": "beta1"}.get(name, name), i)


class BetasSwappedInMoments(Machine):
    slug = "betas-swapped-in-moments"
    sentence = "beta1 and beta2 are swapped in m and u, and right in the bias correction"
    documented = f"{_M}; {_U}"
    line = "m = beta2*m + (1 - beta2)*g; u = max(beta1*u, |g| + eps)"

    def moment(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.m + (1 - x.beta2) * g

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta1 * x.u).maximum(abs(g) + x.eps)


class MomentOfBeta2(OfMoment):
    slug = "m-of-beta2"
    sentence = "m is formed with beta2"
    line = "m = beta2*m + (1 - beta2)*g"

    def moment(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.m + (1 - x.beta2) * g


class NormOfBeta1(OfNorm):
    slug = "u-of-beta1"
    sentence = "u decays by beta1"
    line = "u = max(beta1*u, |g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta1 * x.u).maximum(abs(g) + x.eps)


# The decay ----------------------------------------------------------------------------------------------------


class _Undecayed(OfDecay):
    """No decay in the gradient."""

    def effective(self, x: Terms) -> Number:
        return self.oriented(x)


class DecayDecoupled(_Undecayed):
    slug = "decay-decoupled"
    sentence = "the weight decay is decoupled: lr*weight_decay*theta is taken from theta"
    line = "theta = theta - lr*weight_decay*theta, and g has no decay"

    def before(self, x: Terms) -> Number:
        theta = super().before(x)
        return (theta - self.rate(x) * x.weight_decay * x.theta).where(x.decays, theta)


class DecayDecoupledWithoutRate(_Undecayed):
    slug = "decay-decoupled-without-lr"
    sentence = "the weight decay is decoupled, and not multiplied by lr"
    line = "theta = theta - weight_decay*theta, and g has no decay"

    def before(self, x: Terms) -> Number:
        theta = super().before(x)
        return (theta - x.weight_decay * x.theta).where(x.decays, theta)


class DecayTwice(OfDecay):
    slug = "decay-coupled-and-decoupled"
    sentence = "the weight decay is added to the gradient, and taken from theta as well"
    line = "g = g + weight_decay*theta, and theta = theta - lr*weight_decay*theta"

    def before(self, x: Terms) -> Number:
        theta = super().before(x)
        return (theta - self.rate(x) * x.weight_decay * x.theta).where(x.decays, theta)


class DecayDoubled(OfDecay):
    slug = "decay-doubled"
    sentence = "the weight decay counts twice"
    line = "g = g + 2*weight_decay*theta"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        return (g + x.weight_decay * 2 * x.theta).where(x.decays, g)


class DecayHalved(OfDecay):
    slug = "decay-halved"
    sentence = "the weight decay counts half"
    line = "g = g + weight_decay*theta/2"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        return (g + x.weight_decay * 0.5 * x.theta).where(x.decays, g)


class DecaySquared(OfDecay):
    slug = "decay-squared"
    sentence = "the weight decay is squared"
    line = "g = g + weight_decay^2*theta"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        return (g + x.weight_decay * x.weight_decay * x.theta).where(x.decays, g)


class DecayNegated(OfDecay):
    slug = "decay-negated"
    sentence = "the weight decay has the wrong sign"
    line = "g = g - weight_decay*theta"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        return (g - x.weight_decay * x.theta).where(x.decays, g)


class DecayOfSign(OfDecay):
    slug = "decay-of-sign"
    sentence = "the weight decay is that of L1: weight_decay*sign(theta)"
    line = "g = g + weight_decay*sign(theta)"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        size = abs(x.theta)
        sign = (x.theta / size).where(size.value != 0, x.theta)
        return (g + x.weight_decay * sign).where(x.decays, g)


class DecayTimesRate(OfDecay):
    slug = "decay-times-lr"
    sentence = "the weight decay in the gradient is multiplied by lr"
    line = "g = g + lr*weight_decay*theta"

    def effective(self, x: Terms) -> Number:
        g = self.oriented(x)
        return (g + x.lr * x.weight_decay * x.theta).where(x.decays, g)


class DecayMissing(OfDecay):
    slug = "decay-missing"
    sentence = "the weight decay is ignored"
    line = "g = g"

    def option(self, name: str, i: int) -> Any:
        return 0.0 if name == "weight_decay" else super().option(name, i)


class DecayAfterStep(_Undecayed):
    slug = "decay-after-step"
    sentence = "the weight decay is taken from theta after the step"
    line = "theta = theta*(1 - lr*weight_decay) after the step, and g has no decay"

    def update(self, x: Terms, m: Number, u: Number) -> Number:
        moved = super().update(x, m, u)
        return (moved - self.rate(x) * x.weight_decay * moved).where(x.decays, moved)


class DecayAfterStepWithoutRate(_Undecayed):
    slug = "decay-after-step-without-lr"
    sentence = "the weight decay is taken from theta after the step, and not multiplied by lr"
    line = "theta = theta*(1 - weight_decay) after the step, and g has no decay"

    def update(self, x: Terms, m: Number, u: Number) -> Number:
        moved = super().update(x, m, u)
        return (moved - x.weight_decay * moved).where(x.decays, moved)


class DecayNotInMoment(OfDecay):
    slug = "decay-not-in-m"
    sentence = "the weight decay enters u and not m"
    line = "m = beta1*m + (1 - beta1)*g with the gradient before the decay"

    def moment(self, x: Terms, g: Number) -> Number:
        return super().moment(x, self.oriented(x))


class DecayNotInNorm(OfDecay):
    slug = "decay-not-in-u"
    sentence = "the weight decay enters m and not u"
    line = "u = max(beta2*u, |g| + eps) with the gradient before the decay"

    def norm(self, x: Terms, g: Number) -> Number:
        return super().norm(x, self.oriented(x))


# maximize -----------------------------------------------------------------------------------------------------


class MaximizeIgnored(OfMaximize):
    slug = "maximize-ignored"
    sentence = "maximize is ignored"
    line = "g = g"

    def option(self, name: str, i: int) -> Any:
        return False if name == "maximize" else super().option(name, i)


class MaximizeAlways(OfMaximize):
    slug = "maximize-always"
    sentence = "the objective is always maximized"
    line = "g = -g"

    def option(self, name: str, i: int) -> Any:
        return True if name == "maximize" else super().option(name, i)


class MaximizeInverted(OfMaximize):
    slug = "maximize-inverted"
    sentence = "maximize means minimize, and the other way round"
    line = "g = -g if not maximize"

    def option(self, name: str, i: int) -> Any:
        value = super().option(name, i)
        return not value if name == "maximize" else value


class MaximizeNegatesDecay(OfMaximize):
    slug = "maximize-negates-decay"
    sentence = "maximize negates the weight decay too"
    line = "the decay is added, then g = -g if maximize"

    def effective(self, x: Terms) -> Number:
        g = self.passed(x)
        g = (g + x.weight_decay * x.theta).where(x.decays, g)
        return (-g).where(x.maximize, g)


class MaximizeOfStep(OfMaximize):
    slug = "maximize-adds-step"
    sentence = "maximize adds the step to theta, and leaves the gradient as it is"
    line = "theta = theta + lr*m / ((1 - beta1^t)*u) if maximize"

    def oriented(self, x: Terms) -> Number:
        return self.passed(x)

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        taken = super().ratio(x, m, u)
        return (-taken).where(x.maximize, taken)


class StepAdded(OfStep):
    slug = "step-added"
    sentence = "the step is added to theta where it should be taken from it"
    line = "theta = theta + lr*m / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return -super().ratio(x, m, u)


# m and u ------------------------------------------------------------------------------------------------------


class NormWithoutDecay(OfNorm):
    slug = "u-without-decay"
    sentence = "u does not decay: it is the largest gradient so far"
    line = "u = max(u, |g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return x.u.maximum(abs(g) + x.eps)


class NormOfOldMaximum(OfNorm):
    slug = "u-decays-maximum"
    sentence = "beta2 multiplies the maximum, not u before it"
    line = "u = beta2*max(u, |g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.u.maximum(abs(g) + x.eps)


class NormSigned(OfNorm):
    slug = "u-signed"
    sentence = "u is formed without the absolute value"
    line = "u = max(beta2*u, g + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(g + x.eps)


class NormSummed(OfNorm):
    slug = "u-summed"
    sentence = "u is a sum where it should be a maximum"
    line = "u = beta2*u + |g| + eps"

    def norm(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.u + (abs(g) + x.eps)


class NormAveraged(OfNorm):
    slug = "u-averaged"
    sentence = "u is an average of sizes where it should be a maximum"
    line = "u = beta2*u + (1 - beta2)*(|g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.u + (1 - x.beta2) * (abs(g) + x.eps)


class NormOfSquares(OfNorm):
    slug = "u-of-squares"
    sentence = "the second moment is Adam's, of squares"
    line = "u = beta2*u + (1 - beta2)*g^2, and theta is divided by sqrt(u) + eps"

    def norm(self, x: Terms, g: Number) -> Number:
        return x.beta2 * x.u + (1 - x.beta2) * g * g

    def divisor(self, x: Terms, u: Number) -> Number:
        return u.sqrt() + x.eps


class NormMinimum(OfNorm):
    slug = "u-minimum"
    sentence = "u is a minimum where it should be a maximum"
    line = "u = min(beta2*u, |g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return -(-(x.beta2 * x.u)).maximum(-(abs(g) + x.eps))


class NormDamped(OfNorm):
    slug = "u-damped"
    sentence = "the gradient enters u with the factor 1 - beta2"
    line = "u = max(beta2*u, (1 - beta2)*|g| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum((1 - x.beta2) * abs(g) + x.eps)


class NormDampedWithEps(OfNorm):
    slug = "u-damped"
    sentence = "the gradient and eps enter u with the factor 1 - beta2"
    line = "u = max(beta2*u, (1 - beta2)*(|g| + eps))"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum((1 - x.beta2) * (abs(g) + x.eps))


class NormOfMoment(OfNorm):
    slug = "u-of-m"
    sentence = "u is formed of m where it should be of the gradient"
    line = "u = max(beta2*u, |m| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(self.moment(x, g)) + x.eps)


class NormOfOldMoment(OfNorm):
    slug = "u-of-old-m"
    sentence = "u is formed of m before the step where it should be of the gradient"
    line = "u = max(beta2*u, |m before the step| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return (x.beta2 * x.u).maximum(abs(x.m) + x.eps)


class DividedByOldNorm(OfStep):
    slug = "divided-by-old-u"
    sentence = "theta is divided by u before the step"
    line = "theta = theta - lr*m / ((1 - beta1^t)*u before the step)"

    def divisor(self, x: Terms, u: Number) -> Number:
        return super().divisor(x, x.u)


class DividedByOldNormIfAny(OfStep):
    slug = "divided-by-old-u-if-any"
    sentence = "theta is divided by u before the step, except at the first"
    line = "theta = theta - lr*m / ((1 - beta1^t)*u before the step), if that is not 0"

    def divisor(self, x: Terms, u: Number) -> Number:
        now = super().divisor(x, u)
        return super().divisor(x, x.u).where(x.u.value != 0, now)


class DividedByRootOfNorm(OfStep):
    slug = "divided-by-root-of-u"
    sentence = "theta is divided by the square root of u"
    line = "theta = theta - lr*m / ((1 - beta1^t)*sqrt(u))"

    def divisor(self, x: Terms, u: Number) -> Number:
        return super().divisor(x, u).sqrt()


class NotDivided(OfStep):
    slug = "not-divided-by-u"
    sentence = "theta is not divided by u"
    line = "theta = theta - lr*m / (1 - beta1^t)"

    def divisor(self, x: Terms, u: Number) -> Number:
        return x.beta1 * 0 + 1


class MomentUndamped(OfMoment):
    slug = "m-undamped"
    sentence = "the gradient enters m without the factor 1 - beta1"
    line = "m = beta1*m + g"

    def moment(self, x: Terms, g: Number) -> Number:
        return x.beta1 * x.m + g


class MomentWeightsSwapped(OfMoment):
    slug = "m-weights-swapped"
    sentence = "the two weights in m are swapped"
    line = "m = (1 - beta1)*m + beta1*g"

    def moment(self, x: Terms, g: Number) -> Number:
        return (1 - x.beta1) * x.m + x.beta1 * g


class MomentMissing(OfMoment):
    slug = "m-is-gradient"
    sentence = "m is the gradient itself"
    line = "m = g"

    def moment(self, x: Terms, g: Number) -> Number:
        return g


class MomentAccumulated(OfMoment):
    slug = "m-accumulated"
    sentence = "m does not decay: beta1 does not multiply it"
    line = "m = m + (1 - beta1)*g"

    def moment(self, x: Terms, g: Number) -> Number:
        return x.m + (1 - x.beta1) * g


class StepOfOldMoment(OfStep):
    slug = "step-of-old-m"
    sentence = "theta is moved by m before the step"
    line = "theta = theta - lr*(m before the step) / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return super().ratio(x, x.m, u)


class StepOfGradient(OfStep):
    slug = "step-of-gradient"
    sentence = "theta is moved by the gradient where it should be by m"
    line = "theta = theta - lr*g / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return super().ratio(x, self.effective(x), u)


class Nesterov(OfStep):
    slug = "nesterov"
    sentence = "the step looks ahead, as Nesterov's: m is averaged with the gradient again"
    line = "theta = theta - lr*(beta1*m + (1 - beta1)*g) / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return super().ratio(x, x.beta1 * m + (1 - x.beta1) * self.effective(x), u)


class StepOfAbsoluteSize(OfStep):
    slug = "step-of-absolute-m"
    sentence = "the step loses the sign of m"
    line = "theta = theta - lr*|m| / ((1 - beta1^t)*u)"

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        return super().ratio(x, abs(m), u)


class RateMissing(OfStep):
    slug = "lr-missing"
    sentence = "the learning rate is ignored"
    line = "theta = theta - m / ((1 - beta1^t)*u)"

    def rate(self, x: Terms) -> Number:
        return x.beta1 * 0 + 1


class RateSquared(OfStep):
    slug = "lr-squared"
    sentence = "the learning rate multiplies twice"
    line = "theta = theta - lr^2*m / ((1 - beta1^t)*u)"

    def rate(self, x: Terms) -> Number:
        return x.lr * x.lr


class RateByRoot(OfStep):
    slug = "lr-over-root-t"
    sentence = "the learning rate is divided by sqrt(t)"
    line = "theta = theta - (lr/sqrt(t))*m / ((1 - beta1^t)*u)"

    def rate(self, x: Terms) -> Number:
        return x.lr / (x.beta1 * 0 + x.t).sqrt()


class RateByTime(OfStep):
    slug = "lr-over-t"
    sentence = "the learning rate is divided by t"
    line = "theta = theta - (lr/t)*m / ((1 - beta1^t)*u)"

    def rate(self, x: Terms) -> Number:
        return x.lr / x.t


FORMULA: Final[tuple[type[Machine], ...]] = tuple(
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Machine) and "slug" in vars(kind) and kind is not Machine
)
"""All of them, in the order of this file."""
