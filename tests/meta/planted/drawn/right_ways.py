"""Right optimizers that store, share or execute in another way."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.optimizer import (
    Env,
    Faithful,
    check_options,
    effective,
    moments,
    update,
)
from adamax_conformance.tests.meta.planted.drawn.right_numbers import bias, guard, scalar, variant


@variant
class ComparedMaximum(Faithful):
    """The maximum by comparison, with NaN let through."""

    def _step(self, e):
        g = effective(e)
        m, _ = moments(e)
        a, b = scalar(e, e.b2) * e.u, np.abs(g) + scalar(e, e.eps)
        u = np.where(np.isnan(a) | (a > b), a, b)
        return m, u, e.p - update(e, m, u)


@variant
class Chunked(Faithful):
    """Each parameter in flat chunks of 1000 elements."""

    chunk = 1000

    def _step(self, e):
        flat = {k: getattr(e, k).ravel() for k in ("p", "g", "m", "u")}
        out = [np.empty_like(flat["p"]) for _ in range(3)]
        for at in range(0, e.p.size, self.chunk):
            part = slice(at, at + self.chunk)
            for o, x in zip(out, super()._step(e.but(**{k: v[part] for k, v in flat.items()})), strict=False):
                o[part] = x
        return tuple(o.reshape(e.p.shape) for o in out)


@variant
class ByVectors(Chunked):
    """Each parameter in vectors of 8 elements, the rest in a shorter one."""

    chunk = 8


@variant
class Threads(Faithful):
    """Halves of arrays of 65536 or more elements, each in a thread."""

    def _step(self, e):
        if e.p.size < 65536:
            return super()._step(e)
        half = e.p.size // 2
        flat = {k: getattr(e, k).ravel() for k in ("p", "g", "m", "u")}
        parts = [e.but(**{k: v[s] for k, v in flat.items()}) for s in (slice(half), slice(half, None))]

        def work(part):
            with np.errstate(all="ignore"):
                return Faithful._step(self, part)

        with ThreadPoolExecutor(2) as pool:
            a, b = pool.map(work, parts)
        return tuple(np.concatenate(x).reshape(e.p.shape) for x in zip(a, b, strict=False))


@variant
class ReverseOrder(Faithful):
    """Updates the last parameter first."""

    def __call__(self, gradients):
        grads, settings = self._take(gradients), self._settings()
        with np.errstate(all="ignore"):
            for i in reversed(range(len(grads))):
                self._t[i] += 1
                e = self._env(i, grads[i], settings[self._where[i][0]], self._t[i])
                self._m[i][...], self._u[i][...], self._p[i][...] = self._step(e)
        self._raw = []
        return self._result()


@variant
class Concatenated(Faithful):
    """Parameters of one dtype, with the same options and count, stepped as one array."""

    def __call__(self, gradients):
        grads, settings = self._take(gradients), self._settings()
        buckets: dict = {}
        for i, p in enumerate(self._p):
            self._t[i] += 1
            s = settings[self._where[i][0]]
            buckets.setdefault((p.dtype.str, self._t[i], *s.values()), []).append(i)
        with np.errstate(all="ignore"):
            for at in buckets.values():

                def join(arrays, at=at):
                    return np.concatenate([arrays[i].ravel() for i in at])

                e = Env(
                    t=self._t[at[0]],
                    p=join(self._p),
                    g=join(grads),
                    m=join(self._m),
                    u=join(self._u),
                    **settings[self._where[at[0]][0]],
                )
                new, start = self._step(e), 0
                for i in at:
                    part = slice(start, start + self._p[i].size)
                    for old, x in zip((self._m[i], self._u[i], self._p[i]), new, strict=False):
                        old[...] = x[part].reshape(old.shape)
                    start = part.stop
        self._raw = []
        return self._result()


@variant
class Arena(Faithful):
    """State in one flat array per dtype and group, which m and u are views of."""

    def add_param_group(self, group):
        start = len(self._p)
        super().add_param_group(group)
        self._pack(range(start, len(self._p)))

    def _pack(self, at):
        for store in (self._m, self._u):
            for kind in {self._p[i].dtype for i in at}:
                mine = [i for i in at if self._p[i].dtype == kind]
                arena, start = np.zeros(sum(self._p[i].size for i in mine), kind), 0
                for i in mine:
                    view = arena[start : start + self._p[i].size].reshape(self._p[i].shape)
                    view[...] = store[i]
                    store[i], start = view, start + view.size

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self._pack(range(len(self._p)))

    def __deepcopy__(self, memo):
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new


@variant
class StateInParameterOrder(Faithful):
    """m and u in the memory order of their parameter."""

    def add_param_group(self, group):
        start = len(self._p)
        super().add_param_group(group)
        for i in range(start, len(self._p)):
            self._m[i], self._u[i] = np.zeros_like(self._p[i]), np.zeros_like(self._p[i])


@variant
class Scratch(Faithful):
    """Expressions with out=, in scratch arrays that copies leave out."""

    def _step(self, e):
        key = (e.p.shape, e.p.dtype.str)
        scratch = self.__dict__.setdefault("_scratch", {})
        if key not in scratch:
            scratch[key] = [np.empty(e.p.shape, e.p.dtype) for _ in range(3)]
        a, b, c = scratch[key]
        np.copyto(a, e.g)
        if e.maximize:
            np.negative(a, out=a)
        if e.wd:
            np.multiply(e.p, scalar(e, e.wd), out=b)
            np.add(a, b, out=a)
        np.multiply(a, scalar(e, 1.0 - e.b1), out=b)
        np.multiply(e.m, scalar(e, e.b1), out=c)
        np.add(b, c, out=b)
        np.abs(a, out=a)
        np.add(a, scalar(e, e.eps), out=a)
        np.multiply(e.u, scalar(e, e.b2), out=c)
        np.maximum(a, c, out=a)
        np.divide(b, a, out=c)
        np.multiply(c, scalar(e, e.lr / bias(e)), out=c)
        c[(a == 0) & (b == 0)] = 0
        np.subtract(e.p, c, out=c)
        return b, a, c

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_scratch"}


@variant
class CachedScalars(Faithful):
    """The bias correction from a table keyed by beta1 and count, bounded in size."""

    _table: ClassVar[dict] = {}

    def _step(self, e):
        key = (e.b1, e.t)
        if key not in self._table:
            if len(self._table) > 1000:
                self._table.clear()
            self._table[key] = 1.0 - e.b1**e.t
        m, u = moments(e)
        return m, u, e.p - guard(m, u, scalar(e, e.lr / self._table[key]) * (m / u))


@variant
class RunningPower(Faithful):
    """beta1^t as a running product, formed again when beta1 or the count jumps."""

    def _step(self, e):
        powers = self.__dict__.setdefault("_power", {})
        b1, t, power = powers.get(e.i, (e.b1, -1, 1.0))
        power = power * e.b1 if (b1, t) == (e.b1, e.t - 1) else e.b1**e.t
        powers[e.i] = (e.b1, e.t, power)
        m, u = moments(e)
        return m, u, e.p - guard(m, u, scalar(e, e.lr / (1.0 - power)) * (m / u))


@variant
class ThroughCopies(Faithful):
    """All new values are computed before any is written back."""

    def __call__(self, gradients):
        grads, settings = self._take(gradients), self._settings()
        with np.errstate(all="ignore"):
            new = [
                self._step(self._env(i, g, settings[self._where[i][0]], self._t[i] + 1))
                for i, g in enumerate(grads)
            ]
        for i, (m, u, p) in enumerate(new):
            self._t[i] += 1
            self._m[i][...], self._u[i][...], self._p[i][...] = m, u, p
        self._raw = []
        return self._result()


@variant
class StateReplaced(Faithful):
    """m and u are new arrays at each step; exp_avg and exp_inf read the current ones."""

    def _step(self, e):
        m, u, p = super()._step(e)
        self._m[e.i], self._u[e.i] = np.array(m), np.array(u)
        return self._m[e.i], self._u[e.i], p


@variant
class ReturnsViews(Faithful):
    """The returned arrays are views of the parameters, not the same objects."""

    def _result(self):
        return tuple(p.view() for p in self._p)


@variant
class HiddenState(Faithful):
    """Shows neither exp_avg nor exp_inf."""

    @property
    def exp_avg(self):
        raise AttributeError("exp_avg")

    @property
    def exp_inf(self):
        raise AttributeError("exp_inf")


@variant
class ListCheckpoint(Faithful):
    """A checkpoint of lists: counts, m, u and groups."""

    def state_dict(self):
        s = super().state_dict()
        entries = [s["state"][i] for i in range(len(self._p))]
        return {
            "steps": [x["step"] for x in entries],
            "exp_avg": [x["exp_avg"] for x in entries],
            "exp_inf": [x["exp_inf"] for x in entries],
            "param_groups": s["param_groups"],
        }

    def load_state_dict(self, state):
        rows = zip(state["steps"], state["exp_avg"], state["exp_inf"], strict=True)
        super().load_state_dict(
            {
                "state": {i: {"step": t, "exp_avg": m, "exp_inf": u} for i, (t, m, u) in enumerate(rows)},
                "param_groups": state["param_groups"],
            }
        )


@variant
class HalfInSingle(Faithful):
    """binary16 parameters are stepped in binary32, with state in binary16."""

    def _step(self, e):
        if e.p.dtype != np.float16:
            return super()._step(e)
        e = e.but(**{k: getattr(e, k).astype(np.float32) for k in ("p", "g", "m", "u")})
        return tuple(np.asarray(x).astype(np.float16) for x in super()._step(e))


@variant
class OptionsReadOnce(Faithful):
    """Options are checked again only where a group's dict changed since the last step."""

    def _settings(self):
        seen = self.__dict__.setdefault("_seen", {})
        out = []
        for j, g in enumerate(self.param_groups):
            now = (
                float(np.asarray(g["lr"]).reshape(())) if isinstance(g["lr"], np.ndarray) else g["lr"],
                type(g["lr"]),
                tuple(g["betas"]),
                g["eps"],
                g["weight_decay"],
                g["maximize"],
            )
            if j not in seen or seen[j][0] != now:
                seen[j] = (now, check_options(g))
            out.append(dict(seen[j][1]))
        return out


@variant
class Reference(Faithful):
    """The documented order, as in the base class."""
