"""The promises of each framework's own documentation of its Adamax.

These are facts of the documentation alone, in the names of the page (`lr`, `betas`, ...), each with its source.
What an optimizer really does is for the suite to find. Frameworks whose documentation is the page are not listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Final

from .rules import DOCUMENTED, BiasCorrection, Decay, Epsilon, Rule


@dataclass(frozen=True)
class Documentation:
    """The documentation of one framework's optimizer.

    Attributes:
        title: the optimizer's full name.
        source: the page, as a URL.
        rule: the formula that it states; None where it states none.
        defaults: of the documented arguments, those that have a default; None is what the framework says for none.
        required: those without a default.
        raises: the exception that it promises, by the ids of the contract's clauses (globs).
        silent: the parts of the rule that it does not mention.
        accepts: the clauses of the contract (globs) whose value it says is accepted.
    """

    title: str
    source: str
    rule: Rule | None
    defaults: Mapping[str, Any]
    required: tuple[str, ...] = ()
    raises: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()

    def states(self, rule: Rule) -> bool:
        """Whether a rule is the formula that it states, as far as it states one."""
        parts = (part.name for part in fields(Rule) if part.name not in self.silent)
        return self.rule is not None and all(getattr(rule, p) is getattr(self.rule, p) for p in parts)

    def exception(self, clause: str) -> str:
        """The exception that it promises for a clause of the contract; empty for none."""
        return next((name for glob, name in self.raises.items() if fnmatchcase(clause, glob)), "")

    def admits(self, clause: str) -> bool:
        """Whether it says that the value of a clause is accepted."""
        return any(fnmatchcase(clause, glob) for glob in self.accepts)

    def promise(self, clause: str) -> str:
        """The promise for a clause of the contract, in a few words."""
        return f"promises {self.exception(clause) or 'no exception'}"


PAGE: Final = "mindspore.experimental.optim.Adamax"
"""The optimizer whose documentation is the specification."""
PAGE_ADDRESS: Final = "https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/mindspore.experimental.optim.Adamax.html"
"""The address of the specification."""

_BETAS: Final = (0.9, 0.999)

DOCUMENTATION: Final[Mapping[str, Documentation]] = {
    "torch": Documentation(
        title="torch.optim.Adamax",
        source="https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html",
        rule=DOCUMENTED,
        defaults={"lr": 2e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0, "maximize": False},
    ),
    "mindspore[nn]": Documentation(
        title="mindspore.nn.AdaMax",
        source="https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.AdaMax.html",
        rule=Rule(Epsilon.IN_DENOMINATOR),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0},
        raises={
            "eps/negative*": "ValueError",
            "eps/zero": "ValueError",
            "betas/*-negative*": "ValueError",
            "betas/*one": "ValueError",
            "betas/*-above": "ValueError",
            "betas/*zero": "ValueError",
            "weight-decay/negative*": "ValueError",
            "lr/string": "TypeError",
            "lr/none": "TypeError",
            "lr/complex": "TypeError",
            "betas/integers": "TypeError",
            "betas/strings": "TypeError",
            "eps/int": "TypeError",
            "eps/string": "TypeError",
            "eps/none": "TypeError",
            "weight-decay/string": "TypeError",
            "weight-decay/none": "TypeError",
        },
    ),
    "optax": Documentation(
        title="optax.adamax",
        source="https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.adamax",
        rule=Rule(decay=Decay.NONE),
        defaults={"betas": _BETAS, "eps": 1e-8},
        required=("lr",),
    ),
    "optax[adamaxw]": Documentation(
        title="optax.adamaxw",
        source="https://optax.readthedocs.io/en/latest/api/optimizers.html#optax.adamaxw",
        rule=Rule(decay=Decay.DECOUPLED),
        defaults={"betas": _BETAS, "eps": 1e-8, "weight_decay": 1e-4},
        required=("lr",),
    ),
    "keras": Documentation(
        title="keras.optimizers.Adamax",
        source="https://keras.io/api/optimizers/adamax/",
        rule=Rule(Epsilon.IN_DENOMINATOR),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-7, "weight_decay": None},
        silent=("decay",),
    ),
    "tensorflow": Documentation(
        title="tf.raw_ops.ResourceApplyAdaMax",
        source="https://www.tensorflow.org/api_docs/python/tf/raw_ops/ResourceApplyAdaMax",
        rule=Rule(Epsilon.IN_DENOMINATOR, decay=Decay.NONE),
        defaults={},
        required=("lr", "betas", "eps"),
    ),
    "paddle": Documentation(
        title="paddle.optimizer.Adamax",
        source="https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/optimizer/Adamax_en.html",
        rule=Rule(Epsilon.ON_DECAYED_NORM),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": None},
    ),
    "mlx": Documentation(
        title="mlx.optimizers.Adamax",
        source="https://ml-explore.github.io/mlx/build/html/python/optimizers/_autosummary/mlx.optimizers.Adamax.html",
        rule=Rule(Epsilon.IN_DENOMINATOR, BiasCorrection.NONE, Decay.NONE),
        defaults={"betas": _BETAS, "eps": 1e-8},
        required=("lr",),
    ),
    "pytorch_optimizer": Documentation(
        title="pytorch_optimizer.AdaMax",
        source="https://pytorch-optimizers.readthedocs.io/en/latest/optimizer/",
        rule=None,
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0, "maximize": False},
    ),
}
"""By the subject's name; a mode that is not listed has its framework's."""


def documentation_of(subject: str) -> Documentation | None:
    """Look up a subject's own documentation by its name on the command line.

    Returns:
        None where its documentation is the page, or where the subject is unknown.
    """
    framework, _, mode = subject.partition("[")
    own = DOCUMENTATION.get(subject)
    if own is None and not (framework == "mindspore" or "functional" in mode):
        own = DOCUMENTATION.get(framework)
    return own
