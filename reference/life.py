"""A life of an optimizer: its actions, and an observation after each.

A life is values only. The host performs all of its actions on a subject and returns an observation for each. The judge
knows from the life alone what must hold. Arrays are given by recipe, so that one of 2^24 elements costs no more
to pass than one of ten.
"""

from __future__ import annotations

import base64
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from .features import PLAIN_CALL, Call, Edit, Question

FloatArray: TypeAlias = npt.NDArray[np.float64]

LONGEST_PATTERN: Final = 4096
"""The longest period that is looked for in an array."""


@dataclass(frozen=True)
class Values:
    """An array by recipe: a repeated pattern, and the elements that differ.

    Attributes:
        shape: of the array.
        pattern: the first elements in row-major order; repeated to its end.
        exceptions: (index in row-major order, value) of each element that is something else.
    """

    shape: tuple[int, ...]
    pattern: tuple[float, ...]
    exceptions: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, array: npt.ArrayLike) -> Values:
        """The recipe that names every element of an array."""
        values = np.asarray(array, np.float64)
        return cls(values.shape, tuple(values.ravel().tolist()))

    @classmethod
    def folded(cls, array: FloatArray, period: int) -> Values:
        """An array as its first `period` elements, repeated, and what differs.

        It stays whole where too much differs.
        """
        if array.size <= period:
            return cls(array.shape, tuple(array.ravel().tolist()))
        flat = np.ascontiguousarray(array).reshape(-1)
        bits = flat.view(np.int64)
        whole = flat.size // period * period
        rows, tail = bits[:whole].reshape(-1, period), bits[whole:]
        different = np.concatenate([(rows != bits[:period]).reshape(-1), tail != bits[: tail.size]])
        places = np.flatnonzero(different)
        if places.size > max(LONGEST_PATTERN, flat.size // 8):
            return cls.of(array)
        exceptions = tuple(zip(places.tolist(), flat[places].tolist(), strict=True))
        return cls(array.shape, tuple(flat[:period].tolist()), exceptions)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def mapped(self, function: Callable[[float], float]) -> Values:
        """The array with a function of each element."""
        exceptions = tuple((index, function(value)) for index, value in self.exceptions)
        return Values(self.shape, tuple(map(function, self.pattern)), exceptions)

    def expand(self) -> FloatArray:
        """The array."""
        size, period = self.size, len(self.pattern)
        result = np.array(self.pattern, np.float64)
        if size != period:
            result = np.resize(result, size) if size else np.zeros(0)
        for index, value in self.exceptions:
            result[index] = value
        return result.reshape(self.shape)

    @property
    def is_whole(self) -> bool:
        """Whether the pattern names every element."""
        return not self.exceptions and len(self.pattern) == self.size

    def take(self, indices: npt.NDArray[np.intp]) -> FloatArray:
        """The elements at some row-major indices, without the rest."""
        result = np.array(self.pattern, np.float64)[indices % max(len(self.pattern), 1)]
        if self.exceptions:
            at = np.array([index for index, _ in self.exceptions], np.intp)
            order = np.argsort(at)
            found = order[np.minimum(np.searchsorted(at[order], indices), at.size - 1)]
            hit = at[found] == indices
            result[hit] = np.array([value for _, value in self.exceptions])[found[hit]]
        return result


class Memory(Enum):
    """The order of an array in memory.

    A subject that has no such arrays gets a contiguous one.
    """

    CONTIGUOUS = "contiguous"
    COLUMN_MAJOR = "column-major"
    STRIDED = "strided"
    REVERSED = "reversed"
    BROADCAST = "broadcast"
    """With a stride of 0, where all elements are equal; gradients only."""
    NEIGHBOURS = "neighbours"
    """One after the other in a common block of memory, in order; parameters only."""

    # What only some frameworks have: a subject that has no such arrays skips the life.
    CHANNELS_LAST = "channels last"
    """The second of four axes is the innermost."""
    EXPANDED = "expanded"
    """With a stride of 0 along the first axis, where all rows are equal, or the last; gradients only."""
    COMPLEX = "complex"
    """Complex numbers: two neighbours along the last axis are the parts of one."""
    RECORDED = "recorded"
    """Part of a graph for derivatives; gradients only."""
    CONSTANT = "constant"
    """Without derivatives; parameters only."""
    SPARSE_ROWS = "sparse rows"
    """Rows that are not all 0; gradients only."""
    SPARSE_ELEMENTS = "sparse elements"
    """Elements that are not 0; gradients only."""
    SPARSE_TWICE = "sparse rows, each as the sum of two halves"
    """The same index occurs twice; gradients only."""

    @property
    def is_special(self) -> bool:
        """Whether only some frameworks have it."""
        return self in _SPECIAL

    @property
    def is_sparse(self) -> bool:
        """Whether the array has a sparse format."""
        return self in {Memory.SPARSE_ROWS, Memory.SPARSE_ELEMENTS, Memory.SPARSE_TWICE}


_SPECIAL: Final = frozenset(Memory) - {
    Memory.CONTIGUOUS,
    Memory.COLUMN_MAJOR,
    Memory.STRIDED,
    Memory.REVERSED,
    Memory.BROADCAST,
    Memory.NEIGHBOURS,
}


class Container(Enum):
    """The argument `params` of a constructor.

    The first three have one group, without options of its own.
    """

    LIST = "list"
    TUPLE = "tuple"
    GENERATOR = "generator"
    DICTS = "list of dicts"
    GENERATOR_OF_DICTS = "generator of dicts"
    NAMED = "list of (name, parameter)"

    @property
    def is_plain(self) -> bool:
        """Whether it holds parameters rather than groups."""
        return self in {Container.LIST, Container.TUPLE, Container.GENERATOR, Container.NAMED}


class NumberKind(Enum):
    """The type of an option's value."""

    FLOAT = "float"
    INT = "int"
    ARRAY = "0-d array"
    FILLED = "0-d array, filled in place"


class Refusal(Enum):
    """A call that a subject is expected to refuse."""

    TOO_FEW_GRADIENTS = "one gradient is missing"
    TOO_MANY_GRADIENTS = "there is one gradient too many"
    WRONG_SHAPE = "a gradient has another shape than its parameter"
    NEGATIVE_LR = "a group with a negative learning rate is added"
    CLOSURE_RAISES = "a closure raises an exception"
    SPARSE_GRADIENT = "a gradient is sparse"
    PARAMETER_TWICE = "a group with a parameter of another group is added"
    NOT_A_LEAF = "a group with a parameter that is the result of an operation is added"


class CopyMethod(Enum):
    """The way an optimizer and its parameters are copied."""

    DEEPCOPY = "copy.deepcopy"
    PICKLE = "pickle"


@dataclass(frozen=True)
class Number:
    """The value of an option, and the type that it is passed as."""

    value: float
    kind: NumberKind = NumberKind.FLOAT


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter.

    Attributes:
        values: before the first step.
        memory: how it lies.
        dtype: its own; None for the life's.
    """

    values: Values
    memory: Memory = Memory.CONTIGUOUS
    dtype: str | None = None


@dataclass(frozen=True)
class Options:
    """Documented options as they are passed; None for one that is left out."""

    lr: Number | None = None
    betas: tuple[float, float] | None = None
    eps: float | None = None
    weight_decay: float | None = None
    maximize: bool | None = None

    def passed(self) -> dict[str, Any]:
        """The options that are not left out, by name."""
        return {f.name: x for f in fields(self) if (x := getattr(self, f.name)) is not None}


@dataclass(frozen=True)
class GroupSpec:
    """A parameter group: its parameters, and its own options."""

    parameters: tuple[ParameterSpec, ...]
    options: Options = Options()


@dataclass(frozen=True)
class GradientSpec:
    """A gradient: values, or the memory of something that is there already.

    Attributes:
        values: of the gradient; None where one of the others says.
        memory: how it lies.
        same_as: the index of an earlier gradient of the step whose array is passed again.
        parameter: the index of the parameter whose memory is passed; its size is that of this one.
        dtype: of the array; None for the parameter's.
    """

    values: Values | None
    memory: Memory = Memory.CONTIGUOUS
    same_as: int | None = None
    parameter: int | None = None
    dtype: str | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the parameter has no gradient in this step."""
        return self.values is None and self.same_as is None and self.parameter is None


@dataclass(frozen=True)
class Construct:
    """Construct an optimizer, under a number of its own."""

    optimizer: int
    groups: tuple[GroupSpec, ...]
    options: Options = Options()
    container: Container = Container.DICTS


@dataclass(frozen=True)
class Step:
    """Take one step."""

    optimizer: int
    gradients: tuple[GradientSpec, ...]
    call: Call = PLAIN_CALL


@dataclass(frozen=True)
class Run:
    """Take many steps without looking between them.

    Attributes:
        optimizer: that takes them.
        steps: how many.
        gradients: of each step, one for each parameter; they begin again when they are used up.
    """

    optimizer: int
    steps: int
    gradients: tuple[tuple[Values, ...], ...]


@dataclass(frozen=True)
class SetOption:
    """Set an option of a group between two steps."""

    optimizer: int
    group: int
    name: str
    value: Any


@dataclass(frozen=True)
class SetLr:
    """Set the learning rate of a group between two steps."""

    optimizer: int
    group: int
    lr: Number


@dataclass(frozen=True)
class AddGroup:
    """Add a parameter group."""

    optimizer: int
    group: GroupSpec


@dataclass(frozen=True)
class Save:
    """Keep a checkpoint, by the subject's own means.

    Attributes:
        optimizer: that is saved.
        checkpoint: its number from now on.
        copied: whether a deep copy is kept, and one is loaded, for a subject whose checkpoint is not its own.
    """

    optimizer: int
    checkpoint: int
    copied: bool = False


@dataclass(frozen=True)
class SetCount:
    """Set the number of steps in a checkpoint, wherever it is found in it."""

    checkpoint: int
    count: int


@dataclass(frozen=True)
class Load:
    """Load a checkpoint.

    Attributes:
        optimizer: into which.
        checkpoint: its number.
        fresh: whether a new optimizer over the present parameters takes the place of the one in use first.
    """

    optimizer: int
    checkpoint: int
    fresh: bool = False


@dataclass(frozen=True)
class Copy:
    """Copy an optimizer together with its parameters."""

    optimizer: int
    copy: int
    method: CopyMethod


@dataclass(frozen=True)
class Refuse:
    """Ask for what has to be refused."""

    optimizer: int
    refusal: Refusal


@dataclass(frozen=True)
class EditCheckpoint:
    """Make a checkpoint an older one; its numbers stay."""

    checkpoint: int
    edit: Edit


@dataclass(frozen=True)
class Ask:
    """Ask an optimizer for what changes none of its numbers."""

    optimizer: int
    question: Question


@dataclass(frozen=True)
class Drop:
    """Forget an optimizer."""

    optimizer: int


Action: TypeAlias = (
    Construct | Step | Run | SetLr | SetOption | AddGroup | Save | SetCount | Load | Copy | Refuse | Drop
    | EditCheckpoint | Ask
)  # fmt: skip
ACTIONS: Final[Mapping[str, type[Any]]] = {kind.__name__: kind for kind in get_args(Action)}


@dataclass(frozen=True)
class Life:
    """Everything that is done to one or several optimizers of a subject.

    Attributes:
        name: as a report shows it.
        dtype: of the parameters that do not say otherwise.
        actions: in order.
        switches: arguments of each constructor that only some frameworks have.
    """

    name: str
    dtype: str
    actions: tuple[Action, ...]
    switches: Mapping[str, bool | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The life as JSON values; every number exactly."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "actions": [{"action": type(a).__name__, **_encoded(a)} for a in self.actions],
            **({"switches": dict(self.switches)} if self.switches else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Life:
        """The life that `to_json` wrote."""
        actions = tuple(
            _decoded(ACTIONS[a["action"]], {k: v for k, v in a.items() if k != "action"})
            for a in value["actions"]
        )
        return cls(value["name"], value["dtype"], actions, value.get("switches", {}))


class Watched(Enum):
    """Something that the caller holds, and that no action may change."""

    GRADIENT = "a gradient that was passed"
    PARAMS = "the params that were passed to a constructor"
    CHECKPOINT = "a checkpoint in hand"
    OPTION = "an array that was passed as an option"
    CALL = "a call that the subject makes, or a value that it returns"


@dataclass(frozen=True)
class Change:
    """Something of the caller's that an action changed."""

    what: Watched
    words: str


class Outcome(Enum):
    """The end of an action."""

    DONE = "done"
    REFUSED = "refused"
    """The subject raised an exception."""
    UNSUPPORTED = "unsupported"
    """The subject, or its adapter, has nothing of the kind: the life ends here."""


@dataclass(frozen=True)
class OptimizerState:
    """The visible part of an optimizer after an action.

    Attributes:
        theta: of each parameter, in the order of the groups.
        m: the first moments; None where they are hidden, or not there yet.
        u: the infinity norms; likewise.
        lr: of each group, as it is shown; None where it is not.
    """

    theta: tuple[Values, ...]
    m: tuple[Values | None, ...] | None = None
    u: tuple[Values | None, ...] | None = None
    lr: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Observation:
    """Everything that is visible after an action.

    Attributes:
        outcome: how the action ended.
        message: of the exception, if there was one.
        optimizers: the state of each that is alive, by its number.
        changed: what the caller holds, and the action changed.
    """

    outcome: Outcome
    message: str = ""
    optimizers: Mapping[int, OptimizerState] = field(default_factory=dict)
    changed: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The observation as JSON values."""
        result: dict[str, Any] = _encoded(self)
        return result

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Observation:
        """The observation that `to_json` wrote."""
        result: Observation = _decoded(cls, value)
        return result


# JSON -------------------------------------------------------------------------------------------------------

_shortest_text: ContextVar[int] = ContextVar("_shortest_text", default=64)
"""Numbers up to so many are written one by one, for a reader; more as one string of their bits."""


@contextmanager
def compact_numbers() -> Iterator[None]:
    """Write all numbers as strings of their bits meanwhile: several times faster."""
    token = _shortest_text.set(1)
    try:
        yield
    finally:
        _shortest_text.reset(token)


T = TypeVar("T")


def _encoded(value: Any) -> Any:
    encoded: Any
    match value:
        case Enum():
            encoded = value.value
        case bool() | int() | str() | None:
            encoded = value
        case float():
            encoded = value.hex()
        case Values():
            encoded = _encoded_values(value)
        case Mapping():
            encoded = {str(name): _encoded(each) for name, each in value.items()}
        case tuple() | list():
            encoded = [_encoded(each) for each in value]
        case _ if is_dataclass(value):
            shown = [(f, getattr(value, f.name)) for f in fields(value)]
            encoded = {f.name: _encoded(each) for f, each in shown if each != f.default}
        case _:
            raise TypeError(f"{value!r} cannot be part of a life")
    return encoded


def _encoded_values(values: Values) -> dict[str, Any]:
    exceptions = [[index, number.hex()] for index, number in values.exceptions]
    return {"shape": list(values.shape), "pattern": _numbers(values.pattern), "exceptions": exceptions}


def _numbers(pattern: Sequence[float]) -> Any:
    if len(pattern) <= _shortest_text.get():
        return [number.hex() for number in pattern]
    return base64.b64encode(np.array(pattern, "<f8").tobytes()).decode("ascii")


def _pattern(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        return tuple(np.frombuffer(base64.b64decode(value), "<f8").tolist())
    return tuple(float.fromhex(number) for number in value)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _decoded(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return None if value is None else _decoded(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        return tuple(_decoded(each, x) for each, x in zip(kinds, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {arguments[0](name): _decoded(arguments[1], each) for name, each in value.items()}
    return _decoded_plain(kind, value)


def _decoded_plain(kind: Any, value: Any) -> Any:
    """A value of a kind that has no kinds in brackets."""
    decoded = value
    if kind in {bool, int, str} and type(value) is not kind:
        raise TypeError(f"{value!r} is not of the type {kind.__name__}")
    if kind is Values:
        decoded = _decoded_values(value)
    elif is_dataclass(kind):
        made: Any = kind
        decoded = made(**{name: _decoded(_hints(made)[name], each) for name, each in value.items()})
    elif kind is float:
        decoded = float.fromhex(value) if isinstance(value, str) else float(value)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        decoded = kind(value)
    elif kind is Any:
        decoded = _plain(value)
    return decoded


def _decoded_values(value: Mapping[str, Any]) -> Values:
    shape, pattern = tuple(value["shape"]), _pattern(value["pattern"])
    exceptions = tuple((index, float.fromhex(x)) for index, x in value["exceptions"])
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array has the shape {shape}; it is of integers from 0 on")
    values = Values(shape, pattern, exceptions)
    if values.size and not pattern:
        raise ValueError(f"an array of the shape {shape} has an empty pattern")
    if not all(type(index) is int and 0 <= index < values.size for index, _ in exceptions):
        raise ValueError(f"an array of the shape {shape} has exceptions at {[i for i, _ in exceptions]}")
    return values


def _plain(value: Any) -> Any:
    """An option's value: a number, a pair of numbers, or a bool."""
    if isinstance(value, list):
        return tuple(_plain(each) for each in value)
    return float.fromhex(value) if isinstance(value, str) else value
