"""The dtypes of a recorded parameter: its own, and that of its m and u.

Where the state is finer, as float32 with bfloat16 parameters, the two names stand next to each other:
`bfloat16+float32`. m and u are judged in the state's format, and theta in its own (BOUNDS.md, "A state finer than
theta").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ...oracles.batch.lockstep import Block, QuantityTally, judge_block, judge_element
from ...oracles.error_model import ErrorModel
from ...oracles.formats import Format
from ...oracles.judgement import Judgement
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters

_FINER: Final[Mapping[str, frozenset[str]]] = {
    "float16": frozenset(),
    "bfloat16": frozenset(),
    "float32": frozenset({"float16", "bfloat16"}),
    "float64": frozenset({"float16", "bfloat16", "float32"}),
}
"""Of each dtype those whose numbers it has, too."""


def join(theta: str, state: str) -> str:
    """The name of a parameter's dtypes."""
    return theta if theta == state else f"{theta}+{state}"


def of_theta(dtypes: str) -> str:
    """The dtype of the parameter itself."""
    return dtypes.partition("+")[0]


def of_state(dtypes: str) -> str:
    """The dtype of its m and u."""
    return dtypes.rpartition("+")[2]


def holds(wide: str, dtype: str) -> bool:
    """Whether a dtype has all numbers of another."""
    return dtype == wide or dtype in _FINER[wide]


def judge_step(
    block: Block,
    dtypes: str,
    hyperparameters: Hyperparameters,
    t: int,
    error_model: ErrorModel,
    *,
    start: int = 0,
) -> dict[Quantity, QuantityTally[int]]:
    """Judge a step of elements in lockstep, each quantity in its format.

    Args:
        block: the step, in the dtype of the state.
        dtypes: of the parameter and its state.
        hyperparameters: in force at the step.
        t: the number of the step, from 1.
        error_model: that m and u are judged against.
        start: the index of the block's first element.
    """
    found = judge_block(block, hyperparameters, t, error_model, start=start)
    coarse = _for_theta(dtypes, error_model)
    if coarse != error_model:
        theta = judge_block(block, hyperparameters, t, coarse, start=start)[Quantity.THETA]
        found = {**found, Quantity.THETA: theta}
    return found


def judge_one(
    block: Block, index: int, dtypes: str, hyperparameters: Hyperparameters, t: int, error_model: ErrorModel
) -> dict[Quantity, Judgement]:
    """Judge one element by the exact oracle, each quantity in its format."""
    found = judge_element(block, index, hyperparameters, t, error_model)
    coarse = _for_theta(dtypes, error_model)
    if coarse != error_model:
        theta = judge_element(block, index, hyperparameters, t, coarse)
        found = {**found, **{q: judged for q, judged in theta.items() if q is Quantity.THETA}}
    return found


def _for_theta(dtypes: str, error_model: ErrorModel) -> ErrorModel:
    """The error model of a theta that is stored in a coarser format than m and u."""
    if of_theta(dtypes) == of_state(dtypes):
        return error_model
    return replace(error_model, format_=Format.of(of_theta(dtypes)))
