"""The documented contract of the arguments: exceptions, accepted and open values.

Source: the page of `mindspore.experimental.optim.Adamax`. A clause does not quote it; `statement` says in our
words which of its statements the clause follows from.

The page leaves room, or contradicts itself, in the clauses whose outcome is `OPEN`. The suite records what a
subject does there, and never calls it wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import numpy as np


class Outcome(Enum):
    """The outcome that the page promises for a value."""

    REJECT = "ValueError"
    ACCEPT = "accepted"
    OPEN = "left open"


@dataclass(frozen=True)
class Clause:
    """One promise about one argument.

    Attributes:
        id: stable, unique; the last part of the check's id.
        argument: `lr`, `betas`, `eps`, `weight_decay`, `maximize` or `params`.
        value: what is passed for it; for `params`, see `Params`.
        outcome: what the page promises.
        statement: the statement of the page that it follows from, or why it is left open.
    """

    id: str
    argument: str
    value: Any = field(compare=False)
    outcome: Outcome
    statement: str


class Params(Enum):
    """Values of `params` that need arrays; the check makes them."""

    EMPTY = "an empty list"
    REPEATED = "the same array twice"
    GROUP_WITHOUT_PARAMS = "a group without the key params"
    GROUP_WITH_BAD_LR = "a group with lr=-1.0"
    GROUP_WITH_BAD_BETAS = "a group with betas=(1.0, 0.999)"
    GROUP_WITH_BAD_EPS = "a group with eps=-1.0"
    GROUP_WITH_BAD_WEIGHT_DECAY = "a group with weight_decay=-1.0"


_LR_TYPE = "ValueError if lr is not an int, a float or a Tensor"
_LR_SIGN = "ValueError if lr is less than 0"
_EPS = "ValueError if eps is less than 0"
_BETAS = "ValueError if an element of betas is not in [0, 1)"
_DECAY = "ValueError if weight_decay is less than 0"
_TYPES = "lr is an int, a float or a Tensor; betas two floats; eps and weight_decay floats; maximize a bool"
_NOT_FINITE = "the page does not say whether a hyperparameter may be NaN or infinite"
_WRONG_TYPE = "the page promises no exception for a wrong type of this argument"

_NAN = float("nan")
_INFINITY = float("inf")
_TINY = 5e-324
_BELOW_ONE = 1 - 2.0**-53

CLAUSES: Final = (
    Clause("lr/string", "lr", "a", Outcome.REJECT, _LR_TYPE),
    Clause("lr/none", "lr", None, Outcome.REJECT, _LR_TYPE),
    Clause("lr/list", "lr", [1e-3], Outcome.REJECT, _LR_TYPE),
    Clause("lr/complex", "lr", complex(1e-3, 0.0), Outcome.REJECT, _LR_TYPE),
    Clause("lr/negative", "lr", -1.0, Outcome.REJECT, _LR_SIGN),
    Clause("lr/negative-int", "lr", -1, Outcome.REJECT, _LR_SIGN),
    Clause("lr/negative-smallest", "lr", -_TINY, Outcome.REJECT, _LR_SIGN),
    Clause("lr/negative-infinite", "lr", -_INFINITY, Outcome.REJECT, _LR_SIGN),
    Clause("lr/negative-array", "lr", np.array(-1e-3), Outcome.REJECT, _LR_SIGN),
    Clause("lr/zero", "lr", 0.0, Outcome.ACCEPT, _LR_SIGN + ", and 0 is not"),
    Clause("lr/zero-int", "lr", 0, Outcome.ACCEPT, _LR_SIGN + ", and 0 is not"),
    Clause("lr/int", "lr", 1, Outcome.ACCEPT, _TYPES),
    Clause("lr/float", "lr", 0.1, Outcome.ACCEPT, _TYPES),
    Clause("lr/large", "lr", 1e6, Outcome.ACCEPT, _TYPES),
    Clause("lr/array", "lr", np.array(1e-3), Outcome.ACCEPT, _TYPES),
    Clause(
        "lr/array-1-d",
        "lr",
        np.array([1e-3]),
        Outcome.OPEN,
        "the page does not say which shapes of lr are meant",
    ),
    Clause(
        "lr/array-two",
        "lr",
        np.array([1e-3, 2e-3]),
        Outcome.OPEN,
        "the page does not say which shapes of lr are meant",
    ),
    Clause("lr/bool", "lr", True, Outcome.OPEN, "Python counts a bool as an int; the page does not say"),
    Clause("lr/nan", "lr", _NAN, Outcome.OPEN, _NOT_FINITE),
    Clause("lr/infinite", "lr", _INFINITY, Outcome.OPEN, _NOT_FINITE),
    Clause(
        "lr/numpy-float32",
        "lr",
        np.float32(0.1),
        Outcome.OPEN,
        "a NumPy scalar is none of the types that the page names",
    ),
    Clause("betas/first-negative", "betas", (-0.1, 0.999), Outcome.REJECT, _BETAS),
    Clause("betas/second-negative", "betas", (0.9, -0.1), Outcome.REJECT, _BETAS),
    Clause("betas/first-negative-smallest", "betas", (-_TINY, 0.999), Outcome.REJECT, _BETAS),
    Clause("betas/second-negative-smallest", "betas", (0.9, -_TINY), Outcome.REJECT, _BETAS),
    Clause("betas/first-one", "betas", (1.0, 0.999), Outcome.REJECT, _BETAS),
    Clause("betas/second-one", "betas", (0.9, 1.0), Outcome.REJECT, _BETAS),
    Clause("betas/first-above", "betas", (1.5, 0.999), Outcome.REJECT, _BETAS),
    Clause("betas/second-above", "betas", (0.9, 1.5), Outcome.REJECT, _BETAS),
    Clause("betas/first-nan", "betas", (_NAN, 0.999), Outcome.REJECT, _BETAS + "; NaN is not"),
    Clause("betas/second-nan", "betas", (0.9, _NAN), Outcome.REJECT, _BETAS + "; NaN is not"),
    Clause("betas/first-infinite", "betas", (_INFINITY, 0.999), Outcome.REJECT, _BETAS),
    Clause("betas/second-infinite", "betas", (0.9, _INFINITY), Outcome.REJECT, _BETAS),
    Clause("betas/zero", "betas", (0.0, 0.0), Outcome.ACCEPT, _BETAS + "; 0 is"),
    Clause("betas/first-zero", "betas", (0.0, 0.999), Outcome.ACCEPT, _BETAS + "; 0 is"),
    Clause("betas/second-zero", "betas", (0.9, 0.0), Outcome.ACCEPT, _BETAS + "; 0 is"),
    Clause(
        "betas/below-one",
        "betas",
        (_BELOW_ONE, _BELOW_ONE),
        Outcome.ACCEPT,
        _BETAS + "; the largest double below 1 is",
    ),
    Clause("betas/integers", "betas", (0, 0), Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/number", "betas", 0.9, Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/three", "betas", (0.9, 0.99, 0.999), Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/one", "betas", (0.9,), Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/list", "betas", [0.9, 0.999], Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/none", "betas", None, Outcome.OPEN, _WRONG_TYPE),
    Clause("betas/strings", "betas", ("a", "b"), Outcome.OPEN, _WRONG_TYPE),
    Clause("eps/negative", "eps", -1.0, Outcome.REJECT, _EPS),
    Clause("eps/negative-small", "eps", -1e-8, Outcome.REJECT, _EPS),
    Clause("eps/negative-smallest", "eps", -_TINY, Outcome.REJECT, _EPS),
    Clause("eps/negative-infinite", "eps", -_INFINITY, Outcome.REJECT, _EPS),
    Clause("eps/small", "eps", 1e-30, Outcome.ACCEPT, "eps is a float greater than 0"),
    Clause("eps/large", "eps", 1.0, Outcome.ACCEPT, "eps is a float greater than 0"),
    Clause("eps/zero", "eps", 0.0, Outcome.OPEN, "must be greater than 0 against a ValueError only below 0"),
    Clause("eps/nan", "eps", _NAN, Outcome.OPEN, _NOT_FINITE),
    Clause("eps/infinite", "eps", _INFINITY, Outcome.OPEN, _NOT_FINITE),
    Clause("eps/int", "eps", 1, Outcome.OPEN, _WRONG_TYPE),
    Clause("eps/bool", "eps", True, Outcome.OPEN, _WRONG_TYPE),
    Clause("eps/string", "eps", "a", Outcome.OPEN, _WRONG_TYPE),
    Clause("eps/none", "eps", None, Outcome.OPEN, _WRONG_TYPE),
    Clause("weight-decay/negative", "weight_decay", -1.0, Outcome.REJECT, _DECAY),
    Clause("weight-decay/negative-small", "weight_decay", -1e-8, Outcome.REJECT, _DECAY),
    Clause("weight-decay/negative-smallest", "weight_decay", -_TINY, Outcome.REJECT, _DECAY),
    Clause("weight-decay/negative-infinite", "weight_decay", -_INFINITY, Outcome.REJECT, _DECAY),
    Clause("weight-decay/zero", "weight_decay", 0.0, Outcome.ACCEPT, _DECAY + ", and 0 is not"),
    Clause("weight-decay/float", "weight_decay", 0.1, Outcome.ACCEPT, _TYPES),
    Clause("weight-decay/above-one", "weight_decay", 2.0, Outcome.ACCEPT, _DECAY + ", and 2 is not"),
    Clause("weight-decay/int", "weight_decay", 1, Outcome.OPEN, _WRONG_TYPE),
    Clause("weight-decay/int-zero", "weight_decay", 0, Outcome.OPEN, _WRONG_TYPE),
    Clause("weight-decay/nan", "weight_decay", _NAN, Outcome.OPEN, _NOT_FINITE),
    Clause("weight-decay/infinite", "weight_decay", _INFINITY, Outcome.OPEN, _NOT_FINITE),
    Clause("weight-decay/string", "weight_decay", "a", Outcome.OPEN, _WRONG_TYPE),
    Clause("weight-decay/none", "weight_decay", None, Outcome.OPEN, _WRONG_TYPE),
    Clause("maximize/true", "maximize", True, Outcome.ACCEPT, _TYPES),
    Clause("maximize/false", "maximize", False, Outcome.ACCEPT, _TYPES),
    Clause("maximize/int", "maximize", 1, Outcome.OPEN, _WRONG_TYPE),
    Clause("maximize/string", "maximize", "a", Outcome.OPEN, _WRONG_TYPE),
    Clause("params/empty", "params", Params.EMPTY, Outcome.OPEN, "the page does not say"),
    Clause("params/repeated", "params", Params.REPEATED, Outcome.OPEN, "the page does not say"),
    Clause(
        "params/group-without-params",
        "params",
        Params.GROUP_WITHOUT_PARAMS,
        Outcome.OPEN,
        "the page does not say",
    ),
    Clause(
        "params/group-lr",
        "params",
        Params.GROUP_WITH_BAD_LR,
        Outcome.OPEN,
        "the page promises exceptions for arguments, not for a group's options",
    ),
    Clause(
        "params/group-betas",
        "params",
        Params.GROUP_WITH_BAD_BETAS,
        Outcome.OPEN,
        "the page promises exceptions for arguments, not for a group's options",
    ),
    Clause(
        "params/group-eps",
        "params",
        Params.GROUP_WITH_BAD_EPS,
        Outcome.OPEN,
        "the page promises exceptions for arguments, not for a group's options",
    ),
    Clause(
        "params/group-weight-decay",
        "params",
        Params.GROUP_WITH_BAD_WEIGHT_DECAY,
        Outcome.OPEN,
        "the page promises exceptions for arguments, not for a group's options",
    ),
)
