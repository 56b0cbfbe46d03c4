"""`zij.Adamax`: a class derived from PyTorch's `Optimizer`."""

from collections.abc import Sequence
from typing import Any

import torch
import zij


class Adamax:
    """An optimizer of tensors, copied to and from the arrays."""

    package, dtypes, state_names = "zij", ("float16", "float32", "float64"), ("m", "u")

    def __init__(
        self,
        params: Sequence[Any],
        lr: Any = 2e-3,
        betas: Any = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0,
        *,
        maximize: Any = False,
    ) -> None:
        self.params = list(params)
        self.m: Any = None  # until a step is taken
        self.u: Any = None
        self.tensors = [torch.tensor(p.copy()) for p in self.params]
        self.inner = zij.Adamax(self.tensors, lr, betas, eps, weight_decay, maximize=maximize)

    def __call__(self, gradients: Sequence[Any]) -> None:
        for tensor, gradient in zip(self.tensors, gradients, strict=True):
            tensor.grad = torch.tensor(gradient.copy())
        self.inner.step()
        for param, tensor in zip(self.params, self.tensors, strict=True):
            param[...] = tensor.numpy()
        self.m = [self.inner.state[tensor]["exp_avg"].numpy() for tensor in self.tensors]
        self.u = [self.inner.state[tensor]["exp_inf"].numpy() for tensor in self.tensors]
