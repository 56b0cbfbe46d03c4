"""Bugs of checkpoints in hand, of copies, and of what follows a refusal."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy
from adamax_conformance.tests.meta.planted.drawn.effects import chop
from adamax_conformance.tests.meta.planted.drawn.kinds.checkpoint import CHECKED, _set, resume, saving
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM


def _aliases(which: str, where: str) -> None:
    def f(r, n):
        words = {"_m": "m", "_u": "u"}[which]
        if where == "saved":

            def save(self):
                state = Faithful.state_dict(self)
                for i, s in state["state"].items():
                    s["exp_avg" if which == "_m" else "exp_inf"] = getattr(self, which)[i]
                return state

            return Bug(
                "",
                f"{words} shared with save",
                f"A checkpoint shares {words} with the live optimizer.",
                methods={"state_dict": save},
                demo=replace(CHECKED, script=saving),
            )

        def load(self, state):
            Faithful.load_state_dict(self, state)
            for i, s in state["state"].items():
                if s["exp_avg"].dtype == self._p[i].dtype:
                    getattr(self, which)[i] = s["exp_avg" if which == "_m" else "exp_inf"]

        return Bug(
            "",
            f"{words} shared with load",
            f"The optimizer goes on in {words} of the checkpoint it loaded.",
            methods={"load_state_dict": load},
            demo=replace(CHECKED, script=resume()),
        )

    CUSTOM["checkpoint"].append((f"checkpoint_alias_{where}{which}", f))


for _w in ("_m", "_u"):
    for _x in ("saved", "loaded"):
        _aliases(_w, _x)


def _saved(name: str, text: str, change: Callable, script: Callable = saving) -> None:
    def f(r, n):
        def save(self):
            state = Faithful.state_dict(self)
            change(self, state)
            return state

        return Bug("", name, text, methods={"state_dict": save}, demo=replace(CHECKED, script=script))

    CUSTOM["checkpoint"].append(("checkpoint_save_" + name.replace(" ", "_"), f))


_saved("resets count", "Saving sets the live count back to zero.", lambda o, s: _set(o._t, [0] * len(o._t)))
_saved("clears m", "Saving clears the live m.", lambda o, s: [m.fill(0) for m in o._m])
_saved(
    "rounds u",
    "Saving rounds the live u to eight bits.",
    lambda o, s: _set(o._u, [chop(u, np.finfo(u.dtype).nmant - 7) for u in o._u]),
)
_saved(
    "default lr",
    "The checkpoint holds the lr of construction.",
    lambda o, s: [g.update(lr=o._first[j]["lr"]) for j, g in enumerate(s["param_groups"])],
    resume(),
)
_saved(
    "count behind",
    "The checkpoint's count is one behind.",
    lambda o, s: [e.update(step=max(e["step"] - 1, 0)) for e in s["state"].values()],
)
_saved(
    "second save",
    "From the second checkpoint on, m in it is that of the first.",
    lambda o, s: [
        e.update(exp_avg=o._flags.setdefault(f"m{i}", e["exp_avg"].copy()).copy())
        for i, e in s["state"].items()
    ],
    resume(),
)
_saved(
    "float16",
    "The checkpoint holds u with eight bits.",
    lambda o, s: [
        e.update(exp_inf=chop(e["exp_inf"], np.finfo(e["exp_inf"].dtype).nmant - 7))
        for e in s["state"].values()
    ],
)


def duplicate(how: str) -> Callable:
    """Copy or pickle the optimizer in use, then step both."""

    def script(w) -> None:
        w.opt = w.make(w.given(), **w.demo.opts)
        for _ in range(3):
            w.step()
        twin = copy.deepcopy(w.opt) if how == "copy" else pickle.loads(pickle.dumps(w.opt))
        for _ in range(2):
            w.step()
        first = w.opt
        w.opt = twin
        for k in range(2):
            g = [np.full_like(p, 3.0 if k else 0.1) for p in w.params]
            for p in twin(g):
                w.see("twin", np.array(p))
            w.watch()
            w.t += 1
        w.opt = first
        w.step()

    return script


def _copier(name: str, text: str, damage: Callable) -> None:
    def f(r, n):
        how = r.choice(("copy", "pickle"))
        methods: dict = {}
        if how == "copy":

            def deep(self, memo):
                kind, args, state = self.__reduce__()
                new = kind(*args)
                memo[id(self)] = new
                new.__dict__.update(copy.deepcopy(state, memo))
                damage(new, self)
                return new

            methods["__deepcopy__"] = deep
        else:

            def reduce_(self):
                kind, args, state = Buggy.__reduce__(self)
                new = kind(*args)
                new.__dict__.update(copy.deepcopy(state))
                damage(new, self)
                return kind, args, new.__dict__

            methods["__reduce__"] = reduce_
        return Bug(
            "",
            f"{name}",
            f"{'A deep copy' if how == 'copy' else 'An optimizer copied or pickled'} {text}.",
            methods=methods,
            demo=replace(CHECKED, script=duplicate(how)),
        )

    CUSTOM["checkpoint"].append(("checkpoint_copy_" + name.replace(" ", "_"), f))


_copier("m lost", "loses m", lambda n, o: _set(n._m, [m * 0 for m in n._m]))
_copier("u lost", "loses u", lambda n, o: _set(n._u, [m * 0 for m in n._u]))
_copier("count lost", "starts the count again", lambda n, o: _set(n._t, [0] * len(n._t)))
_copier("count frozen", "has a count one ahead", lambda n, o: _set(n._t, [t + 1 for t in n._t]))
_copier("lr lost", "takes an lr of 0.002", lambda n, o: [g.update(lr=2e-3) for g in n.param_groups])
_copier("decay lost", "drops weight decay", lambda n, o: [g.update(weight_decay=0.0) for g in n.param_groups])
_copier(
    "maximize lost",
    "flips maximize",
    lambda n, o: [g.update(maximize=not g["maximize"]) for g in n.param_groups],
)
_copier("swapped", "exchanges m and u", lambda n, o: n.__dict__.update(_m=n._u, _u=n._m))
_copier("eps lost", "takes an eps of 1e-8", lambda n, o: [g.update(eps=1e-8) for g in n.param_groups])


def _shared_copy(which: str) -> None:
    def f(r, n):
        def deep(self, memo):
            kind, args, state = self.__reduce__()
            new = kind(*args)
            memo[id(self)] = new
            new.__dict__.update(copy.deepcopy(state, memo))
            setattr(new, which, list(getattr(self, which)))
            return new

        return Bug(
            "",
            "shares " + which,
            f"A deep copy shares {which[1:]} with the original.",
            methods={"__deepcopy__": deep},
            demo=replace(CHECKED, script=duplicate("copy")),
        )

    CUSTOM["checkpoint"].append(("checkpoint_copy_shares" + which, f))


_shared_copy("_m")
_shared_copy("_u")


def after_refusal(name: str, text: str, damage: Callable) -> None:
    def f(r, n):
        by = r.choice(("gradients", "checkpoint"))

        def call(self, gradients):
            try:
                return Buggy.__call__(self, gradients)
            except ValueError:
                damage(self)
                raise

        def load(self, state):
            try:
                return Faithful.load_state_dict(self, state)
            except (ValueError, KeyError):
                damage(self)
                raise

        def script(w):
            w.opt = w.make(w.params, **w.demo.opts)
            w.step()
            w.step()
            if by == "gradients":
                w.step(w.gradients()[:-1])
            else:
                s = w.opt.state_dict()
                s["state"][1]["exp_avg"] = np.zeros(99)
                try:
                    w.opt.load_state_dict(s)
                except ValueError:
                    w.see("refused", True)
            w.step()
            w.step()

        return Bug(
            "",
            name,
            f"A refusal of {by} {text}.",
            methods={"__call__": call} if by == "gradients" else {"load_state_dict": load},
            demo=replace(CHECKED, script=script),
        )

    CUSTOM["checkpoint"].append(("checkpoint_refused_" + name.replace(" ", "_"), f))


after_refusal("m lost", "clears m", lambda o: _set(o._m, [m * 0 for m in o._m]))
after_refusal("u decayed", "decays u once", lambda o: _set(o._u, [u * u.dtype.type(0.9) for u in o._u]))
after_refusal("counted", "is counted as a step", lambda o: _set(o._t, [t + 1 for t in o._t]))
after_refusal(
    "lr default", "sets lr back to the default", lambda o: [g.update(lr=2e-3) for g in o.param_groups]
)
