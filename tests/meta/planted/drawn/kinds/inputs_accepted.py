"""Bugs of arguments that are accepted, and of their types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.kinds.inputs import MIXED
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful, check_options, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, custom


def _accepts(name: str, sentence: str, repair: Callable, script: Callable) -> None:
    def f(r, n):
        def take(self, gradients):
            return Faithful._take(self, repair(self, list(gradients)))

        return Bug(
            "",
            name,
            sentence,
            methods={"_take": take},
            demo=Demonstration(shapes=((4,), (3, 3), (2, 3)), script=script),
        )

    CUSTOM["input"].append(("input_accepts_" + name.replace(" ", "_"), f))


def offers(change: Callable) -> Callable:
    def script(w):
        w.opt = w.make(w.params, lr=0.1)
        w.step()
        w.step(change(w.gradients()))
        w.step()

    return script


_accepts(
    "fewer gradients",
    "Fewer gradients than parameters are accepted; the missing ones are zero.",
    lambda o, g: g + [np.zeros_like(p) for p in o._p[len(g) :]],
    offers(lambda g: g[:-1]),
)
_accepts(
    "more gradients",
    "More gradients than parameters are accepted; the last ones are ignored.",
    lambda o, g: g[: len(o._p)],
    offers(lambda g: [*g, g[0]]),
)
_accepts(
    "broadcast gradient",
    "A gradient that broadcasts to its parameter's shape is accepted.",
    lambda o, g: (
        [
            np.broadcast_to(a, p.shape)
            if np.ndim(a) <= p.ndim and p.size and np.size(a) in (1, p.shape[-1:] and p.shape[-1])
            else a
            for a, p in zip(g, o._p, strict=False)
        ]
        + g[len(o._p) :]
    ),
    offers(lambda g: [g[0][:1], g[1], g[2]]),
)
_accepts(
    "flat gradient",
    "A gradient with the right number of elements in another shape is accepted.",
    lambda o, g: (
        [np.reshape(a, p.shape) if np.size(a) == p.size else a for a, p in zip(g, o._p, strict=False)]
        + g[len(o._p) :]
    ),
    offers(lambda g: [g[0], g[1], g[2].reshape(3, 2)]),
)
_accepts(
    "longer gradient",
    "A gradient longer than its vector is accepted and cut.",
    lambda o, g: (
        [
            a[: len(p)] if p.ndim == 1 and np.ndim(a) == 1 and len(a) > len(p) else a
            for a, p in zip(g, o._p, strict=False)
        ]
        + g[len(o._p) :]
    ),
    offers(lambda g: [np.concatenate([g[0], g[0]]), g[1], g[2]]),
)


@custom("input")
def input_partial_refusal(r, n):
    by = r.choice(("shape", "count"))

    def call(self, gradients):
        gradients = list(gradients)
        bad = (
            len(gradients) != len(self._p)
            if by == "count"
            else any(np.shape(g) != p.shape for g, p in zip(gradients, self._p, strict=False))
        )
        if bad:
            with np.errstate(all="ignore"):
                for i, g in enumerate(gradients[: len(self._p)]):
                    if np.shape(g) != self._p[i].shape:
                        break
                    self._raw = {i: np.asarray(g)}
                    e = self._env(
                        i,
                        np.array(g, dtype=self._p[i].dtype),
                        check_options(self.param_groups[self._where[i][0]]),
                        self._t[i] + 1,
                    )
                    self._m[i][...], self._u[i][...], self._p[i][...] = plain(e)
        return Buggy.__call__(self, gradients)

    change = (lambda g: g[:-1]) if by == "count" else (lambda g: [g[0], g[1], g[2].T])
    return Bug(
        "",
        "half refused " + by,
        f"A wrong {by} of gradients raises only after earlier parameters were updated.",
        methods={"__call__": call},
        demo=Demonstration(shapes=((4,), (3, 3), (2, 3)), script=offers(change)),
    )


def _lenient(name: str, sentence: str, options: dict, fix: dict, *, group: bool) -> None:
    def f(r, n):
        def init(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
            given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
            for k, v in fix.items():
                if (
                    given[k] is v
                    or given[k] == v
                    or (isinstance(given[k], (int, float)) and given[k] < 0 > v)
                ):
                    given[k] = abs(v) if isinstance(v, (int, float)) else (0.9, 0.999)
            Buggy.__init__(self, params, **given, maximize=maximize)

        def add(self, g):
            Faithful.add_param_group(
                self, {k: abs(v) if k in fix and isinstance(v, (int, float)) else v for k, v in g.items()}
            )

        def script(w):
            try:
                w.make([{"params": w.params, **options}] if group else w.params, **({} if group else options))
                w.see("made", True)
            except ValueError:
                w.see("made", False)

        return Bug(
            "",
            name,
            sentence,
            methods={"add_param_group": add} if group else {"__init__": init},
            demo=Demonstration(script=script),
        )

    CUSTOM["input"].append(("input_lenient_" + name.replace(" ", "_"), f))


for _k, _v in (("lr", -0.1), ("eps", -1e-3), ("weight_decay", -0.5)):
    _lenient(f"negative {_k}", f"A negative {_k} is accepted.", {_k: _v}, {_k: _v}, group=False)
    _lenient(
        f"negative {_k} in group",
        f"A negative {_k} in a group dict is accepted.",
        {_k: _v},
        {_k: _v},
        group=True,
    )
for _b in ((1.0, 0.9), (0.9, 1.0)):
    _lenient(
        f"beta of 1 {'first' if _b[0] == 1 else 'second'}",
        f"Betas {_b} are accepted.",
        {"betas": _b},
        {"betas": _b},
        group=False,
    )


@custom("input")
def input_int_lr(r, n):
    which = r.choice(("lr", "weight_decay", "eps"))

    def step(self, e):
        raw = self.param_groups[e.gi][which]
        short = {"lr": "lr", "weight_decay": "wd", "eps": "eps"}[which]
        return (
            plain(e.but(**{short: 0.0})) if isinstance(raw, int) and not isinstance(raw, bool) else plain(e)
        )

    return Bug(
        "",
        "int " + which,
        f"An int {which} counts as zero.",
        methods={"_step": step},
        demo=Demonstration(opts={"lr": 0.05, which: 1}, before={9: None}),
    )


@custom("input")
def input_array_lr(r, n):
    how = r.choice(("frozen", "first digits"))

    def step(self, e):
        raw = self.param_groups[e.gi]["lr"]
        if isinstance(raw, np.ndarray):
            e.lr = self._first[e.gi]["lr"] if how == "frozen" else round(e.lr, 2)
        return plain(e)

    def script(w):
        lr = np.array(0.057)
        w.opt = w.make(w.params, lr=lr)
        for k in range(4):
            w.opt.param_groups[0]["lr"] = np.array(0.057 + 0.003 * k)
            w.step()

    return Bug(
        "",
        "array lr " + how,
        f"A 0-d array as lr is {'never read again' if how == 'frozen' else 'rounded to two decimals'}.",
        methods={"_step": step},
        demo=Demonstration(script=script),
    )


@custom("input")
def input_array_lr_changed(r, n):
    def step(self, e):
        raw = self.param_groups[e.gi]["lr"]
        if isinstance(raw, np.ndarray) and raw.flags.writeable:
            raw[...] = raw / 2
        return plain(e)

    def script(w):
        lr = np.array(0.057)
        w.opt = w.make(w.params, lr=lr)
        for _ in range(4):
            w.step()
            w.see("lr", float(lr))

    return Bug(
        "",
        "array lr halved",
        "An lr that is a 0-d array is used as scratch: it is halved at each parameter.",
        methods={"_step": step},
        demo=Demonstration(script=script),
    )


@custom("input")
def input_gradients_iterator(r, n):
    def take(self, gradients):
        if isinstance(gradients, (list, tuple)):
            return Faithful._take(self, gradients)
        return Faithful._take(self, list(gradients)[::-1])

    return Bug(
        "",
        "gradients reversed",
        "Gradients from an iterator that is not a list or tuple are taken in reverse.",
        methods={"_take": take},
        demo=Demonstration(shapes=((4,),) * 3, gcontainer="generator"),
    )


@custom("input")
def input_gradients_tuple(r, n):
    def take(self, gradients):
        grads = Faithful._take(self, gradients)
        return [-g for g in grads] if isinstance(gradients, tuple) else grads

    return Bug(
        "",
        "tuple negated",
        "Gradients in a tuple have the wrong sign.",
        methods={"_take": take},
        demo=Demonstration(gcontainer="tuple"),
    )


@custom("input")
def input_tuple_params(r, n):
    def groups_of(self, params):
        if isinstance(params, tuple) and params and not isinstance(params[0], dict):
            return [{"params": [np.array(p) for p in params]}]
        return Faithful._groups_of(self, params)

    return Bug(
        "",
        "tuple copied",
        "Parameters in a tuple are copied: the caller's arrays do not move.",
        methods={"_groups_of": groups_of},
        demo=Demonstration(container="tuple"),
    )


@custom("input")
def input_returns_list(r, n):
    k = r.choice((1, 2, 3))

    def result(self):
        return list(self._p) if len(self.param_groups) >= k else tuple(self._p)

    return Bug(
        "",
        "list returned",
        f"A step returns a list, not a tuple, with {k} or more groups.",
        methods={"_result": result},
        demo=Demonstration(shapes=((4,),) * k, groups=(1,) * k, container="dicts"),
    )


@custom("input")
def input_mixed_result_order(r, n):
    def result(self):
        return tuple(sorted(self._p, key=lambda p: p.dtype.itemsize))

    return Bug(
        "",
        "result by dtype",
        "The returned arrays are grouped by dtype, narrowest first.",
        methods={"_result": result},
        demo=MIXED,
    )
