"""Ways to get a life wrong, each a small change of our own Adamax."""

from __future__ import annotations

import numpy as np
from adamax_conformance.impl import Adamax


class ForgetsTheCount(Adamax):
    """Counts from 1 again after a checkpoint was loaded."""

    def load_state_dict(self, state):
        groups = [{**group, "t": 1} for group in state["param_groups"]]
        super().load_state_dict({**state, "t": 1, "param_groups": groups})


class IgnoresALaterRate(Adamax):
    """Goes on with the learning rates that it was constructed with."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.first = [group["lr"] for group in self.param_groups]

    def __call__(self, gradients):
        shown = [group["lr"] for group in self.param_groups]
        for group, lr in zip(self.param_groups, self.first, strict=False):
            group["lr"] = lr
        super().__call__(gradients)
        for group, lr in zip(self.param_groups, shown, strict=True):
            group["lr"] = lr


class ScalesGradients(Adamax):
    """Leaves gradients other than they were passed."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for gradient in gradients:
            if gradient.flags.writeable:
                gradient[...] *= 2


class KeepsTheCallersDicts(Adamax):
    """Writes the defaults into the dicts of the caller."""

    def __init__(self, params, **options):
        if isinstance(params, list) and isinstance(params[0], dict):
            for group in params:
                group.setdefault("eps", 1e-8)
        super().__init__(params, **options)


class SharesItsCheckpoint(Adamax):
    """Saves m and u themselves instead of copies."""

    def state_dict(self):
        return {**super().state_dict(), "exp_avg": self.exp_avg, "exp_inf": self.exp_inf}


class RefusesAfterLoading(Adamax):
    """Does not step after a checkpoint was loaded."""

    loaded = False

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.loaded = True

    def __call__(self, gradients):
        if self.loaded:
            raise RuntimeError("no state")
        super().__call__(gradients)


class CleansInfinities(Adamax):
    """Takes a gradient that is not finite for 0."""

    def __call__(self, gradients):
        super().__call__(tuple(np.where(np.isfinite(g), g, 0).astype(g.dtype) for g in gradients))


class MovesOnARefusal(Adamax):
    """Changes m before it looks at the number of gradients."""

    def __call__(self, gradients):
        for m in self.exp_avg[:1]:
            m[...] *= 0.5 if len(gradients) != len(self.exp_avg) else 1.0
        super().__call__(gradients)


class LosesTheTail(Adamax):
    """Does not step the last elements of large arrays."""

    def __call__(self, gradients):
        params = [p for group in self.param_groups for p in group["params"]]
        kept = [p[..., -1].copy() if p.size > 1000 else None for p in params]
        super().__call__(gradients)
        for p, last in zip(params, kept, strict=True):
            if last is not None:
                p[..., -1] = last


class CountsToLittle(Adamax):
    """Counts its steps in 8 bits."""

    def __call__(self, gradients):
        super().__call__(gradients)
        if self.t >= 255:
            state = self.state_dict()
            groups = [{**group, "t": 1} for group in state["param_groups"]]
            self.load_state_dict({**state, "t": 1, "param_groups": groups})


class ShowsAnotherRate(Adamax):
    """Halves the learning rates of a checkpoint."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for group in self.param_groups:
            group["lr"] = group["lr"] / 2


BUGS = (
    ForgetsTheCount,
    IgnoresALaterRate,
    ScalesGradients,
    KeepsTheCallersDicts,
    SharesItsCheckpoint,
    RefusesAfterLoading,
    CleansInfinities,
    MovesOnARefusal,
    LosesTheTail,
    CountsToLittle,
    ShowsAnotherRate,
)
