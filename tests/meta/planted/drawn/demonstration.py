"""Demonstrations: a bug and the right optimizer live through the same, and differ."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Buggy, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import Faithful

SCALES = (1.0, 0.5, 1.3, 0.25, 1.8, 0.4, 1.1, 0.7)
"""Sizes of the gradients, by the step: both branches of the maximum are taken."""

Observations = list[tuple[int, str, Any]]
"""What is seen: the step, a name, and the value."""


class HiddenFaithful(Faithful):
    """The right optimizer, with its state not shown."""

    exp_avg = exp_inf = property(lambda _: (_ for _ in ()).throw(AttributeError("hidden")))


def arrange(a: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers in another memory layout."""
    if layout == "C" or (a.ndim == 0 and layout not in {"readonly", "unaligned"}):
        return np.array(a, order="C")
    match layout:
        case "F":
            return np.array(a, order="F")
        case "broadcast":
            return np.broadcast_to(np.array(a[:1]), a.shape)
        case "readonly":
            b = np.array(a)
            b.flags.writeable = False
            return b
        case "unaligned":
            b = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
        case "strided":
            b = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)[..., ::2]
        case "reversed":
            b = np.zeros(a.shape, a.dtype)[::-1]
        case "window":
            b = np.zeros([n + 2 for n in a.shape], a.dtype)[tuple(slice(1, n + 1) for n in a.shape)]
        case _:
            raise ValueError(f"there is no layout {layout!r}")
    b[...] = a
    return b


class Stage:
    """A demonstration as it goes: an optimizer, its parameters, and what was seen.

    Args:
        make: the factory of the optimizer.
        demo: what is done.
        dtype: of parameters that do not say otherwise.
    """

    def __init__(self, make: Callable[..., Any], demo: Demonstration, dtype: str) -> None:
        self.make, self.demo, self.dtype, self.log, self.t = make, demo, dtype, [], 0
        self.rng = np.random.default_rng(12345)
        dtypes = demo.dtypes or (dtype,) * len(demo.shapes)
        self.params = []
        for i, (shape, kind) in enumerate(zip(demo.shapes, dtypes, strict=False)):
            a = np.asarray(self.rng.standard_normal(shape) * demo.pscale).astype(kind or dtype)
            a = demo.alter_p(i, a) if demo.alter_p else a
            self.params.append(arrange(a, demo.players[i % len(demo.players)]))
        if demo.make_p:
            self.params = demo.make_p(self.params)
        self.opt = None

    def groups(self) -> list[dict[str, Any]]:
        """The parameters as groups with their options."""
        demo, groups, at = self.demo, [], 0
        for j, k in enumerate(demo.groups or (len(self.params),)):
            extra = demo.group_opts[j] if j < len(demo.group_opts) else {}
            groups.append({"params": self.params[at : at + k], **extra})
            at += k
        return groups

    def given(self):
        """The argument `params` of the constructor."""
        match self.demo.container:
            case "list":
                return list(self.params)
            case "tuple":
                return tuple(self.params)
            case "generator":
                return (p for p in self.params)
            case "dicts":
                return self.groups()
            case "dict generator":
                return (g for g in self.groups())
            case "dicts of generators":
                return [{**g, "params": (p for p in g["params"])} for g in self.groups()]
        raise ValueError(f"there is no container {self.demo.container!r}")

    def gradients(self) -> list[np.ndarray]:
        demo, result = self.demo, []
        for i, p in enumerate(self.params):
            g = self.rng.standard_normal(p.shape) * demo.gscale * SCALES[self.t % len(SCALES)]
            g = np.asarray(g).astype(p.dtype)
            if demo.alter_g:
                g = np.asarray(demo.alter_g(self.t, i, g)).astype(p.dtype)
            result.append(arrange(g, demo.glayers[i % len(demo.glayers)]))
        return demo.make_g(self, result) if demo.make_g else result

    def see(self, name: str, value: Any) -> None:
        self.log.append((self.t, name, copy.deepcopy(value)))

    def watch(self) -> None:
        at = self.demo.watch or range(len(self.params))
        for i in at:
            self.see(f"theta{i}", np.array(self.params[i]))
        for name in ("exp_avg", "exp_inf"):
            if hasattr(self.opt, name):
                for i in at:
                    self.see(f"{name}{i}", np.array(getattr(self.opt, name)[i]))

    def step(self, gradients=None) -> None:
        given = self.gradients() if gradients is None else gradients
        before = [np.array(g) for g in given]
        few = len(given) < 80
        own = [not few or any(np.shares_memory(g, p) for p in self.params) for g in given]
        container = {"list": list, "tuple": tuple, "generator": iter}.get(self.demo.gcontainer, list)
        try:
            returned = self.opt(container(given))
        except ValueError as error:
            self.see("raised", type(error).__name__)
            returned = None
        if returned is not None:
            self.see("returned", (type(returned).__name__, len(returned)))
            pairs = zip(returned, self.params, strict=False)
            self.see("same", [a is p or np.array_equal(a, p, equal_nan=True) for a, p in pairs])
        kept = zip(own, before, given, strict=True)
        self.see("gradients kept", [o or np.array_equal(a, b, equal_nan=True) for o, a, b in kept])
        self.watch()
        self.t += 1

    def perform(self) -> Observations:
        """Do everything, and return what was seen."""
        with np.errstate(all="ignore"):
            if self.demo.script:
                self.demo.script(self)
                return self.log
            self.opt = self.make(self.given(), **self.demo.opts)
            for t in range(self.demo.steps):
                self.between(t)
                self.step()
            if self.demo.after:
                self.demo.after(self)
        return self.log

    def between(self, t: int) -> None:
        """Do what happens before step t."""
        if t in self.demo.before:
            self.demo.before[t](self)
        factor = (1.3 if t % 2 else 0.8) if self.demo.lr_every else 1.5
        if (self.demo.lr_every and t > 0) or (t == 3 and not self.demo.before):
            for group in self.opt.param_groups:
                group["lr"] = group["lr"] * factor


def difference(a: Any, b: Any) -> float:
    """The distance of two values in ulp; infinite if they differ in kind."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype.kind == "f"):
        return 0.0 if np.array_equal(a, b) else np.inf
    if a.shape != b.shape or a.dtype != b.dtype:
        return np.inf
    x, y = a.astype(np.float64), b.astype(np.float64)
    if np.any(np.isnan(x) != np.isnan(y)):
        return np.inf
    with np.errstate(all="ignore"):
        ulp = np.spacing(np.maximum(np.abs(a), np.abs(b))).astype(np.float64)
        gap = np.where(x == y, 0.0, np.abs(x - y) / ulp)
        gap = np.where((np.isinf(x) | np.isinf(y)) & (x != y), np.inf, gap)
    return float(np.nanmax(gap, initial=0.0))


def largest_difference(planted: type[Buggy], dtype: str) -> float:
    """The largest difference from the right optimizer in a bug's own demonstration."""
    demo = planted.bug.demo
    right = Stage(Faithful if planted.bug.shown else HiddenFaithful, demo, dtype).perform()
    wrong = Stage(planted, demo, dtype).perform()
    if [seen[:2] for seen in right] != [seen[:2] for seen in wrong]:
        return np.inf
    return max((difference(a[2], b[2]) for a, b in zip(right, wrong, strict=True)), default=0.0)
