"""Drawn programs: right implementations that draw every choice they have.

They draw the order of the step, the form of the moment, and the format and computation of the scalars. For every
operation they draw whether its result is kept in the next wider format.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np
from adamax_conformance.tests.meta.oracles.evaluations import TREES
from adamax_conformance.tests.meta.planted.arithmetic import WIDER, running_power
from adamax_conformance.tests.meta.planted.faithful import Faithful

_COUNT: Final = 24


class DrawnProgram(Faithful):
    """A right implementation that draws every choice."""

    seed: ClassVar[int]

    def choose(self, name, options=2):
        """One of 0, ..., options - 1: the same in every call with the same name."""
        return random.Random(f"{self.seed} {name}").randrange(options)

    def operation(self, name, function, a, b):
        """The result of an operation, in the wider format or rounded to the working one."""
        wide = WIDER[self._format.name]
        result = function(np.asarray(a, wide), np.asarray(b, wide))
        return result if self.choose(f"{name} is wide") else result.astype(self._format)

    def visit(self, index, group_index, theta, g):
        self._format = theta.dtype
        super().visit(index, group_index, theta, g)

    def scalars_at(self, options, t, dtype):
        number = np.dtype(dtype).type if self.choose("scalars") else np.float64
        lr, eps, decay = (number(options[name]) for name in ("lr", "eps", "weight_decay"))
        beta1, beta2 = (number(beta) for beta in options["betas"])
        given = {"lr": lr, "eps": eps, "weight_decay": decay, "beta1": beta1, "beta2": beta2}
        given |= {"complement": 1 - beta1, "correction": self.correction(beta1, t)}
        entering = {
            name: np.asarray(x, WIDER[dtype.name] if self.choose(f"{name} enters wide") else dtype)
            for name, x in given.items()
        }
        return replace(super().scalars_at(options, t, dtype), **entering)

    def correction(self, beta1, t):
        match self.choose("correction", 3):
            case 0:
                return 1 - np.power(beta1, beta1.dtype.type(t))
            case 1:
                return 1 - running_power(beta1, t)
            case _:
                return -np.expm1(beta1.dtype.type(t) * np.log1p(-(1 - beta1)))

    def decayed_gradient(self, theta, g, scalars):
        if scalars.weight_decay == 0:
            return g
        term = self.operation("decay", np.multiply, scalars.weight_decay, theta)
        return self.operation("gradient", np.add, g, term)

    def first_moment(self, m, g, scalars):
        form = self.choose("form", 4)
        if form == 1:
            decayed = self.operation("decayed m", np.multiply, scalars.beta1, m)
            fresh = self.operation("fresh m", np.multiply, scalars.complement, g)
            return self.operation("m", np.add, decayed, fresh)
        fresh = self.operation("fresh m", np.multiply, scalars.complement, g)
        if form == 2:
            taken = self.operation("taken m", np.multiply, scalars.complement, m)
            return self.operation("m", np.add, self.operation("kept m", np.subtract, m, taken), fresh)
        distance = self.operation("distance", np.subtract, g, m)
        if form == 3:
            back = self.operation("back", np.multiply, scalars.beta1, distance)
            return self.operation("m", np.subtract, g, back)
        if scalars.complement >= 0.5 and self.choose("back"):
            beta1 = 1 - scalars.complement if self.choose("from the complement") else scalars.beta1
            return self.operation("m", np.subtract, g, self.operation("back", np.multiply, distance, beta1))
        onward = self.operation("onward", np.multiply, scalars.complement, distance)
        return self.operation("m", np.add, m, onward)

    def norm(self, u, g, scalars):
        decayed = self.operation("decayed u", np.multiply, scalars.beta2, u)
        return np.maximum(decayed, self.operation("fresh u", np.add, np.abs(g), scalars.eps))

    def step(self, m, u, scalars):
        leaves = {"lr": scalars.lr, "c": scalars.correction}
        for name, x in (("m", m), ("u", u)):
            leaves[name] = x if self.choose(f"{name} enters unrounded") else x.astype(self._format)

        def compute(tree):
            if isinstance(tree, str):
                return leaves[tree]
            left, sign, right = tree
            function = np.multiply if sign == "*" else np.divide
            return self.operation(f"operation {tree}", function, compute(left), compute(right))

        return compute(TREES[self.choose("order", len(TREES))])


def _make_program(seed: int) -> type[DrawnProgram]:
    name = f"DrawnProgram{seed}"
    return type(name, (DrawnProgram,), {"seed": seed, "__module__": __name__, "__doc__": "Drawn."})


PROGRAMS: Final = tuple(_make_program(seed) for seed in range(1, _COUNT + 1))
# Another process finds them here by their names.
globals().update({program.__name__: program for program in PROGRAMS})
