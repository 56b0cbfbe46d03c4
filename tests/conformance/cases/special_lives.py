"""Pinned lives of special numbers, in the gradient and in theta, at any index."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from adamax_conformance.reference.life import (
    Action,
    Construct,
    Container,
    GradientSpec,
    GroupSpec,
    Life,
    Number,
    Options,
    ParameterSpec,
    SetLr,
    Step,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import Feature, Scope
from adamax_conformance.tests.conformance.cases.pinned import noise

_POINTS: Final = ((), (), ())
_SHAPES: Final = (
    (1,), (1,), (1,), (3,), (17,), (40,), (65,), (130,), (1030,), (4099,), (3, 4), (20, 30), (2, 3, 2), (5, 6, 7, 2),
    *[(2,)] * 24,
)  # fmt: skip
_FEW: Final = 18
_GROUPS: Final = 6
_WITHOUT_EPS: Final = 3
"""The group whose eps is 0, if the subject takes that."""
_STEPS: Final = 7
_AT: Final = (0, 2, 5)
"""The steps in which the number stands at the first, the last and a middle element; in the last one at all of them."""
_PERIOD: Final = 7


def special(scope: Scope, *, full: bool) -> Iterator[Life]:
    """A special number in arrays of every kind, at several elements and steps.

    The groups have decay or none, and every other one is maximized. The learning rate is set on the way. In
    the full profile, each array is in each of the groups.
    """
    format_ = scope.format_
    numbers = {"zero": 0.0, "huge": math.ldexp(1.5, format_.emax)}
    if scope.has(Feature.SUBNORMAL):
        numbers["subnormal"] = format_.smallest_subnormal * 3
    if scope.has(Feature.NAN):
        numbers["nan"] = math.nan
        # A step makes NaN of an infinity.
        if scope.has(Feature.INFINITY):
            numbers["infinity"] = math.inf
    for first, (name, number) in enumerate(numbers.items()):
        for turn in range(first, first + (_GROUPS if full else 1)):
            yield _Maker(scope, number, turn, gradient=True).life(f"special/{name}")
            if name not in {"zero", "subnormal"}:
                yield _Maker(scope, number, turn + 3, gradient=False).life(f"special/{name}-in-theta")


class _Maker:
    """Makes the life of one number.

    Args:
        scope: what the subject gets right.
        number: the special one; its sign alternates.
        turn: by how much the groups of the arrays are turned, so that each life has other ones.
        gradient: whether it stands in gradients rather than in theta.
    """

    def __init__(self, scope: Scope, number: float, turn: int, *, gradient: bool) -> None:
        self.scope = scope
        self.number = number
        self.turn = turn % _GROUPS
        self.in_gradient = gradient
        shapes = (*(_POINTS if scope.has(Feature.POINTS) else ()), *_SHAPES)
        if scope.compiles:
            shapes = shapes[:_FEW:2]
        count = _GROUPS if scope.has(Feature.GROUPS) else 1
        self.members = [
            [shape for i, shape in enumerate(shapes) if (i + turn) % count == group] for group in range(count)
        ]
        self.shapes = [shape for group in self.members for shape in group]
        self.groups = [group for group, members in enumerate(self.members) for _ in members]

    def life(self, name: str) -> Life:
        """The whole life."""
        values = iter([self.theta(index) for index in range(len(self.shapes))])
        groups = tuple(
            GroupSpec(tuple(ParameterSpec(next(values)) for _ in members), self.options(index))
            for index, members in enumerate(self.members)
        )
        single = len(groups) == 1
        if single:
            groups = (GroupSpec(groups[0].parameters),)
        actions: list[Action] = [
            Construct(0, groups, self.options(self.turn), Container.LIST if single else Container.DICTS)
        ]
        for t in range(_STEPS):
            if t % 4 == 3 and self.scope.has(Feature.SET_LR):
                actions += [SetLr(0, group, Number(0.25 / t)) for group in range(len(groups))]
            gradients = (GradientSpec(self.gradient(index, t)) for index in range(len(self.shapes)))
            actions.append(Step(0, tuple(gradients)))
        return Life(f"lives/{name}", self.scope.format_.dtype, tuple(actions))

    def options(self, group: int) -> Options:
        """A group's options: with decay or without, minimized or maximized."""
        has = self.scope.has
        # A gradient that is subnormal shows in u next to a small eps alone; one group has it, as it is slow to judge.
        eps = self.scope.format_.smallest_normal if 0 < self.number < 1 and not group else 0.01
        if self.without_eps(group):
            eps = 0.0
        return Options(
            Number(0.1),
            (0.8, 0.7) if has(Feature.BETAS) else None,
            eps if has(Feature.EPS) else None,
            (0.25 if group % 3 else 0.0) if has(Feature.DECAY) else None,
            group % 2 == 1 if has(Feature.MAXIMIZE) else None,
        )

    def without_eps(self, group: int) -> bool:
        """Whether a group has an eps of 0, next to which no number before it may be 0."""
        is_small = abs(self.number) < 1
        return group == _WITHOUT_EPS and self.scope.has(Feature.ZERO_EPS) and not is_small

    def elements(self, index: int) -> dict[int, int]:
        """The elements that are special, and the first step in which each is."""
        size = math.prod(self.shapes[index])
        if size < len(_AT):
            return {0: _AT[index % len(_AT)]}
        return dict(zip((0, size - 1, size // 2), _AT, strict=True))

    def signed(self, index: int, element: int) -> float:
        """The number, with one sign or the other."""
        return -self.number if (index + element) % 2 else self.number

    def usual(self, seed: int, index: int) -> Values:
        """Ordinary numbers of a shape, periodic where they are many."""
        shape = self.shapes[index]
        drawn = noise(self.scope.format_, seed, (min(math.prod(shape), _PERIOD),)).tolist()
        return Values(shape, tuple(drawn))

    def theta(self, index: int) -> Values:
        """A parameter before the first step."""
        values = self.usual(7000 + index, index)
        return (
            values
            if self.in_gradient
            else self.pierced(values, index, dict.fromkeys(self.elements(index), 0), 0)
        )

    def gradient(self, index: int, t: int) -> Values:
        """A parameter's gradient in a step.

        Until its turn an element is 0, so that a small number shows; for 0 itself, it is an ordinary number.
        """
        values = self.usual(7100 + 97 * t + index, index)
        return self.pierced(values, index, self.elements(index), t) if self.in_gradient else values

    def pierced(self, values: Values, index: int, elements: dict[int, int], t: int) -> Values:
        """Ordinary numbers, with the special one at its elements in their steps."""
        put = {}
        for element, first in elements.items():
            if t in {first, _AT[-1]}:
                put[element] = self.signed(index, element)
            elif t < first and self.number and not self.without_eps(self.groups[index]):
                put[element] = 0.0
        if len(values.pattern) < values.size:
            return Values(values.shape, values.pattern, tuple(sorted(put.items())))
        return Values(values.shape, tuple(put.get(i, x) for i, x in enumerate(values.pattern)))
