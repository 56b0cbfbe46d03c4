"""A user's own Adamax in one file, and ways to get it wrong."""

import ctypes
import os
import sys

import numpy as np


class Adamax:
    """A correct Adamax, written plainly."""

    half_precision_scalars = False

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        if not isinstance(lr, (int, float, np.ndarray)):
            raise ValueError(f"lr={lr!r} is not an int, a float or an array")
        self.check_lr(lr)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas={betas!r} are not in [0, 1)")
        if eps < 0:
            raise ValueError(f"eps={eps!r} is less than 0")
        if weight_decay < 0:
            raise ValueError(f"weight_decay={weight_decay!r} is less than 0")
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups = [{**options, **group} for group in groups]
        arrays = [array for group in self.param_groups for array in group["params"]]
        self.exp_avg = [np.zeros_like(array) for array in arrays]
        self.exp_inf = [np.zeros_like(array) for array in arrays]
        self.t = 0

    def check_lr(self, lr):
        if lr < 0:
            raise ValueError(f"lr={lr!r} is less than 0")

    def __call__(self, gradients):
        if len(gradients) != len(self.exp_avg):
            raise ValueError(f"{len(gradients)} gradients for {len(self.exp_avg)} parameters")
        gradients = [gradient.copy() for gradient in gradients]  # one may be the memory of a parameter
        self.t += 1
        states = zip(gradients, self.exp_avg, self.exp_inf, strict=True)
        with np.errstate(all="ignore"):
            for group in self.param_groups:
                for theta in group["params"]:
                    self.update(theta, *next(states), group)

    def effective(self, theta, g, group):
        g = -g if group["maximize"] else g
        if group["weight_decay"]:
            g = g + self.scalar(group["weight_decay"], theta) * theta
        return g

    def scalar(self, value, theta):
        if self.half_precision_scalars:
            value = np.float16(value)
        return theta.dtype.type(value)

    def correction(self, beta1):
        return 1 - beta1**self.t

    def norm(self, u, g, beta2, eps):
        return np.maximum(u * beta2, np.abs(g) + eps)

    def denominator(self, u, eps):
        return u

    def update(self, theta, g, m, u, group):
        g = self.effective(theta, np.asarray(g), group)
        beta1, beta2 = group["betas"]
        eps = self.scalar(group["eps"], theta)
        m[...] = m * self.scalar(beta1, theta) + g * self.scalar(1 - beta1, theta)
        u[...] = self.norm(u, g, self.scalar(beta2, theta), eps)
        rate = self.scalar(float(group["lr"]) / self.correction(beta1), theta)
        theta[...] = theta - rate * m / self.denominator(u, eps)


class EpsilonOutsideTheMaximum(Adamax):
    def norm(self, u, g, beta2, eps):
        return np.maximum(u * beta2, np.abs(g))

    def denominator(self, u, eps):
        return u + eps


class WithoutBiasCorrection(Adamax):
    def correction(self, beta1):
        return 1.0


class MaximizeIgnored(Adamax):
    def effective(self, theta, g, group):
        return super().effective(theta, g, {**group, "maximize": False})


class DecayDecoupled(Adamax):
    def effective(self, theta, g, group):
        return super().effective(theta, g, {**group, "weight_decay": 0.0})

    def update(self, theta, g, m, u, group):
        theta[...] = theta * theta.dtype.type(1 - float(group["lr"]) * group["weight_decay"])
        super().update(theta, g, m, u, group)


class NegativeLearningRateAccepted(Adamax):
    def check_lr(self, lr):
        pass


class HalfPrecisionScalars(Adamax):
    half_precision_scalars = True


class RaisesInTheMiddle(Adamax):
    def __call__(self, gradients):
        if self.t == 1000:
            raise RuntimeError("the thousandth step is one too many")
        super().__call__(gradients)


def wait_in_c_code():
    if sys.platform == "win32":
        ctypes.windll.kernel32.Sleep(-1)
    ctypes.CDLL(None).pause()


class HangsInTheMiddle(Adamax):
    def __call__(self, gradients):
        if self.t == 1000:
            wait_in_c_code()
        super().__call__(gradients)


class DiesInTheMiddle(Adamax):
    def __call__(self, gradients):
        if self.t == 1000:
            os._exit(17)
        super().__call__(gradients)


class Talks(Adamax):
    def __call__(self, gradients):
        print("the gradient is", gradients[0].flat[:1].tolist())
        super().__call__(gradients)
        print("a step is done")
