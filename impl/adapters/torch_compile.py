"""The adapter of PyTorch's Adamax under `torch.compile(optimizer.step)`.

Translated: the adapter passes a learning rate that is a number as a tensor, as PyTorch recommends ("wrap the lr in a
Tensor"), since PyTorch compiles a step again for each number.

What it cannot express: nothing. Each optimizer is compiled on its own, at its first step: PyTorch forgets the code
of the others, and raises an error rather than to go on uncompiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch._dynamo

from ...reference.case import Layout
from ..protocol.errors import UnavailableError
from .torch import TorchAdapter


class TorchCompileAdapter(TorchAdapter):
    """`torch.optim.Adamax` with its step compiled by the default backend.

    That backend writes C++ for a CPU.
    """

    has_features = False

    def __init__(self, device: str, mode: str = "compile") -> None:
        super().__init__(device, mode)
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        parameter = self.make_parameter(np.zeros(1), "float32", Layout.CONTIGUOUS, 0)
        try:
            # The first is by far the slowest, and shows whether there is a compiler.
            self.step(self.make_optimizer([parameter], (), {}), [parameter], [torch.ones_like(parameter)])
        except RuntimeError as error:
            raise UnavailableError(
                f"torch[{mode}] cannot compile here: {' '.join(str(error).split())[:200]}"
            ) from None

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        optimizer = super().make_optimizer(params, positional, keywords)
        torch.compiler.reset()
        optimizer.compiled_step = torch.compile(optimizer.step)
        return optimizer

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        # As PyTorch's learning rate schedulers do: the tensor stays, and nothing is compiled again.
        optimizer.param_groups[group]["lr"].fill_(lr)

    def call_step(self, optimizer: Any) -> None:
        optimizer.compiled_step()
