"""The case that a subject runs: groups of parameters with gradients and options.

A case holds every number as binary64. Each number of binary16, bfloat16 and binary32 is one of binary64's
too, so a case drawn for a narrow format is exact, and crosses to any subject without rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from .hyperparameters import Hyperparameters

FloatArray = npt.NDArray[np.float64]


class Layout(Enum):
    """The memory layout of the arrays that a subject gets."""

    CONTIGUOUS = "contiguous"
    STRIDED = "strided"
    """Every other element of a larger array."""
    TRANSPOSED = "transposed"
    """The axes in the opposite order (Fortran's)."""
    REVERSED = "reversed"
    """A negative stride along the first axis."""


def array_to_json(array: FloatArray) -> dict[str, Any]:
    """An array as JSON: its shape, and its elements as hexadecimal strings.

    The elements are in row-major order.
    """
    return {"shape": list(array.shape), "data": [float(x).hex() for x in array.ravel()]}


def array_from_json(value: Mapping[str, Any]) -> FloatArray:
    """The inverse of `array_to_json`."""
    data = np.array([float.fromhex(x) for x in value["data"]], dtype=np.float64)
    return data.reshape(value["shape"])


def _read_only_copy(array: npt.ArrayLike) -> FloatArray:
    result = np.array(array, dtype=np.float64)
    result.flags.writeable = False
    return result


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter: its initial value and its gradient at each step.

    Attributes:
        theta: float64 array of any shape, each element a number of the working format.
        gradients: one array for each step, of the shape of theta.
    """

    theta: FloatArray
    gradients: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta", _read_only_copy(self.theta))
        object.__setattr__(self, "gradients", tuple(_read_only_copy(g) for g in self.gradients))
        for t, g in enumerate(self.gradients, start=1):
            if g.shape != self.theta.shape:
                raise ValueError(f"gradient of step {t} has shape {g.shape}; theta has {self.theta.shape}")

    @classmethod
    def of(cls, theta: npt.ArrayLike, gradients: Sequence[npt.ArrayLike]) -> Parameter:
        """Make a parameter from anything that NumPy makes an array of."""
        return cls(_read_only_copy(theta), tuple(_read_only_copy(g) for g in gradients))


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters that share their hyperparameters.

    Attributes:
        hyperparameters: in force from the start.
        parameters: at least one.
        learning_rates: the learning rate in force at each step, where it changes; None where it does not.
    """

    hyperparameters: Hyperparameters
    parameters: tuple[Parameter, ...]
    learning_rates: tuple[float, ...] | None = None

    def at(self, t: int) -> Hyperparameters:
        """The hyperparameters in force at step t, counted from 1."""
        if self.learning_rates is None:
            return self.hyperparameters
        return replace(self.hyperparameters, lr=self.learning_rates[t - 1])


@dataclass(frozen=True, eq=False)
class Case:
    """A whole run: groups of parameters with their hyperparameters and gradients.

    Attributes:
        name: a stable id for a pinned case; `drawn` for one that hypothesis drew.
        groups: at least one.
        layout: how the arrays lie in memory.
    """

    name: str
    groups: tuple[Group, ...]
    layout: Layout = Layout.CONTIGUOUS

    def __post_init__(self) -> None:
        lengths = {len(p.gradients) for p in self.parameters}
        lengths |= {len(g.learning_rates) for g in self.groups if g.learning_rates is not None}
        if len(lengths) != 1:
            raise ValueError(
                f"case {self.name}: gradients and learning rates for {sorted(lengths)} steps; want one number"
            )

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.groups[0].parameters[0].gradients)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, group by group: the order in which gradients are passed."""
        return tuple(p for group in self.groups for p in group.parameters)

    def indexed_parameters(self) -> Iterator[tuple[int, Group, Parameter]]:
        """Each parameter with its index in `parameters` and its group."""
        index = 0
        for group in self.groups:
            for parameter in group.parameters:
                yield index, group, parameter
                index += 1

    def gradients(self, t: int) -> tuple[FloatArray, ...]:
        """The gradients of step t, counted from 1, in the order of `parameters`."""
        return tuple(p.gradients[t - 1] for p in self.parameters)

    def to_json(self) -> dict[str, Any]:
        """The case as JSON values; numbers are hexadecimal strings, so they stay exact."""
        return {
            "name": self.name,
            "layout": self.layout.value,
            "groups": [
                {
                    "options": _options_to_json(group.hyperparameters),
                    "learning_rates": None
                    if group.learning_rates is None
                    else [lr.hex() for lr in group.learning_rates],
                    "parameters": [
                        {
                            "theta": array_to_json(p.theta),
                            "gradients": [array_to_json(g) for g in p.gradients],
                        }
                        for p in group.parameters
                    ],
                }
                for group in self.groups
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Case:
        """The inverse of `to_json`."""
        return cls(
            name=value["name"],
            layout=Layout(value["layout"]),
            groups=tuple(
                Group(
                    _options_from_json(group["options"]),
                    tuple(
                        Parameter(
                            array_from_json(p["theta"]), tuple(array_from_json(g) for g in p["gradients"])
                        )
                        for p in group["parameters"]
                    ),
                    None
                    if group["learning_rates"] is None
                    else tuple(float.fromhex(lr) for lr in group["learning_rates"]),
                )
                for group in value["groups"]
            ),
        )


_NUMBERS = ("lr", "beta1", "beta2", "eps", "weight_decay")


def _options_to_json(hyperparameters: Hyperparameters) -> dict[str, Any]:
    numbers = {name: float(getattr(hyperparameters, name)).hex() for name in _NUMBERS}
    return numbers | {"maximize": hyperparameters.maximize}


def _options_from_json(value: Mapping[str, Any]) -> Hyperparameters:
    return Hyperparameters(
        **{name: float.fromhex(value[name]) for name in _NUMBERS}, maximize=value["maximize"]
    )
