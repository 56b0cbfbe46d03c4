"""Wrong optimizers with a known cause, written for the tests of the diagnosis."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
from adamax_conformance.tests.meta.planted.base import Adamax


class Known(Adamax):
    """A wrong optimizer.

    Attributes:
        cause: the slug that the diagnosis must name; empty where there is none in the catalogue.
        condition: a part of what it must say instead.
        quantity: the first that is off.
        besides: parts of what it must say besides the cause.
    """

    family = "causes"
    dtypes = ("float64",)
    cause: ClassVar[str] = ""
    condition: ClassVar[str] = ""
    quantity: ClassVar[str] = ""
    besides: ClassVar[tuple[str, ...]] = ()


class LateRate(Known):
    """A learning rate that is set takes effect one step late."""

    cause = "lr-of-step-before"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.late = [group["lr"] for group in self.param_groups]

    def options_of(self, group_index):
        return {**self.param_groups[group_index], "lr": self.late[group_index]}

    def __call__(self, gradients):
        super().__call__(gradients)
        self.late = [group["lr"] for group in self.param_groups]


class SwappedBetas(Known):
    """beta1 and beta2 are swapped."""

    cause = "betas-swapped"

    def options_of(self, group_index):
        options = self.param_groups[group_index]
        return {**options, "betas": tuple(options["betas"])[::-1]}


class NextCorrection(Known):
    """The bias correction is that of the next step."""

    cause = "correction-ahead"

    def correction(self, beta1, t):
        return 1 - beta1 ** (t + 1)


class NoMaximize(Known):
    """The argument maximize is accepted, and ignored."""

    cause = "maximize-ignored"

    def ascent(self, g, _):
        return g


class ByteCounter(Known):
    """The step counter is one byte."""

    cause = "counter-wraps-2^8"

    def next_step(self, t):
        return (t + 1) % 256


class ForgetfulLoad(Known):
    """Loading a checkpoint does not bring the counter back."""

    cause = "counter-restarted-by-load"

    def load_state_dict(self, state):
        super().load_state_dict({**state, "step": 0})


class RateClearsNorm(Known):
    """Setting the learning rate clears u."""

    cause = "u-reset-by-lr"

    def __call__(self, gradients):
        rates = [float(group["lr"]) for group in self.param_groups]
        for index, (group_index, _) in enumerate(self.indexed_parameters()):
            if getattr(self, "rates", rates)[group_index] != rates[group_index]:
                self.u[index][...] = 0
        self.rates = rates
        super().__call__(gradients)


class SecondGroupUndecayed(Known):
    """The second group has no decay."""

    cause = "weight-decay-missing-in-second-group"

    def options_of(self, group_index):
        options = self.param_groups[group_index]
        return {**options, "weight_decay": 0.0} if group_index == 1 else options


class Clipped(Known):
    """Gradients are clipped at 0.75, which no catalogue lists."""

    cause = "gradient-clipped-at-0.75"

    def ascent(self, g, scalars):
        return np.clip(super().ascent(g, scalars), -0.75, 0.75)


class NarrowRate(Known):
    """The learning rate is kept in binary32."""

    cause = "lr-in-float32"

    def options_of(self, group_index):
        options = self.param_groups[group_index]
        return {**options, "lr": np.float64(np.float32(options["lr"]))}


class NarrowTerms(Known):
    """The two terms with the gradient are computed in binary32, where a tiny eps is 0."""

    cause = "gradient-terms-in-float32"
    besides = ("theta is off only with eps <",)

    def first_moment(self, m, g, scalars):
        g, part = np.float32(g), np.float32(1 - scalars.beta1)
        return scalars.beta1 * m + np.float64(part * g)

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.float64(np.abs(np.float32(g)) + np.float32(scalars.eps)))


class UndampedLate(LateRate):
    """Two causes at once."""

    cause = "m-undamped+lr-of-step-before"

    def first_moment(self, m, g, scalars):
        return scalars.beta1 * m + g


class SignedAhead(NextCorrection):
    """Two causes at once, in every step."""

    cause = "correction-ahead+u-signed"

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, g + scalars.eps)


class ScaledTheta(Known):
    """Theta is multiplied by 1.001, as no format rounds."""

    cause = "theta-times-1.001"

    def update(self, theta, m, u, scalars):
        return super().update(theta, m, u, scalars) * 1.001


class HiddenScaledTheta(ScaledTheta):
    """The same, and no m and u are seen."""

    exp_avg = None
    exp_inf = None


class LargerRate(Known):
    """Every learning rate is a hundredth too large."""

    cause = "lr-times-1.01"

    def options_of(self, group_index):
        options = self.param_groups[group_index]
        return {**options, "lr": options["lr"] * 1.01}


class HalfRate(LargerRate):
    """The step is half as long, with m and u hidden, in a narrower format."""

    cause = "lr-times-0.5"
    dtypes = ("float32",)
    exp_avg = None
    exp_inf = None

    def options_of(self, group_index):
        options = self.param_groups[group_index]
        return {**options, "lr": options["lr"] * 0.5}


class MovingRefusal(Known):
    """A step that it refuses has moved the first parameters by then."""

    cause = "refused-step-moves-theta"

    def check_gradients(self, gradients):
        """Nothing is checked at first."""

    def __call__(self, gradients):
        super().__call__(gradients)
        if len(gradients) > len(self.m):
            raise ValueError(f"gradients must be {len(self.m)} arrays, not {len(gradients)}")


class MovingRefusalAndEpsOutside(MovingRefusal):
    """Two causes at once, one of them in refused steps only."""

    cause = "eps-outside-maximum+refused-step-moves-theta"

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g)) + scalars.eps


class OfFramework(Known):
    """Eps is added where u divides, and an option that is set is not used."""

    cause = "eps-at-division"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.kept = [dict(group) for group in self.param_groups]

    def options_of(self, group_index):
        return {**self.kept[group_index], "lr": self.param_groups[group_index]["lr"]}

    def norm(self, u, g, scalars):
        return np.maximum(scalars.beta2 * u, np.abs(g))

    def update(self, theta, m, u, scalars):
        return super().update(theta, m, u + scalars.eps, scalars)


class OfFrameworkUncorrected(OfFramework):
    """The same, without bias correction: a rule that differs in two parts."""

    cause = "eps-at-division+correction-missing"

    def correction(self, _beta1, _t):
        return 1.0


class OfFrameworkForgetful(OfFrameworkUncorrected):
    """The same, and u forgets a NaN, and what a checkpoint holds of m is lost."""

    besides = ("NaN", "a checkpoint is loaded")

    def norm(self, u, g, scalars):
        return np.fmax(scalars.beta2 * u, np.abs(g))

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.m = [m * 0 for m in self.m]


class OfFrameworkNarrowRate(OfFrameworkUncorrected):
    """A rule that differs in two parts, and a learning rate in binary32."""

    cause = "eps-at-division+correction-missing+lr-in-float32"

    def options_of(self, group_index):
        options = super().options_of(group_index)
        return {**options, "lr": np.float64(np.float32(options["lr"]))}


class OfFrameworkLate(OfFrameworkUncorrected, LateRate):
    """A rule that differs in two parts, and a learning rate that is a step late."""

    cause = "eps-at-division+correction-missing+lr-of-step-before"

    def options_of(self, group_index):
        return {**self.kept[group_index], "lr": self.late[group_index]}


class ThirdStepDoubled(Known):
    """Every third step is twice as long."""

    condition = "at every 3rd step"
    quantity = "theta"

    def update(self, theta, m, u, scalars):
        moved = super().update(theta, m, u, scalars)
        return 2 * moved - theta if scalars.t % 3 == 0 else moved


class LongArraysWrong(Known):
    """The norm of long arrays grows."""

    condition = "in arrays of 513 or more elements"
    quantity = "u"

    def norm(self, u, g, scalars):
        return super().norm(u, g, scalars) * (1.25 if np.size(g) > 512 else 1.0)


class NegativeThetaWrong(Known):
    """A negative theta gets a shorter step."""

    condition = "where theta is negative"
    quantity = "theta"

    def update(self, theta, m, u, scalars):
        moved = super().update(theta, m, u, scalars)
        return np.where(theta < 0, (theta + moved) / 2, moved)


class MatricesWrong(Known):
    """m of matrices is scaled."""

    condition = "in arrays of 2 or more dimensions"
    quantity = "m"

    def first_moment(self, m, g, scalars):
        return super().first_moment(m, g, scalars) * (1.5 if np.ndim(g) > 1 else 1.0)


class LastOfLongUndecayed(Known):
    """u of the last element of long vectors does not decay."""

    condition = "in arrays of 65 or more elements and in the last element"
    quantity = "u"

    def norm(self, u, g, scalars):
        new = super().norm(u, g, scalars)
        if np.ndim(g) == 1 and np.size(g) > 64:
            new[-1] = max(u[-1], new[-1])
        return new


class HiddenThousandthTwice(Known):
    """Some elements take a step of twice its length, others at each step; no m, no u."""

    condition = "in arrays of 1000 or more elements"
    quantity = "theta"
    exp_avg = None
    exp_inf = None

    def update(self, theta, m, u, scalars):
        moved = super().update(theta, m, u, scalars)
        if np.size(theta) < 1000:
            return moved
        twice = np.arange(np.size(theta)).reshape(np.shape(theta)) % 1000 == scalars.t - 1
        return np.where(twice, 2 * moved - theta, moved)


CAUSES: Final[tuple[Any, ...]] = (
    LateRate,
    SwappedBetas,
    NextCorrection,
    NoMaximize,
    ByteCounter,
    ForgetfulLoad,
    RateClearsNorm,
    SecondGroupUndecayed,
    Clipped,
    NarrowRate,
    NarrowTerms,
    UndampedLate,
    SignedAhead,
    ScaledTheta,
    HiddenScaledTheta,
    MovingRefusal,
    MovingRefusalAndEpsOutside,
    OfFramework,
    OfFrameworkUncorrected,
    OfFrameworkForgetful,
    OfFrameworkNarrowRate,
    OfFrameworkLate,
)
CONDITIONS: Final[tuple[Any, ...]] = (
    ThirdStepDoubled,
    LongArraysWrong,
    NegativeThetaWrong,
    MatricesWrong,
    LastOfLongUndecayed,
    HiddenThousandthTwice,
)
