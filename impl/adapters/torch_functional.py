"""How is the Adamax of PyTorch's distributed optimizer asked? Gradients are passed to its `step`.

Translated: nothing; it is `torch.distributed.optim.functional_adamax._FunctionalAdamax`, which calls the functional
form of `torch.optim.Adamax` on tensors.

What it cannot express: it has one group ("we only have one param_group and don't allow user to add additional param
group as it's not a common use case"), no way to set its learning rate, and no state_dict.
"""

# ruff: noqa: D102 - what each method does is said where `Adapter` declares it

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch.distributed.optim.functional_adamax import _FunctionalAdamax

from ..protocol.errors import Skipped
from ..protocol.messages import SubjectInfo
from .torch import TorchAdapter


class TorchFunctionalAdapter(TorchAdapter):
    """`_FunctionalAdamax`, the optimizer behind `torch.distributed.optim.DistributedOptimizer`."""

    def __init__(self, device: str, mode: str = "functional") -> None:
        super().__init__(device, optimizer_class=_FunctionalAdamax)
        self.mode = mode

    def describe(self) -> SubjectInfo:
        has = {"state": True, "groups": False, "set_lr": False, "save": False}
        return replace(super().describe(), has=has, schedulers=(), group_options=())

    def make(self, params: list[Any], positional: Sequence[Any], keywords: Any) -> Any:  # noqa: ANN401
        if any(isinstance(entry, dict) for entry in params):
            raise Skipped("it has one param_group and doesn't allow additional ones")
        return super().make(params, positional, keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401, ARG002
        optimizer.step(list(gradients))

    def groups(self, optimizer: Any) -> None:  # noqa: ANN401, ARG002
        return None
