"""Deviations of the gradient, and of the formats that a step is computed in."""

from __future__ import annotations

from typing import ClassVar, Final

from .formula import OfMoment, OfNorm, OfStep
from .machine import Machine, Number, Terms

NARROW: Final = ("float16", "bfloat16", "float32")
"""The dtypes below float64, in which something may be computed by mistake."""


class OfGradient(Machine):
    """A deviation of the gradient as it is read."""

    documented = "g is the gradient as it is passed"


# Another step's gradient ------------------------------------------------------------------------------------


class NormOfOldGradient(OfNorm):
    slug = "u-of-old-gradient"
    sentence = "u is formed of the gradient of the step before"
    line = "u = max(beta2*u, |g of the step before| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return super().norm(x, _old_gradient(self, x, g))


class NormOfOldGradientFromZero(OfNorm):
    slug = "u-of-old-gradient"
    sentence = "u is formed of the gradient of the step before, which is 0 at the first"
    line = "u = max(beta2*u, |g of the step before| + eps)"

    def norm(self, x: Terms, g: Number) -> Number:
        return super().norm(x, _old_gradient(self, x, g * 0))


class MomentOfOldGradient(OfMoment):
    slug = "m-of-old-gradient"
    sentence = "m is formed of the gradient of the step before"
    line = "m = beta1*m + (1 - beta1)*(g of the step before)"

    def moment(self, x: Terms, g: Number) -> Number:
        return super().moment(x, _old_gradient(self, x, g))


def _old_gradient(machine: Machine, x: Terms, first: Number) -> Number:
    """The effective gradient of the step before, or `first` where there is none."""
    if x.old is None:
        return first
    return machine.effective(x.old).where(x.has_old, first)


# Scaling ------------------------------------------------------------------------------------------------------


def scaled(factor: float) -> type[Machine]:
    """The deviation that multiplies theta after each step by a factor."""

    class Scaled(OfStep):
        slug = f"theta-times-{factor:g}"
        sentence = f"theta is multiplied by {factor:.6g} after the step"
        line = f"theta = {factor:.6g}*(theta - lr*m / ((1 - beta1^t)*u))"

        def update(self, x: Terms, m: Number, u: Number) -> Number:
            return super().update(x, m, u) * factor

    return Scaled


def rate_scaled(factor: float) -> type[Machine]:
    """The deviation that multiplies the learning rate by a factor."""

    class RateScaled(OfStep):
        slug = f"lr-times-{factor:g}"
        sentence = f"the learning rate is multiplied by {factor:.6g}"
        line = f"theta = theta - {factor:.6g}*lr*m / ((1 - beta1^t)*u)"

        def rate(self, x: Terms) -> Number:
            return super().rate(x) * factor

    return RateScaled


# Clipping -----------------------------------------------------------------------------------------------------


def clipped(bound: float, *, decayed: bool = False) -> type[Machine]:
    """The gradient clipped to [-bound, bound], before or after the decay."""

    class Clipped(OfGradient):
        slug = f"gradient-clipped-at-{bound:g}{'-after-decay' * decayed}"
        sentence = f"the gradient is clipped to [-{bound:g}, {bound:g}]{' after the decay' * decayed}"
        line = f"g = min(max(g, -{bound:g}), {bound:g}){' after the decay' * decayed}"

        def passed(self, x: Terms) -> Number:
            g = super().passed(x)
            return g if decayed else g.clipped(bound)

        def effective(self, x: Terms) -> Number:
            g = super().effective(x)
            return g.clipped(bound) if decayed else g

    return Clipped


def clipped_norm(bound: float, of: str) -> type[Machine]:
    """The gradient scaled to a norm: of its `array`, or of `all` of a step."""
    whose = "each array's gradient" if of == "array" else "all gradients together"

    class ClippedNorm(OfGradient):
        slug = f"gradient-clipped-at-{'norm' if of == 'array' else 'global-norm'}-{bound:g}"
        sentence = f"{whose} {'is' if of == 'array' else 'are'} clipped to the norm {bound:g}"
        line = f"g = g*min(1, {bound:g}/|{'g' if of == 'array' else 'all g'}|)"

        def passed(self, x: Terms) -> Number:
            g = super().passed(x)
            size = x.array_norm if of == "array" else x.call_norm
            return (g * (bound / size)).where(size.value > bound, g)

    return ClippedNorm


class NanZeroed(OfGradient):
    slug = "nan-zeroed"
    sentence = "a NaN in the gradient counts as 0"
    line = "g = 0 where g is NaN"

    def passed(self, x: Terms) -> Number:
        return super().passed(x).finite_or_zero(nan_only=True)


class NonFiniteZeroed(OfGradient):
    slug = "nan-and-infinity-zeroed"
    sentence = "a NaN or an infinity in the gradient counts as 0"
    line = "g = 0 where g is not finite"

    def passed(self, x: Terms) -> Number:
        return super().passed(x).finite_or_zero(nan_only=False)


# Formats --------------------------------------------------------------------------------------------------------


def _scalar_narrowed(name: str, dtype: str) -> type[Machine]:
    class ScalarNarrowed(Machine):
        slug = f"{name.replace('_', '-')}-in-{dtype}"
        sentence = f"{name} is rounded to {dtype}"
        documented = f"{name} as it is passed"
        line = f"{name} rounded to {dtype}"
        narrows: ClassVar[str] = dtype

        def narrowed(self, which: str, value: Number) -> Number:
            value = super().narrowed(which, value)
            return value.rounded(dtype) if which == name else value

    return ScalarNarrowed


def _scalars_narrowed(dtype: str) -> type[Machine]:
    class ScalarsNarrowed(Machine):
        slug = f"scalars-in-{dtype}"
        sentence = f"all scalars (lr, betas, eps, weight_decay) are rounded to {dtype}"
        documented = "scalars as they are passed"
        line = f"scalars rounded to {dtype}"
        narrows: ClassVar[str] = dtype

        def narrowed(self, which: str, value: Number) -> Number:
            return super().narrowed(which, value).rounded(dtype)

        def correction(self, x: Terms) -> Number:
            return super().correction(x).rounded(dtype)

    return ScalarsNarrowed


def _correction_narrowed(dtype: str, *, power: bool) -> type[Machine]:
    class CorrectionNarrowed(OfStep):
        slug = f"correction-in-{dtype}"
        sentence = f"the bias correction is computed in {dtype}"
        line = f"1 - beta1^t rounded to {dtype}"
        narrows: ClassVar[str] = dtype
        of_correction = True

        def correction(self, x: Terms) -> Number:
            if power:
                return (1 - (x.beta1.rounded(dtype) ** x.t).rounded(dtype)).rounded(dtype)
            return super().correction(x).rounded(dtype)

    return CorrectionNarrowed


def _rate_narrowed(dtype: str) -> type[Machine]:
    class StepSizeNarrowed(OfStep):
        slug = f"step-size-in-{dtype}"
        sentence = f"the step size lr/(1 - beta1^t) is rounded to {dtype}"
        line = f"lr/(1 - beta1^t) rounded to {dtype}"
        narrows: ClassVar[str] = dtype
        of_correction = True

        def ratio(self, x: Terms, m: Number, u: Number) -> Number:
            return (self.rate(x) / self.correction(x)).rounded(dtype) * m / self.divisor(x, u)

    return StepSizeNarrowed


def _gradient_narrowed(dtype: str) -> type[Machine]:
    class GradientNarrowed(OfGradient):
        slug = f"gradient-in-{dtype}"
        sentence = f"the gradient is rounded to {dtype} as it is read"
        line = f"g rounded to {dtype}"
        narrows: ClassVar[str] = dtype

        def passed(self, x: Terms) -> Number:
            return super().passed(x).rounded(dtype)

    return GradientNarrowed


def _terms_narrowed(dtype: str, *, scalars: bool) -> type[Machine]:
    """The terms with the gradient in a dtype, as of a gradient that is of it."""

    class TermsNarrowed(OfGradient):
        slug = f"gradient-terms-in-{dtype}"
        sentence = f"(1 - beta1)*g and |g| + eps are computed in {dtype}"
        documented = "the step is computed in the parameters' format"
        line = f"(1 - beta1)*g and |g| + eps rounded to {dtype}"
        narrows: ClassVar[str] = dtype

        def effective(self, x: Terms) -> Number:
            return super().effective(x).rounded(dtype)

        def moment(self, x: Terms, g: Number) -> Number:
            part = 1 - x.beta1
            return x.beta1 * x.m + ((part.rounded(dtype) if scalars else part) * g).rounded(dtype)

        def norm(self, x: Terms, g: Number) -> Number:
            eps = x.eps.rounded(dtype) if scalars else x.eps
            return (x.beta2 * x.u).maximum((abs(g) + eps).rounded(dtype))

    return TermsNarrowed


def _beta1_narrowed(dtype: str) -> type[Machine]:
    class Beta1NarrowedInMoment(OfMoment):
        slug = f"beta1-in-{dtype}"
        sentence = f"beta1 is rounded to {dtype} where it multiplies m, and 1 - beta1 is not"
        line = f"m = (beta1 rounded to {dtype})*m + (1 - beta1)*g"
        narrows: ClassVar[str] = dtype

        def moment(self, x: Terms, g: Number) -> Number:
            return x.beta1.rounded(dtype) * x.m + (1 - x.beta1) * g

    return Beta1NarrowedInMoment


def _kept_in(name: str, dtype: str) -> type[Machine]:
    class KeptIn(Machine):
        slug = f"{name}-kept-in-{dtype}"
        sentence = f"{name} is kept in {dtype}"
        documented = f"{name} is kept in its parameter's format"
        line = f"{name} rounded to {dtype} after the step"
        narrows: ClassVar[str] = dtype

        def moment(self, x: Terms, g: Number) -> Number:
            m = super().moment(x, g)
            return m.rounded(dtype) if name == "m" else m

        def norm(self, x: Terms, g: Number) -> Number:
            u = super().norm(x, g)
            return u.rounded(dtype) if name == "u" else u

        def update(self, x: Terms, m: Number, u: Number) -> Number:
            theta = super().update(x, m, u)
            return theta.rounded(dtype) if name == "theta" else theta

    return KeptIn


def _computed_in(dtype: str) -> type[Machine]:
    class ComputedIn(Machine):
        slug = f"computed-in-{dtype}"
        sentence = f"the whole step is computed in {dtype}"
        documented = "the step is computed in the parameters' format"
        line = f"the step is computed in {dtype}"
        computes_in = dtype
        narrows: ClassVar[str] = dtype

    return ComputedIn


class GradientFlushed(OfGradient):
    slug = "subnormal-gradient-flushed"
    sentence = "a subnormal gradient counts as 0"
    line = "g = 0 where |g| is subnormal"

    def passed(self, x: Terms) -> Number:
        return super().passed(x).flushed()


class MomentFlushed(OfMoment):
    slug = "subnormal-m-flushed"
    sentence = "a subnormal m counts as 0"
    line = "m = 0 where |m| is subnormal"

    def moment(self, x: Terms, g: Number) -> Number:
        return super().moment(x, g).flushed()


class NormFlushed(OfNorm):
    slug = "subnormal-u-flushed"
    sentence = "a subnormal u counts as 0"
    line = "u = 0 where u is subnormal"

    def norm(self, x: Terms, g: Number) -> Number:
        return super().norm(x, g).flushed()


class AllFlushed(GradientFlushed):
    slug = "subnormals-flushed"
    sentence = "subnormal numbers are flushed to 0"
    documented = "subnormal numbers count"
    line = "every subnormal number counts as 0"

    def moment(self, x: Terms, g: Number) -> Number:
        return super().moment(x, g.flushed()).flushed()

    def norm(self, x: Terms, g: Number) -> Number:
        return super().norm(x, g.flushed()).flushed()

    def update(self, x: Terms, m: Number, u: Number) -> Number:
        return super().update(x, m, u).flushed()


class AllFlushedInMemory(AllFlushed):
    slug = "subnormals-flushed"
    sentence = "subnormal numbers are flushed to 0 as they are read and stored"

    def update(self, x: Terms, m: Number, u: Number) -> Number:
        g = self.effective(x)
        return super().update(x, Machine.moment(self, x, g), Machine.norm(self, x, g))


_SCALARS: Final = ("lr", "beta1", "beta2", "eps", "weight_decay")

GRADIENT: Final[tuple[type[Machine], ...]] = (
    NormOfOldGradient,
    NormOfOldGradientFromZero,
    MomentOfOldGradient,
    *(clipped(bound) for bound in (1.0, 10.0, 100.0)),
    *(clipped_norm(bound, of) for of in ("array", "all") for bound in (1.0, 5.0, 10.0)),
    NanZeroed,
    NonFiniteZeroed,
    GradientFlushed,
    MomentFlushed,
    NormFlushed,
    AllFlushed,
    AllFlushedInMemory,
    *(_scalar_narrowed(name, dtype) for dtype in NARROW for name in _SCALARS),
    *(_scalars_narrowed(dtype) for dtype in NARROW),
    *(_correction_narrowed(dtype, power=power) for dtype in NARROW for power in (False, True)),
    *(_rate_narrowed(dtype) for dtype in NARROW),
    *(_gradient_narrowed(dtype) for dtype in NARROW),
    *(_terms_narrowed(dtype, scalars=scalars) for dtype in NARROW for scalars in (True, False)),
    *(_beta1_narrowed(dtype) for dtype in NARROW),
    *(_kept_in(name, dtype) for dtype in NARROW for name in ("m", "u", "theta")),
    *(_computed_in(dtype) for dtype in NARROW),
)
"""All of them; other bounds of clipping are found in what was observed."""
