"""The update rules: the documented one, and those that real optimizers follow.

A rule is composed of four parts, each a closed vocabulary. `DOCUMENTED` is the formula of
`mindspore.experimental.optim.Adamax` and `torch.optim.Adamax`. Every other rule is a way in which some
optimizer is known, or was once seen, to differ from it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from itertools import product
from typing import Final


class Epsilon(Enum):
    """The term of the formula that eps enters."""

    IN_NORM = "u = max(beta2*u, |g| + eps)"
    """The documented place (PyTorch, mindspore.experimental, Optax, pytorch_optimizer)."""
    IN_DENOMINATOR = "u = max(beta2*u, |g|), divided by u + eps"
    """Keras, TensorFlow's ApplyAdaMax, MLX, mindspore.nn.AdaMax."""
    ON_DECAYED_NORM = "u = max(beta2*u + eps, |g|)"
    """PaddlePaddle."""
    FLOOR = "u = max(beta2*u, |g|, eps)"
    """NetKet 2, whose argument is called epscut."""
    NONE = "u = max(beta2*u, |g|), without eps"
    """Kingma and Ba, "Adam" (ICLR 2015), algorithm 2; MXNet."""


class BiasCorrection(Enum):
    """The divisor of the first moment."""

    FIRST_MOMENT = "divided by 1 - beta1^t"
    """The documented one."""
    NONE = "no bias correction"
    """MLX, which says that its Adams omit it."""


class Decay(Enum):
    """The effect of weight_decay."""

    L2 = "weight_decay*theta is added to the gradient"
    """The documented one (PyTorch, MindSpore, MXNet)."""
    DECOUPLED = "lr*weight_decay*theta is taken from theta, apart from the gradient"
    """Keras, optax.adamaxw; after Loshchilov and Hutter, "Decoupled weight decay regularization" (ICLR 2019), who
    multiply the decay by the schedule's factor alone, and not by the learning rate."""
    NONE = "no weight decay"
    """Optax's adamax, TensorFlow, MLX."""


class Ascent(Enum):
    """The effect of maximize."""

    NEGATE_GRADIENT = "the gradient is negated, then the decay is added"
    """The documented order (PyTorch, MindSpore)."""
    NEGATE_AFTER_DECAY = "the decay is added, then the sum is negated"
    NONE = "maximize is ignored"
    """All but PyTorch, mindspore.experimental and pytorch_optimizer."""


class Norm(Enum):
    """The norm of a complex number.

    Of a real one both are the absolute value, so a `Rule` has no such part. The page does not mention complex
    parameters. The formula is the same: with `PARTS` its numbers are the real and the imaginary parts, each with a
    norm of its own; with `MODULUS` they are complex, and u is real.
    """

    PARTS = "each of the real and the imaginary part has its own norm"
    """PyTorch and pytorch_optimizer, which view a complex array as a real one."""
    MODULUS = "the norm is that of the modulus"
    """Optax, whose absolute value is that of the complex number."""


@dataclass(frozen=True)
class Rule:
    """One update formula.

    Attributes:
        epsilon: where eps enters.
        bias_correction: what the first moment is divided by.
        decay: what weight_decay does.
        ascent: what maximize does.
    """

    epsilon: Epsilon = Epsilon.IN_NORM
    bias_correction: BiasCorrection = BiasCorrection.FIRST_MOMENT
    decay: Decay = Decay.L2
    ascent: Ascent = Ascent.NEGATE_GRADIENT

    @property
    def deviations(self) -> tuple[str, ...]:
        """The parts that differ from the documented rule, one phrase each."""
        return tuple(
            getattr(self, part.name).value
            for part in fields(self)
            if getattr(self, part.name) is not getattr(DOCUMENTED, part.name)
        )

    @property
    def name(self) -> str:
        """A short stable name: `documented`, or the parts that differ, joined by `+`."""
        parts = [
            f"{part.name.replace('_', '-')}={getattr(self, part.name).name.lower().replace('_', '-')}"
            for part in fields(self)
            if getattr(self, part.name) is not getattr(DOCUMENTED, part.name)
        ]
        return "+".join(parts) or "documented"


DOCUMENTED: Final = Rule()


def all_rules() -> tuple[Rule, ...]:
    """Every composition of the parts, in the order of the number of deviations.

    The documented rule is the first. The order of negation and decay is a part only where the decay is added to
    the gradient.
    """
    rules = (Rule(*parts) for parts in product(Epsilon, BiasCorrection, Decay, Ascent))
    return tuple(
        sorted(
            (r for r in rules if r.decay is Decay.L2 or r.ascent is not Ascent.NEGATE_AFTER_DECAY),
            key=lambda rule: len(rule.deviations),
        )
    )
