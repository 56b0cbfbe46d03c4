"""Pinned lives of sizes, counts and dense numbers that no drawn life has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.life import (
    Action,
    Construct,
    Container,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    Options,
    ParameterSpec,
    Run,
    Save,
    SetCount,
    SetLr,
    Step,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import PERIOD, Feature, Scope, rounded_values
from adamax_conformance.tests.conformance.cases.pinned import noise
from adamax_conformance.tests.conformance.cases.probes import values_of


def _options(features: frozenset[Feature]) -> Options:
    """Ordinary options, with decay if the subject has it."""
    return Options(Number(0.1), (0.8, 0.7), 0.01, 0.25 if Feature.DECAY in features else None)


def _tiled(format_: Format, seed: int, shape: tuple[int, ...]) -> Values:
    """Ordinary numbers of a shape, periodic where they are many."""
    size = math.prod(shape)
    return Values(shape, tuple(noise(format_, seed, (min(size, PERIOD),)).tolist()))


def _steps(
    format_: Format,
    name: str,
    shapes: Sequence[tuple[int, ...]],
    features: frozenset[Feature],
    memory: Memory = Memory.CONTIGUOUS,
) -> Life:
    """Two steps of parameters of these shapes; every other one is maximized."""
    options = _options(features)
    specs = tuple(ParameterSpec(_tiled(format_, 3000 + i, shape), memory) for i, shape in enumerate(shapes))
    groups: tuple[GroupSpec, ...] = (GroupSpec(specs),)
    container = Container.LIST
    if {Feature.GROUPS, Feature.MAXIMIZE} <= features and len(specs) > 1:
        groups = (GroupSpec(specs[::2]), GroupSpec(specs[1::2], Options(maximize=True)))
        container = Container.DICTS
        shapes = [*shapes[::2], *shapes[1::2]]
    actions: list[Action] = [Construct(0, groups, options, container)]
    for t in range(2):
        if t and Feature.SET_LR in features:
            actions += [SetLr(0, group, Number(0.25)) for group in range(len(groups))]
        gradients = (_tiled(format_, 3500 + 331 * t + i, shape) for i, shape in enumerate(shapes))
        actions.append(Step(0, tuple(GradientSpec(each, memory) for each in gradients)))
    return Life(f"lives/{name}", format_.dtype, tuple(actions))


def sizes(scope: Scope, *, full: bool) -> tuple[Life, ...]:
    """Arrays of sizes at powers of two, and at multiples and remainders of blocks."""
    format_, features = scope.format_, scope.features
    small = [(2**k + d,) for k in range(3, 13) for d in (-1, 0, 1)]
    multiples = [(n * 2**k,) for k in (3, 4, 5, 6, 8, 10, 12) for n in (3, 5, 7)]
    remainders = [(64 + k,) for k in range(64)]
    middle = [*((2**k + d,) for k in range(13, 18) for d in (-1, 0, 1)), (2**18 + 1,), (2**19 + 1,)]
    large = [(2**k + 1,) for k in ((20, 21, 22, 23, 24) if full else (22,))]
    matrices = [
        (32, 32), (33, 33), (64, 64), (100, 100), (128, 128), (129, 127), (256, 256), (1, 4096), (4096, 1), (512, 513),
        (64, 64, 3, 3), (128, 64, 3, 3), (96, 3, 11, 11), (8, 16, 32), (17, 19, 23), (2, 3, 4, 5), (1, 1, 1, 1),
        (100, 1), (1, 100), (9, 1, 7), (3, 4, 1, 2, 5), (2, 3, 1, 2, 2, 3),
        (1024, 1025) if full else (300, 1025),
    ]  # fmt: skip
    scattered = [(300,), (5000,), (20000,), (65, 70), (150, 130), (32, 16, 3, 3)]
    return (
        _steps(format_, "sizes/small", small, features),
        _steps(format_, "sizes/multiples", multiples, features),
        _steps(format_, "sizes/remainders", remainders[:32], features),
        _steps(format_, "sizes/remainders", remainders[32:], features),
        _steps(format_, "sizes/matrices", matrices, features),
        _steps(format_, "sizes/middle", middle, features),
        _steps(format_, "sizes/large", large, features),
        *(
            _steps(format_, f"sizes/{memory.value}", scattered, features, memory)
            for memory in (Memory.STRIDED, Memory.COLUMN_MAJOR)
            if Feature.ORDERS in features
        ),
    )


def numbers(scope: Scope, *, full: bool) -> tuple[Life, ...]:
    """Thousands of parameters in one group, and dozens of groups."""
    format_, features = scope.format_, scope.features
    count = 5000 if full else 1100
    many = tuple(
        _steps(format_, f"numbers/{number}", [(1 + i % 3,) for i in range(number)], features)
        for number in (128, 192, count)
    )
    if Feature.GROUPS not in features:
        return many
    groups = tuple(
        GroupSpec(
            (ParameterSpec(values_of(format_, 5000 + i, (2,))),),
            Options(
                Number(2.0 ** -(1 + i % 7)),
                (0.25 + i / 128, 0.9 - i / 256),
                0.01 + i / 64,
                0.1 + i / 128 if Feature.DECAY in features else None,
                i % 3 == 2 if Feature.MAXIMIZE in features else None,
            ),
        )
        for i in range(70)
    )

    def step(seed: int) -> Step:
        return Step(0, tuple(GradientSpec(values_of(format_, seed + i, (2,))) for i in range(len(groups))))

    actions: list[Action] = [Construct(0, groups, _options(features)), step(5100), step(5150)]
    if Feature.SET_LR in features:
        for round_, chosen in enumerate(((1, 2, 8, 9, 17, 33, 44, 65), (0, 2, 3, 16, 32, 40, 64, 69))):
            actions += [SetLr(0, group, Number(0.3 + (group + round_) / 100)) for group in chosen]
            actions.append(step(5200 + 100 * round_))
    return *many, Life("lives/numbers/groups", format_.dtype, tuple(actions))


def counters(scope: Scope, *, full: bool) -> Iterator[Life]:
    """Runs past the ends of counters of few bits, and checkpoints with large counts."""
    format_, features = scope.format_, scope.features
    ends = (254, 4094, 65534) if full else (254, 4094)
    shapes = ((3,), (2, 2))
    values = [
        tuple(values_of(format_, 6000 + 10 * j + i, shape) for j, shape in enumerate(shapes))
        for i in range(4)
    ]
    specs = tuple(ParameterSpec(each) for each in values[0])
    beta1 = 0.993 if format_ is Format.BINARY64 else 0.9995
    decay = 0.01 if Feature.DECAY in features else None
    options = Options(Number(0.1), (beta1, 0.999), 1e-3, decay)

    def step(t: int) -> Step:
        return Step(0, tuple(GradientSpec(each) for each in values[1 + t % 3]))

    start = Construct(0, (GroupSpec(specs),), options, Container.LIST)
    actions: list[Action] = [start]
    done = 0
    for index, end in enumerate(ends):
        actions += [Run(0, end - done, (values[1], values[2], values[3]))]
        actions += [step(t) for t in range(2)]
        actions += [SetLr(0, 0, Number(0.125 - index / 64))] * (Feature.SET_LR in features)
        actions += [step(t) for t in range(2, 4)]
        done = end + 4
    yield Life("lives/counters/steps", format_.dtype, tuple(actions))
    if not {Feature.LOAD_FRESH, Feature.LOAD_USED} & features:
        return
    fresh = Feature.LOAD_USED not in features
    maximizes = Feature.MAXIMIZE in features
    for near_one in (False, True):
        kept = 11
        actions = [start, *(step(t) for t in range(kept))]
        for index, k in enumerate((8, 12, 15, 16, 24, 31)):
            beta = 1 - 2.0 ** -min(k, 12) if near_one else 0.9
            actions[0] = Construct(
                0,
                (GroupSpec(specs),),
                Options(Number(0.1), (beta, 0.999), 1e-3, decay, near_one if maximizes else None),
                Container.LIST,
            )
            life = [
                *actions,
                Save(0, index, Feature.CHECKPOINT_KEPT not in features),
                SetCount(index, 2**k - 2),
                Load(0, index, fresh),
            ]
            life += [step(t) for t in range(4)]
            yield Life(f"lives/counters/loaded/{k}", format_.dtype, tuple(life))


def precision(scope: Scope, *, full: bool) -> Iterator[Life]:
    """Dense numbers of all binades, with learning rates of the sizes of theta."""
    format_, features = scope.format_, scope.features
    count = 2**14 + 13 if full else 2**12 + 13
    rng = np.random.default_rng(20150105)
    reach = min(format_.emax - 6, 120)

    def draw(low: int, high: int) -> Values:
        sizes_ = np.ldexp(1 + rng.random(count), rng.integers(low, high + 1, count))
        signed = np.where(rng.random(count) < 0.5, -sizes_, sizes_)
        return Values((count,), tuple(format_.round_array(signed).tolist()))

    smallest = max(format_.emin, -reach)
    settings = (
        (0, (0.9, 0.999), 2.0 ** max(-60, smallest), (-6, 2), (-6, 2)),
        (0, (0.875, 0.5), 2.0**smallest, (-30, -10), (smallest, reach // 2)),
        (-20, (0.5, 0.75), 2.0**smallest, (-40, -15), (smallest, 0)),
        (12, (0.9, 0.9), 1e-3, (4, 17), (-6, 4)),
        (17, (0.7, 0.9), 1e-3, (12, 22), (-6, 4)),
        (40 if reach > 60 else 10, (0.6, 0.9), 1.0, (30, 44) if reach > 60 else (4, 12), (-6, reach // 2)),
        (-40 if reach > 60 else -6, (0.9, 0.999), 1e-3, (-50, -30) if reach > 60 else (-12, -4), (-12, 0)),
        (3, (0.3, 0.99), 0.01, (-2, 6), (-2, 3)),
    )
    for index, (exponent, betas, eps, thetas, gradients) in enumerate(settings):
        if format_.emin > -100 and (exponent < -8 or thetas[1] > 14):
            continue
        decay = 0.01 if index in {0, 3} and Feature.DECAY in features else None
        options = Options(Number(math.ldexp(1.5, exponent)), betas, max(eps, 2.0**smallest), decay)
        specs = (ParameterSpec(draw(*thetas)),)
        actions: list[Action] = [Construct(0, (GroupSpec(specs),), options, Container.LIST)]
        actions += [Step(0, (GradientSpec(draw(*gradients)),)) for _ in range(2)]
        yield Life(f"lives/precision/{index}", format_.dtype, tuple(actions))


def hidden(scope: Scope, *, full: bool) -> Iterator[Life]:
    """Short runs from zero, where each step is far larger than all before.

    So m and u show in theta.

    All scalars are numbers of the format, so they add nothing to the bound. Half of the gradients are just above a power
    of two, where a lost bit is the largest fraction of the number.
    """
    format_, features = scope.format_, scope.features
    count = 4096 if full else 1024
    grow = Feature.SET_LR in features
    low, step = (-12, 5) if format_.emin > -100 else (-40, 20)
    rng = np.random.default_rng(20150106)
    for index, (beta1, beta2) in enumerate(((0.5, 0.5), (0.5, 0.875), (0.75, 0.5))):
        theta = Values((count,), (0.0,))
        options = Options(Number(2.0**low), (beta1, beta2), 2.0**-10)
        actions: list[Action] = [Construct(0, (GroupSpec((ParameterSpec(theta),)),), options, Container.LIST)]
        for t in range(4):
            if grow and t:
                actions.append(SetLr(0, 0, Number(2.0 ** (low + step * t))))
            significand = 1 + rng.random(count) * np.where(np.arange(count) % 2, 1.0, 2.0**-4)
            signs = np.where(rng.random(count) < 0.5, -1.0, 1.0)
            size = 2.0**-4 if t == 2 else 1.0
            numbers_ = format_.round_array(significand * signs * size).tolist()
            actions.append(Step(0, (GradientSpec(Values((count,), tuple(numbers_))),)))
        yield Life(f"lives/hidden/{index}", format_.dtype, tuple(actions))


def dtypes(scope: Scope, *, full: bool) -> Iterator[Life]:
    """Parameters of every dtype in one optimizer, in any order.

    They have decay, and the learning rate is set on the way.
    """
    format_, features = scope.format_, scope.features
    shapes = ((3,), (2, 2), (5,), (3,), (1,), (65,))
    orders = list(permutations((None, *scope.dtypes)))
    asked = 2 if scope.compiles else 6
    for index, order in enumerate(orders if full else orders[:: max(1, len(orders) // asked)]):
        specs = tuple(
            ParameterSpec(rounded_values(values_of(format_, 8000 + i, shape), dtype), dtype=dtype)
            for i, (shape, dtype) in enumerate(zip(shapes, order * len(shapes), strict=False))
        )
        groups: tuple[GroupSpec, ...] = (GroupSpec(specs),)
        container = Container.LIST
        if {Feature.GROUPS, Feature.MAXIMIZE} <= features:
            groups = (GroupSpec(specs[:4]), GroupSpec(specs[4:], Options(Number(0.3), maximize=True)))
            container = Container.DICTS
        actions: list[Action] = [Construct(0, groups, _options(features), container)]
        for t in range(4):
            if t and Feature.SET_LR in features:
                actions += [SetLr(0, group, Number(0.25 / (t + group))) for group in range(len(groups))]
            gradients = (
                rounded_values(values_of(format_, 8100 + 37 * t + i, spec.values.shape), spec.dtype)
                for i, spec in enumerate(specs)
            )
            actions.append(Step(0, tuple(map(GradientSpec, gradients))))
        yield Life(f"lives/dtypes/{index}", format_.dtype, tuple(actions))
