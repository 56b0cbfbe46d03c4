"""Bugs of equal values, neighbours, and several optimizers that are alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import OPTIONS, check_options, plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, context, custom

TWINS = Demonstration(shapes=((4,), (4,), (3,), (4,)), opts={"weight_decay": 0.1, "eps": 0.02, "lr": 0.05})


def same_bytes(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def joined(ps: list) -> list:
    """The same parameters as neighbouring slices of one array."""
    flat_all = np.concatenate([p.ravel() for p in ps])
    out, at = [], 0
    for p in ps:
        out.append(flat_all[at : at + p.size].reshape(p.shape))
        at += p.size
    return out


def interleaved(ps: list) -> list:
    """Parameters of one size as columns of one matrix, whose memory interleaves."""
    return list(np.stack(ps, axis=-1).transpose(-1, *range(ps[0].ndim)))


SHARED = (
    "skip_all",
    "m_lost",
    "u_lost",
    "g_zero",
    "sign",
    "wd_off",
    "lr_late",
    "g_late",
    "u_off",
    "m_is_theta",
    "lr_first",
    "bias_off",
    "u_undecayed",
    "g_abs",
    "eps_off",
)


@context("identity", SHARED)
def identity_equal(r):
    def applies(e):
        if "twin" not in e.flags:
            e.flags["twin"] = {}
        if e.i not in e.flags["twin"]:
            e.flags["twin"][e.i] = any(same_bytes(e.opt._p[j], e.p) for j in range(e.i + 1, e.n))
        return e.flags["twin"][e.i]

    return (
        "Parameters that at their first step equal a later one in every byte",
        applies,
        replace(TWINS, alter_p=lambda i, a: a * 0 + a.dtype.type(0.5) if a.size == 4 else a),
    )


@context("identity", SHARED)
def identity_neighbour(r):
    def applies(e):
        if e.i == 0:
            return False
        a = e.opt._p[e.i - 1]
        return a.ctypes.data + a.nbytes == e.array.ctypes.data and e.array.size > 0 and a.base is e.array.base

    return (
        "Parameters that begin in memory where the one before ends, in one allocation,",
        applies,
        replace(TWINS, make_p=joined),
    )


@context("identity", SHARED)
def identity_base(r):
    k = r.choice((2, 3, 4))
    return (
        f"Parameters that are views of a base that {k} or more parameters share",
        lambda e: e.array.base is not None and sum(p.base is e.array.base for p in e.opt._p) >= k,
        replace(TWINS, make_p=joined),
    )


@context("identity", SHARED)
def identity_interleaved(r):
    return (
        "Parameters whose memory interleaves with that of another, without a common element,",
        lambda e: any(j != e.i and np.may_share_memory(e.array, p) for j, p in enumerate(e.opt._p)),
        Demonstration(shapes=((4,), (4,), (4,)), make_p=interleaved),
    )


@context("identity", SHARED)
def identity_gradient_again(r):
    def applies(e):
        key = f"id{e.i}"
        again = e.flags.get(key) is e.raw
        e.flags[key] = e.raw
        return again

    def make(w, g):
        kept = w.__dict__.setdefault("kept", g)
        for a, b in zip(kept, g, strict=False):
            a[...] = b
        return kept

    return (
        "Parameters whose gradient is the same array object as in the step before, with new content,",
        applies,
        replace(TWINS, make_g=make),
    )


@context("identity", SHARED)
def identity_same_gradient_values(r):
    return (
        "Parameters whose gradient equals the one of the parameter before in every byte",
        lambda e: e.i > 0 and same_bytes(e.g, np.array(e.opt._raw[e.i - 1], dtype=e.p.dtype)),
        Demonstration(shapes=((4,), (4,), (4,)), make_g=lambda w, g: [g[0], g[0].copy(), g[2]]),
    )


@context("identity", SHARED)
def identity_same_shape(r):
    return (
        "Parameters with the shape of an earlier one, but of another group,",
        lambda e: any(e.opt._p[j].shape == e.p.shape and e.opt._where[j][0] != e.gi for j in range(e.i)),
        Demonstration(shapes=((4,), (3,), (4,)), groups=(2, 1), container="dicts"),
    )


@context("identity", SHARED)
def identity_equal_groups(r):
    return (
        "Parameters of groups whose options equal those of an earlier group",
        lambda e: any(
            all(e.opt.param_groups[j][k] == e.opt.param_groups[e.gi][k] for k in OPTIONS) for j in range(e.gi)
        ),
        Demonstration(shapes=((4,), (3,), (4,)), groups=(1, 1, 1), container="dicts"),
    )


_FIRST: dict = {}


def reset_caches() -> None:
    """Forget what bugs keep between optimizers."""
    _FIRST.clear()


def two_alive(w) -> None:
    """Two optimizers of other options over equal shapes, stepped in turn."""
    reset_caches()
    mine = [np.array(p) for p in w.params]
    w.opt = w.make(mine, lr=0.2, betas=(0.5, 0.7), eps=0.5, weight_decay=0.3, maximize=True)
    other = w.make(w.params, lr=0.01)
    for _ in range(4):
        g = w.gradients()
        w.opt(g)
        other(g)
        for p in (*mine, *w.params):
            w.see("theta", np.array(p))
        w.t += 1


def shared_born(which: str, by: str) -> Callable:
    def key(self, i):
        p = self._p[i]
        at = {
            "index and shape": (i, p.shape),
            "shape": (p.shape,),
            "bytes": (p.tobytes(), p.shape),
            "address": (p.ctypes.data, p.shape),
        }[by]
        return (type(self).__name__, which, p.dtype.str, *at)

    def born(self):
        Buggy._born(self)
        state = getattr(self, which)
        for i in range(len(state)):
            k = key(self, i)
            if len(_FIRST) > 4096:
                _FIRST.clear()
            state[i] = _FIRST.setdefault(k, state[i])

    return born


def _sharer(which: str, by: str) -> None:
    @custom("identity")
    def identity_shares(r, n):
        return Bug(
            "",
            f"{which} by {by}",
            f"Optimizers alive at once share {which[1:]} of parameters of the same "
            f"{by}, kept in a table of the class.",
            methods={"_born": shared_born(which, by)},
            demo=Demonstration(shapes=((4,), (3, 2)), script=one_after if by == "address" else two_alive),
        )

    CUSTOM["identity"][-1] = (f"identity_shares{which}_{by.split(maxsplit=1)[0]}", identity_shares)


def one_after(w) -> None:
    """A second optimizer over the same parameters, after the first was used."""
    reset_caches()
    for lr in (0.05, 0.02):
        w.opt = w.make(w.params, lr=lr)
        for _ in range(3):
            w.step()


for _w in ("_m", "_u"):
    for _by in ("index and shape", "shape", "bytes", "address"):
        _sharer(_w, _by)
CUSTOM["identity"] = [c for c in CUSTOM["identity"] if not c[0].endswith("bytes")]


@custom("identity")
def identity_equal_share_state(r, n):
    which = r.choice(("_m", "_u"))

    def born(self):
        Buggy._born(self)
        state = getattr(self, which)
        seen: dict = {}
        for i, p in enumerate(self._p):
            state[i] = seen.setdefault((p.shape, p.dtype.str, p.tobytes()), state[i])

    return Bug(
        "",
        "state by value " + which,
        f"Parameters that are equal in value at construction share {which[1:]}.",
        methods={"_born": born},
        demo=replace(TWINS, alter_p=lambda i, a: a * 0 + a.dtype.type(1)),
    )


def _cached(keys: tuple, what: str) -> Callable:
    """A step whose scalar is cached by fewer options than it depends on."""

    def step(self, e):
        key = (type(self).__name__, *(getattr(e, k) for k in keys))
        if len(_FIRST) > 4096:
            _FIRST.clear()
        return plain(e.but(**{what: _FIRST.setdefault(key, getattr(e, what))}))

    return step


def _cacher(keys: tuple, what: str) -> None:
    text = " and ".join(
        {
            "t": "the step count",
            "b1": "beta1",
            "gi": "the group's index",
            "i": "the parameter's index",
            "lr": "lr",
            "b2": "beta2",
        }[k]
        for k in keys
    )
    words = {
        "lr": "lr",
        "b1": "beta1",
        "b2": "beta2",
        "eps": "eps",
        "wd": "weight decay",
        "maximize": "maximize",
    }[what]

    @custom("identity")
    def identity_cache(r, n):
        return Bug(
            "",
            f"{what} by {'+'.join(keys)}",
            f"A table of the class finds {words} by {text} alone, so that "
            "another optimizer alive uses the first one's.",
            methods={"_step": _cached(keys, what)},
            demo=Demonstration(shapes=((4,), (3, 2)), script=two_alive),
        )

    CUSTOM["identity"][-1] = (f"identity_cache_{what}_{'_'.join(keys)}", identity_cache)


for _keys, _what in (
    (("t",), "lr"),
    (("t", "i"), "lr"),
    (("gi",), "lr"),
    (("t", "gi"), "b1"),
    (("gi",), "eps"),
    (("gi", "i"), "wd"),
    (("t",), "maximize"),
    (("t", "gi"), "b2"),
    (("i",), "eps"),
):
    _cacher(_keys, _what)


@custom("identity")
def identity_swapped_groups(r, n):
    which = r.choice(("lr", "wd", "eps"))

    def wrong(e):
        j = next(
            j
            for j in range(len(e.opt.param_groups))
            if len(e.opt.param_groups[j]["params"]) == len(e.opt.param_groups[e.gi]["params"])
        )
        return plain(e.but(**{which: check_options(e.opt.param_groups[j])[which]}))

    return Bug(
        "",
        "group by length " + which,
        f"A group is found by its number of parameters: {which} is the first such group's.",
        lambda e: True,
        wrong,
        demo=Demonstration(
            shapes=((4,), (3,), (2,), (5,)),
            groups=(1, 2, 1),
            container="dicts",
            group_opts=({"lr": 0.1, "weight_decay": 0.1, "eps": 0.1}, {}, {}),
        ),
    )


@custom("identity")
def identity_counter_shared(r, n):
    def step(self, e):
        key = (type(self).__name__, "t", e.i)
        if len(_FIRST) > 4096:
            _FIRST.clear()
        _FIRST[key] = _FIRST.get(key, 0) + 1
        return plain(e.but(t=_FIRST[key]))

    return Bug(
        "",
        "count of the class",
        "The count of steps belongs to the class: another optimizer alive counts on.",
        methods={"_step": step},
        demo=Demonstration(shapes=((4,), (3, 2)), script=two_alive),
    )
