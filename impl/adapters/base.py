"""What does an adapter do? It speaks one framework's language; everything else is the dispatcher's.

An adapter makes the framework's arrays from float64 ones and back, calls the subject's constructor and step,
and finds m, u, the groups and the checkpoint where that framework keeps them. An exception that it lets pass
from the subject is told as the subject's own; a refusal it raises as `Skipped`, `UnsupportedDtype` or
`UnsupportedDevice` itself.
"""

from __future__ import annotations

import inspect
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ..protocol.errors import Skipped
from ..protocol.messages import ARGUMENTS, FloatArray, Schedule, SubjectInfo


class Adapter(ABC):
    """One framework, in one mode, on one device. A native array is the framework's own."""

    refusals: Mapping[str, str] = {}
    """Why a dtype that is not among the subject's is not, in the framework's own words."""

    @abstractmethod
    def describe(self) -> SubjectInfo:
        """What is known before an optimizer is made; the name is the registry's to fill in."""

    @abstractmethod
    def parameter(self, value: FloatArray, dtype: str, layout: Layout, place: int) -> Any:  # noqa: ANN401
        """A native array to be optimized: the place-th of its optimizer."""

    @abstractmethod
    def gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:  # noqa: ANN401
        """A native array of a gradient."""

    @abstractmethod
    def to_numpy(self, native: Any) -> FloatArray:  # noqa: ANN401
        """A copy of a native array as float64."""

    @abstractmethod
    def make(self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The subject's constructor."""

    @abstractmethod
    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:  # noqa: ANN401
        """One step of the subject."""

    @abstractmethod
    def moments(
        self,
        optimizer: Any,  # noqa: ANN401
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        """Find m and u as native arrays in the order of `params`; None for what cannot be seen (yet)."""

    @abstractmethod
    def save(self, optimizer: Any) -> Any:  # noqa: ANN401
        """A checkpoint that later steps leave alone."""

    @abstractmethod
    def load(self, optimizer: Any, checkpoint: Any) -> None:  # noqa: ANN401
        """Load a checkpoint into an optimizer that has just been made."""

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]] | None:  # noqa: ANN401
        """The parameter groups; None where the subject does not show them."""
        groups: Sequence[MutableMapping[str, Any]] | None = getattr(optimizer, "param_groups", None)
        return groups

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:  # noqa: ANN401
        """Set a group's learning rate, from the next step on."""
        groups = self.groups(optimizer)
        if groups is None:
            raise Skipped("the subject has no param_groups; the learning rate cannot be set")
        groups[group]["lr"] = self.argument(lr)

    def scheduler(self, optimizer: Any, schedule: Schedule) -> Any:  # noqa: ANN401, ARG002
        """A learning rate scheduler of the framework; its `step` moves it on."""
        raise Skipped("the subject has no learning rate schedulers")

    def words_about(self, layout: Layout) -> str:
        """Why the subject does not take a layout, in the framework's own words where it has some."""
        return f"its arrays are never {layout.value}"

    def argument(self, value: Any) -> Any:  # noqa: ANN401
        """An argument as the subject gets it: NumPy arrays become native ones, and nothing is shared."""
        match value:
            case np.ndarray():
                return self.native(value)
            case tuple():
                return tuple(self.argument(x) for x in value)
            case list():
                return [self.argument(x) for x in value]
        return value

    def native(self, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401
        """A native array of a hyperparameter, in the format that it has."""
        return value.copy()

    def plain(self, value: Any) -> Any:  # noqa: ANN401
        """An option as the subject shows it, as something that can cross a pipe."""
        match value:
            case None | bool() | int() | float() | complex() | str() | np.floating():
                return value
            case np.bool_() | np.integer():
                return value.item()
            case np.ndarray():
                return value.astype(np.float64)
            case tuple():
                return tuple(self.plain(x) for x in value)
            case list():
                return [self.plain(x) for x in value]
        return repr(value)


def runtime() -> str:
    """The version of Python, and of NumPy."""
    return f"Python {platform.python_version()}, NumPy {np.__version__}"


def signature_facts(constructor: Callable[..., Any]) -> tuple[bool | None, dict[str, Any] | None]:
    """Whether `maximize` is keyword-only, and the documented arguments' defaults.

    None for what the signature does not tell.
    """
    try:
        parameters = inspect.signature(constructor).parameters
    except (TypeError, ValueError):
        return None, None
    maximize = parameters.get("maximize")
    keyword_only = None if maximize is None else maximize.kind is inspect.Parameter.KEYWORD_ONLY
    defaults = {
        name: parameters[name].default
        for name in ARGUMENTS
        if name in parameters and _is_plain(parameters[name].default)
    }
    return keyword_only, defaults or None


def arguments_of(constructor: Callable[..., Any]) -> tuple[str, ...]:
    """The documented arguments that a constructor has, by its signature; all where it does not tell."""
    try:
        parameters = inspect.signature(constructor).parameters
    except (TypeError, ValueError):
        return ARGUMENTS
    if any(p.kind in {p.VAR_KEYWORD, p.VAR_POSITIONAL} for p in parameters.values()):
        return ARGUMENTS
    return tuple(name for name in ARGUMENTS if name in parameters)


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(x) for x in value)
    return value is None or isinstance(value, bool | int | float | complex | str | np.floating)
