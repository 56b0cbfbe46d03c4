"""Wrong arguments: exceptions missing, wrong, too eager or too late; defaults."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.base import Adamax


class ContractBug(Adamax):
    """A right step, behind wrong handling of the arguments."""

    family = "contract"


# Missing.


class NegativeLearningRateAccepted(ContractBug):
    """lr below 0 is accepted."""

    def check_lr(self, lr):
        pass


class SmallNegativeLearningRateAccepted(ContractBug):
    """lr below 0 is accepted down to -1e-12."""

    def check_lr(self, lr):
        super().check_lr(lr + 1e-12)


class NegativeArrayLearningRateAccepted(ContractBug):
    """lr below 0 is accepted as an array."""

    def check_lr(self, lr):
        if not isinstance(lr, np.ndarray):
            super().check_lr(lr)


class NegativeIntegerLearningRateAccepted(ContractBug):
    """lr below 0 is accepted as an int."""

    def check_lr(self, lr):
        if not isinstance(lr, int):
            super().check_lr(lr)


class LearningRateOfAnyTypeAccepted(ContractBug):
    """lr of any type is accepted, and fails at the first step."""

    def check_lr_type(self, lr):
        pass

    def check_lr(self, lr):
        if isinstance(lr, (int, float, np.ndarray)):
            super().check_lr(lr)


class StringLearningRateAccepted(ContractBug):
    """lr as a string is accepted."""

    def check_lr_type(self, lr):
        if not isinstance(lr, str):
            super().check_lr_type(lr)

    def check_lr(self, lr):
        if not isinstance(lr, str):
            super().check_lr(lr)


class NoLearningRateAccepted(ContractBug):
    """lr=None is accepted and means the default."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, 2e-3 if lr is None else lr, betas, eps, weight_decay, maximize=maximize)


class ComplexLearningRateAccepted(ContractBug):
    """lr as a complex number is accepted for its real part."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        lr = lr.real if isinstance(lr, complex) else lr
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class NegativeEpsAccepted(ContractBug):
    """eps below 0 is accepted."""

    def check_eps(self, eps):
        pass


class SmallNegativeEpsAccepted(ContractBug):
    """eps below 0 is accepted down to -1e-6."""

    def check_eps(self, eps):
        super().check_eps(eps + 1e-6)


class NegativeWeightDecayAccepted(ContractBug):
    """weight_decay below 0 is accepted."""

    def check_weight_decay(self, weight_decay):
        pass


class WeightDecayCheckedAsInteger(ContractBug):
    """weight_decay is cut to an int before it is checked, so -0.5 passes."""

    def check_weight_decay(self, weight_decay):
        super().check_weight_decay(np.trunc(weight_decay) + 0.0)


class BetaOneUnchecked(ContractBug):
    """beta1 is not checked."""

    def check_beta(self, index, beta):
        if index == 1:
            super().check_beta(index, beta)


class BetaTwoUnchecked(ContractBug):
    """beta2 is not checked."""

    def check_beta(self, index, beta):
        if index == 0:
            super().check_beta(index, beta)


class BetaOfOneAccepted(ContractBug):
    """A beta of exactly 1 is accepted."""

    def check_beta(self, index, beta):
        if beta != 1:
            super().check_beta(index, beta)


class NegativeBetaAccepted(ContractBug):
    """A beta below 0 is accepted."""

    def check_beta(self, index, beta):
        super().check_beta(index, abs(beta))


class NaNBetaAccepted(ContractBug):
    """A beta that is NaN is accepted: it is neither below 0 nor at least 1."""

    def check_beta(self, index, beta):
        if beta < 0 or beta >= 1:
            super().check_beta(index, beta)


# Of the wrong type.


class LearningRateTypeError(ContractBug):
    """lr of a wrong type raises TypeError (torch, mindspore)."""

    def check_lr_type(self, lr):
        try:
            super().check_lr_type(lr)
        except ValueError as error:
            raise TypeError(str(error)) from None


class LearningRateAssertion(ContractBug):
    """lr below 0 fails an assertion."""

    def check_lr(self, lr):
        assert lr >= 0, "lr must not be negative"


class BetasIndexError(ContractBug):
    """A beta out of range raises IndexError."""

    def check_beta(self, index, beta):
        if not 0 <= beta < 1:
            raise IndexError(f"beta {index} out of range")


class EpsArithmeticError(ContractBug):
    """eps below 0 raises ArithmeticError."""

    def check_eps(self, eps):
        if not eps >= 0:
            raise ArithmeticError("eps is negative")


class WeightDecayRuntimeError(ContractBug):
    """weight_decay below 0 raises RuntimeError."""

    def check_weight_decay(self, weight_decay):
        if not weight_decay >= 0:
            raise RuntimeError("weight_decay is negative")


# Too eager.


class ZeroLearningRateRefused(ContractBug):
    """lr=0 is refused (mindspore)."""

    def check_lr(self, lr):
        if not lr > 0:
            raise ValueError(f"lr must be above 0, not {lr!r}")


class IntegerLearningRateRefused(ContractBug):
    """lr as an int is refused."""

    def check_lr_type(self, lr):
        if isinstance(lr, int):
            raise ValueError("lr must be a float")
        super().check_lr_type(lr)


class ArrayLearningRateRefused(ContractBug):
    """lr as a 0-d array is refused."""

    def check_lr_type(self, lr):
        if isinstance(lr, np.ndarray):
            raise ValueError("lr must be a float")
        super().check_lr_type(lr)


class LargeLearningRateRefused(ContractBug):
    """lr above 1 is refused."""

    def check_lr(self, lr):
        if not 0 <= lr <= 1:
            raise ValueError(f"lr must be in [0, 1], not {lr!r}")


class ZeroBetasRefused(ContractBug):
    """A beta of 0 is refused."""

    def check_beta(self, index, beta):
        if not 0 < beta < 1:
            raise ValueError(f"betas[{index}] must be in (0, 1), not {beta!r}")


class BetaNearOneRefused(ContractBug):
    """A beta is checked in float32, where the largest double below 1 is 1."""

    def check_beta(self, index, beta):
        super().check_beta(index, np.float32(beta))


class SmallEpsRefused(ContractBug):
    """eps below 1e-15 is refused."""

    def check_eps(self, eps):
        if not eps >= 1e-15:
            raise ValueError(f"eps must be at least 1e-15, not {eps!r}")


class LargeEpsRefused(ContractBug):
    """eps of 1 and more is refused."""

    def check_eps(self, eps):
        if not 0 <= eps < 1:
            raise ValueError(f"eps must be in [0, 1), not {eps!r}")


class LargeWeightDecayRefused(ContractBug):
    """weight_decay above 1 is refused."""

    def check_weight_decay(self, weight_decay):
        if not 0 <= weight_decay <= 1:
            raise ValueError(f"weight_decay must be in [0, 1], not {weight_decay!r}")


class ZeroWeightDecayRefused(ContractBug):
    """weight_decay=0 is refused; None stands for no decay."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=None, *, maximize=False):
        if weight_decay == 0:
            raise ValueError("weight_decay must be above 0 or None")
        super().__init__(params, lr, betas, eps, weight_decay or 0.0, maximize=maximize)


class MaximizeRefused(ContractBug):
    """maximize=True is not supported."""

    def validate(self, options):
        super().validate(options)
        if options["maximize"]:
            raise NotImplementedError("maximize")


# Accepted, and not used.


class ArrayLearningRateIgnored(ContractBug):
    """lr as an array is accepted, and the default is used."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        lr = 2e-3 if isinstance(lr, np.ndarray) and lr >= 0 else lr
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class LargeWeightDecayCapped(ContractBug):
    """weight_decay above 1 is accepted, and 1 is used."""

    def options_of(self, group_index):
        right = super().options_of(group_index)
        return right | {"weight_decay": min(right["weight_decay"], 1.0)}


# Too late.


class CheckedAtFirstStep(ContractBug):
    """Arguments are checked when the first step is taken."""

    def validate(self, options):
        pass

    def __call__(self, gradients):
        for group in self.param_groups:
            super().validate(group)
        super().__call__(gradients)


class ParamsClearedBeforeCheck(ContractBug):
    """The parameters are cleared before the arguments are checked."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        params = list(params)
        arrays = [x for p in params for x in (p.get("params", ()) if isinstance(p, dict) else [p])]
        before = [theta.copy() for theta in arrays]
        for theta in arrays:
            theta[...] = 0
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        for theta, old in zip(arrays, before, strict=True):
            theta[...] = old


class ParamsShrunkBeforeBetasChecked(ContractBug):
    """The first decay is applied before betas are checked, and undone only on success."""

    def check_betas(self, betas):
        try:
            super().check_betas(betas)
        except ValueError:
            for theta in self._arrays:
                theta[...] = theta / 2
            raise

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        params = list(params)
        self._arrays = [x for p in params for x in (p.get("params", ()) if isinstance(p, dict) else [p])]
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


# Defaults and signature.


class DefaultLearningRate(ContractBug):
    """lr is 1e-3 by default (Keras, PaddlePaddle)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultBetaOne(ContractBug):
    """beta1 is 0.95 by default."""

    def __init__(self, params, lr=2e-3, betas=(0.95, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultBetaTwo(ContractBug):
    """beta2 is 0.99 by default."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultEps(ContractBug):
    """eps is 1e-7 by default (Keras)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-7, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultWeightDecay(ContractBug):
    """weight_decay is 0.01 by default (AdamW)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultMaximize(ContractBug):
    """maximize is True by default."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=True):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class DefaultsBehindSignature(ContractBug):
    """The signature states the documented lr, and what is used is 1e-3."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, 1e-3 if lr == 2e-3 else lr, betas, eps, weight_decay, maximize=maximize)


class MaximizePositional(ContractBug):
    """maximize is taken by position, too."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class EverythingByKeyword(ContractBug):
    """lr and the rest are refused by position."""

    def __init__(self, params, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class ArgumentsReordered(ContractBug):
    """eps comes before betas."""

    def __init__(self, params, lr=2e-3, eps=1e-8, betas=(0.9, 0.999), weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


BUGS = (
    NegativeLearningRateAccepted,
    SmallNegativeLearningRateAccepted,
    NegativeArrayLearningRateAccepted,
    NegativeIntegerLearningRateAccepted,
    LearningRateOfAnyTypeAccepted,
    StringLearningRateAccepted,
    NoLearningRateAccepted,
    ComplexLearningRateAccepted,
    NegativeEpsAccepted,
    SmallNegativeEpsAccepted,
    NegativeWeightDecayAccepted,
    WeightDecayCheckedAsInteger,
    BetaOneUnchecked,
    BetaTwoUnchecked,
    BetaOfOneAccepted,
    NegativeBetaAccepted,
    NaNBetaAccepted,
    LearningRateTypeError,
    LearningRateAssertion,
    BetasIndexError,
    EpsArithmeticError,
    WeightDecayRuntimeError,
    ZeroLearningRateRefused,
    IntegerLearningRateRefused,
    ArrayLearningRateRefused,
    LargeLearningRateRefused,
    ZeroBetasRefused,
    BetaNearOneRefused,
    SmallEpsRefused,
    LargeEpsRefused,
    LargeWeightDecayRefused,
    ZeroWeightDecayRefused,
    MaximizeRefused,
    ArrayLearningRateIgnored,
    LargeWeightDecayCapped,
    CheckedAtFirstStep,
    ParamsClearedBeforeCheck,
    ParamsShrunkBeforeBetasChecked,
    DefaultLearningRate,
    DefaultBetaOne,
    DefaultBetaTwo,
    DefaultEps,
    DefaultWeightDecay,
    DefaultMaximize,
    DefaultsBehindSignature,
    MaximizePositional,
    EverythingByKeyword,
    ArgumentsReordered,
)
