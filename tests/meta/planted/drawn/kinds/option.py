"""Bugs of options that are set between steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.effects import effect
from adamax_conformance.tests.meta.planted.drawn.kinds.counter import add_late
from adamax_conformance.tests.meta.planted.drawn.optimizer import Env, check_options, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, context, custom


def sets(**kw: Any) -> Callable:
    return lambda w: [g.update(kw) for g in w.opt.param_groups]


def moved(*values: Any, first: float = 0.05, which: str = "lr", at: int = 2) -> Demonstration:
    """A demonstration whose option is set to the values from step `at` on."""
    events = {
        at + k: (lambda w, v=v: [g.update({which: copy.copy(v)}) for g in w.opt.param_groups])
        for k, v in enumerate(values)
    }
    return Demonstration(
        steps=at + len(values) + 2, before=events, opts={which: first}, lr_every=which != "lr"
    )


def raw_of(e: Env, which: str = "lr") -> Any:
    return e.opt.param_groups[e.gi][which]


MOVED = (
    "lr_first",
    "lr_late",
    "m_lost",
    "u_lost",
    "skip_all",
    "skip_theta",
    "wd_off",
    "sign",
    "bias_off",
    "g_late",
    "u_undecayed",
    "eps_off",
    "m_late",
    "u_unsaved",
    "betas_swapped",
)


@context("option", MOVED)
def option_int(r):
    k = r.choice((1, 2, 3))
    return "Steps whose lr was set as an int", lambda e: type(raw_of(e)) is int, moved(k, k + 1)


@context("option", MOVED)
def option_array(r):
    return (
        "Steps whose lr was set as a 0-d array",
        lambda e: isinstance(raw_of(e), np.ndarray),
        moved(np.array(0.11), np.array(0.23)),
    )


@context("option", MOVED)
def option_numpy_scalar(r):
    return (
        "Steps whose lr was set as a NumPy float32",
        lambda e: isinstance(raw_of(e), np.float32),
        moved(np.float32(0.11), np.float32(0.23)),
    )


@context(
    "option", ("m_lost", "u_lost", "skip_all", "wd_off", "sign", "bias_off", "g_late", "u_undecayed", "u_off")
)
def option_close(r):
    d = 10.0 ** -r.choice((2, 3, 4, 6, 9))
    return (
        f"Steps whose lr differs from the last one by at most {d:g} of it, but differs,",
        lambda e: 0 < abs(e.lr - e.last["lr"]) <= d * e.last["lr"],
        moved(0.05 * (1 + d / 2), 0.05 * (1 - d / 4)),
    )


@custom("option")
def option_close_ignored(r, n):
    d = 10.0 ** -r.choice((2, 3, 4))

    def step(self, e):
        key = f"lr{e.gi}"
        old = e.flags.get(key)
        if old is None or abs(e.lr - old) > d * old:
            e.flags[key] = e.lr
        return plain(e.but(lr=e.flags[key]))

    return Bug(
        "",
        "close lr ignored",
        f"An lr within {d:g} (relative) of the one in use is not taken up.",
        methods={"_step": step},
        demo=moved(*(0.05 * (1 + d * k / 3) for k in range(3))),
    )


@context("option", MOVED, less=("bias_off", "m_late", "skip_theta"))
def option_tiny(r):
    d = 10.0 ** -r.choice((5, 6, 8, 12))
    demo = moved(d / 3, d / 7, 0.05, d / 2, 0.02)
    return (
        f"Steps whose lr was set below {d:g}",
        lambda e: e.lr < d != e.first["lr"],
        replace(demo, alter_p=lambda i, a: a * 0),
    )


@context("option", ("lr_late", "m_lost", "u_lost", "skip_all", "wd_off", "sign", "u_unsaved", "lr_moved"))
def option_back(r):
    def applies(e):
        seen = e.flags.setdefault(f"seen{e.i}", [])
        hit = e.lr in seen[:-1] and seen[-1] != e.lr
        seen.append(e.lr)
        return hit

    return "Steps whose lr was set back to an earlier one", applies, moved(0.2, 0.05, 0.2)


@effect("use half the lr of the step before", lr_moves=True)
def lr_moved(e):
    return plain(e.but(lr=e.last["lr"] / 2))


@context("option", ("lr_first", "lr_late", "m_lost", "skip_all", "u_lost", "wd_off", "lr_moved"))
def option_subnormal(r):
    demo = moved(1e-40, 3e-41, 0.05, 1e-320, 0.05)
    return (
        "Steps whose lr was set to a subnormal number",
        lambda e: 0 < e.lr < float(np.finfo("f4").tiny),
        replace(demo, alter_p=lambda i, a: a * 0),
    )


@context(
    "option", ("lr_first", "lr_late", "m_lost", "skip_all", "u_lost", "u_unsaved", "m_unsaved", "lr_moved")
)
def option_zero(r):
    return "Steps whose lr was set to zero", lambda e: e.lr == 0 != e.first["lr"], moved(0, 0.0, 0.1)


@context("option", MOVED)
def option_large(r):
    k = r.choice((1, 3, 10))
    return f"Steps whose lr was set above {k}", lambda e: e.lr > k > e.first["lr"], moved(1.5 * k, 3.5 * k)


@context("option", MOVED)
def option_one_group(r):
    j = r.choice((1, 2, 5))
    return (
        f"Parameters of group {j}, once its lr was set and that of the first was not,",
        lambda e: (
            e.gi == j
            and e.lr != e.first["lr"]
            and check_options(e.opt.param_groups[0])["lr"] == e.opt._first[0]["lr"]
        ),
        Demonstration(
            shapes=((4,),) * (j + 2),
            groups=(1,) * (j + 2),
            container="dicts",
            before={k: (lambda w, k=k: w.opt.param_groups[j].update(lr=0.1 + 0.07 * k)) for k in (2, 3)},
        ),
    )


@context("option", MOVED, less=("lr_first", "lr_late"))
def option_other_group(r):
    return (
        "Parameters of groups other than the last, once only the last one's lr was set,",
        lambda e: (
            e.gi < len(e.opt.param_groups) - 1
            and e.lr == e.first["lr"]
            and check_options(e.opt.param_groups[-1])["lr"] != e.opt._first[len(e.opt.param_groups) - 1]["lr"]
        ),
        Demonstration(
            shapes=((4,),) * 3,
            groups=(1,) * 3,
            container="dicts",
            before={2: lambda w: w.opt.param_groups[-1].update(lr=0.3)},
        ),
    )


def changed(which: str, values: tuple, short: tuple) -> None:
    def f(r):
        return (
            f"Steps after {which} was set",
            lambda e: any(getattr(e, s) != e.first[s] for s in short),
            moved(
                *values,
                first={"betas": (0.9, 0.99), "eps": 0.02, "weight_decay": 0.1, "maximize": False}[which],
                which=which,
            ),
        )

    f.__name__ = "option_set_" + which
    context(
        "option", ("m_lost", "u_lost", "skip_all", "lr_first", "bias_off", "u_unsaved", f"old_{short[0]}")
    )(f)

    def g(r, n):
        how = r.choice(("ignored", "late"))

        def step(self, e):
            old = e.first if how == "ignored" else e.last
            return plain(e.but(**{s: old[s] for s in short}))

        return Bug(
            "",
            f"{which} {how}",
            f"A {which} set between steps is {'ignored' if how == 'ignored' else 'taken up a step late'}.",
            methods={"_step": step},
            demo=f(r)[2],
        )

    CUSTOM["option"].append((f"option_{which}_stale", g))


@effect("use the beta1 of construction")
def old_b1(e):
    return plain(e.but(b1=e.first["b1"]))


@effect("use the eps of construction")
def old_eps(e):
    return plain(e.but(eps=e.first["eps"]))


@effect("use the weight decay of construction")
def old_wd(e):
    return plain(e.but(wd=e.first["wd"]))


@effect("use the direction of construction")
def old_maximize(e):
    return plain(e.but(maximize=e.first["maximize"]))


changed("betas", ((0.5, 0.9), (0.3, 0.6), (0.8, 0.2)), ("b1", "b2"))
changed("eps", (0.5, 0.3, 2.0), ("eps",))
changed("weight_decay", (0.5, 0.0, 1.5), ("wd",))
changed("maximize", (True, True, False), ("maximize",))


@context("option", ("lr_late", "m_lost", "skip_all", "wd_off", "sign", "u_unsaved", "g_zero", "lr_default"))
def option_late_group(r):
    k = r.choice((1, 2, 4))
    return (
        f"Parameters of a group added after {k} or more steps",
        lambda e: e.opt._t[0] - e.t >= k,
        Demonstration(steps=7, before={k: add_late, k + 2: sets(lr=0.2)}),
    )


@effect("use the default lr of the optimizer")
def lr_default(e):
    return plain(e.but(lr=check_options(e.opt.defaults)["lr"]))


@context("option", MOVED)
def option_often(r):
    k = r.choice((3, 8, 20))

    def applies(e):
        n = e.flags.get(f"n{e.i}", 0) + (e.lr != e.last["lr"])
        e.flags[f"n{e.i}"] = n
        return n >= k

    return (
        f"Steps once lr was set {k} or more times",
        applies,
        moved(*(0.05 + 0.01 * j for j in range(k + 3))),
    )


@context("option", ("m_lost", "u_lost", "skip_all", "wd_off", "sign", "bias_off", "lr_first"))
def option_falls(r):
    f = r.choice((2, 10, 1000))
    return (
        f"Steps whose lr is less than the last one's by a factor of {f} or more",
        lambda e: e.lr * f <= e.last["lr"] and e.lr > 0,
        moved(0.05 / f / 1.1, 0.05, 0.05 / f / 1.2),
    )


@custom("option")
def option_first_set_lost(r, n):
    def step(self, e):
        return plain(e.but(lr=check_options(self.defaults)["lr"])) if e.t == 1 else plain(e)

    def script(w):
        w.opt = w.make(w.params, lr=0.05)
        for g in w.opt.param_groups:
            g["lr"] = 0.2
        for _ in range(3):
            w.step()

    return Bug(
        "",
        "set before first step",
        "An lr set before the first step is not taken up by that step.",
        methods={"_step": step},
        demo=Demonstration(script=script),
    )


@custom("option")
def option_all_groups(r, n):
    k = r.choice((0, 1))

    def step(self, e):
        return (
            plain(e.but(lr=check_options(self.param_groups[min(k, len(self.param_groups) - 1)])["lr"]))
            if e.calls >= 2 and e.gi > k
            else plain(e)
        )

    return Bug(
        "",
        f"lr of group {k}",
        f"From the third step on, groups past index {k} use its lr.",
        methods={"_step": step},
        demo=Demonstration(
            shapes=((4,),) * 4,
            groups=(1,) * 4,
            container="dicts",
            group_opts=tuple({"lr": 0.01 * (j + 1)} for j in range(4)),
        ),
    )


@effect("correct the bias as at step 3")
def t_late(e):
    return plain(e.but(t=3))
