"""Bugs of a few bits of m and u that are hidden."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.effects import chop, off
from adamax_conformance.tests.meta.planted.drawn.kinds.option import sets
from adamax_conformance.tests.meta.planted.drawn.kinds.precision import binade
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful, effective, moments, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, flat


def hidden_mask(r: random.Random) -> dict[str, tuple[str, Callable, Demonstration]]:
    """Contexts of a loss of bits, each with a long demonstration from theta of zero."""
    k, s, b = r.choice((1, 2, 5, 8)), r.choice((5, 20, 50)), r.randint(-2, 0)
    base = Demonstration(
        shapes=((40,), (6, 7)),
        steps=140,
        opts={"lr": 0.01, "betas": (0.95, 0.999)},
        alter_p=lambda i, a: a * 0,
        alter_g=lambda t, i, g: np.abs(g) * g.dtype.type(1.0 if t == 0 else 0.2) + g.dtype.type(0.01),
    )

    def decays(e):
        t = e.p.dtype.type
        return t(e.b2) * e.u > np.abs(effective(e)) + t(e.eps)

    return {
        "all": ("everywhere", lambda e: True, base),
        "late": (f"from step {s} on", lambda e: e.t >= s, base),
        "parameter": (
            f"in parameters of index {k} and above",
            lambda e: e.i >= k,
            replace(base, shapes=((9,),) * (k + 2)),
        ),
        "matrix": ("in matrices", lambda e: e.p.ndim == 2, base),
        "vector": ("in vectors", lambda e: e.p.ndim == 1, base),
        "tail": (
            "past the last multiple of 8",
            lambda e: e.p.size % 8 != 0 and flat(e.p.shape, slice(e.p.size - e.p.size % 8, None)),
            replace(base, shapes=((43,), (5, 7))),
        ),
        "lr set": (
            "once lr was set",
            lambda e: e.lr != e.first["lr"],
            replace(base, before={2: sets(lr=0.013)}),
        ),
        "decay": ("with weight decay", lambda e: e.wd > 0, base.with_opts(weight_decay=0.02)),
        "maximize": ("when maximizing", lambda e: e.maximize, base.with_opts(maximize=True)),
        "decaying": ("where u decays", decays, base),
        "binade": (
            f"where u lies in [2^{b}, 2^{b + 1})",
            lambda e: binade(moments(e)[1], b),
            replace(base, shapes=((400,), (6, 7))),
        ),
        "group": (
            "in groups other than the first",
            lambda e: e.gi > 0,
            replace(base, groups=(1, 1), container="dicts"),
        ),
        "long": (
            "in arrays of more than 256 elements",
            lambda e: e.p.size > 256,
            replace(base, shapes=((300,), (4,))),
        ),
        "odd": ("at odd places", lambda e: e.p.size > 1 and flat(e.p.shape, slice(1, None, 2)), base),
        "positive": ("where m is positive", lambda e: moments(e)[0] > 0, base),
    }


LOSSES: dict[str, tuple[str, Callable]] = {
    "m truncated": ("m is stored with {b} bits fewer, truncated", lambda m, u, b: (chop(m, b, np.trunc), u)),
    "u truncated": ("u is stored with {b} bits fewer, truncated", lambda m, u, b: (m, chop(u, b, np.trunc))),
    "u up": ("u is stored with {b} bits fewer, rounded up", lambda m, u, b: (m, chop(u, b, np.ceil))),
    "m up": (
        "m is stored with {b} bits fewer, rounded away from zero",
        lambda m, u, b: (np.copysign(chop(np.abs(m), b, np.ceil), m), u),
    ),
    "both truncated": (
        "m and u are stored with {b} bits fewer, truncated",
        lambda m, u, b: (chop(m, b, np.trunc), chop(u, b, np.trunc)),
    ),
    "m rounded": ("m is stored with {b} + 3 bits fewer, rounded", lambda m, u, b: (chop(m, b + 3), u)),
    "u rounded": ("u is stored with {b} + 3 bits fewer, rounded", lambda m, u, b: (m, chop(u, b + 3))),
    "u off": ("u is stored off by 2^{b} units in the last place", lambda m, u, b: (m, off(u, 1 << b))),
    "m off": ("m is stored off by 2^{b} units in the last place", lambda m, u, b: (off(m, 1 << b), u)),
}


def _hider(where: str, loss: str) -> None:
    def f(r, n):
        b = r.choice((2, 3, 4, 5))
        phrase, applies, demo = hidden_mask(r)[where]
        text, lose = LOSSES[loss]

        def wrong(e):
            m, u, p = plain(e)
            return (*lose(m, u, b), p)

        methods: dict = {}
        if n % 2:

            def save(self):
                return {"blob": pickle.dumps(Faithful.state_dict(self))}

            def load(self, state):
                Faithful.load_state_dict(self, pickle.loads(state["blob"]))

            methods = {"state_dict": save, "load_state_dict": load}
        else:
            methods = {"state_dict": ABSENT, "load_state_dict": ABSENT}
        return Bug(
            "",
            f"{loss} {where}",
            f"State is not shown; {text.format(b=b)}, {phrase}.",
            applies,
            wrong,
            methods=methods,
            demo=demo,
            shown=False,
        )

    CUSTOM["hidden"].append((f"hidden {loss} {where}", f))


def _absent(self: Any) -> Any:
    raise AttributeError("state is not shown")


ABSENT = property(_absent)
for _where in hidden_mask(random.Random(0)):
    for _loss in LOSSES:
        _hider(_where, _loss)
