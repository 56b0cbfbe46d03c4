"""A right Adamax whose step sees its surroundings, for a bug to strike in some."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

OPTIONS = ("lr", "betas", "eps", "weight_decay", "maximize")


def check_options(s: dict) -> dict:
    """Check one group's options and return them as plain numbers."""
    lr = s["lr"]
    if isinstance(lr, (str, bytes)) or not isinstance(lr, (int, float, np.ndarray, np.generic)):
        raise ValueError(f"lr must be an int, a float or a 0-d array, not {lr!r}")
    if np.size(lr) != 1 or np.iscomplexobj(lr):
        raise ValueError(f"lr must be one real number, not {lr!r}")
    lr = float(np.asarray(lr).reshape(()))
    b1, b2 = (float(b) for b in s["betas"])
    if not lr >= 0.0:
        raise ValueError(f"lr must be at least 0, not {lr}")
    if not s["eps"] >= 0.0:
        raise ValueError(f"eps must be at least 0, not {s['eps']}")
    if not (0.0 <= b1 < 1.0 and 0.0 <= b2 < 1.0):
        raise ValueError(f"betas must lie in [0, 1), not {s['betas']}")
    if not s["weight_decay"] >= 0.0:
        raise ValueError(f"weight_decay must be at least 0, not {s['weight_decay']}")
    return {
        "lr": lr,
        "b1": b1,
        "b2": b2,
        "eps": float(s["eps"]),
        "wd": float(s["weight_decay"]),
        "maximize": bool(s["maximize"]),
    }


class Env:
    """One parameter's step: what goes in, and where it happens."""

    def __init__(self, **kw: Any) -> None:
        self.__dict__.update(kw)

    def but(self, **kw: Any) -> Env:
        return Env(**{**self.__dict__, **kw})


def effective(e: Env) -> np.ndarray:
    """The gradient after maximize and weight decay."""
    k = e.p.dtype.type
    g = -e.g if e.maximize else e.g
    return g + k(e.wd) * e.p if e.wd != 0.0 else g


def moments(e: Env) -> tuple[np.ndarray, np.ndarray]:
    k, g = e.p.dtype.type, effective(e)
    m = k(e.b1) * e.m + k(1.0 - e.b1) * g
    return m, np.maximum(k(e.b2) * e.u, np.abs(g) + k(e.eps))


def update(e: Env, m: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The step that is subtracted from theta: none if m and u are zero."""
    k = e.p.dtype.type
    bias = 1.0 - e.b1**e.t
    scale = k(e.lr / bias) if bias != 0.0 else k(np.inf)
    return np.where((m == 0) & (u == 0), k(0), scale * (m / u)).astype(e.p.dtype, copy=False)


def plain(e: Env) -> tuple:
    """The documented step: m, u and theta after it."""
    m, u = moments(e)
    return m, u, e.p - update(e, m, u)


class Faithful:
    """Adamax as documented."""

    dtypes = ("float16", "float32", "float64")
    name = "faithful"
    family = "drawn"
    sentence = "Adamax as documented, scalars in binary64 rounded once."

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        self.defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        check_options(self.defaults)
        self.param_groups: list[dict] = []
        self._p: list[np.ndarray] = []
        self._m: list[np.ndarray] = []
        self._u: list[np.ndarray] = []
        self._t: list[int] = []
        self._where: list[tuple[int, int]] = []
        self._memo: dict = {}
        for group in self._groups_of(params):
            self.add_param_group(group)

    def _groups_of(self, params) -> list[dict]:
        given = list(params)
        if given and isinstance(given[0], dict):
            return given
        return [{"params": given}] if given else []

    def add_param_group(self, group: dict) -> None:
        """Add a group of parameters; their own count of steps starts at zero."""
        arrays = group["params"]
        arrays = [arrays] if isinstance(arrays, np.ndarray) else list(arrays)
        own = {**self.defaults, **{k: v for k, v in group.items() if k != "params"}}
        own["betas"] = tuple(own["betas"])
        check_options(own)
        for a in arrays:
            if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
                raise ValueError(f"a parameter must be an array of floats, not {type(a).__name__}")
        for k, a in enumerate(arrays):
            self._where.append((len(self.param_groups), k))
            self._p.append(a)
            self._m.append(np.zeros(a.shape, a.dtype))
            self._u.append(np.zeros(a.shape, a.dtype))
            self._t.append(0)
        self.param_groups.append({"params": arrays, **own})

    @property
    def exp_avg(self) -> list:
        return list(self._m)

    @property
    def exp_inf(self) -> list:
        return list(self._u)

    def _take(self, gradients) -> list[np.ndarray]:
        """Private copies of the gradients, checked before anything changes."""
        raw = [np.asarray(g) for g in gradients]
        if len(raw) != len(self._p):
            raise ValueError(f"{len(raw)} gradients for {len(self._p)} parameters")
        for i, (g, p) in enumerate(zip(raw, self._p, strict=False)):
            if g.shape != p.shape:
                raise ValueError(f"gradient {i} has shape {g.shape}, its parameter {p.shape}")
        self._raw = raw
        return [np.array(g, dtype=p.dtype, order="C") for g, p in zip(raw, self._p, strict=False)]

    def _settings(self) -> list[dict]:
        return [check_options(g) for g in self.param_groups]

    def _step(self, e: Env) -> tuple:
        return plain(e)

    def _env(self, i: int, g: np.ndarray, s: dict, t: int) -> Env:
        gi, k = self._where[i]
        return Env(
            opt=self,
            i=i,
            gi=gi,
            k=k,
            n=len(self._p),
            t=t,
            raw=self._raw[i],
            array=self._p[i],
            g=g,
            p=self._p[i],
            m=self._m[i],
            u=self._u[i],
            **s,
        )

    def __call__(self, gradients) -> tuple:
        grads = self._take(gradients)
        settings = self._settings()
        with np.errstate(all="ignore"):
            for i, g in enumerate(grads):
                self._t[i] += 1
                e = self._env(i, g, settings[self._where[i][0]], self._t[i])
                self._m[i][...], self._u[i][...], self._p[i][...] = self._step(e)
        self._raw = []
        return self._result()

    def _result(self) -> tuple:
        return tuple(self._p)

    def state_dict(self) -> dict:
        """A checkpoint that shares nothing with the live state."""
        groups, at = [], 0
        for g in self.param_groups:
            n = len(g["params"])
            groups.append(
                {**{k: copy.deepcopy(g[k]) for k in g if k != "params"}, "params": list(range(at, at + n))}
            )
            at += n
        state = {
            i: {"step": self._t[i], "exp_avg": self._m[i].copy(), "exp_inf": self._u[i].copy()}
            for i in range(len(self._p))
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state: dict) -> None:
        if [len(g["params"]) for g in state["param_groups"]] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError("the checkpoint has other groups than this optimizer")
        entries = [state["state"][i] for i in range(len(self._p))]
        for i, (s, p) in enumerate(zip(entries, self._p, strict=False)):
            if np.shape(s["exp_avg"]) != p.shape or np.shape(s["exp_inf"]) != p.shape:
                raise ValueError(
                    f"the checkpoint's state {i} has another shape than its parameter, {p.shape}"
                )
        for g, saved in zip(self.param_groups, state["param_groups"], strict=False):
            g.update({k: copy.deepcopy(v) for k, v in saved.items() if k != "params"})
        for i, s in enumerate(entries):
            self._t[i] = int(s["step"])
            self._m[i] = np.array(s["exp_avg"], dtype=self._p[i].dtype)
            self._u[i] = np.array(s["exp_inf"], dtype=self._p[i].dtype)
