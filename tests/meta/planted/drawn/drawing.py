"""Wrong Adamax optimizers, drawn from kinds, contexts and effects by a seed.

`draw_bug(seed, kind)` returns a class that goes wrong in one context only. Without a kind, seed s means number
s // 13 of kind KINDS[s % 13]. A class is importable by its name, `Bug_<kind>_<number>`, so that classes and
instances can be pickled.
"""

from __future__ import annotations

import functools
import random
from dataclasses import replace

from adamax_conformance.tests.meta.planted.drawn import kinds
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy
from adamax_conformance.tests.meta.planted.drawn.effects import EFFECTS
from adamax_conformance.tests.meta.planted.drawn.registry import CONTEXTS, CUSTOM, KINDS

assert kinds.MODULES  # importing them is what fills the registry


@functools.cache
def recipes(kind: str) -> tuple:
    """Every context with an effect, and every bug written out, of a kind, mixed."""
    mix = random.Random(f"order:{kind}")
    columns = []
    for name, f, effects in CONTEXTS[kind]:
        pairs = [(name, f, x) for x in effects]
        mix.shuffle(pairs)
        columns.append(pairs)
    singles = [(name, f, None) for name, f in CUSTOM[kind]]
    mix.shuffle(singles)
    mix.shuffle(columns)
    order: list = []
    while any(columns) or singles:
        order += [column.pop() for column in columns if column]
        share = max(1, len(columns) // 2) if any(columns) else len(singles)
        order += [singles.pop() for _ in range(min(share, len(singles)))]
    return tuple(order)


def _make(kind: str, number: int) -> Bug:
    name, f, x = recipes(kind)[number % len(recipes(kind))]
    r = random.Random(f"{kind}:{number}")
    if x is None:
        bug = f(r, number)
        return replace(bug, context=name)
    phrase, applies, demo = f(r)
    wrong, text, needs = EFFECTS[x]
    demo = demo.with_opts(
        lr=0.05, weight_decay=0.1, eps=0.02, maximize=needs.get("maximize", number % 5 == 4)
    )
    return Bug(name, x, f"{phrase} {text}.", applies, wrong, demo=demo, shown=kind != "hidden")


@functools.cache
def _class(kind: str, number: int) -> type:
    bug = _make(kind, number)
    name = f"Bug_{kind}_{number}"
    body = {
        **bug.methods,
        "kind": kind,
        "number": number,
        "bug": bug,
        "name": name,
        "sentence": bug.sentence,
        "key": (kind, bug.context, bug.effect),
        "__module__": __name__,
        "__qualname__": name,
        "__doc__": bug.sentence,
    }
    return type(name, (Buggy,), body)


def draw_bug(seed: int, kind: str | None = None) -> type:
    """The class of a bug of a kind, or of the kind that the seed selects."""
    if seed < 0:
        raise ValueError(f"seed must be at least 0, not {seed}")
    if kind is None:
        seed, kind = seed // len(KINDS), KINDS[seed % len(KINDS)]
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return _class(kind, seed)


def __getattr__(name: str) -> type:
    """Classes by name, so that pickle and import find them."""
    part = name.split("_")
    if len(part) == 3 and part[0] == "Bug" and part[1] in KINDS and part[2].isdigit():
        return _class(part[1], int(part[2]))
    raise AttributeError(name)
