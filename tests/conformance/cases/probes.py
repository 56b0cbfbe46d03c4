"""Probes: pinned lives for each feature that a subject may lack or get wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

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
    Watched,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import Feature, rounded_values
from adamax_conformance.tests.conformance.cases.pinned import noise

PLAIN: Final = Options(Number(0.1), (0.8, 0.7), 0.01)
SHAPES: Final = ((3,), (3,), (2, 3))
"""The parameters of a life that does not say otherwise."""
_OTHER: Final = Options(Number(0.01), (0.5, 0.95), 0.25)


def values_of(format_: Format, seed: int, shape: tuple[int, ...]) -> Values:
    """Ordinary numbers of a shape, the same for the same seed."""
    return Values.of(noise(format_, seed, shape))


@dataclass(frozen=True)
class Probe:
    """A pinned life for one feature.

    Attributes:
        feature: that it shows.
        title: what must hold.
        make: the lives, for a format; each is a life of its own.
        needs: features without which it cannot be asked.
        watched: what the caller must find unchanged.
        ignorable: an action that the page does not promise, and that may be without effect.
    """

    feature: Feature
    title: str
    make: Callable[[Format], tuple[Life, ...]]
    needs: tuple[Feature, ...] = ()
    watched: tuple[Watched, ...] = (Watched.GRADIENT,)
    ignorable: type[SetOption] | None = None

    @property
    def id(self) -> str:
        """The last part of the check's id."""
        return self.feature.value

    @property
    def sets_options(self) -> bool:
        """Whether its lives are about an option that is set."""
        return self.feature in {Feature.SET_LR, Feature.INT_LR, Feature.ARRAY_LR, Feature.SET_OPTIONS}


class LifeBuilder:
    """Builds a life of one optimizer over small arrays."""

    def __init__(self, format_: Format, name: str, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> None:
        self.format = format_
        self.name = name
        self.shapes = shapes
        self.seed = 2000
        self.dtypes: tuple[str | None, ...] = ()
        self.actions: list[Action] = []

    def values(self, shape: tuple[int, ...]) -> Values:
        """New numbers of a shape."""
        self.seed += 1
        return values_of(self.format, self.seed, shape)

    def construct(
        self,
        options: Options = PLAIN,
        container: Container = Container.LIST,
        memory: Memory = Memory.CONTIGUOUS,
        number: int = 0,
        dtypes: tuple[str | None, ...] = (),
    ) -> LifeBuilder:
        """Construct an optimizer of one group."""
        self.dtypes = tuple(dtypes[i % len(dtypes)] if dtypes else None for i in range(len(self.shapes)))
        specs = tuple(
            ParameterSpec(rounded_values(self.values(shape), dtype), memory, dtype)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        )
        self.actions.append(Construct(number, (GroupSpec(specs),), options, container))
        return self

    def step(self, *replaced: tuple[int, GradientSpec], number: int = 0, times: int = 1) -> LifeBuilder:
        """Take steps with ordinary gradients but for those that are replaced."""
        for _ in range(times):
            dtypes = (*self.dtypes, *[None] * len(self.shapes))
            specs = [
                GradientSpec(rounded_values(self.values(shape), dtype))
                for shape, dtype in zip(self.shapes, dtypes, strict=False)
            ]
            for index, spec in replaced:
                specs[index] = spec
            self.actions.append(Step(number, tuple(specs)))
        return self

    def then(self, *actions: Action) -> LifeBuilder:
        """Add actions as they are."""
        self.actions += actions
        return self

    def life(self) -> Life:
        """The life so far."""
        return Life(f"lives/{self.name}", self.format.dtype, tuple(self.actions))


def _one(
    name: str, build: Callable[[LifeBuilder], LifeBuilder], shapes: tuple[tuple[int, ...], ...] = SHAPES
) -> Callable[[Format], tuple[Life, ...]]:
    def make(format_: Format) -> tuple[Life, ...]:
        return (build(LifeBuilder(format_, name, shapes)).life(),)

    return make


def _decayed_and_ascending(format_: Format) -> tuple[Life, ...]:
    """Steps with what some write into the gradient: decay, and the sign."""
    plain = Options(Number(0.1), (0.8, 0.7), 0.01)
    settings = (replace(plain, weight_decay=0.25), replace(plain, maximize=True))
    return tuple(
        LifeBuilder(format_, f"gradient-kept/{i}").construct(options).step(times=2).life()
        for i, options in enumerate(settings)
    )


def _groups(format_: Format) -> tuple[Life, ...]:
    builder = LifeBuilder(format_, "groups", ((3,), (2,)))
    groups = tuple(
        GroupSpec((ParameterSpec(builder.values(shape)),), options)
        for shape, options in zip(builder.shapes, (PLAIN, _OTHER), strict=True)
    )
    return (builder.then(Construct(0, groups, PLAIN)).step(times=3).life(),)


def _set_options(format_: Format) -> tuple[Life, ...]:
    """Options but the learning rate and beta1, whose power a subject may keep."""
    changes = (("eps", 0.5), ("weight_decay", 0.5), ("betas", (0.8, 0.25)), ("maximize", True))
    return tuple(
        LifeBuilder(format_, f"set-options/{name}")
        .construct()
        .step(times=2)
        .then(SetOption(0, 0, name, value))
        .step(times=3)
        .life()
        for name, value in changes
    )


def _set(name: str, *numbers: Number) -> Callable[[Format], tuple[Life, ...]]:
    def make(format_: Format) -> tuple[Life, ...]:
        builder = LifeBuilder(format_, name).construct().step(times=2)
        for number in numbers:
            builder.then(SetLr(0, 0, number)).step(times=2)
        return (builder.life(),)

    return make


def _injected(name: str, value: float) -> Callable[[Format], tuple[Life, ...]]:
    """A special number in each parameter, at the first, second or third step."""

    def make(format_: Format) -> tuple[Life, ...]:
        lives = []
        for index in range(3):
            shapes = ((3,), (5,), (2, 3))
            builder = LifeBuilder(format_, f"{name}/{index}", shapes).construct()
            pierced = np.array(builder.values(shapes[index]).pattern)
            pierced[1] = value
            spec = GradientSpec(Values(shapes[index], tuple(pierced.tolist())))
            builder.step(times=index).step((index, spec)).step(times=2)
            lives.append(builder.life())
        return tuple(lives)

    return make


def _parameter_orders(format_: Format) -> tuple[Life, ...]:
    lives = []
    for mine, others in (
        (Memory.COLUMN_MAJOR, Memory.CONTIGUOUS),
        (Memory.CONTIGUOUS, Memory.COLUMN_MAJOR),
        (Memory.STRIDED, Memory.STRIDED),
        (Memory.REVERSED, Memory.REVERSED),
    ):
        builder = LifeBuilder(format_, f"memory-orders/{mine.value}", ((3, 5), (2, 3, 4), (7,))).construct(
            memory=mine
        )
        for _ in range(2):
            builder.step(
                *((i, GradientSpec(builder.values(shape), others)) for i, shape in enumerate(builder.shapes))
            )
        lives.append(builder.life())
    return tuple(lives)


def _broadcast(builder: LifeBuilder) -> LifeBuilder:
    builder.construct()
    for index, shape in ((0, (3,)), (2, (2, 3))):
        value = builder.values(shape).pattern[0]
        same = Values(shape, (value,) * math.prod(shape))
        builder.step((index, GradientSpec(same, Memory.BROADCAST)))
    return builder.step()


def _mixed(format_: Format) -> tuple[Life, ...]:
    other = "float64" if format_ is not Format.BINARY64 else "float32"
    orders = ((None, other, None), (other, None, None))
    return tuple(
        LifeBuilder(format_, f"mixed-dtypes/{i}").construct(dtypes=dtypes).step(times=3).life()
        for i, dtypes in enumerate(orders)
    )


def _gradient_dtype(format_: Format) -> tuple[Life, ...]:
    """Gradients of a wider dtype than their parameters'.

    A narrower one is not tried: what is computed in it may be as coarse as it is.
    """
    own = "float32" if format_ is Format.BINARY64 else None
    builder = LifeBuilder(format_, "gradient-dtype").construct(dtypes=(own,))
    for _ in range(3):
        gradients = (rounded_values(builder.values(shape), own) for shape in SHAPES)
        builder.then(Step(0, tuple(GradientSpec(each, dtype="float64") for each in gradients)))
    return (builder.life(),)


def _absent(builder: LifeBuilder) -> LifeBuilder:
    none = GradientSpec(None)
    builder.construct(Options(Number(0.1), (0.8, 0.7), 0.01, 0.25))
    builder.step((1, none)).step().step((0, none), (2, none)).step((0, none), (1, none), (2, none)).step(
        times=2
    )
    return builder


def _add_group(builder: LifeBuilder) -> LifeBuilder:
    builder.construct(container=Container.DICTS).step(times=2)
    added = GroupSpec((ParameterSpec(builder.values((4,))), ParameterSpec(builder.values((2,)))), _OTHER)
    builder.then(AddGroup(0, added))
    builder.shapes = (*builder.shapes, (4,), (2,))
    return builder.step(times=2).then(SetLr(0, 1, Number(0.5))).step(times=2)


def _load(name: str, *, fresh: bool) -> Callable[[Format], tuple[Life, ...]]:
    def make(format_: Format) -> tuple[Life, ...]:
        again = (
            LifeBuilder(format_, name).construct().step(times=3).then(Save(0, 0, copied=True)).step(times=2)
        )
        again.then(Save(0, 1, copied=True)).then(Load(0, 0, fresh)).step(times=2)
        again.then(Load(0, 0, fresh), Load(0, 0, fresh)).step().then(Load(0, 1, fresh)).step(times=2).then(
            Save(0, 2, copied=True)
        )
        again.step().then(Load(0, 2, fresh)).step()
        return (again.life(),)

    return make


def _kept(builder: LifeBuilder) -> LifeBuilder:
    builder.construct().step(times=2).then(Save(0, 0)).step().then(Load(0, 0, fresh=True)).step()
    return builder.then(Save(0, 1), Load(0, 1)).step(times=2)


def _copied(method: CopyMethod) -> Callable[[LifeBuilder], LifeBuilder]:
    def build(builder: LifeBuilder) -> LifeBuilder:
        builder.construct(container=Container.DICTS).step(times=3).then(Copy(0, 1, method))
        return (
            builder.step(number=1)
            .step(number=0)
            .step(number=1)
            .then(SetLr(1, 0, Number(0.5)))
            .step(number=0)
            .step(number=1)
        )

    return build


def _refused(format_: Format) -> tuple[Life, ...]:
    return tuple(
        LifeBuilder(format_, f"refused-step/{refusal.name.lower()}").construct().step(times=2)
        .then(Refuse(0, refusal)).step(times=2).life()
        for refusal in (Refusal.TOO_FEW_GRADIENTS, Refusal.TOO_MANY_GRADIENTS, Refusal.WRONG_SHAPE)
    )  # fmt: skip


def _subnormal(format_: Format) -> tuple[Life, ...]:
    small = format_.smallest_normal
    builder = LifeBuilder(format_, "subnormal", ((4,), (4,)))
    builder.construct(Options(Number(0.5), (0.5, 0.5), small))
    values = Values((4,), (small / 2, -small / 4, small, small * 1.5))
    return (builder.step((1, GradientSpec(values))).step((0, GradientSpec(values))).step().life(),)


def _int(value: int) -> Number:
    return Number(value, NumberKind.INT)


_RATES: Final = (
    0.5, 0.5 * (1 + 2.0**-16), 1e-6, 0.5, 0.5 * (1 - 2.0**-20), 2.0**-30, 0.0, 0.5, 1.0, 0.125, 0.25, 0.0625,
)  # fmt: skip

PROBES: Final = (
    Probe(
        Feature.GRADIENT_KEPT,
        "gradients are left as they came, with decay and with maximize",
        _decayed_and_ascending,
    ),
    Probe(Feature.GROUPS, "each group keeps to its own options", _groups),
    Probe(
        Feature.SET_LR,
        "a learning rate that is set to a float takes effect, close to the last, tiny, and back again",
        _set("set-lr", *map(Number, _RATES)),
    ),
    Probe(
        Feature.INT_LR,
        "a learning rate that is set to an int takes effect",
        _set("int-lr", _int(1), _int(2), Number(0.25), _int(1)),
        needs=(Feature.SET_LR,),
    ),
    Probe(
        Feature.ARRAY_LR,
        "a learning rate that is set to a 0-d array takes effect",
        _set("array-lr", Number(0.5, NumberKind.ARRAY), Number(0.25), Number(2.0**-20, NumberKind.ARRAY)),
        needs=(Feature.SET_LR,),
    ),
    Probe(
        Feature.SET_OPTIONS,
        "an option that is set takes effect, or is not used, and changes nothing else",
        _set_options,
        needs=(Feature.EPS, Feature.DECAY, Feature.BETAS, Feature.MAXIMIZE),
        ignorable=SetOption,
    ),
    Probe(
        Feature.GENERATOR,
        "params may be a generator",
        _one("generator", lambda life: life.construct(container=Container.GENERATOR).step(times=2)),
    ),
    Probe(
        Feature.POINTS,
        "a parameter without dimensions is stepped like any other",
        _one("0-d", lambda life: life.construct().step(times=3), ((), (3,), ())),
    ),
    Probe(
        Feature.EMPTY,
        "a parameter without elements is left alone, and so are its neighbours",
        _one("empty", lambda life: life.construct().step(times=3), ((3,), (0,), (2, 3))),
    ),
    Probe(
        Feature.NEIGHBOURS,
        "parameters that are neighbours in memory are stepped each for itself",
        _one(
            "neighbours",
            lambda life: life.construct(memory=Memory.NEIGHBOURS).step(times=3),
            ((3,), (3,), (0,), (5,), (2, 3)),
        ),
    ),
    Probe(Feature.ORDERS, "a gradient may lie in memory otherwise than its parameter", _parameter_orders),
    Probe(
        Feature.MIXED,
        "parameters of several dtypes side by side are each computed in their own",
        _mixed,
    ),
    Probe(
        Feature.BROADCAST,
        "a gradient whose elements share their memory is right",
        _one("broadcast-gradient", _broadcast),
    ),
    Probe(
        Feature.SHARED,
        "one array may be the gradient of two parameters",
        _one(
            "shared-gradient",
            lambda life: life.construct().step((1, GradientSpec(None, same_as=0))).step(),
        ),
    ),
    Probe(
        Feature.GRADIENT_DTYPE,
        "a gradient of a wider dtype than its parameter is refused, or counts as its numbers",
        _gradient_dtype,
    ),
    Probe(
        Feature.ALIASED,
        "a gradient that is another parameter's memory is read before that is stepped",
        _one(
            "aliased-gradient",
            lambda life: (
                life.construct()
                .step((1, GradientSpec(None, parameter=0)))
                .step((0, GradientSpec(None, parameter=1)))
                .step()
            ),
        ),
    ),
    Probe(
        Feature.ABSENT,
        "a parameter without a gradient is left alone, and does not count the step",
        _one("absent-gradient", _absent),
    ),
    Probe(
        Feature.NAN,
        "a NaN in any parameter and step makes its element NaN, and no other",
        _injected("nan", math.nan),
    ),
    Probe(
        Feature.INFINITY,
        "an infinity in any parameter and step stays one, and touches no other element",
        _injected("infinity", -math.inf),
    ),
    Probe(Feature.SUBNORMAL, "subnormal gradients count in any parameter and step", _subnormal),
    Probe(
        Feature.ADD_GROUP,
        "a group that is added later is stepped, and changes no other",
        _one("add-group", _add_group),
        needs=(Feature.GROUPS,),
    ),
    Probe(
        Feature.PARAMS_KEPT,
        "the caller's own list and dicts of groups are left as they were passed",
        _groups,
        needs=(Feature.GROUPS,),
        watched=(Watched.PARAMS,),
    ),
    Probe(
        Feature.CHECKPOINT_KEPT,
        "a checkpoint stays as it was saved while the optimizer goes on, and after it was loaded",
        _one("checkpoint-kept", _kept),
        watched=(Watched.CHECKPOINT,),
    ),
    Probe(
        Feature.LOAD_FRESH,
        "a checkpoint loads into a new optimizer: once, again, and back to an earlier one",
        _load("load-fresh", fresh=True),
    ),
    Probe(
        Feature.LOAD_USED,
        "a checkpoint loads into an optimizer in use: once, again, and back to an earlier one",
        _load("load-used", fresh=False),
    ),
    Probe(
        Feature.DEEPCOPY,
        "a deep copy goes its own way from the same state",
        _one("deepcopy", _copied(CopyMethod.DEEPCOPY)),
        needs=(Feature.GROUPS,),
    ),
    Probe(
        Feature.PICKLE,
        "an unpickled optimizer goes its own way from the same state",
        _one("pickle", _copied(CopyMethod.PICKLE)),
        needs=(Feature.GROUPS,),
    ),
    Probe(Feature.REFUSED, "a refused step changes nothing, and is not counted", _refused),
)
