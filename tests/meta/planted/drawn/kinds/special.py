"""Bugs of zeros, infinities, NaN and extreme numbers in some contexts only."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import Env, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM


def number(value: str, dtype: np.dtype) -> float:
    """A special value in a dtype."""
    limits = np.finfo(dtype)
    return {
        "NaN": np.nan,
        "infinite": np.inf,
        "negative infinite": -np.inf,
        "zero": 0.0,
        "negative zero": -0.0,
        "subnormal": float(limits.tiny) / 64,
        "huge": float(limits.max) / 4,
    }[value]


def found(value: str, a: np.ndarray) -> np.ndarray:
    """A mask of the elements that hold a special value."""
    limits = np.finfo(a.dtype)
    size = np.abs(a)
    return {
        "NaN": lambda: np.isnan(a),
        "infinite": lambda: a == np.inf,
        "negative infinite": lambda: a == -np.inf,
        "zero": lambda: a == 0,
        "negative zero": lambda: (a == 0) & np.signbit(a),
        "subnormal": lambda: (size > 0) & (size < limits.tiny),
        "huge": lambda: np.isfinite(a) & (size > limits.max / 8),
    }[value]()


Place = tuple[str, Callable, dict]


def contexts(r: random.Random) -> dict[str, Place]:
    """Contexts of a special value: a phrase, a test, and a demonstration's needs."""
    k, s, n = r.choice((1, 2, 5, 9, 40)), r.choice((1, 2, 3, 5)), r.choice((4, 16, 64, 1000))
    return {
        "anywhere": ("", lambda e: True, {}),
        "later parameter": (
            f" in parameters of index {k} and above",
            lambda e: e.i >= k,
            {"shapes": ((4,),) * (k + 2)},
        ),
        "later step": (f" after step {s}", lambda e: e.t > s, {"steps": s + 3}),
        "decay": (" with weight decay", lambda e: e.wd > 0, {"opts": {"weight_decay": 0.1, "eps": 0.02}}),
        "maximize": (" when maximizing", lambda e: e.maximize, {"opts": {"maximize": True}}),
        "matrix": (" in matrices", lambda e: e.p.ndim == 2, {}),
        "deep": (
            " in arrays of three or more dimensions",
            lambda e: e.p.ndim >= 3,
            {"shapes": ((2, 3, 2), (4,))},
        ),
        "scalar": (" in parameters of 0 dimensions", lambda e: e.p.ndim == 0, {"shapes": ((), (3,), ())}),
        "long": (
            f" in arrays of more than {n} elements",
            lambda e: e.p.size > n,
            {"shapes": ((n + 3,), (3,))},
        ),
        "group": (
            f" in groups of index {min(k, 5)} and above",
            lambda e: e.gi >= min(k, 5),
            {"shapes": ((4,),) * 7, "groups": (1,) * 7, "container": "dicts"},
        ),
        "lr set": (" once lr was set", lambda e: e.lr != e.first["lr"], {"lr_every": True, "steps": 6}),
        "many": (" where more than one element has it", None, {}),
        "eps zero": (" with eps of zero", lambda e: e.eps == 0, {"opts": {"eps": 0.0}}),
    }


def planted(value: str, source: str, more: dict) -> Demonstration:
    """A demonstration with the special value twice in gradients, theta or state."""

    def put(a):
        a = np.array(a)
        if a.size:
            a.flat[-1] = number(value, a.dtype)
            if a.size > 2:
                a.flat[1] = number(value, a.dtype)
        return a

    demo = Demonstration(
        shapes=more.get("shapes", ((5,), (3, 4))),
        steps=more.get("steps", 4),
        groups=more.get("groups"),
        container=more.get("container", "list"),
        lr_every=more.get("lr_every", False),
        opts={"lr": 0.05, **more.get("opts", {})},
    )
    at = 0 if "steps" not in more or value == "subnormal" else demo.steps - 3
    if value == "zero":  # some state must be there before
        at = max(at, 1)
    if source == "gradient":
        return replace(demo, alter_g=lambda t, i, g: put(g) if t >= at else g)
    if source == "theta":
        return replace(demo, alter_p=lambda i, a: put(a))
    key = {"m": "exp_avg", "u": "exp_inf"}[source]

    def load(w):
        state = w.opt.state_dict()
        for s in state["state"].values():
            s[key] = put(s[key])
        w.opt.load_state_dict(state)

    return replace(demo, before={max(1, at): load}, steps=demo.steps + 2)


def hits(e: Env, value: str, source: str) -> np.ndarray:
    return found(value, {"gradient": e.g, "theta": e.p, "m": e.m, "u": e.u}[source])


def with_input(e: Env, source: str, new: Callable, where: np.ndarray) -> tuple:
    key = {"gradient": "g", "theta": "p", "m": "m", "u": "u"}[source]
    old = getattr(e, key)
    return plain(e.but(**{key: np.where(where, new(old), old).astype(old.dtype)}))


# (name, text, (e, where, source) -> m, u, theta)
REACTIONS: dict[str, tuple[str, Callable]] = {
    "as zero": (
        "counts as zero",
        lambda e, w, s: with_input(e, s, lambda a: a * 0 if False else np.zeros_like(a), w),
    ),
    "as one": ("counts as one", lambda e, w, s: with_input(e, s, np.ones_like, w)),
    "as largest": (
        "counts as the largest finite number, with its sign",
        lambda e, w, s: with_input(e, s, lambda a: np.copysign(np.finfo(a.dtype).max, a), w),
    ),
    "skipped": (
        "leaves its element out of the step",
        lambda e, w, s: tuple(np.where(w, a, b) for a, b in zip((e.m, e.u, e.p), plain(e), strict=False)),
    ),
    "parameter skipped": ("leaves its whole parameter out of the step", lambda e, w, s: (e.m, e.u, e.p)),
    "m kept": ("leaves m as it was", lambda e, w, s: (np.where(w, e.m, plain(e)[0]), *plain(e)[1:])),
    "u kept": (
        "leaves u as it was",
        lambda e, w, s: (plain(e)[0], np.where(w, e.u, plain(e)[1]), plain(e)[2]),
    ),
    "theta kept": ("leaves theta as it was", lambda e, w, s: (*plain(e)[:2], np.where(w, e.p, plain(e)[2]))),
    "m cleared": ("clears m", lambda e, w, s: (np.where(w, 0, plain(e)[0]), *plain(e)[1:])),
    "u cleared": ("clears u", lambda e, w, s: (plain(e)[0], np.where(w, 0, plain(e)[1]), plain(e)[2])),
    "state reset": (
        "resets m and u of its whole parameter",
        lambda e, w, s: plain(
            e.but(m=e.m * 0 if np.all(np.isfinite(e.m)) else np.zeros_like(e.m), u=np.zeros_like(e.u))
        ),
    ),
    "spreads": (
        "spreads as NaN over its whole parameter",
        lambda e, w, s: tuple(np.full_like(a, np.nan) for a in plain(e)),
    ),
    "to NaN": (
        "turns m and theta into NaN",
        lambda e, w, s: (np.where(w, np.nan, plain(e)[0]), plain(e)[1], np.where(w, np.nan, plain(e)[2])),
    ),
    "theta zero": ("sets theta to zero", lambda e, w, s: (*plain(e)[:2], np.where(w, 0, plain(e)[2]))),
    "u ignores": (
        "is ignored by the maximum, which takes the other branch or eps",
        lambda e, w, s: (
            plain(e)[0],
            np.where(w, np.fmax(e.p.dtype.type(e.b2) * e.u, e.p.dtype.type(e.eps)), plain(e)[1]),
            plain(e)[2],
        ),
    ),
    "undecayed": (
        "keeps u from decaying",
        lambda e, w, s: tuple(
            np.where(w, a, b) for a, b in zip(plain(e.but(b2=1.0)), plain(e), strict=False)
        ),
    ),
    "halved": ("counts for half", lambda e, w, s: with_input(e, s, lambda a: a / 2, w)),
    "magnitude overflows": (
        "has its magnitude overflow in the maximum",
        lambda e, w, s: (plain(e)[0], np.where(w, np.inf, plain(e)[1]), np.where(w, e.p, plain(e)[2])),
    ),
    "sign lost": ("loses its sign", lambda e, w, s: with_input(e, s, np.abs, w)),
    "parameter zero gradient": (
        "makes its parameter's whole gradient zero",
        lambda e, w, s: plain(e.but(g=np.zeros_like(e.g))),
    ),
}

SUITED = {
    "NaN": (
        "as zero",
        "as one",
        "skipped",
        "parameter skipped",
        "m kept",
        "u kept",
        "theta kept",
        "m cleared",
        "u cleared",
        "state reset",
        "spreads",
        "theta zero",
        "u ignores",
        "parameter zero gradient",
    ),
    "infinite": (
        "as zero",
        "as largest",
        "skipped",
        "parameter skipped",
        "m cleared",
        "u kept",
        "u ignores",
        "spreads",
        "theta zero",
        "m kept",
        "parameter zero gradient",
    ),
    "negative infinite": (
        "as zero",
        "as largest",
        "skipped",
        "m cleared",
        "sign lost",
        "u ignores",
        "theta zero",
    ),
    "zero": (
        "skipped",
        "m kept",
        "u kept",
        "m cleared",
        "u cleared",
        "as one",
        "to NaN",
        "undecayed",
        "parameter skipped",
        "theta kept",
        "spreads",
    ),
    "subnormal": ("as zero", "skipped", "halved", "u kept", "parameter zero gradient", "m cleared", "to NaN"),
    "huge": (
        "as zero",
        "skipped",
        "halved",
        "magnitude overflows",
        "to NaN",
        "m cleared",
        "u kept",
        "parameter skipped",
    ),
}


def _special(value: str, source: str, context: str, reaction: str) -> None:
    def f(r, n):
        phrase, test, more = contexts(r)[context]
        text, react = REACTIONS[reaction]
        life_value, opts = value, {}
        if value == "subnormal":
            opts = {"eps": 0.0}

        def step(self, e):
            if test is not None and not test(e):
                return plain(e)
            where = hits(e, value, source)
            if not where.any() or (test is None and where.sum() < 2):
                return plain(e)
            return tuple(np.asarray(a).astype(e.p.dtype) for a in react(e, where, source))

        demo = planted(life_value, source, more)
        subject = {"gradient": "gradient", "theta": "theta", "m": "m of the state", "u": "u of the state"}[
            source
        ]
        return Bug(
            "",
            f"{reaction}",
            f"{'An' if value[0] == 'i' else 'A'} {value} {subject}{phrase} {text}.",
            methods={"_step": step},
            demo=replace(demo, opts={**demo.opts, **opts}),
        )

    CUSTOM["special"].append((f"special {value} {source} {context} {reaction}", f))


UNSEEN = {
    ("NaN", "m", "m kept"),
    ("infinite", "m", "m kept"),
    ("NaN", "u", "u kept"),
    ("infinite", "u", "u kept"),
    ("infinite", "u", "u ignores"),
    ("NaN", "theta", "theta kept"),
    ("infinite", "theta", "theta kept"),
    ("zero", "eps zero"),
    ("subnormal", "gradient", "u kept"),
    ("subnormal", "decay"),
    ("huge", "u", "u ignores"),
}
_mix = random.Random("special")
for _value, _suited in SUITED.items():
    for _source in ("gradient", "theta", "m", "u"):
        if _source in ("m", "u") and _value not in ("NaN", "infinite", "huge"):
            continue
        if _source == "theta" and _value not in ("NaN", "infinite", "negative infinite"):
            continue
        for _place in contexts(random.Random(0)):
            for _reaction in _mix.sample(_suited, 3 if _source == "gradient" else 2):
                if (_value, _source, _reaction) not in UNSEEN and (_value, _place) not in UNSEEN:
                    _special(_value, _source, _place, _reaction)
