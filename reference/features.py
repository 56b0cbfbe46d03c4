"""Features of some frameworks: closures, hooks, scalers, older checkpoints.

A feature belongs to a framework and not to the page, so a subject may lack any of them. What a step computes is the
same with each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Closure(Enum):
    """The way a closure is passed to a step."""

    NONE = "step()"
    POSITIONAL = "step(closure)"
    KEYWORD = "step(closure=closure)"


class Loss(Enum):
    """The value that a closure returns."""

    TENSOR = "a tensor"
    NUMBER = "a number"
    ZERO = "0.0"
    NOTHING = "None"


class Scaler(Enum):
    """The gradient scaler that calls the step."""

    NONE = "no scaler"
    STEP = "scaler.step(optimizer)"
    UNSCALED = "scaler.unscale_(optimizer), scaler.step(optimizer)"
    OVERFLOW = "scaler.step(optimizer) with an infinite gradient"
    """The scaler skips the step: parameters have no gradient as far as the step is concerned."""


@dataclass(frozen=True)
class Call:
    """The way a step is called.

    Attributes:
        closure: that makes the gradients.
        loss: its value.
        accumulates: half of each gradient is there before, and the closure adds the other half.
        is_falsy: the closure is an object of length 0.
        no_grad: the caller has switched gradients off.
        hooks: there are hooks before and after the step; without a closure, the first makes the gradients.
        scaler: that calls the step.
    """

    closure: Closure = Closure.NONE
    loss: Loss = Loss.TENSOR
    accumulates: bool = False
    is_falsy: bool = False
    no_grad: bool = False
    hooks: bool = False
    scaler: Scaler = Scaler.NONE

    def __str__(self) -> str:
        parts = [self.closure.value if self.scaler is Scaler.NONE else self.scaler.value]
        if self.closure is not Closure.NONE:
            parts.append(f"a loss that is {self.loss.value}")
        parts += ["gradients that accumulate"] * self.accumulates
        parts += ["a closure of length 0"] * self.is_falsy
        parts += ["in no_grad"] * self.no_grad
        parts += ["with hooks"] * self.hooks
        return ", ".join(parts)


PLAIN_CALL: Final = Call()
"""A step without a closure, a hook or a scaler."""


class Question(Enum):
    """A call between two steps that leaves the numbers of an optimizer alone."""

    ZERO_GRAD = "zero_grad()"
    ZERO_GRAD_TO_NONE = "zero_grad(set_to_none=True)"
    ZERO_GRAD_IN_PLACE = "zero_grad(set_to_none=False)"
    CHECKPOINT_HOOKS = "hooks of state_dict and load_state_dict"
    OPTIONS = "every option in each group"
    SWITCHES = "the arguments of its constructor in each group"
    OVERWRITE = "nothing, while the caller overwrites the gradients of the last step"
    REBIND = "nothing, while the caller gives its parameters other memory of the same numbers"
    DERIVATIVE = "the derivative of a step"


class Edit(Enum):
    """A change that makes a checkpoint an older one, or one from elsewhere."""

    WITHOUT_NEWER_OPTIONS = "without the options that older versions do not have"
    COUNT_AS_INT = "with each count as an int"
    COUNT_AS_FLOAT = "with each count as a float"
    COUNT_AS_TENSOR = "with each count as a float32 tensor"
    THROUGH_FILE = "written to a file and read from it"
