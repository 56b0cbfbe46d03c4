"""Drawn lives, with what only some frameworks have drawn into them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adamax_conformance.reference.features import PLAIN_CALL, Call, Edit, Question, Scaler
from adamax_conformance.reference.life import (
    Action,
    AddGroup,
    Ask,
    Construct,
    Copy,
    EditCheckpoint,
    GradientSpec,
    GroupSpec,
    Life,
    Memory,
    Options,
    ParameterSpec,
    Save,
    Step,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.framework import CALLS

_OVERFLOW: Final = Call(scaler=Scaler.OVERFLOW)
_ORDINARY: Final = 2.0**20
"""The size up to which numbers become parts of complex ones: products with zeros stay zeros."""


@dataclass(frozen=True)
class FrameworkScope:
    """The features that lives are drawn with.

    Attributes:
        right: the checks of single features that the subject conforms to, by the last part of their ids.
        switches: the arguments of its constructor, each with the values that it may have.
        sparse: it takes sparse gradients.
    """

    right: frozenset[str]
    switches: Mapping[str, Sequence[bool | None]] = field(default_factory=dict)


def add_features(life: Life, scope: FrameworkScope, seed: int) -> Life:
    """A drawn life with features of the framework, the same for the same seed."""
    return _Decorator(life, scope, seed).life()


class _Decorator:
    def __init__(self, life: Life, scope: FrameworkScope, seed: int) -> None:
        self.base, self.scope = life, scope
        self.random = random.Random(seed)  # noqa: S311 - numbers, not secrets
        self.calls = [call for call in CALLS if self.admits(call)]
        self.asked = [
            question
            for question, needed in (
                (Question.ZERO_GRAD, "zero-grad"),
                (Question.ZERO_GRAD_TO_NONE, "zero-grad"),
                (Question.ZERO_GRAD_IN_PLACE, "zero-grad"),
                (Question.OPTIONS, "options"),
                (Question.CHECKPOINT_HOOKS, "hooks"),
            )
            if needed in scope.right
        ]
        self.is_complex = "complex" in scope.right and self.chance(40) and _is_ordinary(life)
        self.layouts: dict[tuple[int, int], Memory] = {}
        self.counts: dict[int, int] = {}
        self.may_be_older = not _maximizes(life)

    def admits(self, call: Call) -> bool:
        """Whether the subject gets every part of a call right."""
        right = self.scope.right
        return all(
            needed in right
            for needed, is_used in (
                ("closure", call.closure.name != "NONE"),
                ("hooks", call.hooks),
                ("no-grad", call.no_grad),
                ("scaler", call.scaler is not Scaler.NONE),
            )
            if is_used
        )

    def chance(self, percent: int) -> bool:
        """Whether something happens that does so in so many cases of a hundred."""
        return self.random.randrange(100) < percent

    def life(self) -> Life:
        """The life with features."""
        actions: list[Action] = []
        for action in self.base.actions:
            actions += self.decorated(action)
        switches = {
            name: self.random.choice(list(values))
            for name, values in self.scope.switches.items()
            if self.chance(60)
        }
        name = self.base.name.replace("lives/", "framework/", 1)
        return replace(self.base, name=name, actions=tuple(actions), switches=switches)

    def decorated(self, action: Action) -> list[Action]:
        """An action, and what comes before or after it."""
        made: list[Action] = [action]
        match action:
            case Construct():
                self.counts[action.optimizer] = 0
                groups = tuple(self.group(action.optimizer, group) for group in action.groups)
                made = [replace(action, groups=groups)]
            case AddGroup():
                made = [replace(action, group=self.group(action.optimizer, action.group))]
            case Copy():
                self.counts[action.copy] = self.counts[action.optimizer]
                own = [(key, memory) for key, memory in self.layouts.items() if key[0] == action.optimizer]
                self.layouts.update({(action.copy, index): memory for (_, index), memory in own})
            case Step():
                made = self.stepped(action)
            case Save():
                made = [replace(action, copied=True)]
                if "older-checkpoint" in self.scope.right and self.chance(40):
                    edits = [Edit.THROUGH_FILE, *[Edit.WITHOUT_NEWER_OPTIONS] * self.may_be_older]
                    made.append(EditCheckpoint(action.checkpoint, self.random.choice(edits)))
        return made

    def group(self, optimizer: int, group: GroupSpec) -> GroupSpec:
        """A group whose parameters are complex, or lie in another way."""
        return replace(group, parameters=tuple(self.parameter(optimizer, spec) for spec in group.parameters))

    def parameter(self, optimizer: int, spec: ParameterSpec) -> ParameterSpec:
        """A parameter that is complex, or lies in another way."""
        index = self.counts[optimizer]
        self.counts[optimizer] += 1
        if spec.memory in {Memory.CONTIGUOUS, Memory.STRIDED, Memory.COLUMN_MAJOR}:
            shape = spec.values.shape
            memory: Memory = spec.memory
            # A rule by shape, so that arrays that one parameter shares with another fit both.
            if self.is_complex and shape and shape[-1] % 2 == 0 and shape[-1]:
                memory = Memory.COMPLEX
            elif len(shape) == len("NCHW") and self.chance(50) and "gradients" in self.scope.right:
                memory = Memory.CHANNELS_LAST
            spec = replace(spec, memory=memory)
        self.layouts[optimizer, index] = spec.memory
        return spec

    def stepped(self, action: Step) -> list[Action]:
        """A step by another call, with other gradients, and the actions before it."""
        before: list[Action] = []
        if self.asked and self.chance(15):
            before.append(Ask(action.optimizer, self.random.choice(self.asked)))
        if "scaler" in self.scope.right and not self.is_complex and self.chance(8):
            absent = tuple(GradientSpec(None) for _ in action.gradients)
            if any(spec.values is not None and spec.values.size for spec in action.gradients):
                before.append(Step(action.optimizer, absent, _OVERFLOW))
        gradients = tuple(self.gradient(action.optimizer, i, spec) for i, spec in enumerate(action.gradients))
        call = self.random.choice(self.calls) if self.calls and self.chance(60) else PLAIN_CALL
        if call.accumulates and any(spec.values is None for spec in gradients):
            call = replace(call, accumulates=False)
        return [*before, replace(action, gradients=gradients, call=call)]

    def gradient(self, optimizer: int, index: int, spec: GradientSpec) -> GradientSpec:
        """A gradient that lies in another way."""
        if spec.values is None or spec.memory is Memory.BROADCAST or "gradients" not in self.scope.right:
            return spec
        shape = spec.values.shape
        if self.layouts.get((optimizer, index)) is Memory.COMPLEX or not self.chance(25):
            return spec
        if len(shape) == len("NCHW") and self.chance(60):
            return replace(spec, memory=Memory.CHANNELS_LAST)
        row = math.prod(shape[1:])
        if len(shape) > 1 and len(spec.values.pattern) == spec.values.size and row and self.chance(40):
            same = Values(shape, spec.values.pattern[:row] * shape[0])
            return replace(spec, values=same, memory=Memory.EXPANDED)
        return replace(spec, memory=Memory.RECORDED)


def _options(life: Life) -> list[Options]:
    found = []
    for action in life.actions:
        match action:
            case Construct():
                found += [action.options, *(group.options for group in action.groups)]
            case AddGroup():
                found.append(action.group.options)
    return found


def _maximizes(life: Life) -> bool:
    return any(options.maximize for options in _options(life))


def _is_ordinary(life: Life) -> bool:
    """Whether complex products of all numbers are those of their parts."""
    arrays = [
        spec.values
        for action in life.actions
        if isinstance(action, Step)
        for spec in action.gradients
        if spec.values is not None
    ]
    for action in life.actions:
        if isinstance(action, Construct):
            arrays += [spec.values for group in action.groups for spec in group.parameters]
    for options in _options(life):
        if options.lr is not None and options.lr.value > _ORDINARY:
            return False
    numbers = [x for values in arrays for x in (*values.pattern, *(x for _, x in values.exceptions))]
    return all(abs(x) < _ORDINARY for x in numbers)
