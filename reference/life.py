"""A life of an optimizer: its actions, and an observation after each.

A life is values only. The host performs all of its actions on a subject and returns an observation for each. The judge
knows from the life alone what must hold. Arrays are given by recipe, so that one of 2^24 elements costs no more
to pass than one of ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final, TypeAlias, get_args

from .features import PLAIN_CALL, Call, Edit, Question
from .json_form import decoded, encoded
from .values import Values


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
            "actions": [{"action": type(a).__name__, **encoded(a)} for a in self.actions],
            **({"switches": dict(self.switches)} if self.switches else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Life:
        """The life that `to_json` wrote."""
        actions = tuple(
            decoded(ACTIONS[a["action"]], {k: v for k, v in a.items() if k != "action"})
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
        result: dict[str, Any] = encoded(self)
        return result

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Observation:
        """The observation that `to_json` wrote."""
        result: Observation = decoded(cls, value)
        return result


SAME: Final = "same"
"""In JSON, an array that is the one at its place in the observation before."""


_ARRAYS: Final = ("theta", "m", "u")


def observations_to_json(observations: Sequence[Observation]) -> list[dict[str, Any]]:
    """Observations of one life; an array that stays the same object is written once."""
    result: list[dict[str, Any]] = []
    before: Mapping[int, OptimizerState] = {}
    for each in observations:
        states = {
            n: _without_same(state, before[n]) if n in before else state
            for n, state in each.optimizers.items()
        }
        result.append(replace(each, optimizers=states).to_json())
        before = each.optimizers
    return result


def observations_from_json(value: Sequence[Mapping[str, Any]]) -> tuple[Observation, ...]:
    """The observations that `observations_to_json` wrote."""
    result: list[Observation] = []
    before: Mapping[int, OptimizerState] = {}
    for each in value:
        states = {n: _with_same(state, before.get(int(n))) for n, state in each.get("optimizers", {}).items()}
        result.append(Observation.from_json({**each, "optimizers": states}))
        before = result[-1].optimizers
    return tuple(result)


def _without_same(state: OptimizerState, before: OptimizerState) -> OptimizerState:
    """A state with `SAME` for each array that was at its place before."""
    written: dict[str, Any] = {}
    for name in _ARRAYS:
        arrays, earlier = getattr(state, name), getattr(before, name) or ()
        if arrays is not None:
            written[name] = tuple(
                SAME if a is not None and i < len(earlier) and a is earlier[i] else a
                for i, a in enumerate(arrays)
            )
    return replace(state, **written)


def _with_same(state: Mapping[str, Any], before: OptimizerState | None) -> dict[str, Any]:
    """A state in JSON with the arrays that were at the places of `SAME` before."""
    read = dict(state)
    for name in _ARRAYS:
        earlier = getattr(before, name, None) or ()
        if any(x == SAME for x in state.get(name) or ()):
            read[name] = [_same(name, i, earlier) if x == SAME else x for i, x in enumerate(state[name])]
    return read


def _same(name: str, index: int, earlier: Sequence[Values | None]) -> Values:
    found = earlier[index] if index < len(earlier) else None
    if found is None:
        raise ValueError(
            f"{name} of parameter {index} is {SAME!r}, and was not there in the observation before"
        )
    return found
