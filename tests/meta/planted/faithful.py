"""Right implementations that evaluate differently: none may be accused.

Each states what the suite must recognize: the form of its moment, by its name in `Form`, and the format of
its scalars, `binary64` or `working`. For a float64 subject the two formats are one.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import WIDER, fused_multiply_add, running_power
from adamax_conformance.tests.meta.planted.base import Adamax, Scalars


class Faithful(Adamax):
    """A right implementation."""

    family = "faithful"
    form: ClassVar[str] = "weighted"
    scalars: ClassVar[str] = "binary64"


# Orders of the step.


class Plain(Faithful):
    """(lr/c)*(m/u), with c = 1 - beta1^t: the base as it stands."""


class ProductOverProduct(Faithful):
    """lr*m / (c*u)."""

    def step(self, m, u, scalars):
        return scalars.lr * m / (scalars.correction * u)


class DividedTwice(Faithful):
    """((lr*m)/c)/u."""

    def step(self, m, u, scalars):
        return scalars.lr * m / scalars.correction / u


class ScaledNorm(Faithful):
    """m / (u*(c/lr))."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        divisor = np.divide(self.correction(np.float64(options["betas"][0]), t), np.float64(options["lr"]))
        return replace(right, rate=np.dtype(dtype).type(divisor))

    def step(self, m, u, scalars):
        return m / (u * scalars.rate)


class CorrectedMoment(Faithful):
    """lr*((m/c)/u)."""

    def step(self, m, u, scalars):
        return scalars.lr * (m / scalars.correction / u)


class CorrectedNorm(Faithful):
    """lr*(m/(c*u))."""

    def step(self, m, u, scalars):
        return scalars.lr * (m / (scalars.correction * u))


class ProductOverNorm(Faithful):
    """((lr/c)*m)/u, as torch's addcdiv."""

    def step(self, m, u, scalars):
        return scalars.rate * m / u


class ReciprocalOfNorm(Faithful):
    """lr*(m*(1/(c*u))), whose reciprocal overflows where c*u is small enough."""

    def step(self, m, u, scalars):
        return scalars.lr * (m * (1 / (scalars.correction * u)))


class RateOverNorm(Faithful):
    """((lr/c)/u)*m."""

    def step(self, m, u, scalars):
        return scalars.rate / u * m


class OrderBySize(Faithful):
    """The order depends on the size of the numbers: where u is above 1, m comes first."""

    def step(self, m, u, scalars):
        return np.where(u > 1, scalars.rate * m / u, scalars.rate * (m / u))


# Forms of the moment.


class Interpolated(Faithful):
    """m + (1 - beta1)*(g - m)."""

    form = "interpolated"

    def first_moment(self, m, g, scalars):
        return m + scalars.complement * (g - m)


class TorchLerp(Faithful):
    """m + (1 - beta1)*(g - m), and g - (g - m)*beta1 if 1 - beta1 is at least 1/2."""

    form = "interpolated"

    def first_moment(self, m, g, scalars):
        if scalars.complement < 0.5:
            return m + scalars.complement * (g - m)
        return g - (g - m) * (1 - scalars.complement)


class InterpolatedDownward(Faithful):
    """m - (1 - beta1)*(m - g), and the step as lr*m / (c*u)."""

    form = "interpolated"

    def first_moment(self, m, g, scalars):
        return m - scalars.complement * (m - g)

    def step(self, m, u, scalars):
        return scalars.lr * m / (scalars.correction * u)


class FromGradient(Faithful):
    """g + beta1*(m - g) for every beta1: right, and weak where beta1 is near 1."""

    form = "from-gradient"

    def first_moment(self, m, g, scalars):
        return g + scalars.beta1 * (m - g)


class Decremented(Faithful):
    """(m - (1 - beta1)*m) + (1 - beta1)*g."""

    form = "decremented"

    def first_moment(self, m, g, scalars):
        return m - scalars.complement * m + scalars.complement * g


class BackBelowHalf(Faithful):
    """g - (g - m)*beta1 where beta1 is below 1/2, and the weighted form from there on."""

    form = "interpolated-below-half"

    def first_moment(self, m, g, scalars):
        if scalars.beta1 < 0.5:
            return g - (g - m) * scalars.beta1
        return super().first_moment(m, g, scalars)


class OnwardFromHalf(Faithful):
    """m + (1 - beta1)*(g - m) for beta1 >= 1/2, else the weighted form."""

    form = "weighted-below-half"

    def first_moment(self, m, g, scalars):
        if scalars.beta1 >= 0.5:
            return m + scalars.complement * (g - m)
        return super().first_moment(m, g, scalars)


# Fused multiply-add.


class FusedDecremented(Faithful):
    """fma(w, g, fma(-w, m, m)) with w = 1 - beta1: lerp as CUDA compiles it."""

    form = "decremented"

    def first_moment(self, m, g, scalars):
        kept = fused_multiply_add(-scalars.complement, m, np.asarray(m))
        return fused_multiply_add(scalars.complement, g, kept)


class FusedDecayedMoment(Faithful):
    """fma(beta1, m, (1 - beta1)*g)."""

    def first_moment(self, m, g, scalars):
        return fused_multiply_add(scalars.beta1, m, scalars.complement * g)


class FusedDampedGradient(Faithful):
    """fma(1 - beta1, g, beta1*m)."""

    def first_moment(self, m, g, scalars):
        return fused_multiply_add(scalars.complement, g, scalars.beta1 * m)


class FusedStep(Faithful):
    """theta by fma(-(lr/c), m/u, theta)."""

    def update(self, theta, m, u, scalars):
        return np.where(m == 0, theta, fused_multiply_add(-scalars.rate, m / u, theta))


class FusedEverywhere(FusedStep):
    """Every product that is added to something is fused."""

    def decayed_gradient(self, theta, g, scalars):
        return fused_multiply_add(scalars.weight_decay, theta, g) if scalars.weight_decay != 0 else g

    def first_moment(self, m, g, scalars):
        return fused_multiply_add(scalars.beta1, m, scalars.complement * g)


class FusedInterpolated(FusedStep):
    """fma(1 - beta1, g - m, m), and a fused step."""

    form = "interpolated"

    def first_moment(self, m, g, scalars):
        return fused_multiply_add(scalars.complement, g - m, m)


# Wider intermediates.


class WiderThroughout(Faithful):
    """Computed in binary64 throughout; theta, m and u are rounded once, when stored."""

    def scalars_at(self, options, t, _dtype):
        return super().scalars_at(options, t, np.float64)

    def advance(self, theta, m, u, g, scalars):
        return super().advance(*(x.astype(np.float64) for x in (theta, m, u, g)), scalars)


class WiderRegisters(Faithful):
    """Computed in the next wider format throughout; for binary64 that of an x87."""

    def advance(self, theta, m, u, g, scalars):
        wide = WIDER[theta.dtype.name]
        return super().advance(*(x.astype(wide) for x in (theta, m, u, g)), scalars)

    def scalars_at(self, options, t, dtype):
        return super().scalars_at(options, t, WIDER[np.dtype(dtype).name])


class InterpolatedInRegisters(WiderRegisters, Interpolated):
    """m + (1 - beta1)*(g - m) in the next wider format, which loses a small beta1."""


class LerpInRegisters(WiderRegisters, TorchLerp):
    """The interpolated moment in the next wider format, as in PyTorch for bfloat16."""

    # In float16 nothing distinguishes it from the weighted form.
    dtypes = ("float32", "float64")


class WiderStep(Faithful):
    """Only the new theta is formed in binary64, from m and u as stored."""

    def scalars_at(self, options, t, dtype):
        exact = super().scalars_at(options, t, np.float64)
        return replace(super().scalars_at(options, t, dtype), rate=exact.rate)

    def update(self, theta, m, u, scalars):
        wide = (np.asarray(x, np.float64) for x in (theta, m, u))
        return super().update(*wide, scalars)


class WiderState(WiderThroughout):
    """m and u enter the step in binary64; the step is rounded before theta takes it."""

    def update(self, theta, m, u, scalars):
        return theta - np.where(m == 0, m, self.step(m, u, scalars)).astype(self._format).astype(np.float64)

    def visit(self, index, group_index, theta, g):
        self._format = theta.dtype
        super().visit(index, group_index, theta, g)


class ExactElement(Faithful):
    """Each element in rational arithmetic, rounded when stored; theta uses exact m, u."""

    def advance(self, theta, m, u, g, scalars):
        plain = super().advance(theta, m, u, g, scalars)
        exact = np.frompyfunc(lambda *x: self.exactly(x[:4], x[4:], scalars), 7, 3)
        return tuple(np.asarray(x, np.float64) for x in exact(theta, m, u, g, *plain))

    def exactly(self, before, plain, scalars: Scalars):
        """The exact theta, m and u of one element, or the plain ones."""
        try:
            theta, m, u, g = (Fraction(float(x)) for x in before)
            effective = (-g if scalars.maximize else g) + self._decay * theta
            m = self._beta1 * m + (1 - self._beta1) * effective
            u = max(self._beta2 * u, abs(effective) + self._eps)
            step = self._lr * m / ((1 - self._power) * u)
            return float(theta - step) if step else float(before[0]), float(m), float(u)
        except (ValueError, OverflowError, ZeroDivisionError):
            return tuple(float(x) for x in plain)

    def scalars_at(self, options, t, dtype):
        self._lr, self._eps, self._decay, self._beta1, self._beta2 = (
            Fraction(float(x))
            for x in (options["lr"], options["eps"], options["weight_decay"], *options["betas"])
        )
        # A power below 2^-300 changes no number here, and takes forever as a fraction.
        self._power = self._beta1**t if float(self._beta1) ** t > 2.0**-300 else 0
        return super().scalars_at(options, t, dtype)


# Ways to the bias correction, and where the scalars are computed.


class RunningPower(Faithful):
    """beta1^t as a running product in binary64."""

    def correction(self, beta1, t):
        return 1 - running_power(beta1, t)


class ExponentialCorrection(Faithful):
    """1 - beta1^t as -expm1(t*log(beta1)), accurate also if beta1 is near 1."""

    def correction(self, beta1, t):
        return -np.expm1(t * np.log1p(-(1 - beta1)))


class WorkingScalars(Faithful):
    """1 - beta1, beta1^t and lr/(1 - beta1^t) in the working format, beta1^t by pow."""

    scalars = "working"

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        one = np.dtype(dtype).type(1)
        correction = one - self.power(right.beta1, t)
        return replace(
            right, complement=one - right.beta1, correction=correction, rate=np.divide(right.lr, correction)
        )

    def power(self, beta1, t):
        return np.power(beta1, beta1.dtype.type(t))


class WorkingRunningPower(WorkingScalars):
    """The same with beta1^t as a running product."""

    def power(self, beta1, t):
        return running_power(beta1, t)


class WorkingProductOverProduct(WorkingScalars):
    """Scalars in the working format, and lr*m / (c*u)."""

    def step(self, m, u, scalars):
        return scalars.lr * m / (scalars.correction * u)


class WorkingInterpolated(WorkingScalars):
    """Scalars in the working format, and an interpolated moment."""

    form = "interpolated"

    def first_moment(self, m, g, scalars):
        return m + scalars.complement * (g - m)


# Other ways to the same numbers.


class InBlocks(Faithful):
    """In blocks of 1000 elements, the last one shorter."""

    def advance(self, theta, m, u, g, scalars):
        flat = [np.ravel(x) for x in (theta, m, u, g)]
        blocks = [
            super(InBlocks, self).advance(*(x[start : start + 1000] for x in flat), scalars)
            for start in range(0, max(theta.size, 1), 1000)
        ]
        return tuple(np.concatenate(part).reshape(theta.shape) for part in zip(*blocks, strict=True))


class TailElementByElement(Faithful):
    """Vectors of eight in one order of the step, the tail in another."""

    def step(self, m, u, scalars):
        whole = np.arange(m.size).reshape(m.shape) < m.size - m.size % 8
        return np.where(whole, scalars.rate * (m / u), scalars.rate * m / u)


class MaximumByComparison(Faithful):
    """The maximum by a comparison that keeps NaN."""

    def norm(self, u, g, scalars):
        decayed, size = scalars.beta2 * u, np.abs(g) + scalars.eps
        return np.where(np.isnan(size) | (size > decayed), size, decayed)


class NegatedAfterDecaySubtracted(Faithful):
    """Maximizing, the effective gradient is lambda*theta - g."""

    def effective_gradient(self, theta, g, scalars):
        if scalars.maximize and scalars.weight_decay != 0:
            return scalars.weight_decay * theta - g
        return super().effective_gradient(theta, g, scalars)


class NewStateArrays(Faithful):
    """m and u are new arrays after each step."""

    def store(self, index, theta, new_theta, m, u):
        theta[...] = new_theta
        self.m[index] = np.array(m, dtype=theta.dtype)
        self.u[index] = np.array(u, dtype=theta.dtype)


class StateInTuples(Faithful):
    """exp_avg and exp_inf are tuples of read-only views."""

    @property
    def exp_avg(self):
        return tuple(_read_only(m) for m in self.m)

    @property
    def exp_inf(self):
        return tuple(_read_only(u) for u in self.u)


class StateInDict(Faithful):
    """State is kept in one dict by index; exp_avg and exp_inf are made when read."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        self.collect()

    def collect(self):
        pairs = zip(self.m, self.u, strict=True)
        self.state = {index: {"exp_avg": m, "exp_inf": u} for index, (m, u) in enumerate(pairs)}

    @property
    def exp_avg(self):
        return [state["exp_avg"].copy() for state in self.state.values()]

    @property
    def exp_inf(self):
        return [state["exp_inf"].copy() for state in self.state.values()]

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.collect()


class HiddenState(Faithful):
    """m and u cannot be seen."""

    @property
    def exp_avg(self):
        raise AttributeError("exp_avg")

    @property
    def exp_inf(self):
        raise AttributeError("exp_inf")


class ReturnsTheta(Faithful):
    """The call returns the new parameters."""

    def __call__(self, gradients):
        super().__call__(gradients)
        return [theta for _, theta in self.indexed_parameters()]


class ReturnsTrue(Faithful):
    """The call returns True, as MindSpore's optimizers do."""

    def __call__(self, gradients):
        super().__call__(gradients)
        return True


class CallOnly(Faithful):
    """Only the constructor and the call: no state, no groups to read, no saving."""

    _HIDDEN = frozenset({"exp_avg", "exp_inf", "param_groups", "state_dict", "load_state_dict"})

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        self._optimizer = Adamax(params, lr, betas, eps, weight_decay, maximize=maximize)

    def __getattribute__(self, name):
        if name in CallOnly._HIDDEN:
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __call__(self, gradients):
        self._optimizer(gradients)


def _read_only(array):
    view = array.view()
    view.flags.writeable = False
    return view


FAITHFUL = (
    Plain,
    ProductOverProduct,
    DividedTwice,
    ScaledNorm,
    CorrectedMoment,
    CorrectedNorm,
    ProductOverNorm,
    RateOverNorm,
    ReciprocalOfNorm,
    OrderBySize,
    Interpolated,
    TorchLerp,
    InterpolatedDownward,
    FromGradient,
    Decremented,
    BackBelowHalf,
    OnwardFromHalf,
    FusedDecremented,
    FusedDecayedMoment,
    FusedDampedGradient,
    FusedStep,
    FusedEverywhere,
    FusedInterpolated,
    WiderThroughout,
    WiderRegisters,
    InterpolatedInRegisters,
    LerpInRegisters,
    WiderStep,
    WiderState,
    ExactElement,
    RunningPower,
    ExponentialCorrection,
    WorkingScalars,
    WorkingRunningPower,
    WorkingProductOverProduct,
    WorkingInterpolated,
    InBlocks,
    TailElementByElement,
    MaximumByComparison,
    NegatedAfterDecaySubtracted,
    NewStateArrays,
    StateInTuples,
    StateInDict,
    HiddenState,
    ReturnsTheta,
    ReturnsTrue,
    CallOnly,
)
