"""The interface between the dispatcher and one framework.

An adapter converts float64 arrays to the framework's and back, calls the subject's constructor and step, and
finds m, u, the groups and the checkpoint where that framework keeps them. The dispatcher reports an exception
that an adapter lets pass as the subject's own. An adapter raises its own refusals as `SkippedError`,
`UnsupportedDtypeError` or `UnsupportedDeviceError`.
"""

from __future__ import annotations

import inspect
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ...reference.features import Call, Edit, Question
from ...reference.life import Memory, Refusal
from ..protocol.errors import SkippedError
from ..protocol.messages import ARGUMENTS, DTYPES, FloatArray, Schedule, SubjectInfo

HAS_ALL: Final = {"state": True, "groups": True, "set_lr": True, "save": True}
"""The `has` of a subject that has all parts."""


class Adapter(ABC):
    """One framework, in one mode, on one device.

    A native array is the framework's own.
    """

    refusals: Mapping[str, str] = {}
    """The reason for each dtype that the subject does not have, in the framework's own words."""

    tensor_types: tuple[type, ...] = ()
    """The framework's array types."""

    state_names: tuple[str, str] = ("exp_avg", "exp_inf")
    """The names under which an optimizer of the user's own keeps m and u."""

    layout_reason: str = "its arrays are never {layout}"
    """The reason for a layout that the subject does not take, with a field for the layout."""

    @property
    def accepted_dtypes(self) -> tuple[str, ...]:
        """The dtypes that the subject computes in."""
        return tuple(dtype for dtype in DTYPES if dtype not in self.refusals)

    @abstractmethod
    def describe(self) -> SubjectInfo:
        """Describe the subject before an optimizer is made.

        The dispatcher adds the facts that all subjects share.
        """

    @abstractmethod
    def make_parameter(self, value: FloatArray, dtype: str, layout: Layout, index: int) -> Any:
        """Make the native array of the parameter with this index among its optimizer's."""

    @abstractmethod
    def make_gradient(self, value: FloatArray, dtype: str, layout: Layout) -> Any:
        """Make the native array of a gradient."""

    @abstractmethod
    def to_numpy(self, native: Any) -> FloatArray:
        """Copy a native array as float64."""

    def view_as_numpy(self, native: Any) -> FloatArray:
        """A native array as float64, to be read at once: it may share memory."""
        return self.to_numpy(native)

    @abstractmethod
    def make_optimizer(
        self, params: list[Any], positional: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:
        """Call the subject's constructor."""

    @abstractmethod
    def step(self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Take one step of the subject."""

    @abstractmethod
    def moments(
        self,
        optimizer: Any,
        params: Sequence[Any],
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        """Find m and u as native arrays in the order of `params`.

        Each is None if it cannot be seen (yet).
        """

    @abstractmethod
    def save(self, optimizer: Any) -> Any:
        """Make a checkpoint that later steps leave alone."""

    @abstractmethod
    def load(self, optimizer: Any, checkpoint: Any) -> None:
        """Load a checkpoint into an optimizer that has just been made."""

    def groups(self, optimizer: Any) -> Sequence[MutableMapping[str, Any]] | None:
        """The parameter groups; None if the subject does not show them."""
        groups: Sequence[MutableMapping[str, Any]] | None = getattr(optimizer, "param_groups", None)
        return groups

    def set_lr(self, optimizer: Any, group: int, lr: Any) -> None:
        """Set a group's learning rate, from the next step on."""
        groups = self.groups(optimizer)
        if groups is None:
            raise SkippedError("the subject has no param_groups; the learning rate cannot be set")
        groups[group]["lr"] = self.to_argument(lr)

    def make_scheduler(self, optimizer: Any, schedule: Schedule) -> Any:
        """Make a learning rate scheduler of the framework; its `step` moves it on."""
        raise SkippedError("the subject has no learning rate schedulers")

    def explain_layout(self, layout: Layout) -> str:
        """The reason why the subject does not take a layout."""
        return self.layout_reason.format(layout=layout.value)

    # Lives ---------------------------------------------------------------------------------------------------

    takes_absent_gradients: ClassVar[bool] = False
    """Whether a parameter may be without a gradient in a step."""
    passes_gradients: ClassVar[bool] = False
    """Whether gradients are an argument of the step, so that there may be too few."""
    takes_generators: ClassVar[bool] = False
    """Whether `params` may be any iterable, as far as the adapter is concerned."""
    takes_other_dtypes: ClassVar[bool] = False
    """Whether the caller may pass a gradient of another dtype than its parameter's."""
    whole_float64: str = ""
    """Why no life has a float64 parameter next to one of another dtype, if none has."""
    is_copied: bool = False
    """Whether the optimizer may be copied together with its parameters."""

    def make_broadcast(self, value: FloatArray, dtype: str) -> Any:
        """A gradient whose equal elements share their memory, where there is one."""
        return self.make_gradient(value, dtype, Layout.CONTIGUOUS)

    def make_neighbours(self, values: Sequence[FloatArray], dtype: str) -> list[Any]:
        """Parameters that follow one another in one block of memory, where there are such.

        `neighbouring` says where each lies.
        """
        return [self.make_parameter(x, dtype, Layout.CONTIGUOUS, i) for i, x in enumerate(values)]

    def memory_of(self, parameter: Any, like: Any) -> Any:
        """A gradient that is a parameter's own memory, in the shape of another one."""
        raise SkippedError("a gradient of the subject never is a parameter's memory")

    def moments_so_far(
        self, optimizer: Any, params: Sequence[Any]
    ) -> tuple[Sequence[Any] | None, Sequence[Any] | None]:
        """Find m and u, None for a parameter that has none yet."""
        return self.moments(optimizer, params)

    def save_live(self, optimizer: Any) -> Any:
        """The subject's own checkpoint, not copied."""
        return self.save(optimizer)

    def load_live(self, optimizer: Any, checkpoint: Any) -> None:
        """Load the subject's own checkpoint, not copied."""
        self.load(optimizer, checkpoint)

    def add_group(self, optimizer: Any, group: dict[str, Any]) -> None:
        """Add a parameter group."""
        if not hasattr(optimizer, "add_param_group"):
            raise SkippedError("the subject has no add_param_group")
        optimizer.add_param_group(group)

    def set_option(self, optimizer: Any, group: int, name: str, value: Any) -> None:
        """Set an option of a group between two steps."""
        groups = self.groups(optimizer)
        if groups is None:
            raise SkippedError("the subject has no param_groups; its options cannot be set")
        groups[group][name] = self.to_argument(value)

    # Features of some frameworks -----------------------------------------------------------------------------

    has_features: bool = False
    """Whether the framework has any of what follows."""

    def switched(self, switches: Mapping[str, bool | None]) -> Adapter:
        """The adapter that passes further arguments to each constructor."""
        raise SkippedError("its constructor has no further arguments")

    def make_special_parameter(self, value: FloatArray, dtype: str, memory: Memory) -> Any:
        """Make a parameter of a kind that only some frameworks have."""
        raise SkippedError(f"it has no parameters that are {memory.value}")

    def make_special_gradient(
        self,
        parameter: Any,
        value: FloatArray,
        dtype: str,
        memory: Memory,
    ) -> Any:
        """Make a gradient of a kind that only some frameworks have."""
        raise SkippedError(f"it has no gradients that are {memory.value}")

    def name_parameters(self, params: Sequence[Any]) -> Any:
        """The parameters with names, as a constructor takes them."""
        raise SkippedError("its constructor takes no names of parameters")

    def fill_lr(self, optimizer: Any, group: int, lr: float) -> None:
        """Change the array that is a group's learning rate, in place."""
        raise SkippedError("its learning rate is never an array that the caller holds")

    def step_by(
        self,
        optimizer: Any,
        params: Sequence[Any],
        gradients: Sequence[Any],
        call: Call,
    ) -> list[str]:
        """Take one step by a certain call; return a sentence for each fault."""
        raise SkippedError(f"it has no {call}")

    def refuse(self, optimizer: Any, params: Sequence[Any], refusal: Refusal) -> None:
        """Make a call that the subject is expected to refuse."""
        raise SkippedError(f"it has no call in which {refusal.value}")

    def ask(self, optimizer: Any, params: Sequence[Any], question: Question) -> list[str]:
        """Make a call that changes no number, and return a sentence for each fault."""
        raise SkippedError(f"it has no {question.value}")

    def edit_checkpoint(self, checkpoint: Any, edit: Edit, steps: int) -> Any:
        """Make an older checkpoint of one that was saved after so many steps."""
        raise SkippedError(f"it has no checkpoint {edit.value}")

    def to_argument(self, value: Any) -> Any:
        """Convert an argument for the subject, without sharing any object.

        NumPy arrays become native ones.
        """
        match value:
            case np.ndarray():
                return self.to_native(value)
            case tuple():
                return tuple(self.to_argument(x) for x in value)
            case list():
                return [self.to_argument(x) for x in value]
        return value

    def to_native(self, value: npt.NDArray[Any]) -> Any:
        """Make the native array of a hyperparameter, in the format that it has."""
        return value.copy()

    def to_plain(self, value: Any) -> Any:
        """Convert an option that the subject shows to a value that can cross a pipe."""
        if isinstance(value, self.tensor_types):
            return self.to_numpy(value)
        match value:
            case None | bool() | int() | float() | complex() | str() | np.floating():
                return value
            case np.bool_() | np.integer():
                return value.item()
            case np.ndarray():
                return value.astype(np.float64)
            case tuple() | list():
                items = [self.to_plain(x) for x in value]
                return tuple(items) if isinstance(value, tuple) else items
        return repr(value)


def describe_runtime() -> str:
    """The version of Python, and of NumPy."""
    return f"Python {platform.python_version()}, NumPy {np.__version__}"


def read_signature(constructor: Callable[..., Any]) -> tuple[bool | None, dict[str, Any] | None]:
    """Read a signature: is `maximize` keyword-only, and the documented defaults.

    Each is None if the signature does not show it.
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


def signature_arguments(constructor: Callable[..., Any]) -> tuple[str, ...]:
    """The documented arguments in a signature; all if it does not show them."""
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


def neighbouring(sizes: Sequence[int]) -> list[slice]:
    """The places of arrays in one block; two in a row of one size alternate."""
    places: list[slice] = []
    start = 0
    while len(places) < len(sizes):
        size = sizes[len(places)]
        if size > 1 and list(sizes[len(places) : len(places) + 2]) == [size, size]:
            end = start + 2 * size
            places += [slice(start, end, 2), slice(start + 1, end, 2)]
        else:
            end = start + size
            places.append(slice(start, end))
        start = end
    return places
