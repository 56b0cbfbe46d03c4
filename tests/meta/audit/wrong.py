"""Wrong optimizers that are recorded as if they were our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax import options
from adamax_conformance.impl.recording import record
from adamax_conformance.reference.hyperparameters import Hyperparameters


class Plain(Adamax):
    """Our Adamax with steps that are easy to get wrong: a method for each part."""

    def __call__(self, gradients: Any) -> None:
        """Take one step."""
        t = self._t + 1
        own = [options.hyperparameters_at(group, t, "") for group in self._options()]
        for before, _ in self._callbacks:
            before(gradients, own)
        index = 0
        for group, members in enumerate(self._members()):
            for _ in members:
                self.move(index, t, self.read(group, t, own[group]), gradients[index])
                index += 1
        self._t = t
        for storage in self._storages:
            storage.t = t
        for _, after in self._callbacks:
            after()

    def move(self, i: int, t: int, own: Hyperparameters, g: Any) -> None:
        """Take the step of one parameter."""
        theta, m, u = self.parameters[i], self.exp_avg[i], self.exp_inf[i]
        n = theta.dtype.type
        g = g + n(own.weight_decay) * theta if own.weight_decay else g
        m[...] = n(own.beta1) * m + n(1 - own.beta1) * g
        u[...] = np.maximum(n(own.beta2) * u, np.abs(g) + n(own.eps))
        rate = n(own.lr / self.correction(own.beta1, t))
        theta[...] = self.after(theta - rate * (m / u), i, t)

    def read(self, _group: int, _t: int, own: Hyperparameters) -> Hyperparameters:
        """The hyperparameters as a step reads them."""
        return own

    def correction(self, beta1: float, t: int) -> float:
        """The bias correction."""
        return float(1 - beta1**t)

    def after(self, theta: Any, _i: int, _t: int) -> Any:
        """Theta after the step, changed or not."""
        return theta


def record_run(
    kind: type[Plain],
    folder: Path,
    *,
    steps: int = 8,
    dtype: Any = np.float32,
    every: int = 1,
    lr: float = 0.1,
) -> None:
    """Record a run with a schedule and two groups."""
    rng = np.random.default_rng(8)
    shapes = ((7, 5), (3,), (4, 6), ())
    thetas = [np.array(rng.standard_normal(shape), dtype) for shape in shapes]
    groups = [{"params": thetas[:1], "weight_decay": 0.01}, {"params": thetas[1:], "weight_decay": 0.02}]
    optimizer = kind(groups, lr=lr)
    with record(optimizer, folder, every):
        for t in range(1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = lr / t
            optimizer([np.array(rng.standard_normal(shape), dtype) for shape in shapes])
