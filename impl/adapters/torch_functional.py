"""The adapter of the Adamax behind PyTorch's distributed optimizer.

Its `step` takes the gradients.

Translated: nothing; it is `torch.distributed.optim.functional_adamax._FunctionalAdamax`, which calls the functional
form of `torch.optim.Adamax` on tensors.

What it cannot express: it has one group ("we only have one param_group and don't allow user to add additional param
group as it's not a common use case"), no way to set its learning rate, and no state_dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch.distributed.optim.functional_adamax import _FunctionalAdamax

from ..protocol.errors import SkippedError
from ..protocol.messages import SubjectInfo
from .torch import TorchAdapter


class TorchFunctionalAdapter(TorchAdapter):
    """`_FunctionalAdamax`, which `DistributedOptimizer` calls."""

    has_features = False
    takes_generators = False

    def __init__(self, device: str, mode: str = "functional") -> None:
        super().__init__(device, optimizer_class=_FunctionalAdamax)
        self.mode = mode

    def describe(self) -> SubjectInfo:
        has = {"state": True, "groups": False, "set_lr": False, "save": False}
        return replace(super().describe(), has=has, schedulers=(), group_options=())

    def make_optimizer(self, params: list[Any], positional: Sequence[Any], keywords: Any) -> Any:
        if any(isinstance(entry, dict) for entry in params):
            raise SkippedError("it has one param_group and doesn't allow additional ones")
        return super().make_optimizer(params, positional, keywords)

    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        optimizer.step(list(gradients))

    def groups(self, optimizer: Any) -> None:
        return None

    def save_live(self, optimizer: Any) -> Any:
        raise SkippedError("it has no state_dict")

    def load_live(self, optimizer: Any, checkpoint: Any) -> None:
        raise SkippedError("it has no state_dict")
