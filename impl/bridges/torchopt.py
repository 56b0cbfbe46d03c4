"""`torchopt.AdaMax`: a class over the functional `torchopt.adamax`."""

from collections.abc import Sequence
from typing import Any

import torch
import torchopt


class Adamax:
    """An optimizer of tensors, copied to and from the arrays."""

    package, dtypes, state_names = "torchopt", ("float16", "float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 2e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0.0,
    ) -> None:
        self.params = list(params)
        self.m: Any = None  # until a step is taken
        self.u: Any = None
        self.tensors = [torch.tensor(p.copy(), requires_grad=True) for p in self.params]
        self.inner = torchopt.AdaMax(self.tensors, lr, betas, eps, weight_decay)

    def __call__(self, gradients: Sequence[Any]) -> None:
        for tensor, gradient in zip(self.tensors, gradients, strict=True):
            tensor.grad = torch.tensor(gradient.copy())
        self.inner.step()
        for param, tensor in zip(self.params, self.tensors, strict=True):
            param[...] = tensor.detach().numpy()
        found = next(state for state in self.inner.state_groups[0] if hasattr(state, "nu"))
        self.m = [each.numpy() for each in found.mu]
        self.u = [each.numpy() for each in found.nu]
