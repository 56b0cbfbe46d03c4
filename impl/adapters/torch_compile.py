"""How is PyTorch's Adamax asked when its step is compiled? By `torch.compile(optimizer.step)`.

Translated: a learning rate that is a number is passed as a tensor, as PyTorch asks of whoever changes it ("wrap the
lr in a Tensor"), since a compiled step is compiled anew for each number.

What it cannot express: nothing. Each optimizer is compiled on its own, at its first step: what was compiled for
another is forgotten, and PyTorch is told to raise rather than to go on uncompiled.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch._dynamo

from ...reference.case import Layout
from ..protocol.errors import Unavailable
from .torch import TorchAdapter


class TorchCompileAdapter(TorchAdapter):
    """`torch.optim.Adamax` with its step compiled by the default backend, which writes C++ for a CPU."""

    def __init__(self, device: str, mode: str = "compile") -> None:
        super().__init__(device, mode)
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # noqa: SLF001 - it has no public name
        parameter = self.parameter(np.zeros(1), "float32", Layout.CONTIGUOUS, 0)
        try:
            # The first is by far the slowest, and tells whether there is a compiler.
            self.step(self.make([parameter], (), {}), [parameter], [torch.ones_like(parameter)])
        except RuntimeError as error:
            raise Unavailable(
                f"torch[{mode}] cannot compile here: {' '.join(str(error).split())[:200]}"
            ) from None

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        optimizer = super().make(params, positional, keywords)
        torch.compiler.reset()
        optimizer.compiled_step = torch.compile(optimizer.step)
        return optimizer

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401
        # As PyTorch's learning rate schedulers do: the tensor stays, and nothing is compiled anew.
        optimizer.param_groups[group]["lr"].fill_(lr)

    def advance(self, optimizer: Any) -> None:  # noqa: ANN401
        optimizer.compiled_step()
