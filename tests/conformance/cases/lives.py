"""Whole lives of an optimizer, drawn from a seed: contexts that combine.

Each theme draws lives in which one thing always happens (a checkpoint, an option that is set, a number that is not
finite) and anything else may. A feature is something that a subject may lack or may be known to get wrong. A probe
performs each feature first, and lives are drawn of those alone that the subject gets right. So one difference never
hides another.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

import numpy as np
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.life import (
    Action,
    AddGroup,
    Construct,
    Container,
    Copy,
    CopyMethod,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
    Options,
    ParameterSpec,
    Refusal,
    Refuse,
    Save,
    SetLr,
    SetOption,
    Step,
)
from adamax_conformance.reference.values import Values

PERIOD: Final = 61
"""The period of arrays that are longer: a prime, so that no vector, block or row repeats it."""


T = TypeVar("T")


class Feature(Enum):
    """Something that lives are drawn of only if the subject has it, and gets it right."""

    GRADIENT_KEPT = "gradient-kept"
    GROUPS = "groups"
    SET_LR = "set-lr"
    INT_LR = "int-lr"
    ARRAY_LR = "array-lr"
    SET_OPTIONS = "set-options"
    GENERATOR = "generator"
    POINTS = "0-d"
    EMPTY = "empty"
    NEIGHBOURS = "neighbours"
    ORDERS = "memory-orders"
    MIXED = "mixed-dtypes"
    BROADCAST = "broadcast-gradient"
    SHARED = "shared-gradient"
    GRADIENT_DTYPE = "gradient-dtype"
    ALIASED = "aliased-gradient"
    ABSENT = "absent-gradient"
    NAN = "nan"
    INFINITY = "infinity"
    SUBNORMAL = "subnormal"
    ADD_GROUP = "add-group"
    PARAMS_KEPT = "params-kept"
    CHECKPOINT_KEPT = "checkpoint-kept"
    LOAD_FRESH = "load-fresh"
    LOAD_USED = "load-used"
    DEEPCOPY = "deepcopy"
    PICKLE = "pickle"
    REFUSED = "refused-step"
    ZERO_BETAS = "zero-betas"
    ZERO_EPS = "zero-eps"
    MAXIMIZE = "maximize"
    DECAY = "weight-decay"
    EPS = "eps"
    BETAS = "betas"


def _usual_options() -> tuple[tuple[float, ...], ...]:
    """Options of usual sizes, so few that many lives share their constants."""
    rng = random.Random(20150107)  # noqa: S311 - numbers, not secrets
    choices = (
        (0.1, 2e-3, 0.37, 1.0),
        *[(0.9, 0.5, 0.7, 0.97, 0.3)] * 2,
        (1e-3, 0.01, 0.3, 1e-8),
        (0.0, 0.0, 0.01, 0.3),
    )
    return tuple((*(rng.choice(each) for each in choices), float(rng.random() < 0.3)) for _ in range(32))


_USUAL: Final = _usual_options()
"""lr, beta1, beta2, eps, weight_decay, and 1 for maximize."""


class Theme(Enum):
    """The thing that always happens in drawn lives."""

    MEMORY = "memory"
    OPTIONS = "options"
    CHECKPOINTS = "checkpoints"
    SPECIAL = "special"
    DOMAINS = "domains"
    EVERYTHING = "everything"


@dataclass(frozen=True)
class Scope:
    """The choices from which lives are drawn.

    Attributes:
        format_: the working format.
        features: that the subject has and gets right.
        dtypes: the others that the subject has, for parameters side by side.
        compiles: whether each new optimizer costs much time, so that pinned lives have fewer parameters.
        flushes: whether it flushes subnormal numbers. A rate that is one becomes 0 then, also for a parameter of
            another dtype that has it as a normal number.
    """

    format_: Format
    features: frozenset[Feature]
    dtypes: tuple[str, ...] = ()
    compiles: bool = False
    flushes: bool = False

    @property
    def wide_dtypes(self) -> tuple[str, ...]:
        """The others that hold numbers of all sizes that are drawn."""
        return tuple(dtype for dtype in self.dtypes if dtype in {"float32", "float64"})

    def has(self, feature: Feature) -> bool:
        """Whether a feature may be drawn."""
        return feature in self.features


_SHAPES: Final[tuple[tuple[int, ...], ...]] = (
    (3,), (1,), (2,), (5,), (7,), (8,), (16,), (2, 3), (3, 3), (4, 4), (1, 6), (6, 1), (2, 3, 4), (2, 2, 3, 3),
    (9, 1), (1, 9), (3, 1, 4), (2, 1, 2, 3), (2, 1, 3, 2, 2), (1, 2, 2, 1, 3, 2),
)  # fmt: skip
_LONGER: Final[tuple[tuple[int, ...], ...]] = (
    (32,), (63,), (64,), (65,), (127,), (128,), (255,), (256,), (512,), (1000,), (1024,), (2048,), (4096,), (4097,),
    (5000,), (16, 16), (33, 33), (40, 40), (64, 64), (7, 300), (300, 7), (16, 3, 3, 3), (64, 16, 3, 3), (8, 8, 8),
    (2, 1025), (40, 1), (1, 40), (20000,), (150, 130),
)  # fmt: skip


def _noise(
    rng: np.random.Generator, format_: Format, count: int, low: int = 0, high: int = 0
) -> tuple[float, ...]:
    """Numbers of a format of random signs, significands and exponents."""
    sizes = np.ldexp(1.0 + rng.random(count), rng.integers(low, high + 1, count))
    return tuple(format_.round_array(np.where(rng.random(count) < 0.5, -sizes, sizes)).tolist())


def _values(
    rng: np.random.Generator, format_: Format, shape: tuple[int, ...], low: int = 0, high: int = 0
) -> Values:
    size = math.prod(shape)
    return Values(shape, _noise(rng, format_, min(size, PERIOD) if size > PERIOD else size, low, high))


def rounded_values(values: Values, dtype: str | None) -> Values:
    """The values in another dtype's format, where that is not the life's own."""
    if dtype is None:
        return values
    format_ = Format.of(dtype)
    exceptions = tuple((index, format_.round_float(x)) for index, x in values.exceptions)
    return Values(values.shape, tuple(format_.round_array(values.pattern).tolist()), exceptions)


class _Drawer:
    """Draws one life of a theme."""

    def __init__(self, scope: Scope, theme: Theme, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - numbers, not secrets
        self.scope = scope
        self.theme = theme
        self.format = scope.format_
        self.rng = np.random.default_rng(seed)
        self.actions: list[Action] = []
        self.parameters: dict[int, list[ParameterSpec]] = {}
        self.groups: dict[int, list[GroupSpec]] = {}
        self.checkpoints: dict[int, tuple[int, int]] = {}
        self.lr: dict[tuple[int, int], float] = {}

    def chance(self, percent: int) -> bool:
        """Whether something happens that does so in so many cases of a hundred."""
        return self.random.randrange(100) < percent

    def pick(self, *choices: T) -> T:
        """One of some."""
        return self.random.choice(choices)

    # Construction --------------------------------------------------------------------------------------------

    def options(self) -> Options:
        """Options of a group: usual ones, or from all over their domains."""
        wide = self.theme is Theme.DOMAINS or self.chance(15)
        scope = self.scope
        lr, *betas, eps, decay, ascends = self.random.choice(_USUAL)
        eps = eps if self.format.emin < -30 else max(eps, 1e-3)
        if wide:
            lr = self.wide_lr() if self.chance(40) else lr
            betas = [self.wide_beta() if self.chance(50) else beta for beta in betas]
            eps = self.wide_eps() if self.chance(40) else eps
            decay = self.wide_decay() if self.chance(50) else decay
        maximize = bool(ascends)
        return Options(
            Number(lr),
            (betas[0], betas[1]) if scope.has(Feature.BETAS) else None,
            eps if scope.has(Feature.EPS) else None,
            decay if scope.has(Feature.DECAY) else None,
            maximize if scope.has(Feature.MAXIMIZE) else None,
        )

    def wide_lr(self) -> float:
        """A learning rate from the subnormal numbers to the large; none to flush."""
        reach, tiny = min(self.format.emax - 4, 30), self.format.emin + 3
        smallest = tiny if self.scope.flushes else self.format.emin - 3
        exponent = self.pick(-12, -24, 3, 10, 17, -60, tiny, smallest)
        return float(np.ldexp(1.25, min(exponent, reach)))

    def wide_beta(self) -> float:
        """A beta at either end, or in between."""
        ends = (1e-6, 1e-3, 0.001, 0.999, 0.9995, 0.996, 0.9999, 1 - 2.0**-20, 0.05, 0.25)
        zero = (0.0,) if self.scope.has(Feature.ZERO_BETAS) else ()
        return self.pick(*ends, *zero) if self.chance(60) else self.random.uniform(0.001, 0.9999)

    def wide_eps(self) -> float:
        """An eps from tiny to far above 1."""
        low = max(-60, self.format.emin + 2)
        return float(np.ldexp(1.5, self.pick(1, 2, 3, 6, 10, -10, -20, low)))

    def wide_decay(self) -> float:
        """A decay far above 1, or far below 1e-4."""
        return self.pick(1.0, 1.5, 2.5, 5.0, 30.0, 5e-5, 1e-5, 1e-6, 2.0**-30)

    def shape(self, *, small: bool) -> tuple[int, ...]:
        """A shape of few elements or more; of none where the subject takes that."""
        if self.scope.has(Feature.POINTS) and self.chance(6):
            return ()
        if self.scope.has(Feature.EMPTY) and self.chance(4):
            return (0,)
        if not small and self.chance(35 if self.theme is Theme.MEMORY else 15):
            return self.pick(*_LONGER)
        return self.pick(*_SHAPES)

    def construct(self, number: int) -> None:
        """Construct an optimizer of a number of groups and parameters."""
        scope = self.scope
        plain = not scope.has(Feature.GROUPS) or self.chance(20)
        count = 1 if plain else self.pick(1, 2, 2, 3, 10)
        members = self.pick(1, 2, 2, 3, 4, 20) if count < 4 else 1
        equal = self.chance(15)
        low, high = self.magnitude()
        same = self.shape(small=members > 4)
        memory = Memory.CONTIGUOUS
        if scope.has(Feature.NEIGHBOURS) and self.chance(12):
            memory = Memory.NEIGHBOURS
        elif scope.has(Feature.ORDERS) and self.chance(30):
            memory = self.pick(Memory.COLUMN_MAJOR, Memory.STRIDED, Memory.REVERSED)
        shared = _values(self.rng, self.format, same, low, high)
        mixed = (
            scope.has(Feature.MIXED)
            and bool(scope.wide_dtypes)
            and memory is not Memory.NEIGHBOURS
            and self.chance(12)
        )
        groups = []
        for _ in range(count):
            specs = []
            for _ in range(members):
                shape = same if equal or self.chance(30) else self.shape(small=members > 4)
                values = shared if equal else _values(self.rng, self.format, shape, low, high)
                if not equal and self.chance(25):
                    values = Values(shape, (0.0,) * len(values.pattern))
                dtype = self.pick(*scope.wide_dtypes) if mixed and self.chance(50) else None
                values = rounded_values(values, dtype)
                if self.theme is Theme.SPECIAL and not equal:
                    values = rounded_values(self.pierced(values), dtype)
                specs.append(ParameterSpec(values, memory, dtype))
            groups.append(GroupSpec(tuple(specs), Options() if plain else self.options()))
        container = Container.DICTS
        if plain:
            generator = (Container.GENERATOR,) if scope.has(Feature.GENERATOR) else ()
            container = self.pick(Container.LIST, Container.TUPLE, *generator)
        elif scope.has(Feature.GENERATOR) and self.chance(10):
            container = Container.GENERATOR_OF_DICTS
        keywords = self.options()
        self.actions.append(Construct(number, tuple(groups), keywords, container))
        self.groups[number] = groups
        self.parameters[number] = [spec for group in groups for spec in group.parameters]
        for index, group in enumerate(groups):
            lr = group.options.lr or keywords.lr
            self.lr[number, index] = lr.value if lr else 2e-3

    def magnitude(self) -> tuple[int, int]:
        """The exponents of theta: around 1 mostly, large at times."""
        top = min(self.format.emax - 2, 40)
        choices = ((-1, 1), (-1, 1), (-4, 4), (12, 17), (-12, -8), (-top // 2, top // 2))
        low, high = self.pick(*choices)
        return low, min(high, top)

    # Steps ---------------------------------------------------------------------------------------------------

    def step(self, number: int) -> None:
        """Take a step with gradients of any kind."""
        parameters = self.parameters[number]
        spread = min(self.format.emax // 2, 40)
        ranges = (
            (-1, 1),
            (-1, 1),
            (-4, 2),
            (-9, -5),
            (-spread, spread),
            (spread - 4, spread),
            (-spread, 4 - spread),
        )
        low, high = self.pick(*ranges)
        zero = self.chance(8)
        absent = self.scope.has(Feature.ABSENT) and self.chance(25)
        specs: list[GradientSpec] = []
        for index, parameter in enumerate(parameters):
            shape = parameter.values.shape
            if absent and self.chance(40):
                specs.append(GradientSpec(None))
                continue
            again = self.again(number, index, specs, parameters) if self.chance(12) else None
            if again is not None:
                specs.append(again)
                continue
            values = rounded_values(_values(self.rng, self.format, shape, low, high), parameter.dtype)
            if zero or self.chance(3):
                values = Values(shape, (0.0,) * len(values.pattern))
            memory = Memory.CONTIGUOUS
            if self.scope.has(Feature.BROADCAST) and values.pattern and self.chance(8):
                values, memory = Values(shape, (values.pattern[0],) * len(values.pattern)), Memory.BROADCAST
            elif self.scope.has(Feature.ORDERS) and self.chance(25):
                memory = self.pick(Memory.COLUMN_MAJOR, Memory.STRIDED, Memory.REVERSED)
            specs.append(
                GradientSpec(
                    values
                    if memory is Memory.BROADCAST
                    else rounded_values(self.pierced(values), parameter.dtype),
                    memory,
                )
            )
        self.actions.append(Step(number, tuple(specs)))

    def again(
        self, number: int, index: int, specs: Sequence[GradientSpec], parameters: Sequence[ParameterSpec]
    ) -> GradientSpec | None:
        """A gradient that is there already: another one, or any parameter's memory."""
        own = parameters[index]
        if self.scope.has(Feature.SHARED) and self.chance(60):
            for other, spec in enumerate(specs):
                alike = spec.values is not None and spec.values.shape == own.values.shape
                if alike and parameters[other].dtype == own.dtype:
                    return GradientSpec(None, same_as=other)
        if self.scope.has(Feature.ALIASED):
            # Of its own group: some optimizers step one group after the other, which the probe does not ask for.
            groups = [g for g, group in enumerate(self.groups[number]) for _ in group.parameters]
            for other, parameter in enumerate(parameters):
                alike = parameter.values.shape == own.values.shape and parameter.dtype == own.dtype
                if alike and groups[other] == groups[index]:
                    return GradientSpec(None, parameter=other)
        return None

    def pierced(self, values: Values) -> Values:
        """The values with one special number among them, at times."""
        often = 35 if self.theme is Theme.SPECIAL else 4
        if not values.size or not self.chance(often):
            return values
        format_ = self.format
        special = [0.0, -0.0]
        if self.scope.has(Feature.NAN):
            special += [math.nan] * 3
        if self.scope.has(Feature.INFINITY) and self.scope.has(
            Feature.NAN
        ):  # a step makes NaN of an infinity
            special += [math.inf, -math.inf]
        if self.scope.has(Feature.SUBNORMAL):
            special += [format_.smallest_subnormal * 3, format_.smallest_normal]
        number = self.pick(*special)
        where = self.random.randint(0, values.size - 1)
        if len(values.pattern) == values.size:
            pattern = list(values.pattern)
            pattern[where] = number
            return Values(values.shape, tuple(pattern))
        return Values(values.shape, values.pattern, ((where, number),))

    # Between steps -------------------------------------------------------------------------------------------

    def is_mixed(self, number: int) -> bool:
        """Whether an optimizer has parameters of another dtype than the life's."""
        return any(spec.dtype is not None for spec in self.parameters[number])

    def set_lr(self, number: int) -> None:
        """Set a group's learning rate: close to the last, tiny, or to anything."""
        group = self.random.randint(0, len(self.groups[number]) - 1)
        last = self.lr[number, group]
        kind = self.pick(
            NumberKind.FLOAT,
            NumberKind.FLOAT,
            *([NumberKind.INT] if self.scope.has(Feature.INT_LR) else []),
            # An array of the life's own format rounds what parameters of a wider one are stepped by.
            *([NumberKind.ARRAY] if self.scope.has(Feature.ARRAY_LR) and not self.is_mixed(number) else []),
        )
        choices = (
            0.5, 0.05, 1.0, 2.0, 0.0, last * (1 + 2.0**-14), last * (1 - 2.0**-18), last / 1024, 2.0**-20, 1e-6, 1e-9,
            self.wide_lr(), 8.0,
        )  # fmt: skip
        value = self.pick(*choices)
        if kind is NumberKind.INT:
            value = float(self.pick(1, 2, 3))
        # What a 0-d array of the working format holds, every kind holds.
        value = self.format.round_float(float(np.float32(value)) if self.format.precision >= 24 else value)
        self.lr[number, group] = value
        self.actions.append(SetLr(number, group, Number(value, kind)))

    def set_option(self, number: int) -> None:
        """Set another option of a group, to a usual value or to one far off."""
        scope, group = self.scope, self.random.randint(0, len(self.groups[number]) - 1)
        values: dict[str, tuple[Any, ...]] = {
            "eps": (0.5, 1.0, 1e-3, self.wide_eps()) if scope.has(Feature.EPS) else (),
            "weight_decay": (0.5, 0.0, self.wide_decay()) if scope.has(Feature.DECAY) else (),
            "maximize": (True, False) if scope.has(Feature.MAXIMIZE) else (),
        }
        name = self.pick(*(name for name, choices in values.items() if choices))
        self.actions.append(SetOption(number, group, name, self.pick(*values[name])))

    def add_group(self, number: int) -> None:
        """Add a group of one or two parameters."""
        specs = tuple(
            ParameterSpec(_values(self.rng, self.format, self.shape(small=True)))
            for _ in range(self.random.randint(1, 2))
        )
        group = GroupSpec(specs, self.options())
        self.actions.append(AddGroup(number, group))
        self.lr[number, len(self.groups[number])] = group.options.lr.value if group.options.lr else 2e-3
        self.groups[number] = [*self.groups[number], group]
        self.parameters[number] = [*self.parameters[number], *specs]

    def save(self, number: int) -> None:
        """Save an optimizer."""
        checkpoint = len(self.checkpoints)
        self.checkpoints[checkpoint] = (number, len(self.groups[number]))
        self.actions.append(Save(number, checkpoint, not self.scope.has(Feature.CHECKPOINT_KEPT)))

    def load(self, number: int) -> None:
        """Load a checkpoint of the optimizer's own: the last, or an earlier one."""
        own = [
            c
            for c, (whose, groups) in self.checkpoints.items()
            if whose == number and groups == len(self.groups[number])
        ]
        ways = [False] * self.scope.has(Feature.LOAD_USED) + [True] * self.scope.has(Feature.LOAD_FRESH)
        if own and ways:
            checkpoint = self.pick(*own[::-1])
            self.actions.append(Load(number, checkpoint, self.pick(*ways)))
            if self.chance(15):
                self.actions.append(self.actions[-1])

    def copy(self, number: int) -> None:
        """Copy an optimizer, and go on with both."""
        ways = [CopyMethod.DEEPCOPY] * self.scope.has(Feature.DEEPCOPY) + [
            CopyMethod.PICKLE
        ] * self.scope.has(Feature.PICKLE)
        new = max(self.parameters) + 1
        if ways and new < 3:
            self.actions.append(Copy(number, new, self.pick(*ways)))
            self.parameters[new], self.groups[new] = list(self.parameters[number]), list(self.groups[number])
            for (whose, group), lr in list(self.lr.items()):
                if whose == number:
                    self.lr[new, group] = lr

    def refuse(self, number: int) -> None:
        """Ask for what has to be refused."""
        if self.scope.has(Feature.REFUSED):
            refusal = self.pick(Refusal.TOO_FEW_GRADIENTS, Refusal.TOO_MANY_GRADIENTS, Refusal.WRONG_SHAPE)
            self.actions.append(Refuse(number, refusal))

    def between(self) -> dict[str, Callable[[int], None]]:
        """Everything in scope that may happen between two steps, by name."""
        loads = self.scope.has(Feature.LOAD_USED) or self.scope.has(Feature.LOAD_FRESH)
        found: dict[str, Callable[[int], None]] = {
            "load": self.load,
            "copy": self.copy,
            "refuse": self.refuse,
        }
        if self.scope.has(Feature.SET_LR):
            found["set_lr"] = self.set_lr
        if self.scope.has(Feature.SET_OPTIONS):
            found["set_option"] = self.set_option
        if self.scope.has(Feature.ADD_GROUP):
            found["add_group"] = self.add_group
        if loads:
            found["save"] = self.save
        return found

    def life(self) -> Life:
        """The whole life."""
        self.construct(0)
        self.step(0)
        if self.chance(20):
            self.construct(1)
            self.step(1)
        weights = {
            Theme.CHECKPOINTS: ("save", "load", "copy", "refuse", "step", "step", "load", "add_group"),
            Theme.OPTIONS: ("set_lr", "set_lr", "set_lr", "set_option", "set_option", "step", "add_group"),
        }.get(self.theme, ("step", "step", "step", "set_lr", "save", "load", "copy", "refuse", "add_group"))
        if self.theme is Theme.CHECKPOINTS:
            self.save(0)
        between = self.between()
        for _ in range(self.random.randint(2, 9)):
            number = self.pick(*sorted(self.parameters))
            action = self.pick(*weights)
            if action in between:
                between[action](number)
            self.step(number)
        return Life(f"lives/{self.theme.value}", self.format.dtype, tuple(self.actions))


def draw_life(scope: Scope, theme: Theme, seed: int) -> Life:
    """Draw a life of a theme, of what is in scope.

    The same seed draws the same life everywhere.
    """
    return _Drawer(scope, theme, seed).life()
