"""Bugs that write into the caller's gradients, into copies, or into results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.kinds.memory import LAID, is_f, loose
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful, check_options, plain, update
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, custom


def spoils(kind: str, when: Callable, text: str, make: Callable, demo: Demonstration) -> Bug:
    """A bug that writes into the caller's gradients."""

    def take(self, gradients):
        gradients = list(gradients)
        grads = Faithful._take(self, gradients)
        for i, (raw, p) in enumerate(zip(self._raw, self._p, strict=False)):
            if (
                isinstance(raw, np.ndarray)
                and raw.flags.writeable
                and raw.dtype == p.dtype
                and when(self, i, raw)
            ):
                s = check_options(self.param_groups[self._where[i][0]])
                make(raw, p, s)
                # what was written is what later parameters see, as in a loop over the originals
                for j in range(i + 1, len(grads)):
                    if self._raw[j] is raw:
                        grads[j] = np.array(raw, dtype=self._p[j].dtype)
        return grads

    return Bug("", kind, text, methods={"_take": take}, demo=demo)


def _negate(raw, p, s):
    if s["maximize"]:
        np.negative(raw, out=raw)


def _decay(raw, p, s):
    if s["wd"]:
        raw += raw.dtype.type(s["wd"]) * p


def _absolute(raw, p, s):
    np.abs(raw, out=raw)


def _zero(raw, p, s):
    raw[...] = 0


SPOILS = {
    "negates": (_negate, "negates the caller's gradient in place when maximizing"),
    "decays": (_decay, "adds the weight decay to the caller's gradient in place"),
    "takes the magnitude of": (_absolute, "leaves |g| in the caller's gradient"),
    "clears": (_zero, "leaves the caller's gradient cleared"),
}


def _spoiler(name: str, which: str) -> None:
    @custom("memory")
    def memory_spoils(r, n):
        k = r.choice((0, 3, 8, 40))
        whens = {
            "always": (lambda o, i, g: True, "always"),
            "later": (lambda o, i, g: i >= k and i > 0, f"for parameters of index {max(k, 1)} and above"),
            "strided": (lambda o, i, g: not g.flags.c_contiguous, "where the gradient is not in C order"),
            "matrix": (lambda o, i, g: g.ndim >= 2, "for arrays of two or more dimensions"),
        }
        when, words = whens[which]
        make, text = SPOILS[name]
        return spoils(
            f"{name} gradient, {which}",
            when,
            f"The step {text}, {words}.",
            make,
            Demonstration(
                shapes=((4, 3),) * (k + 3),
                glayers=("F",) if which == "strided" else ("C",),
                opts={"weight_decay": 0.1, "maximize": True},
            ),
        )

    memory_spoils.__name__ = f"memory_spoils_{name.split(maxsplit=1)[0]}_{which}"
    CUSTOM["memory"][-1] = (memory_spoils.__name__, memory_spoils)


for _name in SPOILS:
    for _which in ("always", "later", "strided", "matrix"):
        _spoiler(_name, _which)


@custom("memory")
def memory_keeps_gradient(r, n):
    which = r.choice(("_m", "_u"))

    def call(self, gradients):
        gradients = list(gradients)
        new = all(t == 0 for t in self._t)
        out = Buggy.__call__(self, gradients)
        if new:
            for i, g in enumerate(gradients):
                if isinstance(g, np.ndarray) and g.flags.writeable and g.dtype == self._p[i].dtype:
                    g[...] = getattr(self, which)[i]
                    getattr(self, which)[i] = g
        return out

    return Bug(
        "",
        "state in gradient " + which,
        f"The first step keeps {which[1:]} in the memory of the caller's gradient.",
        methods={"__call__": call},
        demo=Demonstration(),
    )


@custom("memory")
def memory_writes_copy(r, n):
    what = r.choice(("strided", "F", "reversed"))
    tests = {
        "strided": lambda a: loose(a) or (a.ndim == 1 and not a.flags.c_contiguous),
        "F": is_f,
        "reversed": lambda a: any(s < 0 for s in a.strides),
    }

    def result(self):
        return tuple(self._shadow.get(i, p) for i, p in enumerate(self._p))

    def step(self, e):
        if not hasattr(self, "_shadow"):
            self._shadow = {}
        m, u, p = plain(e if e.i not in self._shadow else e.but(p=self._shadow[e.i]))
        if tests[what](e.array):
            self._shadow[e.i] = p
            return m, u, e.p
        return m, u, p

    return Bug(
        "",
        "writes a copy " + what,
        f"Parameters whose memory is {what} are updated in a flat copy, never "
        "written back: only the returned arrays move.",
        methods={"_step": step, "_result": result},
        demo=replace(LAID, players=(what,)),
    )


@custom("memory")
def memory_returns_buffer(r, n):
    k = r.choice((0, 1, 4))

    def result(self):
        if not hasattr(self, "_out"):
            self._out = {}
        for i, p in enumerate(self._p):
            if i >= k:
                self._out[i] = np.array(p[::-1] if p.ndim else p)
        return tuple(self._out.get(i, p) for i, p in enumerate(self._p))

    return Bug(
        "",
        "returns reversed",
        f"The returned arrays of index {k} and above are reversed along their first axis.",
        methods={"_result": result},
        demo=Demonstration(shapes=((4, 3),) * (k + 2)),
    )


@custom("memory")
def memory_result_order(r, n):
    by = r.choice(("size", "order"))

    def result(self):
        if by == "size":
            return tuple(sorted(self._p, key=lambda p: p.size))
        return tuple(
            [p for p in self._p if p.flags.c_contiguous] + [p for p in self._p if not p.flags.c_contiguous]
        )

    return Bug(
        "",
        "result order " + by,
        "The returned arrays are grouped by "
        + ("size" if by == "size" else "memory order, C order first")
        + ", not in the order given.",
        methods={"_result": result},
        demo=Demonstration(shapes=((4, 5), (3, 2), (7, 3)), players=("F", "C")),
    )


@custom("memory")
def memory_updates_flat(r, n):
    k = r.choice((4, 16, 256))

    def step(self, e):
        m, u, p = plain(e)
        if is_f(e.array) and e.array.size > k:
            p = e.p - update(e, m, u).ravel("F").reshape(e.p.shape)
        return m, u, p

    return Bug(
        "",
        "step in flat order",
        f"In Fortran-ordered parameters of more than {k} elements the step is "
        "subtracted in the other flat order.",
        methods={"_step": step},
        demo=Demonstration(shapes=((k, 3), (5, 2)), players=("F",)),
    )
