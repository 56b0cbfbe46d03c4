"""Runs of an optimizer that a method judges: its numbers after each step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.methods.method import Judge
from adamax_conformance.tests.meta.methods.reference import Array

CONFIGURATIONS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"lr": 0.1},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"weight_decay": 0.1, "maximize": True},
)
"""The arguments with which PyTorch tests Adamax on a CPU (`optim_inputs_func_adamax`)."""

Gradients = Callable[[int, Sequence[Array]], Sequence[Array]]
"""The gradients of a step by its index and the parameters before it."""


@dataclass(frozen=True)
class State:
    """The numbers of an optimizer after a step.

    Attributes:
        theta: the parameters.
        m: the first moments; empty if they cannot be seen.
        u: the infinity norms; empty if they cannot be seen.
    """

    theta: tuple[Array, ...]
    m: tuple[Array, ...]
    u: tuple[Array, ...]


def run(
    factory: Callable[..., Any],
    thetas: Sequence[Array],
    gradients: Gradients,
    steps: int,
    options: Mapping[str, Any],
) -> Iterator[State]:
    """Run an optimizer on copies of the parameters; yield its numbers after each step."""
    params = [theta.copy() for theta in thetas]
    optimizer = factory(params, **options)
    for index in range(steps):
        optimizer([np.array(g) for g in gradients(index, params)])
        shown = (getattr(optimizer, name, ()) for name in ("exp_avg", "exp_inf"))
        m, u = (tuple(array.copy() for array in arrays) for arrays in shown)
        yield State(tuple(theta.copy() for theta in params), m, u)


def draw(dtype: str, steps: int, seed: int = 0) -> tuple[list[Array], list[list[Array]]]:
    """Normally distributed parameters, a matrix and a vector, and their gradients."""
    random = np.random.default_rng(seed)
    shapes = ((4, 3), (3,))
    numbers = [[random.normal(size=shape).astype(dtype) for shape in shapes] for _ in range(steps + 1)]
    return numbers[0], numbers[1:]


def describe(step: int, options: Mapping[str, Any]) -> str:
    """The words for a difference after a step."""
    given = ", ".join(f"{name}={value}" for name, value in options.items()) or "defaults"
    return f"step {step}, {given}"


def count_exceptions(judge: Judge) -> Judge:
    """Count an exception of the optimizer as a finding, since it fails a test."""

    @functools.wraps(judge)
    def judge_or_name(factory: type[Any], dtype: str) -> str | None:
        try:
            return judge(factory, dtype)
        except Exception as error:  # noqa: BLE001 - its type is the finding
            return f"raises {type(error).__name__}"

    return judge_or_name
