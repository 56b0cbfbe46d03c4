"""The optimizer as a state machine over abstract numbers.

A machine keeps the books of one optimizer: where each scalar comes from, counters, and what is carried of m and u.
Its formula is that of `reference.formula`, cut into the parts that can go wrong. A deviation is a mixin that overrides
a few methods; two of them compose by inheritance.

The numbers of the formula are the caller's. Besides the operators they have the methods of `Number`.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, TypeAlias

Number: TypeAlias = Any
"""A number of the caller's, with the operators of `reference.formula.Number` and these methods.

`maximum(other)`; `sqrt()`; `hypot(other)`; `where(condition, other)` (itself where the condition holds);
`rounded(dtype)`; `flushed()` (0 for a subnormal number); `clipped(bound)`; `finite_or_zero(nan_only)`.
"""


class Origin(Enum):
    """The origin of a moment."""

    BEFORE = "what a parameter had before the action"
    STEPPED = "what an earlier step of the same call left"
    SAVED = "what a checkpoint holds"
    ZERO = "zeros"
    ANY = "not determined"


@dataclass(frozen=True)
class Source:
    """A moment's origin, with the parameter and the checkpoint that it belongs to."""

    origin: Origin
    parameter: int = 0
    checkpoint: int = 0


ZERO = Source(Origin.ZERO)
ANY = Source(Origin.ANY)


@dataclass(frozen=True)
class Inputs:
    """The scalars of one step of one parameter, and where its moments come from.

    Attributes:
        t: the number of the step that the bias correction uses.
        m: the source of the first moment before the step.
        u: likewise of the norm.
        m_shown: the parameter whose first moment is seen as this one's after the call.
        u_shown: likewise of the norm.
    """

    t: int
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    maximize: bool
    m: Source
    u: Source
    m_shown: int
    u_shown: int


@dataclass
class Terms:
    """The numbers that a step reads, those of many elements at once.

    Attributes:
        theta: before the step, as are m and u.
        g: the gradient as it was passed.
        array_norm: the Euclidean norm of the gradient's array.
        call_norm: likewise of all gradients of the step together.
        t: the number of the step.
        decays: where weight_decay is not zero.
        maximize: where the objective is maximized.
        old: the same of the parameter's step before; arbitrary where there is none.
        has_old: where there is one.
    """

    theta: Number
    m: Number
    u: Number
    g: Number
    lr: Number
    beta1: Number
    beta2: Number
    eps: Number
    weight_decay: Number
    array_norm: Number
    call_norm: Number
    t: Any
    decays: Any
    maximize: Any
    old: Terms | None = None
    has_old: Any = None


@dataclass
class SavedBooks:
    """A machine's part of a checkpoint."""

    counts: list[int]
    options: list[dict[str, Any]]
    extra: dict[str, Any] = field(default_factory=dict)


class Machine:
    """The documented optimizer. A deviation overrides some of its methods.

    Attributes:
        slug: a short stable name of the deviation.
        sentence: what a maintainer would say of it.
        documented: the line of the formula that differs, as it is documented.
        line: the same as the deviation has it.
        computes_in: the dtype in which each operation is rounded, where that is not the working one.
        needs_process: whether it depends on what the process did before.
        moves_refused: whether a refused call moves theta, which is then seen.
        narrows: the dtype that something is rounded to.
        of_correction: whether it is about the value of the bias correction, so nothing where there is none.
    """

    slug: ClassVar[str] = ""
    sentence: ClassVar[str] = "the step is the documented one"
    documented: ClassVar[str] = ""
    line: ClassVar[str] = ""
    computes_in: ClassVar[str | None] = None
    needs_process: ClassVar[bool] = False
    moves_refused: ClassVar[bool] = False
    narrows: ClassVar[str | None] = None
    of_correction: ClassVar[bool] = False

    def __init__(self, process: MutableMapping[str, Any]) -> None:
        self.process = process
        """What lives as long as the process."""
        self.options: list[dict[str, Any]] = []
        self.group_of: list[int] = []
        self.shapes: list[tuple[int, ...]] = []
        self.counts: list[int] = []
        self.zeroed: dict[str, set[int]] = {"m": set(), "u": set()}

    # The books -----------------------------------------------------------------------------------------------

    def construct(
        self, options: Sequence[dict[str, Any]], shapes: Sequence[Sequence[tuple[int, ...]]]
    ) -> None:
        """Take the options of each group, and the shapes of its parameters."""
        for own, members in zip(options, shapes, strict=True):
            self.add_group(own, members)

    def add_group(self, options: dict[str, Any], shapes: Sequence[tuple[int, ...]]) -> None:
        """Add a group."""
        self.options.append(dict(options))
        self.group_of += [len(self.options) - 1] * len(shapes)
        self.shapes += list(shapes)
        self.counts += [0] * len(shapes)

    def set(self, group: int, name: str, value: Any) -> None:
        """Set an option of a group between two steps."""
        self.options[group][name] = value

    def save(self) -> SavedBooks:
        """Return what a checkpoint holds."""
        return SavedBooks(list(self.counts), [dict(each) for each in self.options])

    def load(self, saved: SavedBooks) -> None:
        """Go on from a checkpoint."""
        self.counts = list(saved.counts)
        self.options = [dict(each) for each in saved.options]

    def refuse(self) -> None:
        """Refuse a call."""

    def begin(self, zero_gradients: Sequence[bool]) -> None:
        """Begin a call, given which gradients are zero everywhere."""

    def end(self) -> None:
        """End a call."""
        self.zeroed = {"m": set(), "u": set()}

    def skip(self, i: int) -> None:
        """Leave a parameter without a gradient alone."""

    def count(self, i: int) -> None:
        """Count a step of a parameter."""
        self.counts[i] += 1

    def time(self, i: int) -> int:
        """The number of a parameter's step, for the bias correction."""
        return self.counts[i]

    def option(self, name: str, i: int) -> Any:
        """An option as a parameter's step reads it."""
        return self.options[self.group_of[i]][name]

    def source(self, moment: str, i: int) -> Source:
        """The origin of a moment that a step reads."""
        return ZERO if i in self.zeroed[moment] else Source(Origin.BEFORE, i)

    def shown(self, moment: str, i: int) -> int:
        """The parameter whose moment is seen as that of parameter i after a call."""
        return i

    def kept(self, moment: str, i: int) -> Source:
        """The source of a moment, or of theta, as seen after an action that is not a step."""
        return ANY if i in self.zeroed.get(moment, ()) else Source(Origin.BEFORE, i)

    def restored(self, moment: str, i: int, checkpoint: int) -> Source:
        """The source of a moment as seen after a checkpoint was loaded."""
        return ANY if i in self.zeroed[moment] else Source(Origin.SAVED, i, checkpoint)

    def inputs(self, i: int) -> Inputs:
        """The scalars and sources of a parameter's step, after it was counted."""
        return Inputs(
            self.time(i),
            float(self.option("lr", i)),
            float(self.option("beta1", i)),
            float(self.option("beta2", i)),
            float(self.option("eps", i)),
            float(self.option("weight_decay", i)),
            bool(self.option("maximize", i)),
            self.source("m", i),
            self.source("u", i),
            self.shown("m", i),
            self.shown("u", i),
        )

    # The formula ---------------------------------------------------------------------------------------------

    def narrowed(self, which: str, value: Number) -> Number:
        """A scalar as it enters the formula."""
        return value

    def passed(self, x: Terms) -> Number:
        """The gradient as it is read."""
        return x.g

    def oriented(self, x: Terms) -> Number:
        """The gradient, negated where the objective is maximized."""
        g = self.passed(x)
        return (-g).where(x.maximize, g)

    def effective(self, x: Terms) -> Number:
        """The gradient with the decay."""
        g = self.oriented(x)
        return (g + x.weight_decay * x.theta).where(x.decays, g)

    def moment(self, x: Terms, g: Number) -> Number:
        """The first moment after the step."""
        return x.beta1 * x.m + (1 - x.beta1) * g

    def norm(self, x: Terms, g: Number) -> Number:
        """The norm after the step."""
        return (x.beta2 * x.u).maximum(abs(g) + x.eps)

    def correction(self, x: Terms) -> Number:
        """The divisor of the first moment."""
        return 1 - x.beta1**x.t

    def divisor(self, x: Terms, u: Number) -> Number:
        """The norm as it divides."""
        return u

    def rate(self, x: Terms) -> Number:
        """The learning rate as it multiplies."""
        return x.lr

    def ratio(self, x: Terms, m: Number, u: Number) -> Number:
        """The number that is taken from theta."""
        return self.rate(x) * m / (self.correction(x) * self.divisor(x, u))

    def before(self, x: Terms) -> Number:
        """Theta from which the update is taken."""
        return x.theta

    def update(self, x: Terms, m: Number, u: Number) -> Number:
        """Theta after the step, given m and u after it."""
        return self.before(x) - self.ratio(x, m, u)
