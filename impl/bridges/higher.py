"""`higher.optim.DifferentiableAdamax`, whose steps take a loss."""

from collections.abc import Sequence
from typing import Any

import higher
import torch


class Adamax:
    """An optimizer of tensors, for the loss whose gradients are those that are passed."""

    package, dtypes, state_names = "higher", ("float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 2e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0,
    ) -> None:
        self.params = list(params)
        self.m: Any = None  # until a step is taken
        self.u: Any = None
        self.tensors = [torch.tensor(p.copy(), requires_grad=True) for p in self.params]
        plain = torch.optim.Adamax(self.tensors, lr, betas, eps, weight_decay)
        self.inner = higher.optim.DifferentiableAdamax(plain, self.tensors, track_higher_grads=False)

    def __call__(self, gradients: Sequence[Any]) -> None:
        pairs = zip(self.tensors, gradients, strict=True)
        loss = sum((tensor * torch.tensor(gradient.copy())).sum() for tensor, gradient in pairs)
        self.tensors = list(self.inner.step(loss, self.tensors))
        for param, tensor in zip(self.params, self.tensors, strict=True):
            param[...] = tensor.detach().numpy()
        self.m = [state["exp_avg"].detach().numpy() for state in self.inner.state[0].values()]
        self.u = [state["exp_inf"].detach().numpy() for state in self.inner.state[0].values()]
