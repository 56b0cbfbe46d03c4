"""What can a subject be asked, and what does it answer? Values only: no encoding, no input or output.

Every array is float64, whatever format the subject computes in: each number of binary16, bfloat16 and
binary32 is one of binary64's too, so nothing is rounded on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...reference.case import Layout

FloatArray: TypeAlias = npt.NDArray[np.float64]

PROTOCOL_VERSION: Final = 1
DTYPES: Final = ("float16", "bfloat16", "float32", "float64")
ARGUMENTS: Final = ("lr", "betas", "eps", "weight_decay", "maximize")
"""The documented arguments after `params`."""

DEVICES: Final = ("cpu", "cuda", "mps", "xpu", "npu")


@dataclass(frozen=True)
class Start:
    """Who are you? The first request, once.

    Attributes:
        subject: its name, as on the command line.
        device: where it shall run.
        path: folders in which a user's own modules and files are looked for.
        protocol: the version of the protocol that is spoken.
    """

    subject: str
    device: str = "cpu"
    path: tuple[str, ...] = ()
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class SubjectInfo:
    """What a subject says of itself.

    Attributes:
        name: as on the command line.
        framework: what it runs on: `numpy`, `torch`, `mindspore`, or what a program says.
        version: the framework's.
        mode: the mode, as in `torch[foreach]`; empty where there is one only.
        language: `Python` for all but programs.
        runtime: the version of the language's runtime, and of NumPy where it is used.
        dtypes: the number formats that it computes in on the device.
        devices: the devices that are there.
        device: the one in use.
        has: `state` (m and u can be seen), `groups`, `set_lr`, `save`; None where only trying can tell.
        keyword_only_maximize: by the constructor's signature; None where there is none to look at.
        defaults: the documented arguments' defaults, by the constructor's signature; likewise.
        arguments: which of the documented ones its constructor has; the rest cannot be asked for.
        group_options: which of these each of its groups may have for itself; the rest all groups share.
        layouts: the layouts of arrays that it can take.
        schedulers: the classes of its framework's learning rate schedulers.
        encodings: how arrays may cross the pipe to it.
    """

    name: str
    framework: str
    version: str
    dtypes: tuple[str, ...]
    mode: str = ""
    language: str = "Python"
    runtime: str = ""
    devices: tuple[str, ...] = ("cpu",)
    device: str = "cpu"
    has: Mapping[str, bool | None] = field(default_factory=dict)
    keyword_only_maximize: bool | None = None
    defaults: Mapping[str, Any] | None = None
    arguments: tuple[str, ...] = ARGUMENTS
    group_options: tuple[str, ...] = ARGUMENTS
    layouts: tuple[Layout, ...] = tuple(Layout)
    schedulers: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ("hex", "base64")


@dataclass(frozen=True, eq=False)
class GroupSpec:
    """One parameter group as it is passed to a constructor.

    Attributes:
        options: the keys of the group but `params`; only those that are there are passed.
        params: the initial parameters; None leaves the key `params` out.
    """

    options: Mapping[str, Any]
    params: tuple[FloatArray, ...] | None


@dataclass(frozen=True, eq=False)
class Schedule:
    """A learning rate scheduler of the subject's own framework.

    Attributes:
        name: of its class.
        options: its keyword arguments but the optimizer. `lr_lambda` is a tuple of factors, one for each
            step, or a list of such tuples, one for each group.
        parts: the schedulers that it combines, where it does.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Schedule, ...] = ()


@dataclass(frozen=True, eq=False)
class Construct:
    """Make an optimizer.

    Attributes:
        dtype: the format of its parameters.
        groups: see `GroupSpec`.
        defaults: keyword arguments of the constructor.
        positional: further positional arguments, after `params`.
        plain: `params` is a plain list of arrays, those of the only group, whose options are empty.
        share: each parameter of the first group is the same array object; the values given are equal.
        layout: how all arrays lie in memory, gradients included.
        schedule: drives the learning rates: it moves on after each step.
    """

    dtype: str
    groups: tuple[GroupSpec, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()
    plain: bool = False
    share: bool = False
    layout: Layout = Layout.CONTIGUOUS
    schedule: Schedule | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """Take one step.

    Attributes:
        handle: of the optimizer.
        gradients: one for each parameter, group by group.
        lr: what each group's learning rate is set to before; None in a place leaves that group's alone.
        metric: what the scheduler is told when it moves on, where it wants to know.
    """

    handle: int
    gradients: tuple[FloatArray, ...]
    lr: tuple[Any, ...] | None = None
    metric: float | None = None


@dataclass(frozen=True)
class Read:
    """Show the state and the groups."""

    handle: int


@dataclass(frozen=True)
class Save:
    """Keep a checkpoint, by the framework's own means."""

    handle: int


@dataclass(frozen=True)
class Load:
    """Load a checkpoint into an optimizer constructed anew from the parameters as they are now."""

    handle: int
    checkpoint: int


@dataclass(frozen=True)
class Release:
    """Forget an optimizer."""

    handle: int


@dataclass(frozen=True)
class Stop:
    """End."""


Request: TypeAlias = Start | Construct | Step | Read | Save | Load | Release | Stop


@dataclass(frozen=True)
class Constructed:
    """The optimizer is there, and this is its handle."""

    handle: int


@dataclass(frozen=True, eq=False)
class State:
    """What an optimizer holds: one array for each parameter, group by group.

    Attributes:
        theta: the parameters.
        m: the first moments; None where they cannot be seen (yet).
        u: the infinity norms; likewise.
    """

    theta: tuple[FloatArray, ...]
    m: tuple[FloatArray, ...] | None = None
    u: tuple[FloatArray, ...] | None = None


@dataclass(frozen=True, eq=False)
class StepResult(State):
    """The state after a step, and more.

    Attributes:
        gradients: the arrays that were passed as gradients, as the step left them.
        lr: each group's learning rate that was in force, read back; None where it cannot be read.
    """

    gradients: tuple[FloatArray, ...] = ()
    lr: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Readout:
    """What can be seen of an optimizer.

    Attributes:
        state: now.
        groups: each group's options but the parameters, as the subject shows them; None where it does not.
    """

    state: State
    groups: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Saved:
    """The checkpoint is kept, and this is its number."""

    checkpoint: int


@dataclass(frozen=True)
class Done:
    """Done; there is nothing to tell."""


Answer: TypeAlias = SubjectInfo | Constructed | StepResult | Readout | Saved | Done
