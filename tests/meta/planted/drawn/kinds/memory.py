"""Bugs of some layouts in memory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.kinds.shape import SINGLE
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful, plain
from adamax_conformance.tests.meta.planted.drawn.registry import context, custom


def is_f(a: np.ndarray) -> bool:
    return a.flags.f_contiguous and not a.flags.c_contiguous


def is_c(a: np.ndarray) -> bool:
    return a.flags.c_contiguous and not a.flags.f_contiguous


def loose(a: np.ndarray) -> bool:
    return not (a.flags.c_contiguous or a.flags.f_contiguous)


LAID = Demonstration(shapes=((6, 5), (4, 3, 3), (12,)))


@context("memory", plus=("g_transposed",))
def memory_other_order(r):
    return (
        "Parameters in C order whose gradient is in Fortran order",
        lambda e: is_c(e.array) and is_f(e.raw),
        replace(LAID, glayers=("F",)),
    )


@context("memory", plus=("g_transposed",))
def memory_fortran_parameter(r):
    return (
        "Parameters in Fortran order whose gradient is in C order",
        lambda e: is_f(e.array) and is_c(e.raw),
        replace(LAID, players=("F",)),
    )


@context("memory", plus=("g_transposed",))
def memory_fortran_both(r):
    return (
        "Parameters in Fortran order with gradients in Fortran order",
        lambda e: is_f(e.array) and is_f(e.raw),
        replace(LAID, players=("F",), glayers=("F",)),
    )


@context("memory", less=SINGLE)
def memory_broadcast(r):
    return (
        "Parameters whose gradient is a broadcast view (a stride of 0)",
        lambda e: (
            e.raw.size > 1 and any(s == 0 and n > 1 for s, n in zip(e.raw.strides, e.raw.shape, strict=False))
        ),
        replace(LAID, glayers=("broadcast",)),
    )


@context("memory")
def memory_reversed(r):
    return (
        "Parameters whose gradient has a negative stride",
        lambda e: any(s < 0 for s in e.raw.strides),
        replace(LAID, glayers=("reversed",)),
    )


@context("memory")
def memory_reversed_parameter(r):
    return (
        "Parameters with a negative stride",
        lambda e: any(s < 0 for s in e.array.strides),
        replace(LAID, players=("reversed",)),
    )


@context("memory")
def memory_strided_parameter(r):
    k = r.choice((8, 64, 1024, 8192))
    return (
        f"Parameters of more than {k} elements that are not contiguous",
        lambda e: (
            (e.array.size > k and loose(e.array))
            or (e.array.ndim == 1 and e.array.size > k and not e.array.flags.c_contiguous)
        ),
        Demonstration(shapes=((2 * k + 3,), (k // 4 + 3, 6)), players=("strided",)),
    )


@context("memory")
def memory_strided_gradient(r):
    k = r.choice((8, 64, 1024, 8192))
    return (
        f"Parameters of more than {k} elements whose gradient is a strided view",
        lambda e: e.raw.size > k and not e.raw.flags.c_contiguous and not e.raw.flags.f_contiguous,
        Demonstration(shapes=((2 * k + 3,), (k // 4 + 3, 6)), glayers=("strided",)),
    )


@context("memory")
def memory_window(r):
    return (
        "Parameters that are a window of a larger matrix",
        lambda e: e.array.ndim >= 2 and loose(e.array),
        replace(LAID, players=("window",)),
    )


@context("memory")
def memory_unaligned(r):
    which = r.choice(("parameter", "gradient"))
    if which == "parameter":
        return (
            "Parameters at an unaligned address",
            lambda e: not e.array.flags.aligned,
            replace(LAID, players=("unaligned",)),
        )
    return (
        "Parameters whose gradient is at an unaligned address",
        lambda e: not e.raw.flags.aligned,
        replace(LAID, glayers=("unaligned",)),
    )


@context("memory")
def memory_readonly(r):
    return (
        "Parameters whose gradient is read-only",
        lambda e: not e.raw.flags.writeable,
        replace(LAID, glayers=("readonly",)),
    )


@context("memory", less=("g_late",))
def memory_twice(r):
    return (
        "Parameters whose gradient is the same array as that of the parameter before",
        lambda e: e.i > 0 and e.raw is e.opt._raw[e.i - 1],
        Demonstration(shapes=((5,), (5,), (3,)), make_g=lambda w, g: [g[0], g[0], g[2]]),
    )


@context("memory")
def memory_is_parameter(r):
    return (
        "Parameters whose gradient is another parameter's memory",
        lambda e: any(
            p is not e.array and p.shape == e.raw.shape and np.may_share_memory(e.raw, p) for p in e.opt._p
        ),
        Demonstration(shapes=((5,), (5,), (3,)), make_g=lambda w, g: [w.params[1], w.params[0], g[2]]),
    )


@context("memory", less=("eps_outside", "u_undecayed", "u_lost", "u_twice"))
def memory_is_itself(r):
    return (
        "Parameters whose gradient is the parameter itself",
        lambda e: np.may_share_memory(e.raw, e.array),
        Demonstration(shapes=((5,), (5,)), make_g=lambda w, g: [w.params[0], g[1]]),
    )


@context("memory", less=("g_abs",))
def memory_is_state(r):
    return (
        "Parameters whose gradient is memory of an optimizer's state",
        lambda e: any(np.may_share_memory(e.raw, s) for s in (*e.opt._m, *e.opt._u)),
        Demonstration(
            shapes=((5,), (5,)), steps=6, make_g=lambda w, g: [w.opt.exp_inf[0], g[1]] if w.t > 1 else g
        ),
    )


def late_reading(only: str) -> Callable:
    """A loop that reads a gradient only after earlier parameters were updated."""

    def take(self, gradients):
        grads = Faithful._take(self, gradients)
        self._late = True
        return grads

    def step(self, e):
        hit = e.i > 0 if only == "later" else e.raw.ndim == int(only)
        if hit:
            e.g = np.array(e.raw, dtype=e.p.dtype)
        return plain(e)

    return {"_take": take, "_step": step}


@custom("memory")
def memory_late(r, n):
    only = r.choice(("later", "1", "2"))
    text = "after the first" if only == "later" else f"of {only} dimension(s)"
    shape = (3, 4) if only == "2" else (5,)
    return Bug(
        "",
        "read late",
        f"Gradients of parameters {text} are read only at their turn, so that one in a "
        "parameter's memory is read after that parameter has moved.",
        methods=late_reading(only),
        demo=Demonstration(
            shapes=(shape, shape, shape), make_g=lambda w, g: [g[0], w.params[0], w.params[1]]
        ),
    )
