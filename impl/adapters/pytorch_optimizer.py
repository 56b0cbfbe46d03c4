"""The adapter of pytorch_optimizer's AdaMax, an optimizer of PyTorch.

Translated: its modes are its argument `foreach`; a `maximize` that all groups share goes to the
constructor, as it belongs to the optimizer. The rest is the documented interface, with further arguments that
stay at their defaults (`weight_decouple`, `fixed_decay`, and by `**kwargs` `adanorm` and `adam_debias`).

What it cannot express: a `maximize` of one group. pytorch_optimizer gets it and ignores it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import pytorch_optimizer

from ..protocol.messages import ARGUMENTS, SubjectInfo
from .torch import TorchAdapter

MODES: Final = {"": {"foreach": False}, "foreach": {"foreach": True}}
"""The keyword arguments of each mode."""


class PytorchOptimizerAdapter(TorchAdapter):
    """`pytorch_optimizer.AdaMax`, over torch."""

    def __init__(self, device: str, mode: str = "") -> None:
        super().__init__(device, optimizer_class=pytorch_optimizer.AdaMax)
        self.mode = mode
        self.mode_arguments = MODES[mode]

    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        seen = params if hasattr(params, "__len__") else []  # a generator is passed on as it is
        groups = [group for group in seen if isinstance(group, dict) and "maximize" in group]
        values = {group["maximize"] for group in groups}
        if len(values) == 1 and len(groups) == len(params):
            keywords = {**keywords, "maximize": values.pop()}
            for group in groups:
                del group["maximize"]
        return super().make_optimizer(params, positional, keywords)

    def describe(self) -> SubjectInfo:
        described = super().describe()
        return replace(
            described,
            framework="pytorch_optimizer",
            version=version("pytorch_optimizer"),
            runtime=f"{described.runtime}, torch {described.version}",
            group_options=tuple(name for name in ARGUMENTS if name != "maximize"),
        )
