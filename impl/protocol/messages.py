"""The requests to a subject and its answers, as values.

A message crosses the pipe as the JSON object of its fields (`serialization`). A field without a default must be
there, and so must one that is `REQUIRED`. Any other may be left out, or be null unless it is `NOT_NULL`.

Every array is float64, whatever format the subject computes in: each number of binary16, bfloat16 and
binary32 is one of binary64's too, so nothing is rounded on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout
from ...reference.life import Life, Observation
from .validation import clean_text, require_device

FloatArray: TypeAlias = npt.NDArray[np.float64]

PROTOCOL_VERSION: Final = 1
DTYPES: Final = ("float16", "bfloat16", "float32", "float64")
ARGUMENTS: Final = ("lr", "betas", "eps", "weight_decay", "maximize")
"""The documented arguments after `params`."""

DEVICES: Final = ("cpu", "cuda", "mps", "xpu", "npu")
"""The devices that are looked for without being named; any other has to be named."""

Dtype: TypeAlias = Annotated[str, DTYPES]
Device: TypeAlias = Annotated[str, require_device]
ArgumentName: TypeAlias = Annotated[str, ARGUMENTS]
Text: TypeAlias = Annotated[str, clean_text]

REQUIRED: Final[Mapping[str, bool]] = {"required": True}
"""A mark of a field that must be there although it has a default in Python."""
NOT_NULL: Final[Mapping[str, bool]] = {"not null": True}
"""A mark of a field that may be left out and never is null; it is left out where its value is None."""
IN_HAS: Final[Mapping[str, str]] = {"within": "has"}
"""A mark of a field that is a member of the member `has`."""


class Encoding(Enum):
    """The forms of arrays on the pipe."""

    HEX = "hex"
    """Each element as `float.hex` writes it: readable, and easy in any language."""
    BASE64 = "base64"
    """All elements at once: several times faster."""


@dataclass(frozen=True)
class Start:
    """The first request, sent once: open the subject and describe it.

    Attributes:
        subject: its name, as on the command line.
        device: the device to run on.
        path: folders in which a user's own modules and files are looked for.
        protocol: the version of the protocol that is spoken.
        encoding: the form of arrays in both directions from now on.
        state: the names under which the user's own optimizer keeps m and u; the usual ones if there are none.
    """

    subject: str
    device: Device = field(default="cpu", metadata=REQUIRED)
    path: tuple[str, ...] = field(default=(), metadata=REQUIRED)
    protocol: Annotated[int, (PROTOCOL_VERSION,)] = field(default=PROTOCOL_VERSION, metadata=REQUIRED)
    encoding: Encoding = field(default=Encoding.HEX, metadata=NOT_NULL)
    state: tuple[Text, ...] | None = field(default=None, metadata=NOT_NULL)


@dataclass(frozen=True)
class SubjectInfo:
    """A subject's description of itself.

    Attributes:
        name: as on the command line.
        framework: the framework that it runs on: `numpy`, `torch`, `mindspore`, or the words of a program.
        version: the framework's.
        dtypes: the number formats that it computes in on the device.
        mode: the mode, as in `torch[foreach]`; empty where there is one only.
        language: `Python` for all but programs.
        runtime: the version of the language's runtime, and of NumPy where it is used.
        devices: the devices that are there.
        device: the one in use.
        has: `state` (m and u can be seen), `groups`, `set_lr`, `save`, `lives` (it answers `live`),
            `runs` (it answers `run`), `features` (its lives may have closures, hooks and their like,
            `reference.features`); None where only a trial can show it.
        keyword_only_maximize: by the constructor's signature; None where there is none to look at.
        defaults: the documented arguments' defaults, by the constructor's signature; likewise.
        arguments: the documented arguments that its constructor has; the suite uses no others.
        group_options: those of them that each group may have for itself; all groups share the rest.
        layouts: the layouts of arrays that it can take.
        schedulers: the classes of its framework's learning rate schedulers.
        encodings: the forms of arrays that it understands.
    """

    name: Text
    framework: Text = ""
    version: Text = ""
    dtypes: tuple[Dtype, ...] = ()
    mode: Text = ""
    language: Text = ""
    runtime: Text = ""
    devices: tuple[Device, ...] = ("cpu",)
    device: Device = field(default="cpu", metadata=NOT_NULL)
    has: Mapping[str, bool | None] = field(default_factory=dict)
    keyword_only_maximize: bool | None = field(default=None, metadata=IN_HAS)
    defaults: Mapping[str, Any] | None = field(default=None, metadata=IN_HAS)
    arguments: tuple[ArgumentName, ...] = ARGUMENTS
    group_options: tuple[ArgumentName, ...] = ARGUMENTS
    layouts: tuple[Layout, ...] = tuple(Layout)
    schedulers: tuple[Text, ...] = field(default=(), metadata=NOT_NULL)
    encodings: tuple[Encoding, ...] = (Encoding.HEX,)


@dataclass(frozen=True, eq=False)
class GroupSpec:
    """One parameter group, as the constructor gets it.

    Attributes:
        options: the keys of the group besides `params`; only those that are there are passed.
        params: the initial parameters; None leaves the key `params` out.
    """

    options: Mapping[str, Any]
    params: tuple[FloatArray, ...] | None = field(default=None, metadata=NOT_NULL)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A learning rate scheduler of the subject's own framework.

    Attributes:
        name: of its class.
        options: its keyword arguments without the optimizer. `lr_lambda` is a tuple of factors, one for each
            step, or a list of such tuples, one for each group.
        parts: the schedulers that it combines, where it does.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, metadata=REQUIRED)
    parts: tuple[Schedule, ...] = field(default=(), metadata=REQUIRED)


@dataclass(frozen=True, eq=False)
class Construct:
    """A request to make an optimizer.

    Attributes:
        dtype: the format of its parameters.
        groups: see `GroupSpec`.
        defaults: keyword arguments of the constructor.
        positional: further positional arguments, after `params`.
        plain: `params` is a plain list of arrays, those of the only group, whose options are empty.
        share: each parameter of the first group is the same array object; the values given are equal.
        layout: the layout of all arrays in memory, gradients included.
        schedule: the scheduler of the learning rates; it moves on after each step.
    """

    dtype: Dtype
    groups: tuple[GroupSpec, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict, metadata=REQUIRED)
    positional: tuple[Any, ...] = field(default=(), metadata=REQUIRED)
    plain: bool = field(default=False, metadata=REQUIRED)
    share: bool = field(default=False, metadata=REQUIRED)
    layout: Layout = field(default=Layout.CONTIGUOUS, metadata=REQUIRED)
    schedule: Schedule | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """A request to take one step.

    Attributes:
        handle: of the optimizer.
        gradients: one for each parameter, group by group.
        lr: each group's learning rate from this step on; None for a group leaves its rate alone.
        metric: the argument of the scheduler's step, where it takes one.
    """

    handle: int
    gradients: tuple[FloatArray, ...]
    lr: tuple[Any, ...] | None = None
    metric: float | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """A request to take several steps.

    Attributes:
        handle: of the optimizer.
        gradients: one for each parameter, group by group, each with a first dimension of steps.
        lr: each step's learning rates as in `Step`; None leaves all of them alone.
    """

    handle: int
    gradients: tuple[FloatArray, ...]
    lr: tuple[tuple[Any, ...], ...] | None = None


@dataclass(frozen=True)
class Read:
    """A request to show the state and the groups."""

    handle: int


@dataclass(frozen=True)
class Save:
    """A request to keep a checkpoint, by the framework's own means."""

    handle: int


@dataclass(frozen=True)
class Load:
    """A request to construct an optimizer again and load a checkpoint into it.

    The new one starts from the parameters as they are.
    """

    handle: int
    checkpoint: int


@dataclass(frozen=True)
class Release:
    """A request to forget an optimizer."""

    handle: int


@dataclass(frozen=True)
class Live:
    """A request to perform a whole life, apart from all optimizers that there are.

    Attributes:
        life: the actions; crosses the pipe as `Life.to_json` writes it.
    """

    life: Life


@dataclass(frozen=True)
class Stop:
    """A request to end."""


Request: TypeAlias = Start | Construct | Step | Run | Read | Save | Load | Release | Live | Stop


@dataclass(frozen=True)
class Constructed:
    """The handle of an optimizer that was made."""

    handle: int


@dataclass(frozen=True, eq=False)
class State:
    """An optimizer's parameters and moments, by parameter and group by group.

    Attributes:
        theta: the parameters.
        m: the first moments; None where they cannot be seen (yet).
        u: the infinity norms; likewise.
    """

    theta: tuple[FloatArray, ...]
    m: tuple[FloatArray, ...] | None = None
    u: tuple[FloatArray, ...] | None = None


@dataclass(frozen=True, eq=False)
class StepResult:
    """The state after a step, and what the step used.

    Attributes:
        state: after the step.
        gradients: the arrays that were passed as gradients, as the step left them.
        lr: each group's learning rate that was in force, read back; None where it cannot be read.
    """

    state: State
    gradients: tuple[FloatArray, ...]
    lr: tuple[float, ...] | None = None

    @property
    def theta(self) -> tuple[FloatArray, ...]:
        """The parameters after the step."""
        return self.state.theta

    @property
    def m(self) -> tuple[FloatArray, ...] | None:
        """The first moments after the step."""
        return self.state.m

    @property
    def u(self) -> tuple[FloatArray, ...] | None:
        """The infinity norms after the step."""
        return self.state.u


@dataclass(frozen=True, eq=False)
class RunResult:
    """The states after several steps, and what they used.

    Attributes:
        state: after each step; every array has a first dimension of steps.
        gradients: the arrays that were passed as gradients, as the steps left them; likewise.
        lr: each group's learning rate in each step, of shape (steps, groups); None where it cannot be read.
    """

    state: State
    gradients: tuple[FloatArray, ...]
    lr: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Readout:
    """The visible parts of an optimizer.

    Attributes:
        state: now.
        groups: each group's options without the parameters, as the subject shows them; None if it does not.
    """

    state: State
    groups: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Saved:
    """The number of a checkpoint that was kept."""

    checkpoint: int


@dataclass(frozen=True)
class Done:
    """An answer without content."""


@dataclass(frozen=True)
class Lived:
    """The observations of a life.

    Attributes:
        observations: one for each action that was performed; they cross the pipe as `Observation.to_json` writes them.
    """

    observations: tuple[Observation, ...]


Answer: TypeAlias = SubjectInfo | Constructed | StepResult | RunResult | Readout | Saved | Lived | Done

OPERATIONS: Final[Mapping[str, tuple[type[Any], type[Any]]]] = {
    "start": (Start, SubjectInfo),
    "construct": (Construct, Constructed),
    "step": (Step, StepResult),
    "run": (Run, RunResult),
    "read": (Read, Readout),
    "save": (Save, Saved),
    "load": (Load, Done),
    "release": (Release, Done),
    "live": (Live, Lived),
    "stop": (Stop, Done),
}
"""Each operation's request and the answer to it."""
