"""Factories of users that have few parts, and what is not an Adamax at all."""

import numpy as np
import optimizers


class Plain:
    """An Adamax that takes a plain list, and shows nothing but theta."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        self.inner = optimizers.Adamax(list(params), lr, betas, eps, weight_decay, maximize=maximize)
        self.params = self.inner.param_groups[0]["params"]
        if any(isinstance(array, dict) for array in params):
            raise TypeError("want arrays, not dicts")

    def __call__(self, gradients):
        self.inner(gradients)


class Renamed(Plain):
    """The same with m and u under names of its own."""

    state_names = ("first", "norm")

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.first, self.norm = self.inner.exp_avg, self.inner.exp_inf


class Unsaid(Renamed):
    """The same, without a word on the names."""

    state_names = None


class Unchecking:
    """A short one as people write it: a dict in the place of an array does not raise."""

    state_names = ("m", "u")
    ahead = 0

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.options, self.t = list(params), (lr, *betas, eps, weight_decay), self.ahead
        self.m, self.u = ([np.zeros_like(p) for p in self.params] for _ in range(2))

    def __call__(self, gradients):
        if [g.shape for g in gradients] != [p.shape for p in self.params]:
            raise ValueError("gradients of other shapes than the parameters")
        lr, beta1, beta2, eps, weight_decay = self.options
        self.t += 1
        gradients = [g + weight_decay * p for p, g in zip(self.params, gradients, strict=True)]
        for p, m, u, g in zip(self.params, self.m, self.u, gradients, strict=True):
            m[...] = beta1 * m + (1 - beta1) * g
            u[...] = np.maximum(beta2 * u, np.abs(g) + eps)
            p[...] -= lr * m / ((1 - beta1**self.t) * u)


class UncheckingAhead(Unchecking):
    """The same with a bias correction that is one step ahead."""

    ahead = 1


class EpsOutside:
    """One as people write it: eps outside the maximum, no maximize, nothing validated."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.options, self.t = list(params), (lr, *betas, eps, weight_decay), 0
        self.m, self.u = ([np.zeros_like(p) for p in self.params] for _ in range(2))

    def __call__(self, gradients):
        lr, beta1, beta2, eps, weight_decay = self.options
        self.t += 1
        for p, g, m, u in zip(self.params, gradients, self.m, self.u, strict=True):
            if weight_decay:
                g = g + weight_decay * p  # noqa: PLW2901 - as they write it
            m[...] = beta1 * m + (1 - beta1) * g
            u[...] = np.maximum(beta2 * u, np.abs(g))
            p[...] -= lr / (1 - beta1**self.t) * m / (u + eps)


class WithoutEps:
    """An optimizer that has no eps, nor an argument for it."""

    state_names = ("m", "u")

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), weight_decay=0.0):
        self.params, self.options, self.t = list(params), (lr, *betas, weight_decay), 0
        self.m, self.u = ([np.zeros_like(p) for p in self.params] for _ in range(2))

    def correction(self, beta1):
        return 1 - beta1**self.t

    def __call__(self, gradients):
        lr, beta1, beta2, weight_decay = self.options
        self.t += 1
        with np.errstate(all="ignore"):
            for p, g, m, u in zip(self.params, gradients, self.m, self.u, strict=True):
                total = g + p.dtype.type(weight_decay) * p if weight_decay else g
                m[...] = beta1 * m + (1 - beta1) * total
                u[...] = np.maximum(beta2 * u, np.abs(total))
                p[...] -= lr / self.correction(beta1) * (m / u)


class CorrectionSquared(WithoutEps):
    """The bias correction is squared, which no known rule has."""

    def correction(self, beta1):
        return (1 - beta1**self.t) ** 2


class StateStaysZero(Plain):
    """An optimizer whose m and u are shown, and never stored."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.exp_avg, self.exp_inf = ([np.zeros_like(p) for p in self.params] for _ in range(2))


class Still(Plain):
    """An optimizer that never steps."""

    def __call__(self, gradients):
        pass


class ReturnsNewArrays(Plain):
    """An optimizer that returns new arrays and leaves those of the caller alone."""

    def __call__(self, gradients):
        before = [array.copy() for array in self.params]
        self.inner(gradients)
        after = [array.copy() for array in self.params]
        for array, old in zip(self.params, before, strict=True):
            array[...] = old
        return after


class WithoutBiasCorrection(Plain):
    """A plain one that is wrong."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.inner.correction = lambda _: 1.0


class NeedsMore(Plain):
    """An optimizer with an argument that nobody gives."""

    def __init__(self, params, momentum, **options):
        super().__init__(params, **options)
        self.momentum = momentum


def nothing(params, **options):
    """Forget to return the optimizer."""
    Plain(params, **options)
