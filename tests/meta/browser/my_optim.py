"""Somebody's own optimizer: a learning rate that is set takes effect a step late."""

import numpy as np


class MyAdamax:
    """Adamax over NumPy arrays."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        if not isinstance(lr, int | float | np.ndarray) or not lr >= 0:
            raise ValueError(f"lr is {lr!r}")
        if not (eps >= 0 and weight_decay >= 0 and all(0 <= beta < 1 for beta in betas)):
            raise ValueError("eps or weight_decay is negative, or a beta is not in [0, 1)")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.param_groups = [{**defaults, **group} for group in groups]
        self.params = [theta for group in self.param_groups for theta in group["params"]]
        self.exp_avg = [np.zeros_like(theta) for theta in self.params]
        self.exp_inf = [np.zeros_like(theta) for theta in self.params]
        self.rates = [group["lr"] for group in self.param_groups]
        self.t = 0

    def __call__(self, gradients):
        if [np.shape(g) for g in gradients] != [theta.shape for theta in self.params]:
            raise ValueError("the gradients have other shapes than the parameters")
        self.t += 1
        gradients = [np.copy(g) for g in gradients]
        places = iter(zip(gradients, self.exp_avg, self.exp_inf, strict=True))
        with np.errstate(all="ignore"):
            for group, lr in zip(self.param_groups, self.rates, strict=True):
                for theta in group["params"]:
                    self.step(theta, *next(places), lr, group)
        self.rates = [group["lr"] for group in self.param_groups]

    def step(self, theta, g, m, u, lr, group):
        number = theta.dtype.type
        beta1, beta2 = group["betas"]
        g = -g if group["maximize"] else g
        if group["weight_decay"]:
            g = g + number(group["weight_decay"]) * theta
        m[...] = number(beta1) * m + number(1 - beta1) * g
        u[...] = np.maximum(number(beta2) * u, np.abs(g) + number(group["eps"]))
        theta[...] -= number(lr / (1 - beta1**self.t)) * (m / u)
