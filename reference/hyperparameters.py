"""The hyperparameters as documented: names, defaults and domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of one parameter group; the defaults are the page's.

    The numbers are binary64: 0.9 is the double nearest to 0.9, and the oracle computes from that double.

    Attributes:
        lr: learning rate, at least 0.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the infinity norm, in [0, 1).
        eps: greater than 0.
        weight_decay: L2 penalty, at least 0.
        maximize: whether the objective is maximized.
    """

    lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False

    def options(self) -> dict[str, Any]:
        """The same as the keyword arguments of the documented constructor."""
        return {
            "lr": self.lr,
            "betas": (self.beta1, self.beta2),
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "maximize": self.maximize,
        }

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Hyperparameters:
        """The inverse of `options`; what is left out keeps its default."""
        flat = dict(options)
        if "betas" in flat:
            flat["beta1"], flat["beta2"] = flat.pop("betas")
        if unknown := sorted(flat.keys() - _NAMES):
            raise ValueError(
                f"hyperparameters {unknown} are not documented; known are {sorted(_NAMES)} and betas"
            )
        return cls(**flat)


_NAMES: Final = frozenset(field.name for field in fields(Hyperparameters))
DEFAULTS: Final = Hyperparameters()
