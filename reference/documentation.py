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
    "bridge:braintools": Documentation(
        title="braintools.optim.Adamax",
        source="https://brainx.chaobrain.com/braintools/apis/generated/braintools.optim.Adamax.html",
        rule=Rule(Epsilon.IN_DENOMINATOR),
        defaults={"lr": 2e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0.0},
    ),
    "bridge:higher": Documentation(
        title="higher.optim.DifferentiableAdamax",
        source="https://higher.readthedocs.io/en/latest/optim.html",
        rule=None,
        defaults={},
    ),
    "bridge:jax": Documentation(
        title="jax.example_libraries.optimizers.adamax",
        source="https://docs.jax.dev/en/latest/jax.example_libraries.optimizers.html",
        rule=None,
        defaults={"betas": _BETAS, "eps": 1e-8},
        required=("lr",),
    ),
    "bridge:keras_core": Documentation(
        title="keras_core.optimizers.Adamax",
        source="https://keras.io/keras_core/api/optimizers/adamax/",
        rule=Rule(Epsilon.IN_DENOMINATOR),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-7, "weight_decay": None},
        silent=("decay",),
    ),
    "bridge:npnet": Documentation(
        title="npnet.optim.AdaMax",
        source="https://pypi.org/project/npnet/0.0.10/",
        rule=None,
        defaults={"lr": 0.01, "betas": _BETAS, "eps": 1e-8},
    ),
    "bridge:pyensmallen": Documentation(
        title="pyensmallen.AdaMax",
        source="https://ensmallen.org/docs.html#adamax",
        rule=None,
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-8},
    ),
    "bridge:river": Documentation(
        title="river.optim.AdaMax",
        source="https://riverml.xyz/latest/api/optim/AdaMax/",
        rule=None,
        defaults={"lr": 0.1, "betas": _BETAS, "eps": 1e-8},
    ),
    "bridge:tf_keras": Documentation(
        title="tf_keras.optimizers.Adamax",
        source="https://www.tensorflow.org/versions/r2.15/api_docs/python/tf/keras/optimizers/Adamax",
        rule=Rule(Epsilon.IN_DENOMINATOR),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-7, "weight_decay": None},
        silent=("decay",),
    ),
    "bridge:tf_keras_legacy": Documentation(
        title="tf_keras.optimizers.legacy.Adamax",
        source="https://www.tensorflow.org/versions/r2.15/api_docs/python/tf/keras/optimizers/legacy/Adamax",
        rule=Rule(Epsilon.IN_DENOMINATOR, decay=Decay.NONE),
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-7},
    ),
    "bridge:torchopt": Documentation(
        title="torchopt.AdaMax",
        source="https://torchopt.readthedocs.io/en/latest/api/api.html",
        rule=None,
        defaults={"lr": 1e-3, "betas": _BETAS, "eps": 1e-6, "weight_decay": 0.0},
    ),
    "bridge:zij": Documentation(
        title="zij.Adamax",
        source="https://junaidaliop.github.io/zij/",
        rule=DOCUMENTED,
        defaults={"lr": 2e-3, "betas": _BETAS, "eps": 1e-8, "weight_decay": 0, "maximize": False},
    ),
    "bridge:ztlearn": Documentation(
        title="ztlearn.optimizers.Adamax",
        source="https://github.com/jefkine/zeta-learn",
        rule=None,
        defaults={"lr": 0.02, "betas": _BETAS, "eps": 1e-8},
    ),
}
"""By the subject's name; a mode that is not listed has its framework's."""

_HUB: Final = "https://github.com/"
_MINDSPORE: Final = f"{_HUB}mindspore-ai/mindspore/blob/v2.10.0/mindspore/python/mindspore"
_WHEELS: Final = "https://inspector.pypi.io/project/"

CODE: Final[Mapping[str, str]] = {
    "keras": f"{_HUB}keras-team/keras/blob/v3.15.1/keras/src/optimizers/adamax.py#L121",
    "keras[torch]": f"{_HUB}keras-team/keras/blob/v3.15.1/keras/src/backend/torch/optimizers/torch_adamax.py#L40",
    "mindspore": f"{_MINDSPORE}/experimental/optim/adamax.py#L23",
    "mindspore[nn]": f"{_MINDSPORE}/nn/optim/adamax.py#L210",
    "mlx": f"{_HUB}ml-explore/mlx/blob/v0.32.4/python/mlx/optimizers/optimizers.py#L655",
    "optax": f"{_HUB}google-deepmind/optax/blob/v0.2.8/optax/tree_utils/_tree_math.py#L410",
    "paddle": f"{_HUB}PaddlePaddle/Paddle/blob/v3.3.1/paddle/phi/kernels/impl/adamax_kernel_impl.h#L64",
    "pytorch_optimizer": f"{_HUB}kozistr/pytorch_optimizer/blob/v4.1.0/pytorch_optimizer/optimizer/adamax.py#L156",
    "pytorch_optimizer[foreach]": f"{_HUB}kozistr/pytorch_optimizer/blob/v4.1.0/"
    "pytorch_optimizer/optimizer/adamax.py#L117",
    "tensorflow": f"{_HUB}tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/kernels/training_ops.cc",
    "torch": f"{_HUB}pytorch/pytorch/blob/v2.13.0/torch/optim/adamax.py#L280",
    "torch[differentiable]": f"{_HUB}pytorch/pytorch/blob/v2.13.0/torch/optim/adamax.py#L290",
    "torch[foreach]": f"{_HUB}pytorch/pytorch/blob/v2.13.0/torch/optim/adamax.py#L403",
    "bridge:braintools": f"{_HUB}chaobrain/braintools/blob/v0.3.0/braintools/optim/_optax_optimizer.py#L1904",
    "bridge:higher": f"{_HUB}facebookresearch/higher/blob/1e20cf9696054277b2d760f64835d5d74a3115a2/higher/optim.py#L506",
    "bridge:jax": f"{_HUB}jax-ml/jax/blob/jax-v0.10.2/jax/example_libraries/optimizers.py#L453",
    "bridge:keras_core": f"{_HUB}keras-team/keras-core/blob/v0.1.7/keras_core/optimizers/adamax.py#L124",
    "bridge:npnet": f"{_WHEELS}npnet/0.0.10/packages/72/a3/fe34105090f20527f91132816ee2523f6f8f1dd0b8929d64c72c51ea2a1a/"
    "npnet-0.0.10-py3-none-any.whl/npnet/optimizers.py#line.119",
    "bridge:pyensmallen": f"{_HUB}mlpack/ensmallen/blob/2.21.1/include/ensmallen_bits/adam/adamax_update.hpp#L123",
    "bridge:river": f"{_HUB}online-ml/river/blob/0.26.1/river/optim/ada_max.py#L74",
    "bridge:tf_keras": f"{_HUB}keras-team/tf-keras/blob/v2.21.0/tf_keras/optimizers/adamax.py#L165",
    "bridge:tf_keras_legacy": f"{_HUB}keras-team/tf-keras/blob/v2.21.0/tf_keras/optimizers/legacy/adamax.py#L145",
    "bridge:torchopt": f"{_HUB}metaopt/torchopt/blob/v0.7.3/torchopt/transform/scale_by_adamax.py#L141",
    "bridge:zij": f"{_WHEELS}zij/0.1.1/packages/ee/1b/0af5f2f7aef4212105ea719aae36dafc88bd586c88a5a75d6aa18fcda19f/"
    "zij-0.1.1-py3-none-any.whl/zij/core/adamax.py#line.283",
    "bridge:ztlearn": f"{_WHEELS}ztlearn/1.1.5/packages/41/a0/"
    "37d424c5842d7ad53de423040356a49fdd5cf3bfe35fc6103ba00576d034/ztlearn-1.1.5-py3-none-any.whl/ztlearn/optimizers.py#line.269",
}
"""The line of the source that takes the maximum, or names what takes it, in the version that was read.

It is by the subject's name; a mode that is not listed has its framework's.
"""


def code_of(subject: str) -> str:
    """Look up the line of a subject's source; empty where it is not known, or ours."""
    return CODE.get(subject) or CODE.get(subject.partition("[")[0], "")


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
