"""Pinned lives for the features of some frameworks, some for each check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.features import (
    PLAIN_CALL,
    Call,
    Closure,
    Edit,
    Loss,
    Question,
    Scaler,
)
from adamax_conformance.reference.life import (
    Action,
    AddGroup,
    Ask,
    Construct,
    Container,
    Copy,
    CopyMethod,
    EditCheckpoint,
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
    Watched,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import rounded_values
from adamax_conformance.tests.conformance.cases.probes import PLAIN, values_of

WATCHED: Final = (Watched.GRADIENT, Watched.OPTION, Watched.CALL)
DECAYING: Final = Options(Number(0.1), (0.8, 0.7), 0.01, 0.25)
ASCENDING: Final = Options(Number(0.1), (0.8, 0.7), 0.01, 0.25, maximize=True)
OTHER: Final = Options(Number(0.25), (0.5, 0.95), 0.125)
SLOW: Final = Options(Number(0.25), (0.999, 0.75), 0.01)
"""Of a moment whose bias correction shows every step of thousands."""


class Demand(Enum):
    """The verdict about a call that was expected to be refused, and was not."""

    DIVERGES = "it has to be refused"
    ACCEPTED = "it may be right instead"
    OPEN = "nothing says so"


@dataclass(frozen=True)
class FrameworkLives:
    """The lives of one check.

    Attributes:
        id: the last part of the check's id.
        title: what must hold.
        make: the lives, for a format; each is skipped by itself where the subject lacks what it needs.
        demand: the verdict where a refusal did not come.
    """

    id: str
    title: str
    make: Callable[[Format], Iterable[Life]]
    demand: Demand = Demand.OPEN


class Builder:
    """Builds a life of one optimizer with groups of small arrays.

    Args:
        format_: of the parameters.
        name: of the life.
        groups: the shapes of each group's parameters.
        options: of each group; the last holds for those after it.
        memory: of each parameter, by its index; the first holds for all where there is one.
        dtypes: likewise.
    """

    def __init__(
        self,
        format_: Format,
        name: str,
        groups: Sequence[Sequence[tuple[int, ...]]] = (((3,), (2, 3), (4,)),),
        options: Sequence[Options] = (PLAIN,),
        memory: Sequence[Memory] = (Memory.CONTIGUOUS,),
        dtypes: Sequence[str | None] = (None,),
        *,
        container: Container = Container.DICTS,
        keywords: Options | None = None,
    ) -> None:
        self.format, self.name, self.seed = format_, name, 7000
        self.specs: list[ParameterSpec] = []
        self.actions: list[Action] = []
        made = []
        for i, shapes in enumerate(groups):
            own = options[min(i, len(options) - 1)]
            made.append(GroupSpec(self.parameters(shapes, memory, dtypes), own))
        keywords = keywords or made[0].options
        if container.is_plain:
            made = [replace(made[0], options=Options())]
        self.actions.append(Construct(0, tuple(made), keywords, container))

    def parameters(
        self,
        shapes: Sequence[tuple[int, ...]],
        memory: Sequence[Memory] = (Memory.CONTIGUOUS,),
        dtypes: Sequence[str | None] = (None,),
    ) -> tuple[ParameterSpec, ...]:
        """New parameters, which follow those that there are."""
        made = []
        for shape in shapes:
            index = len(self.specs)
            dtype = dtypes[index % len(dtypes)]
            values = rounded_values(self.values(shape), dtype)
            made.append(ParameterSpec(values, memory[index % len(memory)], dtype))
            self.specs.append(made[-1])
        return tuple(made)

    def values(self, shape: tuple[int, ...]) -> Values:
        """New numbers of a shape."""
        self.seed += 1
        return values_of(self.format, self.seed, shape)

    def gradients(self, absent: Iterable[int] = ()) -> list[GradientSpec]:
        """New gradients, but for parameters that have none."""
        missing = set(absent)
        return [
            GradientSpec(None)
            if i in missing
            else GradientSpec(rounded_values(self.values(spec.values.shape), spec.dtype))
            for i, spec in enumerate(self.specs)
        ]

    def step(
        self, call: Call = PLAIN_CALL, absent: Iterable[int] = (), times: int = 1, number: int = 0
    ) -> Builder:
        """Take steps."""
        for _ in range(times):
            gradients = self.gradients(range(len(self.specs)) if call.scaler is Scaler.OVERFLOW else absent)
            self.actions.append(Step(number, tuple(gradients), call))
        return self

    def laid(self, *memory: Memory) -> Builder:
        """Take a step with gradients that lie in a certain way, in turn."""
        gradients = [replace(g, memory=memory[i % len(memory)]) for i, g in enumerate(self.gradients())]
        self.actions.append(Step(0, tuple(gradients)))
        return self

    def replaced(self, index: int, spec: GradientSpec) -> Builder:
        """Take a step with one gradient replaced."""
        gradients = self.gradients()
        gradients[index] = spec
        self.actions.append(Step(0, tuple(gradients)))
        return self

    def add(self, shapes: Sequence[tuple[int, ...]], options: Options) -> Builder:
        """Add a group."""
        self.actions.append(AddGroup(0, GroupSpec(self.parameters(shapes), options)))
        return self

    def then(self, *actions: Action) -> Builder:
        """Add actions as they are."""
        self.actions += actions
        return self

    def life(self) -> Life:
        """The life so far."""
        return Life(f"framework/{self.name}", self.format.dtype, tuple(self.actions))


_TWO: Final = (((3,), (2, 3)), ((4,), (3,)))
"""Two groups of two parameters."""


def _absent(format_: Format) -> Iterable[Life]:
    patterns: dict[str, Sequence[Sequence[int]]] = {
        "first step": ((0,), (), (1,), ()),
        "late": ((1, 2), (1, 2), (2,), (), ()),
        "late first": ((0, 1), (0, 1), (0,), (), ()),
        "whole group": ((), (0, 1), (), (2, 3), ()),
        "late group": ((2, 3), (2, 3), (), ()),
        "late first group": ((0, 1), (0, 1), (), ()),
        "no gradient at all": ((0, 1, 2, 3), (), (0, 1, 2, 3), ()),
        "gap": ((), (1,), (1,), (1,), (), ()),
        "gap of the first": ((), (0,), (0, 2), (), ()),
        "alternating": ((0, 2), (1, 3), (0, 2), (1, 3), ()),
        "one that never has any": ((1,), (1,), (1,)),
    }
    for options in (PLAIN, DECAYING, ASCENDING):
        for name, pattern in patterns.items():
            builder = Builder(format_, f"absent/{name}", _TWO, (options, OTHER))
            for absent in pattern:
                builder.step(absent=absent)
            yield builder.life()
    same = Builder(format_, "absent/equal shapes", (((3,), (3,), (3,), (3,)),), (DECAYING,))
    yield same.step(absent=(1,)).step().step(absent=(0, 2)).step(absent=(3,)).step().life()
    for fresh in (True, False):
        saved = (
            Builder(format_, f"absent/saved/{fresh}", _TWO, (DECAYING,)).step(absent=(1, 2)).step(absent=(2,))
        )
        saved.then(Save(0, 0, copied=True)).step().then(Load(0, 0, fresh)).step(absent=(0,)).step(times=2)
        yield saved.life()


_CLOSURES: Final = (
    Call(Closure.POSITIONAL),
    Call(Closure.KEYWORD, Loss.NUMBER),
    Call(Closure.POSITIONAL, Loss.ZERO),
    Call(Closure.POSITIONAL, Loss.NOTHING),
    Call(Closure.POSITIONAL, accumulates=True),
    Call(Closure.KEYWORD, is_falsy=True),
    Call(Closure.POSITIONAL, no_grad=True),
    Call(Closure.POSITIONAL, Loss.NUMBER, hooks=True),
)
CALLS: Final = (
    *_CLOSURES,
    Call(no_grad=True),
    Call(hooks=True),
    Call(scaler=Scaler.STEP),
    Call(scaler=Scaler.UNSCALED),
)
"""The calls of a step that drawn lives combine with everything else."""


def _closures(format_: Format) -> Iterable[Life]:
    for call in _CLOSURES:
        for groups in (_TWO, (((3,), (2, 3)),)):
            builder = Builder(format_, "closure", groups, (DECAYING, OTHER))
            yield (
                builder.step(call, times=2)
                .step()
                .step(call)
                .step()
                .step(call, absent=(1,))
                .step(times=2)
                .life()
            )
    builder = Builder(format_, "closure/in turn", _TWO, (PLAIN, ASCENDING)).step()
    for call in _CLOSURES:
        builder.step(call)
    yield builder.step().life()


def _raising(format_: Format) -> Iterable[Life]:
    for before in (0, 1, 3):
        builder = Builder(format_, "closure-error", _TWO, (DECAYING, OTHER)).step(times=before)
        builder.then(Refuse(0, Refusal.CLOSURE_RAISES)).step(times=2).then(Refuse(0, Refusal.CLOSURE_RAISES))
        yield builder.step(Call(Closure.POSITIONAL)).step().life()


def _no_grad(format_: Format) -> Iterable[Life]:
    call = Call(no_grad=True)
    for options in (DECAYING, ASCENDING):
        yield Builder(format_, "no-grad", _TWO, (options, OTHER)).step(call, times=2).step().step(call).life()


def _hooks(format_: Format) -> Iterable[Life]:
    call = Call(hooks=True)
    builder = Builder(format_, "hooks", _TWO, (DECAYING, OTHER))
    yield builder.step(call, times=2).step().step(call, absent=(0, 3)).step(call).life()
    for method in CopyMethod:
        copied = Builder(format_, f"hooks/{method.value}", _TWO, (DECAYING, OTHER)).step(call)
        copied.then(Copy(0, 1, method)).step(call).step(call, number=1).step(call)
        yield copied.life()
    asked = Builder(format_, "hooks/of checkpoints", _TWO, (DECAYING, OTHER)).then(
        Ask(0, Question.CHECKPOINT_HOOKS)
    )
    yield asked.step(times=2).then(Ask(0, Question.CHECKPOINT_HOOKS)).step().life()


def complex_steps(format_: Format) -> Iterable[Life]:
    """Steps of complex parameters, alone and among real ones."""
    real, pairs = Memory.CONTIGUOUS, Memory.COMPLEX
    shapes = ((4,), (2, 2), (6,))
    for options in (PLAIN, DECAYING, ASCENDING):
        for memory in (
            (pairs,),
            (real, pairs, real),
            (pairs, real, real),
            (pairs, real, pairs),
            (real, real, pairs),
        ):
            builder = Builder(format_, "complex", (shapes,), (options,), memory)
            # A part of 0 shows eps in its norm alone.
            zero = Values((4,), (0.0, 0.5, -0.25, 0.0))
            builder.step(times=2).replaced(0, GradientSpec(zero)).step(absent=(1,)).step()
            yield builder.life()
    zero = Values((4,), (0.0, 0.5, -0.25, 0.0))
    first = Builder(format_, "complex/zero parts", (((4,),),), (PLAIN,), (pairs,)).replaced(
        0, GradientSpec(zero)
    )
    yield first.step().life()


def _complex(format_: Format) -> Iterable[Life]:
    yield from complex_steps(format_)
    real, pairs = Memory.CONTIGUOUS, Memory.COMPLEX
    shapes = ((4,), (2, 2), (6,))
    saved = Builder(format_, "complex/saved", (shapes,), (DECAYING,), (pairs, real)).step(times=2)
    yield saved.then(Save(0, 0, copied=True)).step().then(Load(0, 0, fresh=True)).step(times=2).life()
    called = Builder(format_, "complex/closure", (shapes,), (DECAYING,), (pairs, real))
    yield called.step(_CLOSURES[0]).step(_CLOSURES[4]).step().life()


def _sparse(format_: Format) -> Iterable[Life]:
    """Lives in which sparse gradients are refused."""
    for before in (0, 2):
        builder = Builder(format_, "sparse/refused", (((4, 2),),), (DECAYING,)).step(times=before)
        builder.then(Refuse(0, Refusal.SPARSE_GRADIENT)).step(times=2).then(
            Refuse(0, Refusal.SPARSE_GRADIENT)
        )
        yield builder.step().life()


def sparse_accepted(format_: Format) -> Iterable[Life]:
    """Lives with sparse gradients, for a subject that takes them."""
    for options in (PLAIN, DECAYING, ASCENDING):
        for memory in (Memory.SPARSE_ROWS, Memory.SPARSE_ELEMENTS, Memory.SPARSE_TWICE):
            builder = Builder(format_, f"sparse/{memory.value}", (((4, 2), (3, 2)),), (options,))
            rows = builder.values((4, 2))
            some = Values((4, 2), tuple(x if i in {2, 3, 7} else 0.0 for i, x in enumerate(rows.pattern)))
            none = Values((4, 2), (0.0,) * 8)
            builder.replaced(0, GradientSpec(some, memory)).step().replaced(0, GradientSpec(some, memory))
            builder.replaced(0, GradientSpec(none, memory)).step().replaced(0, GradientSpec(rows, memory))
            yield builder.step().life()


def _scaled(format_: Format) -> Iterable[Life]:
    step, unscaled, overflow = (Call(scaler=way) for way in (Scaler.STEP, Scaler.UNSCALED, Scaler.OVERFLOW))
    for options in (PLAIN, DECAYING):
        for calls in (
            (step, step, overflow, step, step),
            (overflow, step, step),
            (step, overflow, overflow, step, PLAIN_CALL),
            (unscaled, step, unscaled, overflow, unscaled, unscaled),
            (PLAIN_CALL, overflow, PLAIN_CALL, step, unscaled, step),
        ):
            builder = Builder(format_, "scaler", _TWO, (options, OTHER))
            for call in calls:
                builder.step(call)
            yield builder.life()
    builder = Builder(format_, "scaler/absent", _TWO, (DECAYING, OTHER)).step(step).step(step, absent=(0, 2))
    yield builder.step(overflow).step(step, absent=(1,)).step(step).life()


def _older(format_: Format) -> Iterable[Life]:
    newer = EditCheckpoint(0, Edit.WITHOUT_NEWER_OPTIONS)
    edits = {
        "without newer options": (newer,),
        "an int": (EditCheckpoint(0, Edit.COUNT_AS_INT),),
        "a float": (EditCheckpoint(0, Edit.COUNT_AS_FLOAT),),
        "a file": (EditCheckpoint(0, Edit.THROUGH_FILE),),
        "as years ago": (newer, EditCheckpoint(0, Edit.COUNT_AS_INT)),
    }
    for name, edit in edits.items():
        for fresh in (True, False):
            for count in (3, 255, 300, 70000):
                if count != 3 and (not fresh or name in {"without newer options", "a file"}):
                    continue
                builder = Builder(format_, f"older-checkpoint/{name}", _TWO, (SLOW, OTHER)).step(times=3)
                builder.then(Save(0, 0, copied=True))
                if count != 3:
                    builder.then(SetCount(0, count))
                builder.then(*edit).step()
                builder.then(Load(0, 0, fresh)).step(times=2).then(Ask(0, Question.OPTIONS))
                builder.then(Save(0, 1, copied=True)).step().then(Load(0, 1, fresh=True)).step(times=3)
                yield builder.life()
    alone = Builder(format_, "older-checkpoint/plain", container=Container.LIST).step(times=2)
    alone.then(Save(0, 0, copied=True), newer, Load(0, 0, fresh=True), Ask(0, Question.OPTIONS))
    yield alone.step(times=2).life()


def _others_dtype(format_: Format) -> Iterable[Life]:
    others = [d for d in ("float32", "float64", "bfloat16") if d != format_.dtype]
    for other in others:
        for count in (3, 1001):
            builder = Builder(format_, f"other-dtype/{other}/{count}", (((3,), (2, 3)),), (SLOW,)).step(
                times=3
            )
            groups = (
                GroupSpec(
                    tuple(
                        ParameterSpec(rounded_values(builder.values(spec.values.shape), other), dtype=other)
                        for spec in builder.specs
                    ),
                    SLOW,
                ),
            )
            builder.then(Save(0, 0, copied=True))
            if count != 3:
                builder.then(SetCount(0, count))
            builder.then(Construct(1, groups, SLOW), Load(1, 0))
            builder.specs = [*groups[0].parameters]
            yield builder.step(number=1, times=2).life()
    if format_ is not Format.BFLOAT16:
        low = Builder(format_, "other-dtype/many steps", (((3,), (2, 3)),), (SLOW,)).step()
        values = [rounded_values(low.values(spec.values.shape), "bfloat16") for spec in low.specs]
        made = (GroupSpec(tuple(ParameterSpec(v, dtype="bfloat16") for v in values), SLOW),)
        low.then(Save(0, 0, copied=True), SetCount(0, 250), Construct(1, made, SLOW), Load(1, 0))
        low.specs = [*made[0].parameters]
        low.then(Run(1, 300, (tuple(values),))).step(number=1)
        yield low.life()


def _many_steps(format_: Format) -> Iterable[Life]:
    for dtype, steps in (("bfloat16", 300), (None, 300)):
        builder = Builder(
            format_, f"low-precision/{dtype}", (((3,), (2,)),), (SLOW,), dtypes=(dtype, None)
        ).step()
        gradients = tuple(g.values for g in builder.gradients() if g.values is not None)
        yield builder.then(Run(0, steps, (gradients,))).step(times=2).life()


def _partial(format_: Format) -> Iterable[Life]:
    early = Builder(format_, "partial-checkpoint/before the first step", _TWO, (DECAYING, OTHER))
    yield early.then(Save(0, 0, copied=True)).step(times=3).then(Load(0, 0)).step(times=2).life()
    fresh = Builder(format_, "partial-checkpoint/fresh", _TWO, (DECAYING, OTHER)).then(
        Save(0, 0, copied=True)
    )
    yield fresh.step(times=3).then(Load(0, 0, fresh=True)).step(times=2).life()
    some = Builder(format_, "partial-checkpoint/some", _TWO, (DECAYING, OTHER)).step(absent=(1, 2), times=2)
    some.then(Save(0, 0, copied=True)).step(times=3).then(Load(0, 0)).step(absent=(1,)).step(times=2)
    yield some.life()
    group = Builder(format_, "partial-checkpoint/later group", _TWO, (DECAYING, OTHER)).step(times=2)
    group.add(((3,), (2,)), DECAYING).then(Save(0, 0, copied=True)).step(times=2)
    yield group.then(Load(0, 0, fresh=True)).step(times=2).then(Load(0, 0)).step().life()


def _tensor_lr(format_: Format) -> Iterable[Life]:
    def array(lr: float) -> Options:
        return replace(DECAYING, lr=Number(lr, NumberKind.ARRAY))

    def filled(group: int, lr: float) -> SetLr:
        return SetLr(0, group, Number(lr, NumberKind.FILLED))

    for second in (array(0.25), OTHER):
        builder = Builder(format_, "tensor-lr", _TWO, (array(0.5), second)).step(times=2)
        builder.then(filled(0, 0.125)).step(times=2).then(filled(0, 2.0)).step()
        builder.then(SetLr(0, 0, Number(0.75))).step().then(
            SetLr(0, 1, Number(0.375, NumberKind.ARRAY))
        ).step()
        yield builder.then(filled(1, 1.0)).step(times=2).life()
    plain = Builder(format_, "tensor-lr/of all", options=(array(0.5),), container=Container.LIST).step()
    plain.then(filled(0, 0.25)).step(times=2).then(filled(0, 0.125))
    yield plain.step().life()
    saved = Builder(format_, "tensor-lr/saved", _TWO, (array(0.5), array(0.25))).step()
    saved.then(filled(0, 0.125), Save(0, 0, copied=True)).step().then(Load(0, 0, fresh=True)).step(times=2)
    yield saved.then(SetLr(0, 0, Number(0.5))).step().life()
    for method in CopyMethod:
        copied = Builder(format_, f"tensor-lr/{method.value}", _TWO, (array(0.5), array(0.25))).step()
        copied.then(filled(0, 0.125), Copy(0, 1, method)).step(number=1).then(filled(0, 1.0)).step(number=1)
        yield copied.step().then(SetLr(1, 0, Number(0.25))).step(number=1).step().life()
    yield Builder(format_, "tensor-lr/closure", _TWO, (array(0.5),)).step(_CLOSURES[0], times=2).step().life()


def _zero_grad(format_: Format) -> Iterable[Life]:
    for question in (Question.ZERO_GRAD, Question.ZERO_GRAD_TO_NONE, Question.ZERO_GRAD_IN_PLACE):
        builder = Builder(format_, f"zero-grad/{question.value}", _TWO, (DECAYING, OTHER)).then(
            Ask(0, question)
        )
        yield builder.step(times=2).then(Ask(0, question)).step().life()
    builder = Builder(format_, "zero-grad/added group", (((3,),),)).step().add(((2,), (3,), (2,)), OTHER)
    yield builder.then(Ask(0, Question.ZERO_GRAD_IN_PLACE), Ask(0, Question.ZERO_GRAD)).step().life()


_BLOCK: Final = ((2, 3, 2, 2), (1, 4, 3, 3), (3,))


def _gradients(format_: Format) -> Iterable[Life]:
    for options in (PLAIN, DECAYING, ASCENDING):
        for memory in (Memory.CHANNELS_LAST, Memory.RECORDED, Memory.STRIDED, Memory.COLUMN_MAJOR):
            for own in (Memory.CONTIGUOUS, Memory.CHANNELS_LAST, Memory.STRIDED, Memory.COLUMN_MAJOR):
                builder = Builder(format_, f"gradients/{memory.value}", (_BLOCK,), (options,), (own,))
                yield builder.laid(memory).laid(Memory.CONTIGUOUS, memory).step().laid(memory).life()
        builder = Builder(format_, "gradients/expanded", (((3, 4), (2, 2)),), (options,))
        for _ in range(3):
            row = builder.values((4,)).pattern
            builder.replaced(0, GradientSpec(Values((3, 4), row * 3), Memory.EXPANDED))
            builder.replaced(
                0, GradientSpec(Values((3, 4), tuple(x for x in row[:3] for _ in row)), Memory.EXPANDED)
            )
            same = builder.values((1,)).pattern * 4
            builder.replaced(1, GradientSpec(Values((2, 2), same), Memory.BROADCAST))
        yield builder.step().life()


def _caller(format_: Format) -> Iterable[Life]:
    overwrite, rebind = Ask(0, Question.OVERWRITE), Ask(0, Question.REBIND)
    for first in (DECAYING, replace(PLAIN, betas=(0.0, 0.0)), PLAIN):
        builder = Builder(format_, "caller/overwrites gradients", _TWO, (first, OTHER)).step()
        yield builder.then(overwrite).step(absent=(1,)).then(overwrite).step().then(overwrite).step().life()
        memory = Builder(format_, "caller/moves parameters", _TWO, (first, OTHER)).then(rebind).step()
        yield memory.then(rebind).step(times=2).then(rebind).step(absent=(0,)).step().life()


def _constant(format_: Format) -> Iterable[Life]:
    memory = (Memory.CONSTANT, Memory.CONTIGUOUS, Memory.CONTIGUOUS, Memory.CONSTANT)
    for options in (PLAIN, DECAYING):
        builder = Builder(format_, "constant-parameters", _TWO, (options, OTHER), memory)
        builder.step(absent=(0, 3), times=2).then(Save(0, 0, copied=True)).step(absent=(0, 3))
        yield builder.then(Load(0, 0, fresh=True)).step(absent=(0, 3), times=2).life()


def _named(format_: Format) -> Iterable[Life]:
    shapes = ((3,), (2, 3), (3,), (4,), (3,))
    builder = Builder(format_, "named", (shapes,), (DECAYING,), container=Container.NAMED).step(times=2)
    builder.then(Save(0, 0, copied=True)).step().then(Load(0, 0, fresh=True)).step(absent=(1,)).step()
    yield builder.life()


def _options(format_: Format) -> Iterable[Life]:
    asked = Ask(0, Question.SWITCHES)
    for keywords in (PLAIN, ASCENDING):
        builder = Builder(format_, "options", _TWO, (Options(), OTHER), keywords=keywords).then(asked).step()
        builder.add(((3,),), Options()).then(asked).step().add(((2,),), Options(Number(0.5))).then(
            asked
        ).step()
        builder.then(Save(0, 0, copied=True)).step().then(Load(0, 0, fresh=True), asked).step(times=2)
        yield builder.life()
    late = (
        Options(),
        Options(Number(0.0625)),
        Options(eps=0.75),
        Options(betas=(0.25, 0.875)),
        Options(weight_decay=1.5),
    )
    for first, keywords in ((OTHER, DECAYING), (DECAYING, OTHER), (ASCENDING, OTHER), (OTHER, ASCENDING)):
        # The late groups have the constructor's options, whatever the first group has, or has been set to.
        for set_ in ((), (SetLr(0, 0, Number(0.75)),)):
            builder = Builder(format_, "options/late groups", _TWO, (first, first), keywords=keywords).step()
            builder.then(*set_).step()
            for options in late:
                builder.add(((3,), (2,)), options).step().step(absent=(0,))
            yield builder.then(asked).step().life()
    plain = Builder(
        format_, "options/late groups of a plain list", options=(OTHER,), container=Container.LIST
    )
    plain.step().then(SetLr(0, 0, Number(0.5))).step()
    for options in late:
        plain.add(((3,),), options).step()
    yield plain.then(SetLr(0, 1, Number(0.75))).step().then(Save(0, 0, copied=True)).step().life()
    yield Builder(format_, "options/defaults", options=(Options(),)).then(asked).step(times=2).life()
    each = (
        Options(weight_decay=0.5), Options(betas=(0.5, 0.25)), Options(eps=0.5), Options(Number(0.5)),
        Options(maximize=True), Options(), Options(eps=0.0625, maximize=True),
        Options(Number(0.125), weight_decay=0.125),
    )  # fmt: skip
    for keywords in (PLAIN, ASCENDING):
        groups = tuple(((3,), (2,)) for _ in each)
        builder = Builder(format_, "options/each its own", groups, each, keywords=keywords).step(times=2)
        yield builder.add(((3,),), Options(betas=(0.25, 0.5))).step().step(absent=(0, 3)).step().life()
    single = Builder(format_, "options/one parameter", (((3,),), ((1,),), ((),)), (PLAIN, OTHER)).step(
        times=3
    )
    yield single.life()


def set_options(format_: Format) -> Iterable[Life]:
    """Options that are set in a group between two steps."""
    changes = (
        ("weight_decay", 0.5),
        ("betas", (0.5, 0.25)),
        ("eps", 0.5),
        ("maximize", True),
        ("maximize", False),
    )
    for name, value in changes:
        builder = Builder(format_, f"set-options/{name}", _TWO, (DECAYING, OTHER)).step(times=2)
        yield builder.then(SetOption(0, 0, name, value)).step(times=2).life()


def _refused(format_: Format) -> Iterable[Life]:
    for refusal in (Refusal.PARAMETER_TWICE, Refusal.NOT_A_LEAF):
        builder = Builder(format_, "refused-group", _TWO, (DECAYING, OTHER)).step().then(Refuse(0, refusal))
        yield builder.step().add(((3,),), OTHER).step().life()


def has_zero_betas(life: Life) -> bool:
    """Whether a life has a beta of 0, which not every constructor accepts."""
    made = [action for action in life.actions if isinstance(action, Construct)]
    options = [x for action in made for x in (action.options, *(group.options for group in action.groups))]
    return any(0.0 in (each.betas or ()) for each in options)


def first_step(format_: Format) -> Iterable[Life]:
    """A single step, which shows whether an argument is known."""
    yield Builder(format_, "first-step").step().life()


def derivative(format_: Format) -> Iterable[Life]:
    """The derivative of a step, and ordinary steps of an optimizer that records them."""
    builder = Builder(format_, "derivative", options=(DECAYING,))
    yield builder.then(Ask(0, Question.DERIVATIVE)).step(times=3).step(absent=(1,)).step().life()
    yield Builder(format_, "derivative/ascending", options=(ASCENDING,)).step(times=3).life()


CHECKS: Final = (
    FrameworkLives(
        "absent", "parameters without a gradient are left alone, in any pattern of steps", _absent
    ),
    FrameworkLives(
        "closure", "a closure is called once, first, with gradients on, and its value returned", _closures
    ),
    FrameworkLives(
        "closure-error", "an exception in a closure leaves everything alone", _raising, Demand.DIVERGES
    ),
    FrameworkLives("no-grad", "a step is the same where the caller has switched gradients off", _no_grad),
    FrameworkLives("hooks", "hooks of steps and checkpoints are called once, in order", _hooks),
    FrameworkLives("complex", "complex parameters are stepped by part, or all by the modulus", _complex),
    FrameworkLives(
        "sparse",
        "a sparse gradient is refused before its parameter moves, or is right",
        _sparse,
        Demand.ACCEPTED,
    ),
    FrameworkLives(
        "scaler", "steps that a gradient scaler skips leave no trace, and others are right", _scaled
    ),
    FrameworkLives(
        "older-checkpoint", "checkpoints without newer options, or with plain counts, go on", _older
    ),
    FrameworkLives("other-dtype", "a checkpoint goes on in another dtype, with its count", _others_dtype),
    FrameworkLives("partial-checkpoint", "a checkpoint without some state takes that state away", _partial),
    FrameworkLives("many-steps", "a count goes on in a format of few bits", _many_steps),
    FrameworkLives("tensor-lr", "a learning rate that is an array is read, and never written to", _tensor_lr),
    FrameworkLives("zero-grad", "zero_grad clears every gradient, and nothing else", _zero_grad),
    FrameworkLives(
        "gradients", "gradients lie in memory as they like, and are left as they were", _gradients
    ),
    FrameworkLives(
        "caller", "the caller may overwrite old gradients, and move parameters in memory", _caller
    ),
    FrameworkLives("constant-parameters", "parameters without derivatives are left alone", _constant),
    FrameworkLives("named", "parameters with names are stepped like any others", _named),
    FrameworkLives("options", "every group has every option: its own, or the constructor's", _options),
    FrameworkLives(
        "refused-group",
        "a group is refused if its parameter is in another group, or is not a leaf",
        _refused,
        Demand.DIVERGES,
    ),
)
"""The checks of pinned lives, each of one feature."""
