"""Bugs of some counts of steps only."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.effects import effect
from adamax_conformance.tests.meta.planted.drawn.kinds.inputs_accepted import offers
from adamax_conformance.tests.meta.planted.drawn.optimizer import plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, context, custom


def set_count(w, t: int) -> None:
    """Load a checkpoint whose count is t."""
    state = w.opt.state_dict()
    for s in state["state"].values():
        s["step"] = t
    w.opt.load_state_dict(state)


def jump(t: int, at: int = 2) -> dict:
    return {at: lambda w: set_count(w, t)}


@effect("use the count modulo a power of two")
def t_wrapped(e):
    return plain(e.but(t=e.t % (1 << (e.t.bit_length() - 1)) + 1))


@effect("start their count again")
def t_restarted(e):
    return plain(e.but(t=max(e.t - (1 << (e.t.bit_length() - 1)), 0) + 1))


@effect("use the low byte of the count")
def t_bytes(e):
    return plain(e.but(t=(e.t & 255) or 1))


COUNTED = (
    "skip_all",
    "skip_theta",
    "m_lost",
    "u_lost",
    "u_undecayed",
    "wd_off",
    "sign",
    "lr_late",
    "lr_first",
    "eps_off",
    "g_zero",
    "g_late",
    "m_unsaved",
    "u_unsaved",
    "betas_swapped",
    "u_off",
    "m_coarse",
    "u_twice",
    "wd_decoupled",
    "nesterov",
    "u_sum",
    "p_coarse",
    "m_late",
    "step_twice",
)
LONG = Demonstration(shapes=((5,), (3, 2)), steps=8, opts={"betas": (0.9, 0.99)}, lr_every=True)


def across(k: int, r: random.Random) -> Demonstration:
    """Steps across a count of k: all taken if few, else from a loaded checkpoint."""
    if k <= 256 and r.random() < 0.5:
        return replace(LONG, steps=k + 4)
    return replace(LONG, before=jump(k - 2))


@context("counter", COUNTED, plus=("t_wrapped", "t_restarted", "t_bytes"))
def counter_past(r):
    b = r.choice((8, 12, 15, 16, 24))
    return f"Steps past 2^{b}", lambda e: e.t > 1 << b, across(1 << b, r)


@context("counter", COUNTED, plus=("t_wrapped", "t_restarted", "t_bytes"))
def counter_at(r):
    b = r.choice((8, 10, 12, 15, 16, 24))
    return f"Steps of count exactly 2^{b}", lambda e: e.t == 1 << b, across(1 << b, r)


@context("counter", COUNTED)
def counter_multiple(r):
    k = r.choice((64, 100, 256, 1000, 4096))
    return f"Steps whose count is a multiple of {k}", lambda e: e.t % k == 0, across(k, r)


@context("counter", COUNTED, plus=("t_late",))
def counter_decimal(r):
    k = r.choice((100, 1000, 5000, 10000, 100000))
    return f"Steps past {k}", lambda e: e.t > k, across(k, r)


@context("counter", COUNTED)
def counter_low_bits(r):
    b = r.choice((8, 12))
    return (
        f"Steps past 2^{b} whose count ends in {b // 2} zero bits",
        lambda e: e.t >= 1 << b and e.t % (1 << b // 2) == 0,
        across(1 << b, r),
    )


@context("counter", COUNTED)
def counter_after_load(r):
    k = r.choice((1, 3, 20))

    def applies(e):
        return e.t - e.calls > k

    return (
        f"Steps of an optimizer whose count is more than {k} ahead of the steps it took itself",
        applies,
        replace(LONG, before=jump(1000)),
    )


@context("counter", COUNTED)
def counter_matrix_past(r):
    b = r.choice((8, 12, 16))
    return (f"Matrices at steps past 2^{b}", lambda e: e.p.ndim == 2 and e.t > 1 << b, across(1 << b, r))


@context("counter", COUNTED)
def counter_uneven(r):
    return (
        "Parameters whose count differs from the first one's",
        lambda e: e.t != e.opt._t[0],
        replace(LONG, before={2: add_late}),
    )


def add_late(w) -> None:
    """Add a group after some steps."""
    p = np.array(w.params[0]) + w.params[0].dtype.type(1)
    w.params.append(p)
    w.opt.add_param_group({"params": [p], "lr": 0.1})


def limited(name: str, text: str, count: Callable, bits: tuple, beta: float = 0.0) -> None:
    def f(r, n):
        b = r.choice(bits)

        def step(self, e):
            e.t = count(e.t, b)
            return plain(e)

        b1 = beta or 1.0 - 2.0**-b
        return Bug(
            "",
            name,
            text.format(b=b),
            methods={"_step": step},
            demo=replace(
                LONG,
                before=jump((1 << b) - 2 if name != "float count" else (1 << b) * 3),
                steps=12,
                opts={"betas": (b1, 0.99), "lr": 0.05},
            ),
        )

    CUSTOM["counter"].append(("counter_" + name.replace(" ", "_"), f))


limited(
    "sticks",
    "The count of the bias correction stops at 2^{b}.",
    lambda t, b: min(t, (1 << b) - 1),
    (4, 8, 10, 12),
)
limited(
    "wraps",
    "The count is kept in {b} bits and wraps to zero, taken as 1.",
    lambda t, b: max(t & ((1 << b) - 1), 1),
    (8, 12, 15, 16, 24),
)
limited(
    "wraps signed",
    "The count is a signed integer of {b} + 1 bits; when negative, its magnitude counts.",
    lambda t, b: abs((t + (1 << b)) % (2 << b) - (1 << b)) or 1,
    (7, 15),
)
limited(
    "runs ahead",
    "The count advances by 41 a step past 2^{b}.",
    lambda t, b: t + max(0, t - (1 << b)) * 40,
    (8, 10),
)


@custom("counter")
def counter_power_running(r, n):
    def step(self, e):
        key = f"power{e.i}"
        e.flags[key] = e.flags.get(key, 1.0) * e.b1
        bias = 1.0 - e.flags[key]
        return plain(e.but(lr=e.lr * (1.0 - e.b1**e.t) / bias))

    return Bug(
        "",
        "running power",
        "beta1^t is a running product that is not restored with the count of a checkpoint.",
        methods={"_step": step},
        demo=replace(LONG, before=jump(400)),
    )


def counted(name: str, text: str, new: Callable, demo: Demonstration) -> None:
    def f(r, n):
        def step(self, e):
            return plain(new(self, e))

        return Bug("", name, text, methods={"_step": step}, demo=demo)

    CUSTOM["counter"].append(("counter_" + name.replace(" ", "_"), f))


counted(
    "first of all",
    "Every parameter uses the first parameter's count, also those of a group added late.",
    lambda o, e: e.but(t=o._t[0]),
    replace(LONG, before={2: add_late}),
)
counted(
    "per parameter",
    "One count for all is advanced at every parameter.",
    lambda o, e: e.but(t=(e.t - 1) * e.n + e.i + 1),
    LONG,
)
counted(
    "calls",
    "The count is that of the steps this object took, not the checkpoint's.",
    lambda o, e: e.but(t=o._calls + 1),
    replace(LONG, before=jump(300)),
)
counted(
    "group index",
    "The count of group k starts at k.",
    lambda o, e: e.but(t=e.t + e.gi),
    replace(LONG, groups=(1, 1), container="dicts"),
)
counted(
    "largest",
    "Every parameter uses the largest count, also those of a group added late.",
    lambda o, e: e.but(t=max(o._t)),
    replace(LONG, before={2: add_late}),
)


def refused(name: str, text: str, demo: Demonstration, when: Callable) -> None:
    def f(r, n):
        def call(self, gradients):
            gradients = list(gradients)
            try:
                return Buggy.__call__(self, gradients)
            except ValueError:
                if when(self, gradients):
                    self._t = [t + 1 for t in self._t]
                raise

        return Bug("", name, text, methods={"__call__": call}, demo=demo)

    CUSTOM["counter"].append(("counter_" + name.replace(" ", "_"), f))


refused(
    "counts refused",
    "A refused step is counted.",
    replace(LONG, script=offers(lambda g: g[:-1])),
    lambda o, g: True,
)
refused(
    "counts refused shape",
    "A step refused for a gradient's shape is counted.",
    replace(LONG, script=offers(lambda g: [g[0], g[1].T])),
    lambda o, g: len(g) == len(o._p),
)
refused(
    "counts refused last",
    "A step refused for the last gradient is counted.",
    replace(LONG, shapes=((3,), (4,), (2, 3)), script=offers(lambda g: [g[0], g[1], g[2].T])),
    lambda o, g: all(np.shape(a) == p.shape for a, p in zip(g[:-1], o._p, strict=False)),
)
