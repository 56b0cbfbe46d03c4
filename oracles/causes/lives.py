"""The lives that distinguish the causes: ordinary ones, with one thing changed.

Their numbers are multiples of 1/64 of at most 7 bits, so every format has them, but for one life of full precision.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

import numpy as np

from ...reference.life import (
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
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)
from ...reference.values import Values
from ..formats import Format

Shape = tuple[int, ...]

PLAIN: Final = Options(Number(0.125), (0.75, 0.875), 2.0**-20)
"""Ordinary options whose scalars are exact in every format."""

INEXACT: Final = Options(Number(0.003), (0.9, 0.999), 1e-8)
"""Ordinary options as they are used, which no format holds."""

_ONE: Final[tuple[Shape, ...]] = ((6,),)
_TWO: Final[tuple[Shape, ...]] = ((5,), (5,), (2, 3))
_SHRINKING: Final = (1.0, 0.25, 2.0, 0.5, 0.125, 1.0, 0.0625, 4.0)


@dataclass
class Draft:
    """A life that is being written."""

    name: str
    dtype: str
    shapes: dict[int, tuple[Shape, ...]] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(zlib.crc32(self.name.encode()))

    def values(self, shape: Shape, scale: float = 1.0) -> Values:
        """Numbers of both signs; a long array repeats 61 of them."""
        size = math.prod(shape)
        count = size if size <= 64 else 61
        numbers = self._rng.integers(1, 128, count) * self._rng.choice([-1, 1], count) / 64 * scale
        return Values(shape, tuple(numbers.tolist()))

    def parameter(
        self, shape: Shape, scale: float = 1.0, memory: Memory = Memory.CONTIGUOUS
    ) -> ParameterSpec:
        """A parameter of a shape."""
        return ParameterSpec(self.values(shape, scale), memory)

    def construct(
        self,
        options: Options = PLAIN,
        shapes: tuple[Shape, ...] = _ONE,
        number: int = 0,
        *,
        groups: Sequence[tuple[Options, Sequence[Shape]]] | None = None,
        scale: float = 1.0,
        memory: Memory = Memory.CONTIGUOUS,
        container: Container = Container.LIST,
    ) -> Draft:
        """Construct an optimizer of one group, or of several."""
        made: tuple[GroupSpec, ...]
        if groups is None:
            made = (GroupSpec(tuple(self.parameter(s, scale, memory) for s in shapes)),)
        else:
            made = tuple(
                GroupSpec(tuple(self.parameter(s, scale, memory) for s in members), own)
                for own, members in groups
            )
            container = Container.DICTS
            shapes = tuple(s for _, members in groups for s in members)
        self.shapes[number] = shapes
        self.actions.append(Construct(number, made, options, container))
        return self

    def step(
        self,
        times: int = 1,
        number: int = 0,
        scale: float = 1.0,
        memory: Memory = Memory.CONTIGUOUS,
        replaced: dict[int, GradientSpec] | None = None,
    ) -> Draft:
        """Take steps whose gradients grow and shrink."""
        for _ in range(times):
            size = scale * _SHRINKING[self.steps % len(_SHRINKING)]
            self.steps += 1
            specs = [GradientSpec(self.values(s, size), memory) for s in self.shapes[number]]
            for index, spec in (replaced or {}).items():
                specs[index] = spec
            self.actions.append(Step(number, tuple(specs)))
        return self

    def run(self, steps: int, number: int = 0) -> Draft:
        """Take steps without looking."""
        gradients = tuple(tuple(self.values(s) for s in self.shapes[number]) for _ in range(3))
        self.actions.append(Run(number, steps, gradients))
        return self

    def then(self, *actions: Action) -> Draft:
        """Add actions as they are."""
        self.actions += actions
        return self

    def lr(self, value: float, group: int = 0, kind: NumberKind = NumberKind.FLOAT, number: int = 0) -> Draft:
        """Set a learning rate."""
        return self.then(SetLr(number, group, Number(value, kind)))

    def life(self) -> Life:
        """The life as it is written."""
        return Life(self.name, self.dtype, tuple(self.actions))


Write = Callable[[Draft], Draft]


def _with(**changed: Any) -> Options:
    return replace(PLAIN, **changed)


_DECAY: Final = _with(weight_decay=0.125)
_ASCENT: Final = _with(maximize=True)
_BOTH: Final = _with(weight_decay=0.125, maximize=True)
_EPS: Final = _with(eps=0.25)
_OWN: Final = Options(Number(0.5), (0.5, 0.625), 0.0625, 0.25)
_THREE: Final = (
    (Options(), ((5,), (2,))),
    (Options(Number(0.5), weight_decay=0.25), ((5,),)),
    (Options(Number(0.25), (0.5, 0.625), 0.0625, 0.5), ((3,), (4,))),
)


def _special(value: float) -> Write:
    def write(d: Draft) -> Draft:
        d.construct(shapes=((5,), (4,))).step()
        spec = replace(d.values((5,)), exceptions=((2, value),))
        return d.step(replaced={0: GradientSpec(spec)}).step(2)

    return write


def _subnormal(d: Draft, small: float) -> Draft:
    tiny = Values((6,), (small / 2, -small / 4, small, 1.5 * small, -small / 2, 8 * small))
    d.construct(_with(eps=4 * small, betas=(0.5, 0.5)))
    for _ in range(3):
        d.step(replaced={0: GradientSpec(tiny)})
    return d


def _subnormal_moment(d: Draft, small: float) -> Draft:
    tiny = Values((6,), tuple(small * k for k in (1.25, -1.0, 2.0, 1.5, -3.0, 8.0)))
    d.construct(_with(eps=2.0**-20, betas=(0.5, 0.5)))
    for _ in range(3):
        d.step(replaced={0: GradientSpec(tiny)})
    return d


def _zeros(d: Draft) -> Draft:
    zero = GradientSpec(Values((5,), (0.0,) * 5))
    some = replace(d.values((2, 3)), exceptions=((1, 0.0), (4, 0.0)))
    d.construct(shapes=((5,), (2, 3))).step(2).step(replaced={0: zero}).step(replaced={1: GradientSpec(some)})
    return d.step(2)


def _full_precision(d: Draft, format_: Format) -> Draft:
    """Numbers that use every bit of the format."""
    rng = np.random.default_rng(1)

    def values() -> Values:
        return Values((8,), tuple(format_.round_array(rng.standard_normal(8)).tolist()))

    d.then(Construct(0, (GroupSpec((ParameterSpec(values()),)),), INEXACT, Container.LIST))
    for _ in range(5):
        d.then(Step(0, (GradientSpec(values()),)))
    return d


def _crossing(d: Draft) -> Draft:
    """Theta near 0 with steps that cross it, and gradients whose sign turns."""
    d.construct(_with(lr=Number(0.5)), shapes=((8,),), scale=0.125)
    for sign in (1, 1, -1, -1, 1, -1):
        values = np.array(d.values((8,)).pattern)
        d.then(Step(0, (GradientSpec(Values((8,), tuple((sign * np.abs(values)).tolist()))),)))
    return d


def _magnitudes(low: int, high: int, *, of_theta: bool) -> Write:
    def write(d: Draft) -> Draft:
        scales = [2.0**e for e in range(low, high)]
        shape = (len(scales),)
        plain = d.values(shape)
        grown = Values(shape, tuple(x * s for x, s in zip(plain.expand().tolist(), scales, strict=True)))
        theta = grown if of_theta else plain
        d.shapes[0] = (shape,)
        d.then(Construct(0, (GroupSpec((ParameterSpec(theta),)),), PLAIN, Container.LIST))
        for _ in range(3):
            values = d.values(shape)
            if not of_theta:
                values = Values(
                    shape, tuple(x * s for x, s in zip(values.expand().tolist(), scales, strict=True))
                )
            d.then(Step(0, (GradientSpec(values),)))
        return d

    return write


def _long(d: Draft) -> Draft:
    d.construct(_with(betas=(1 - 2.0**-8, 0.875)), shapes=((3,),))
    return d.step(300)


def _later(d: Draft) -> Draft:
    d.construct(_with(betas=(1 - 2.0**-10, 0.875)), shapes=((2,),)).run(508).step(6).run(508).step(6).run(
        1018
    ).step(6).run(2042).step(6)
    return d


def _count(count: int) -> Write:
    """A checkpoint whose count is set, so that no run of so many steps is needed."""

    def write(d: Draft) -> Draft:
        d.construct(shapes=((2,),)).step(3).then(Save(0, 0, copied=True), SetCount(0, count - 3))
        return d.then(Load(0, 0, fresh=True)).step(6)

    return write


def _other_state(d: Draft) -> Draft:
    """A checkpoint of one optimizer loaded into another, over parameters of its own."""
    d.construct(shapes=((3,), (2,)), container=Container.DICTS).step(3).then(Save(0, 0, copied=True))
    d.construct(shapes=((3,), (2,)), number=1, container=Container.DICTS)
    return d.then(Load(1, 0)).step(3, number=1)


def _loads(*, fresh: bool) -> Write:
    def write(d: Draft) -> Draft:
        d.construct(_DECAY, shapes=((5,), (5,), (2, 3))).step(3).then(Save(0, 0, copied=True)).step(2)
        return d.then(Load(0, 0, fresh)).step(3)

    return write


def _saves(d: Draft) -> Draft:
    return d.construct(shapes=((5,), (5,))).step(2).then(Save(0, 0, copied=True)).step(2)


def _option_set(name: str, value: Any, options: Options) -> Write:
    return lambda d: d.construct(options).step(2).then(SetOption(0, 0, name, value)).step(3)


def _refusals(refusal: Refusal) -> Write:
    return lambda d: d.construct(shapes=((5,), (4,))).step(2).then(Refuse(0, refusal)).step(2)


def _skips(d: Draft) -> Draft:
    none = GradientSpec(None)
    d.construct(shapes=((5,), (4,))).step(2).step(replaced={0: none}).step()
    return d.step(replaced={1: none}).step(2)


def _optimizers(d: Draft) -> Draft:
    d.construct(_DECAY).step().construct(replace(_OWN, maximize=True), number=1)
    return d.step(2, number=1).step(2).step(number=1).step()


def _copies(d: Draft) -> Draft:
    d.construct(container=Container.DICTS).step(2).then(Copy(0, 1, CopyMethod.DEEPCOPY))
    d.shapes[1] = d.shapes[0]
    return d.step(number=1).step().step(number=1)


def _added(d: Draft) -> Draft:
    d.construct(container=Container.DICTS).step(2)
    d.then(AddGroup(0, GroupSpec((d.parameter((4,)),), _OWN)))
    d.shapes[0] = (*d.shapes[0], (4,))
    return d


def _memories(theta: Memory, gradient: Memory) -> Write:
    return lambda d: d.construct(shapes=((3, 5), (7,), (2, 3, 4)), memory=theta).step(3, memory=gradient)


def _own(**changed: Any) -> Write:
    return lambda d: d.construct(_with(**changed)).step(4)


def _sized(size: int) -> Write:
    return lambda d: d.construct(shapes=((size,),)).step(2)


def _size(*shapes: Shape) -> Write:
    return lambda d: d.construct(shapes=shapes).step(3)


def _ordinary() -> Iterator[tuple[str, Write]]:
    # What a subject keeps of the first optimizer of its process is seen in all others.
    yield (
        "the first optimizer",
        lambda d: d.construct(Options(Number(0.375), (0.25, 0.5), 0.5, 0.75, maximize=True)).step(3),
    )
    yield "an ordinary optimizer", lambda d: d.construct().step(6)
    yield "defaults", lambda d: d.construct(INEXACT).step(6)
    yield "large eps", lambda d: d.construct(_EPS).step(6)
    yield "large eps, small gradients", lambda d: d.construct(_EPS).step(4, scale=2.0**-6)
    yield "large eps, inexact", lambda d: d.construct(replace(INEXACT, eps=0.1)).step(6)
    yield "decay", lambda d: d.construct(_DECAY).step(5)
    yield "decay, inexact", lambda d: d.construct(replace(INEXACT, weight_decay=0.1)).step(4)
    yield "maximize", lambda d: d.construct(_ASCENT).step(4)
    yield "maximize and decay", lambda d: d.construct(_BOTH).step(4)
    yield "three parameters", lambda d: d.construct(shapes=_TWO).step(4)
    yield "three groups", lambda d: d.construct(groups=_THREE).step(5)
    yield (
        "two groups, one maximizes",
        lambda d: d.construct(groups=((_DECAY, ((3,),)), (_BOTH, ((3,), (2, 2))))).step(3),
    )


def _histories() -> Iterator[tuple[str, Write]]:
    yield "lr set", lambda d: d.construct().step(2).lr(0.5).step(2).lr(0.25).step(3)
    yield (
        "lr set, three groups",
        lambda d: d.construct(groups=_THREE).step(2).lr(0.75, 0).step().lr(0.625, 1).lr(0.375, 2).step(2),
    )
    yield "lr set before the first step", lambda d: d.construct().lr(0.5).step(2)
    yield "two optimizers", _optimizers
    yield "state saved", _saves
    yield "state loaded", _loads(fresh=False)
    yield "state loaded into a new optimizer", _loads(fresh=True)
    for refusal in (Refusal.TOO_FEW_GRADIENTS, Refusal.TOO_MANY_GRADIENTS, Refusal.WRONG_SHAPE):
        yield f"refused: {refusal.value}", _refusals(refusal)
    yield "absent gradients", _skips


def _values(format_: Format) -> Iterator[tuple[str, Write]]:
    yield "zero gradients", _zeros
    yield "numbers of full precision", lambda d: _full_precision(d, format_)
    yield "crossing zero", _crossing
    yield "large gradients", lambda d: d.construct().step(4, scale=256.0)
    yield "large gradients, several arrays", lambda d: d.construct(shapes=_TWO).step(3, scale=8.0)
    yield "small gradients", lambda d: d.construct().step(4, scale=2.0**-10)
    yield "large theta", lambda d: d.construct(_DECAY, scale=512.0).step(3)
    yield "NaN", _special(math.nan)
    yield "infinity", _special(math.inf)
    yield "minus infinity", _special(-math.inf)
    yield "subnormal", lambda d: _subnormal(d, format_.smallest_normal)
    yield "subnormal m", lambda d: _subnormal_moment(d, format_.smallest_normal)
    top = min(60, format_.emax // 3)
    yield "gradients of all magnitudes", _magnitudes(-top // 2, top, of_theta=False)
    yield "theta of all magnitudes", _magnitudes(-top, top, of_theta=True)


def _shapes() -> Iterator[tuple[str, Write]]:
    yield "a point", lambda d: d.construct(shapes=((), (3,), ())).step(3)
    yield "one element", _size((1,), (1, 1))
    yield "a matrix", _size((3, 5), (5, 3), (4, 4))
    yield "a row and a column", _size((1, 6), (6, 1))
    yield "four dimensions", _size((2, 3, 4), (2, 2, 2, 3))
    yield "twelve parameters", lambda d: d.construct(shapes=tuple((k,) for k in range(1, 13))).step(3)
    for theta, gradient in (
        (Memory.STRIDED, Memory.CONTIGUOUS),
        (Memory.CONTIGUOUS, Memory.STRIDED),
        (Memory.REVERSED, Memory.CONTIGUOUS),
        (Memory.CONTIGUOUS, Memory.REVERSED),
        (Memory.COLUMN_MAJOR, Memory.CONTIGUOUS),
        (Memory.CONTIGUOUS, Memory.COLUMN_MAJOR),
        (Memory.COLUMN_MAJOR, Memory.COLUMN_MAJOR),
        (Memory.STRIDED, Memory.STRIDED),
        (Memory.NEIGHBOURS, Memory.CONTIGUOUS),
    ):
        yield f"{theta.value} theta, {gradient.value} gradient", _memories(theta, gradient)


def _settings(format_: Format) -> Iterator[tuple[str, Write]]:
    yield "beta1 = 0", _own(betas=(0.0, 0.875))
    yield "beta2 = 0", _own(betas=(0.75, 0.0))
    yield "beta2 next to 1", _own(betas=(0.75, 1 - 2.0**-16))
    yield "beta1 next to 1", _own(betas=(1 - 2.0**-10, 0.875))
    for name, changed in (
        ("beta1 = 0.98", {"betas": (1 - 2.0**-6, 0.875)}),
        ("beta1 = 0.5", {"betas": (0.5, 0.875)}),
        ("beta2 = 0.99", {"betas": (0.75, 1 - 2.0**-7)}),
        ("beta2 = 0.5", {"betas": (0.75, 0.5)}),
        ("beta2 = 0.999", {"betas": (0.75, 1 - 2.0**-10)}),
        ("eps = 2^-15", {"eps": 2.0**-15}),
        ("eps = 2^-10", {"eps": 2.0**-10}),
        ("eps = 2^-7", {"eps": 2.0**-7}),
        ("lr = 1", {"lr": Number(1.0)}),
        ("lr = 5", {"lr": Number(5.0)}),
        ("lr = 2^-7", {"lr": Number(2.0**-7)}),
        ("weight_decay = 0.5", {"weight_decay": 0.5}),
    ):
        yield name, _own(**changed)
    yield "lr = 0", _own(lr=Number(0.0))
    yield "large lr", _own(lr=Number(24.0))
    yield "small lr", _own(lr=Number(2.0**-16))
    yield "large decay", _own(weight_decay=2.0)
    yield "small decay", _own(weight_decay=2.0**-7)
    yield "very large eps", _own(eps=4.0)
    yield "small eps", _own(eps=2.0**-40 if format_ is not Format.BINARY16 else 2.0**-20)
    yield "an integer as lr", _own(lr=Number(1, NumberKind.INT))
    yield "an array as lr", _own(lr=Number(0.25, NumberKind.ARRAY))
    yield "lr set to an integer", lambda d: d.construct().step(2).lr(2, 0, NumberKind.INT).step(2)
    yield "lr set to an array", lambda d: d.construct().step(2).lr(0.5, 0, NumberKind.ARRAY).step(2)
    yield (
        "own options of a single group",
        lambda d: d.construct(groups=((Options(Number(0.5)), ((4,),)), (Options(), ((4,),)))).step(3),
    )
    yield (
        "a gradient passed twice",
        lambda d: (
            d.construct(shapes=((5,), (5,))).step().step(replaced={1: GradientSpec(None, same_as=0)}).step()
        ),
    )
    yield "a copy", _copies


def _long_ones() -> Iterator[tuple[str, Write]]:
    yield "state loaded into another optimizer", _other_state
    for bits in (13, 14, 15, 16, 24, 31, 32):
        yield f"2^{bits} steps", _count(1 << bits)
    yield "300 steps", _long
    yield "4100 steps", _later
    for size in (7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257):
        yield f"{size} elements", _sized(size)
    for size in (511, 512, 513, 1000, 1023, 1024, 1025, 2049, 4095, 4096, 4097, 8193, 16385, 65537):
        yield f"{size} elements", _sized(size)
    yield "a large matrix", _size((70, 33))


def _options_set() -> Iterator[tuple[str, Write]]:
    yield "eps set", _option_set("eps", 0.5, _EPS)
    yield "betas set", _option_set("betas", (0.5, 0.625), PLAIN)
    yield "decay set", _option_set("weight_decay", 0.5, _DECAY)
    yield "maximize set", _option_set("maximize", True, PLAIN)


def cause_lives(format_: Format) -> Iterator[Life]:
    """All lives, in the order in which one process is to perform them."""
    written = (
        _ordinary(), _histories(), _values(format_), _shapes(), _settings(format_), _long_ones(), _options_set(),
    )  # fmt: skip
    for name, write in chain.from_iterable(written):
        yield write(Draft(name, format_.dtype)).life()
