"""Bugs of some dtypes, generators and group dicts only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful, check_options, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, context, custom

MIXED = Demonstration(shapes=((4,), (3, 2), (5,), (2,)), dtypes=("float32", "float64", "float16", "float64"))
INPUTS = (
    "skip_all",
    "m_lost",
    "u_lost",
    "g_zero",
    "sign",
    "wd_off",
    "lr_late",
    "g_late",
    "lr_first",
    "bias_off",
    "eps_off",
    "u_undecayed",
    "betas_swapped",
    "g_reversed",
    "wd_decoupled",
)


@context("input", INPUTS)
def input_mixed(r):
    a, b = r.choice(
        (("float32", "float64"), ("float64", "float32"), ("float16", "float32"), ("float32", "float16"))
    )
    return (
        f"Parameters in {b} that follow one in {a} in the list",
        lambda e: e.p.dtype == b and any(p.dtype == a for p in e.opt._p[: e.i]),
        replace(MIXED, dtypes=(a, b, a, b)),
    )


@context("input", INPUTS)
def input_first_dtype(r):
    return (
        "Parameters in another dtype than the first parameter's",
        lambda e: e.p.dtype != e.opt._p[0].dtype,
        MIXED,
    )


@context("input", INPUTS)
def input_group_dtype(r):
    return (
        "Parameters of groups that hold more than one dtype",
        lambda e: len({p.dtype for p in e.opt.param_groups[e.gi]["params"]}) > 1,
        replace(MIXED, dtypes=("float32", "float64", "float64", "float64"), groups=(2, 2), container="dicts"),
    )


@context("input", INPUTS)
def input_three_dtypes(r):
    return (
        "Parameters where three dtypes meet in an optimizer",
        lambda e: len({p.dtype for p in e.opt._p}) == 3,
        MIXED,
    )


@context("input", INPUTS)
def input_other_gradient_dtype(r):
    return (
        "Parameters whose gradient comes in another dtype",
        lambda e: e.raw.dtype != e.p.dtype,
        Demonstration(
            shapes=((4,), (3, 2)),
            make_g=lambda w, g: [a.astype("f4" if a.dtype.itemsize == 8 else "f8") for a in g],
        ),
    )


def scalars_of_first(which: tuple, words: str) -> Callable:
    def step(self, e):
        k = self._p[0].dtype.type
        return plain(e.but(**{w: float(k(getattr(e, w))) for w in which}))

    return step


for _which, _words in (
    (("lr",), "lr"),
    (("b1",), "beta1"),
    (("b2",), "beta2"),
    (("wd",), "weight decay"),
    (("eps",), "eps"),
    (("b1", "b2", "lr"), "lr and betas"),
):

    def _one(which=_which, words=_words):
        def f(r, n):
            return Bug(
                "",
                f"{words} in first dtype",
                f"{words} is rounded to the first parameter's dtype for all parameters.",
                methods={"_step": scalars_of_first(which, words)},
                demo=replace(MIXED, opts={"weight_decay": 0.1, "eps": 0.01}),
            )

        CUSTOM["input"].append((f"input_first_scalar_{'_'.join(which)}", f))

    _one()


@custom("input")
def input_state_dtype(r, n):
    k = r.choice((0, 1, 3))

    def wrong(e):
        m, u, p = plain(e)
        low = self_first(e)
        return m.astype(low).astype(m.dtype), u.astype(low).astype(u.dtype), p

    def self_first(e):
        return min((p.dtype for p in e.opt._p), key=lambda t: t.itemsize)

    return Bug(
        "",
        "state in narrowest",
        f"m and u of parameters of index {k} and above are kept in the narrowest dtype of the optimizer.",
        lambda e: e.i >= k,
        wrong,
        demo=replace(MIXED, dtypes=("float32", "float64", "float32", "float64")),
    )


def _gen_drop(r, n, at):
    def groups_of(self, params):
        if isinstance(params, (list, tuple)):
            return Faithful._groups_of(self, params)
        given = list(params)
        if given and isinstance(given[0], dict):
            return given
        given = given[1:] + given[:1] if at == "rotated" else given[::-1]
        return [{"params": given}]

    return groups_of


@custom("input")
def input_generator_order(r, n):
    at = ("rotated", "reversed")[n % 2]
    return Bug(
        "",
        "generator " + at,
        f"Parameters from a generator are taken {at}, so gradients of one shape go to the wrong ones.",
        methods={"_groups_of": _gen_drop(r, n, at)},
        demo=Demonstration(shapes=((4,),) * 3, container="generator"),
    )


@custom("input")
def input_generator_group_options(r, n):
    which = r.choice(("lr", "weight_decay", "betas", "eps", "maximize"))
    value = {"lr": 0.3, "weight_decay": 0.4, "betas": (0.2, 0.6), "eps": 0.5, "maximize": True}[which]

    def add(self, group):
        if isinstance(group["params"], (list, tuple, np.ndarray)):
            return Faithful.add_param_group(self, group)
        return Faithful.add_param_group(self, {k: v for k, v in group.items() if k != which})

    return Bug(
        "",
        f"generator in group, {which}",
        f"A group whose parameters come from a generator takes the default {which}.",
        methods={"add_param_group": add},
        demo=Demonstration(
            shapes=((4,), (3,)),
            groups=(1, 1),
            group_opts=({}, {which: value}),
            container="dicts of generators",
        ),
    )


@custom("input")
def input_group_generator_drops(r, n):
    def groups_of(self, params):
        if isinstance(params, (list, tuple)):
            return Faithful._groups_of(self, params)
        given = list(params)
        if given and isinstance(given[0], dict):
            return [{"params": [p for g in given for p in g["params"]]}]
        return [{"params": given}]

    return Bug(
        "",
        "generator of groups",
        "Groups from a generator become one group with the default options.",
        methods={"_groups_of": groups_of},
        demo=Demonstration(
            shapes=((4,), (3,)),
            groups=(1, 1),
            group_opts=({"lr": 0.2}, {"weight_decay": 0.5}),
            container="dict generator",
        ),
    )


def caller_groups(w) -> None:
    """Construct from the caller's dicts, step, and look at the dicts."""
    mine = [{"params": [p], "lr": 0.01 * (j + 1)} for j, p in enumerate(w.params)]
    kept = list(mine)
    w.opt = w.make(mine, lr=0.5, weight_decay=0.1)
    for _ in range(3):
        w.step()
    w.see("keys", [sorted(g) for g in kept])
    w.see("lrs", [g["lr"] for g in kept])
    w.see("kinds", [type(g.get("params")).__name__ for g in kept])
    w.see("number", len(mine))


def reused_groups(w) -> None:
    """Construct two optimizers of the same dicts, and change the dicts in between."""
    mine = [{"params": [p], "lr": 0.01 * (j + 1)} for j, p in enumerate(w.params)]
    w.opt = w.make(mine, weight_decay=0.1)
    w.step()
    w.opt.param_groups[0]["lr"] = 0.2
    w.step()
    w.see("first", mine[0]["lr"])
    w.opt = w.make(mine, weight_decay=0.3, eps=0.1)
    w.step()
    mine[0]["lr"] = 0.4
    mine[0]["params"].append(np.zeros(3))
    w.step()
    w.see("wd", [g["weight_decay"] for g in w.opt.param_groups])


def _dict_bug(name: str, sentence: str, change: Callable, demo: Demonstration) -> None:
    def f(r, n):
        def add(self, group):
            Faithful.add_param_group(self, group)
            change(self, group)

        return Bug("", name, sentence, methods={"add_param_group": add}, demo=demo)

    CUSTOM["input"].append(("input_dict_" + name.replace(" ", "_"), f))


GROUPED = Demonstration(shapes=((4,), (3,)), script=caller_groups)
_dict_bug(
    "fills defaults",
    "The caller's group dict is filled with the default options.",
    lambda o, g: [g.setdefault(k, v) for k, v in o.defaults.items()],
    GROUPED,
)
_dict_bug(
    "takes params away",
    "The caller's group dict loses its parameters.",
    lambda o, g: g.pop("params"),
    GROUPED,
)
_dict_bug(
    "turns params to tuple",
    "The caller's group dict has its list of parameters replaced by a tuple.",
    lambda o, g: g.update(params=tuple(g["params"])),
    GROUPED,
)
_dict_bug(
    "adds a key",
    "The caller's group dict gets a key of the optimizer's, its initial lr.",
    lambda o, g: g.update(initial_lr=g.get("lr")),
    GROUPED,
)


def _live_group(o, g):
    for k, v in o.param_groups[-1].items():
        g.setdefault(k, v)
    o.param_groups[-1] = g


_dict_bug(
    "is the live group",
    "The caller's group dict is the optimizer's own: setting lr in one shows in the other.",
    _live_group,
    Demonstration(shapes=((4,), (3,)), script=reused_groups),
)


@custom("input")
def input_lists_shared(r, n):
    def add(self, group):
        Faithful.add_param_group(self, group)
        if isinstance(group["params"], list):
            self.param_groups[-1]["params"] = group["params"]

    def script(w):
        w.opt = w.make([{"params": mine} for mine in [[w.params[0]], [w.params[1]]]])
        mine = [w.params[0]]
        w.opt = w.make([{"params": mine}])
        mine.append(w.params[1])
        w.see("length", len(w.opt.param_groups[0]["params"]))
        w.see("numbers", [g["params"] for g in w.opt.state_dict()["param_groups"]])

    return Bug(
        "",
        "caller's list kept",
        "The group keeps the caller's list of parameters: what the caller appends "
        "later is in param_groups and in checkpoints.",
        methods={"add_param_group": add},
        demo=Demonstration(shapes=((4,), (3,)), script=script),
    )


def per_group(which: str, value: Any) -> None:
    def f(r, n):
        k = r.choice((0, 1, 2))
        short = {
            "betas": ("b1", "b2"),
            "weight_decay": ("wd",),
            "eps": ("eps",),
            "maximize": ("maximize",),
            "lr": ("lr",),
        }[which]

        def wrong(e):
            s = check_options(e.opt.defaults)
            return plain(e.but(**{x: s[x] for x in short}))

        return Bug(
            "",
            "default " + which,
            f"Groups of index {k} and above use the default {which}, not their own.",
            lambda e: e.gi >= k,
            wrong,
            demo=Demonstration(
                shapes=((4,),) * 4,
                groups=(1,) * 4,
                group_opts=({which: value},) * 4,
                container="dicts",
                opts={"lr": 0.02, "weight_decay": 0.05},
            ),
        )

    CUSTOM["input"].append(("input_group_default_" + which, f))


for _n, _v in (("lr", 0.3), ("weight_decay", 0.5), ("betas", (0.3, 0.5)), ("eps", 0.5), ("maximize", True)):
    per_group(_n, _v)
