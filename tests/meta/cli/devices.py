"""Adamax on devices whose arithmetic is not correctly rounded."""

import numpy as np
import optimizers


class FlushesSubnormals(optimizers.Adamax):
    """A device that flushes subnormal operands and results to zero."""

    def update(self, theta, g, m, u, group):
        def flushed(x):
            return np.where(np.abs(x) < np.finfo(theta.dtype).tiny, theta.dtype.type(0), x)

        beta1, beta2 = group["betas"]
        decay, damp, norm_decay, eps = (
            flushed(self.scalar(x, theta)) for x in (beta1, 1 - beta1, beta2, group["eps"])
        )
        g = flushed(np.asarray(g))
        if group["maximize"]:
            g = -g
        if group["weight_decay"]:
            g = flushed(g + flushed(flushed(theta) * self.scalar(group["weight_decay"], theta)))
        m[...] = flushed(flushed(flushed(m) * decay) + flushed(g * damp))
        u[...] = np.maximum(flushed(flushed(u) * norm_decay), flushed(np.abs(g) + eps))
        rate = flushed(self.scalar(float(group["lr"]) / self.correction(beta1), theta))
        theta[...] = flushed(flushed(theta) - flushed(flushed(rate * m) / u))


class DividesToTwoUlp(optimizers.Adamax):
    """A device with quotients too large by nearly 3 unit roundoffs, then rounded.

    That is less than 2 ulp in all.
    """

    def update(self, theta, g, m, u, group):
        def quotient(a, b):
            exact = a.astype(np.float64) / b
            return (exact * (1 + 2.9 * np.finfo(theta.dtype).eps / 2)).astype(theta.dtype)

        before = theta.copy()
        super().update(theta, g, m, u, group)
        correction = self.scalar(self.correction(group["betas"][0]), theta)
        step = quotient(quotient(m, u), correction)
        theta[...] = before - step * self.scalar(group["lr"], theta)


class PowersToFourUlp(optimizers.Adamax):
    """A device whose power function, in the working format, is 3.5 ulp too large."""

    def update(self, theta, g, m, u, group):
        beta1, before = self.scalar(group["betas"][0], theta), theta.copy()
        super().update(theta, g, m, u, group)
        power = np.power(beta1, theta.dtype.type(self.t))
        correction = theta.dtype.type(1) - theta.dtype.type(power + 3.5 * np.spacing(power))
        theta[...] = before - self.scalar(group["lr"], theta) * (m / (correction * u))
