"""Bugs of checkpoints that are loaded."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.effects import chop
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM


def saving(w) -> None:
    """Save, go on, and compare the checkpoint and the going on."""
    w.opt = w.make(w.params, **w.demo.opts)
    for k in range(7):
        w.step()
        if k == 2:
            w.saved = w.opt.state_dict()
            w.see("saved", state_values(w.saved))
    w.see("later", state_values(w.saved))


def state_values(s: dict) -> list:
    out: list = []
    for i in sorted(s["state"]):
        e = s["state"][i]
        out += [e["step"], np.array(e["exp_avg"], "f8").tolist(), np.array(e["exp_inf"], "f8").tolist()]
    return [*out, [repr({k: np.asarray(g[k]).tolist() for k in g}) for g in s["param_groups"]]]


def copied(ps: list) -> list:
    return [np.array(p) for p in ps]


def resume(
    *,
    times: int = 1,
    used: int = 0,
    older: bool = False,
    via: str = "",
    again: int = 0,
    loads_after: int = 0,
    keep: bool = False,
) -> Callable:
    """A script: steps, a checkpoint, and an optimizer that loads it, maybe twice."""

    def script(w) -> None:
        w.opt = w.make(w.given(), **w.demo.opts)
        state, theta = _saved_in_use(w, older=older)
        state = pickle.loads(pickle.dumps(state)) if via == "pickle" else state
        if not keep:
            w.params = copied(w.params)
            w.opt = w.make(w.given(), **w.demo.opts)
        take_steps(w, used)
        for _ in range(times):
            w.opt.load_state_dict(state)
            for p, x in zip(w.params, theta, strict=True):
                p[...] = x
        w.see("loaded", [g["lr"] for g in w.opt.param_groups])
        take_steps(w, 3)
        w.see("checkpoint", state_values(state))
        for _ in range(again):
            state = w.opt.state_dict()
            take_steps(w, 1)
            w.opt.load_state_dict(state)
            take_steps(w, 1)
        for _ in range(loads_after):
            w.opt.load_state_dict(state)
            take_steps(w, 2)

    return script


def take_steps(w, count: int) -> None:
    for _ in range(count):
        w.step()


def _saved_in_use(w, *, older: bool) -> tuple:
    """Some steps, and the checkpoint after them or an older one, with theta as it was."""
    take_steps(w, 2)
    old = w.opt.state_dict(), copied(w.params)
    w.opt.param_groups[0]["lr"] = 0.07
    take_steps(w, 2)
    if not older:
        return w.opt.state_dict(), copied(w.params)
    take_steps(w, 1)
    return old


LOADED = {
    "once": (resume(), "after a load into a fresh optimizer"),
    "twice": (resume(times=2), "after the same checkpoint was loaded twice"),
    "used": (resume(used=2), "after a load into an optimizer that had taken steps"),
    "older": (resume(older=True, keep=True), "after an older checkpoint of its own was loaded"),
    "pickle": (resume(via="pickle"), "after a checkpoint that went through pickle was loaded"),
    "again": (resume(again=2), "after the second load into one optimizer"),
    "third": (resume(again=2, loads_after=2), "after the third load into one optimizer"),
}


def _loads(o) -> int:
    return o.__dict__.get("_loads", 0)


def _on_load(damage: Callable, when: str) -> dict:
    tests = {
        "once": lambda o: True,
        "twice": lambda o: o.__dict__.get("_same", False),
        "used": lambda o: o._calls > 0 and _loads(o) == 1,
        "older": lambda o: o.__dict__.get("_newer", False),
        "pickle": lambda o: True,
        "again": lambda o: _loads(o) >= 2,
        "third": lambda o: _loads(o) >= 3,
    }

    def load(self, state):
        before = copy.deepcopy((self._m, self._u, self._t, self._p))
        self._newer = any(s["step"] < t for s, t in zip(state["state"].values(), self._t, strict=False))
        self._same = self.__dict__.get("_mark") == (self._calls, repr(state["state"][0]))
        self._mark = (self._calls, repr(state["state"][0]))
        settings = [dict(g) for g in self.param_groups]
        Faithful.load_state_dict(self, state)
        self._loads = _loads(self) + 1
        if tests[when](self):
            damage(self, state, before, settings)

    return {"load_state_dict": load}


def _set(x: list, v: list) -> None:
    x[:] = v


DAMAGE: dict[str, tuple[Callable, str]] = {
    "m kept": (lambda o, s, b, g: _set(o._m, b[0]), "m stays what it was"),
    "u kept": (lambda o, s, b, g: _set(o._u, b[1]), "u stays what it was"),
    "count kept": (lambda o, s, b, g: _set(o._t, b[2]), "the count stays what it was"),
    "lr kept": (
        lambda o, s, b, g: [x.update(lr=y["lr"]) for x, y in zip(o.param_groups, g, strict=False)],
        "lr stays what it was",
    ),
    "m zero": (lambda o, s, b, g: _set(o._m, [m * 0 for m in o._m]), "m starts from zero"),
    "u zero": (lambda o, s, b, g: _set(o._u, [m * 0 for m in o._u]), "u starts from zero"),
    "count zero": (lambda o, s, b, g: _set(o._t, [0] * len(o._t)), "the count starts from zero"),
    "count ahead": (lambda o, s, b, g: _set(o._t, [t + 1 for t in o._t]), "the count is one ahead"),
    "count added": (
        lambda o, s, b, g: _set(o._t, [t + x for t, x in zip(o._t, b[2], strict=False)]),
        "the counts add up",
    ),
    "m coarse": (
        lambda o, s, b, g: _set(o._m, [chop(m, np.finfo(m.dtype).nmant - 7) for m in o._m]),
        "m has eight bits",
    ),
    "u coarse": (
        lambda o, s, b, g: _set(o._u, [chop(m, np.finfo(m.dtype).nmant - 7) for m in o._u]),
        "u has eight bits",
    ),
    "m decayed": (
        lambda o, s, b, g: _set(o._m, [m * m.dtype.type(0.9) for m in o._m]),
        "m has decayed once more",
    ),
    "u larger": (
        lambda o, s, b, g: _set(
            o._u,
            [np.maximum(x, y) for x, y in zip(o._u, b[1], strict=False)]
            if any(np.any(y > x) for x, y in zip(o._u, b[1], strict=False))
            else [x * 2 for x in o._u],
        ),
        "u is the larger of old and new",
    ),
    "last lost": (
        lambda o, s, b, g: (o._m.__setitem__(-1, o._m[-1] * 0), o._u.__setitem__(-1, o._u[-1] * 0)),
        "the last parameter's state is lost",
    ),
    "first for all": (
        lambda o, s, b, g: _set(o._u, [np.full_like(u, u.max() if u.size else 0) for u in o._u]),
        "u is its largest element everywhere",
    ),
    "state transposed": (
        lambda o, s, b, g: _set(o._m, [m.ravel("F").reshape(m.shape).copy() for m in o._m]),
        "m of matrices is read in the other memory order",
    ),
}

CHECKED = Demonstration(shapes=((5,), (3, 4)), opts={"lr": 0.05, "weight_decay": 0.1, "eps": 0.01})


def _loader(when: str, what: str) -> None:
    def f(r, n):
        damage, words = DAMAGE[what]
        return Bug(
            "",
            what,
            f"{LOADED[when][1].capitalize()}, {words}.",
            methods=_on_load(damage, when),
            demo=replace(CHECKED, script=LOADED[when][0]),
        )

    CUSTOM["checkpoint"].append((f"checkpoint_{when}_{what.replace(' ', '_')}", f))


for _when in LOADED:
    for _what in DAMAGE:
        if (
            not (_what == "lr kept" and _when in ("twice", "again", "third"))
            and _when != "pickle"
            and (_when not in ("twice", "again", "third") or "kept" not in _what)
        ):
            _loader(_when, _what)
