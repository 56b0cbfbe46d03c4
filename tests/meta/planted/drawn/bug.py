"""A drawn bug: an effect in a context, the class that has it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.optimizer import Env, Faithful, check_options, plain


@dataclass(frozen=True)
class Demonstration:
    """A run that shows a bug: parameters, gradients, options, events between steps.

    Attributes:
        shapes: of the parameters.
        steps: how many are taken.
        groups: the number of parameters of each group; None for one group.
        group_opts: each group's own options.
        opts: the constructor's.
        dtypes: of the parameters; None for that of the demonstration.
        container: what `params` comes as.
        gcontainer: what the gradients come as.
        players: the layouts of the parameters in memory, in turn.
        glayers: the layouts of the gradients.
        alter_g: from step, index and gradient to the gradient.
        alter_p: from index and array to the array.
        make_g: from stage and gradients to the gradients.
        make_p: from arrays to the parameters.
        before: what happens before a step, by its number.
        after: what happens at the end.
        pscale: the size of theta.
        gscale: the size of the gradients.
        watch: the parameters that are looked at; None for all.
        script: what happens instead.
        lr_every: whether lr is set before each step.
    """

    shapes: tuple = ((6, 10), (37,))
    steps: int = 5
    groups: tuple | None = None
    group_opts: tuple = ()
    opts: dict = field(default_factory=dict)
    dtypes: tuple | None = None
    container: str = "list"
    gcontainer: str = "list"
    players: tuple = ("C",)
    glayers: tuple = ("C",)
    alter_g: Callable | None = None
    alter_p: Callable | None = None
    make_g: Callable | None = None
    make_p: Callable | None = None
    before: dict = field(default_factory=dict)
    after: Callable | None = None
    pscale: float = 1.0
    gscale: float = 1.0
    watch: tuple | None = None
    script: Callable | None = None
    lr_every: bool = False

    def with_opts(self, **kw: Any) -> Demonstration:
        return replace(self, opts={**kw, **self.opts})


@dataclass(frozen=True)
class Bug:
    """An effect under a context; or methods that replace the right ones.

    Attributes:
        context: its name.
        effect: its name.
        sentence: what is wrong, and where.
        applies: where it strikes, as a mask or a bool, from what a step sees.
        wrong: the step where it does.
        methods: of the class, if a step does not say it.
        demo: what shows the bug.
        shown: whether m and u are shown.
    """

    context: str
    effect: str
    sentence: str
    applies: Callable = lambda e: False
    wrong: Callable = plain
    methods: dict = field(default_factory=dict)
    demo: Demonstration = field(default_factory=Demonstration)
    shown: bool = True


class Buggy(Faithful):
    """Adamax with one bug; right outside the bug's context."""

    kind = ""
    number = -1
    bug: Bug

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        self._born()

    def _born(self) -> None:
        self._first: dict = {gi: check_options(g) for gi, g in enumerate(self.param_groups)}
        self._last: dict = dict(self._first)
        self._before: dict = {}
        self._calls = 0
        self._flags: dict = {}

    def __call__(self, gradients) -> tuple:
        for gi, g in enumerate(self.param_groups):
            self._first.setdefault(gi, check_options(g))
            self._last.setdefault(gi, self._first[gi])
        out = super().__call__(gradients)
        self._calls += 1
        self._last = {gi: check_options(g) for gi, g in enumerate(self.param_groups)}
        return out

    def _env(self, i: int, g: np.ndarray, s: dict, t: int) -> Env:
        e = super()._env(i, g, s, t)
        e.first = self._first.setdefault(e.gi, s)
        e.last = self._last.setdefault(e.gi, s)
        e.calls, e.flags = self._calls, self._flags
        return e

    def _step(self, e: Env) -> tuple:
        bug = self.bug
        where = bug.applies(e)
        previous = self._before.get(e.i)
        if getattr(bug.wrong, "keeps", False):
            self._before[e.i] = e.g.copy()
        right = plain(e)
        if where is False or not np.any(where):
            return right
        e.previous = e.g * 0 if previous is None else previous
        wrong = bug.wrong(e)
        if where is True or np.ndim(where) == 0:
            return wrong
        return tuple(np.where(where, w, r) for w, r in zip(wrong, right, strict=False))

    def __reduce__(self):
        return _blank, (type(self),), self.__dict__

    @property
    def exp_avg(self) -> list:
        if not self.bug.shown:
            raise AttributeError("exp_avg")
        return list(self._m)

    @property
    def exp_inf(self) -> list:
        if not self.bug.shown:
            raise AttributeError("exp_inf")
        return list(self._u)


def _blank(planted: type[Buggy]) -> Buggy:
    return planted.__new__(planted)
