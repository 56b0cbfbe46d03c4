"""Bugs of some parameters or groups only, by their number."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import check_options, plain
from adamax_conformance.tests.meta.planted.drawn.registry import context, custom


@context("number")
def number_past(r):
    k = r.choice((8, 16, 31, 63, 100, 109, 127, 255))
    return (
        f"Parameters of index {k} and above",
        lambda e: e.i >= k,
        Demonstration(shapes=((4,),) * (k + 2), steps=4),
    )


@context(
    "number",
    effects=("skip_all", "g_zero", "sign", "m_lost", "u_lost", "wd_off", "g_late", "lr_late", "u_off"),
)
def number_far(r):
    k = r.choice((319, 511, 999, 1023))
    return (
        f"Parameters of index {k} and above",
        lambda e: e.i >= k,
        Demonstration(shapes=((3,),) * (k + 2), steps=4),
    )


@context("number")
def number_exact(r):
    k = r.choice((7, 8, 15, 32, 64, 110, 128, 256))
    return (
        f"Elements of the parameter of index {k}",
        lambda e: e.i == k,
        Demonstration(shapes=((4,),) * (k + 2), steps=4),
    )


@context("number")
def number_last(r):
    k = r.choice((9, 33, 101, 129))
    return (
        f"The last of {k} or more parameters",
        lambda e: e.n >= k and e.i == e.n - 1,
        Demonstration(shapes=((4,),) * (k + 1), steps=4),
    )


@context("number")
def number_multiple(r):
    k = r.choice((16, 24, 48, 110))
    return (
        f"Parameters of index {k}, {2 * k}, {3 * k} and so on",
        lambda e: e.i > 0 and e.i % k == 0,
        Demonstration(shapes=((4,),) * (2 * k + 2), steps=4),
    )


@context("number")
def number_total(r):
    k = r.choice((8, 16, 32, 64))
    return (
        f"The first {k} parameters, where their number is a multiple of {k} above it,",
        lambda e: e.n > k and e.n % k == 0 and e.i < k,
        Demonstration(shapes=((4,),) * (2 * k), steps=4),
    )


@context("number")
def number_group(r):
    k = r.choice((2, 3, 4, 8, 16, 31, 39))
    return (
        f"Parameters of groups of index {k} and above",
        lambda e: e.gi >= k,
        Demonstration(shapes=((4,),) * (k + 2), groups=(1,) * (k + 2), container="dicts", steps=4),
    )


@context("number")
def number_in_group(r):
    k = r.choice((1, 2, 7, 15, 40))
    return (
        f"Parameters of index {k} and above within a group other than the first",
        lambda e: e.gi > 0 and e.k >= k,
        Demonstration(shapes=((4,),) * (k + 4), groups=(2, k + 2), container="dicts"),
    )


@context("number")
def number_last_group(r):
    k = r.choice((3, 5, 9, 17))
    return (
        f"Parameters of the last of {k} or more groups",
        lambda e: len(e.opt.param_groups) >= k and e.gi == len(e.opt.param_groups) - 1,
        Demonstration(shapes=((4,),) * k, groups=(1,) * k, container="dicts"),
    )


@custom("number")
def number_group_lr_modulo(r, n):
    k = r.choice((2, 3, 4, 8, 16))
    which = r.choice(("lr", "wd", "eps", "b1", "b2"))

    def wrong(e):
        return plain(e.but(**{which: check_options(e.opt.param_groups[e.gi % k])[which]}))

    opts = tuple(
        {
            "lr": 0.01 * (j + 1),
            "weight_decay": 0.05 * j,
            "eps": 0.01 * (j + 1),
            "betas": (0.9 - 0.02 * j, 0.999 - 0.02 * j),
        }
        for j in range(k + 2)
    )
    return Bug(
        "group modulo",
        which,
        f"Groups of index {k} and above use {which} of the group {k} before (index modulo {k}).",
        lambda e: e.gi >= k,
        wrong,
        demo=Demonstration(
            shapes=((4,),) * (k + 2), groups=(1,) * (k + 2), group_opts=opts, container="dicts"
        ),
    )


@custom("number")
def number_gradient_modulo(r, n):
    k = r.choice((8, 16, 64, 256))

    def wrong(e):
        other = e.opt._raw[e.i % k]
        return plain(e.but(g=np.array(other, dtype=e.p.dtype))) if other.shape == e.p.shape else plain(e)

    return Bug(
        "index modulo",
        "gradient",
        f"Parameters past the {k}th read the gradient at their index modulo {k}, where the shapes agree.",
        lambda e: e.i >= k,
        wrong,
        demo=Demonstration(shapes=((4,),) * (k + 3)),
    )


@custom("number")
def number_state_wraps(r, n):
    k = r.choice((32, 64, 100, 256))
    which = r.choice(("_m", "_u"))

    def born(self):
        Buggy._born(self)
        state = getattr(self, which)
        for i in range(k, len(state)):
            if state[i - k].shape == state[i].shape and state[i - k].dtype == state[i].dtype:
                state[i] = state[i - k]

    return Bug(
        "index modulo",
        "state " + which,
        f"Parameters past the {k}th share {which[1:]} with the one {k} before, where the shapes agree.",
        methods={"_born": born},
        demo=Demonstration(shapes=((4,),) * (k + 3)),
    )
