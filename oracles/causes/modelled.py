"""An optimizer over NumPy arrays that has a given cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from ...reference.causes.machine import Inputs, Machine, Origin, SavedBooks, Source, Terms
from ..formats import Format
from .numbers import Number, Rounding, round_to
from .rows import Array

_OPTIONS = ("lr", "eps", "weight_decay", "maximize")


def modelled(kind: type[Machine], format_: Format) -> Callable[..., Any]:
    """The factory of optimizers that have a cause.

    They share what lives as long as the process.

    Args:
        kind: the deviation.
        format_: that of the parameters, one that NumPy has.
    """
    process: MutableMapping[str, Any] = {}

    class Model(_Modelled):
        dtypes = (format_.dtype,)

        def __init__(
            self,
            params: Any,
            lr: Any = 2e-3,
            betas: Any = (0.9, 0.999),
            eps: float = 1e-8,
            weight_decay: float = 0.0,
            *,
            maximize: bool = False,
        ) -> None:
            own = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
            super().__init__(kind(process), format_, params, own)

    return Model


class _Modelled:
    """An optimizer whose books a machine keeps, with the formula of the machine."""

    def __init__(self, machine: Machine, format_: Format, params: Any, defaults: dict[str, Any]) -> None:
        self.machine, self.format_ = machine, format_
        groups = list(params)
        groups = groups if isinstance(groups[0], Mapping) else [{"params": groups}]
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.thetas = [theta for group in self.param_groups for theta in group["params"]]
        self.exp_avg = [np.zeros_like(theta) for theta in self.thetas]
        self.exp_inf = [np.zeros_like(theta) for theta in self.thetas]
        self._old: list[tuple[Array, Array, float] | None] = [None] * len(self.thetas)
        self._seen = [_named(group) for group in self.param_groups]
        shapes = [[theta.shape for theta in group["params"]] for group in self.param_groups]
        machine.construct(deepcopy(self._seen), shapes)

    def __call__(self, gradients: Sequence[Any]) -> None:
        """Take one step as the machine does."""
        self._set_options()
        fits = len(gradients) == len(self.thetas)
        if not fits or any(g.shape != x.shape for g, x in zip(gradients, self.thetas, strict=True)):
            self.machine.refuse()
            if self.machine.moves_refused:
                self.thetas[0][...] += 1
            raise ValueError("want a gradient of its shape for each parameter")
        passed = [np.asarray(g, np.float64) for g in gradients]
        self.machine.begin([not g.any() for g in passed])
        after: dict[str, list[Array]] = {"m": [], "u": []}
        shown: list[Inputs] = []
        norm = float(np.sqrt(sum(float(np.sum(g * g)) for g in passed)))
        with np.errstate(all="ignore"):
            for i, g in enumerate(passed):
                self.machine.count(i)
                shown.append(self.machine.inputs(i))
                self._move(i, g, norm, shown[i], after)
        self.machine.end()
        self.exp_avg = [self._stored(after["m"][each.m_shown]) for each in shown]
        self.exp_inf = [self._stored(after["u"][each.u_shown]) for each in shown]

    def _move(self, i: int, g: Array, norm: float, own: Inputs, after: dict[str, list[Array]]) -> None:
        def exactly(value: Any) -> Number:
            return Number(np.asarray(value, np.float64), 0.0, Rounding(self.format_, 0.0))

        machine, theta = self.machine, np.array(self.thetas[i], np.float64)
        names = ("lr", "beta1", "beta2", "eps", "weight_decay")
        scalars = {name: machine.narrowed(name, exactly(getattr(own, name))) for name in names}
        x = Terms(
            theta=exactly(theta),
            m=exactly(self._moment("m", i, own.m, after)),
            u=exactly(self._moment("u", i, own.u, after)),
            g=exactly(g),
            array_norm=exactly(np.linalg.norm(g)),
            call_norm=exactly(norm),
            t=float(own.t),
            decays=own.weight_decay != 0,
            maximize=own.maximize,
            has_old=self._old[i] is not None,
            **scalars,
        )
        old_g, old_theta, old_decay = self._old[i] or (g * 0, theta, 0.0)
        x.old = Terms(**{**vars(x), "g": exactly(old_g), "theta": exactly(old_theta), "old": None})
        x.old.weight_decay, x.old.decays = exactly(old_decay), old_decay != 0
        self._old[i] = g, theta, own.weight_decay
        effective = machine.effective(x)
        m, u = (
            exactly(self._rounded(number.value))
            for number in (machine.moment(x, effective), machine.norm(x, effective))
        )
        after["m"].append(m.value)
        after["u"].append(u.value)
        self.thetas[i][...] = self._rounded(machine.update(x, m, u).value)

    def _rounded(self, value: Array) -> Array:
        return round_to(round_to(value, self.machine.computes_in or self.format_.dtype), self.format_.dtype)

    def _stored(self, value: Array) -> Any:
        return np.array(value, self.format_.dtype)

    def _moment(self, name: str, i: int, source: Source, after: dict[str, list[Array]]) -> Array:
        match source.origin:
            case Origin.ZERO:
                return np.zeros(self.thetas[i].shape)
            case Origin.STEPPED:
                return after[name][source.parameter]
            case _:
                moments = self.exp_avg if name == "m" else self.exp_inf
                return np.array(moments[source.parameter], np.float64)

    def _set_options(self) -> None:
        """Let the machine know the options that were set since the step before."""
        for k, group in enumerate(self.param_groups):
            for name, value in _named(group).items():
                if value != self._seen[k][name]:
                    self._seen[k][name] = value
                    self.machine.set(k, name, value)

    def state_dict(self) -> dict[str, Any]:
        """The books, m and u."""
        self._set_options()
        saved = self.machine.save()
        return {
            "counts": list(saved.counts),
            "options": saved.options,
            "extra": saved.extra,
            "m": [m.copy() for m in self.exp_avg],
            "u": [u.copy() for u in self.exp_inf],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint as the machine does."""
        options = deepcopy(state["options"])
        self.machine.load(SavedBooks(list(state["counts"]), options, state["extra"]))
        for name, own in (("m", self.exp_avg), ("u", self.exp_inf)):
            before = [each.copy() for each in own]
            for i, each in enumerate(own):
                source = self.machine.restored(name, i, 0)
                match source.origin:
                    case Origin.BEFORE:
                        each[...] = before[source.parameter]
                    case Origin.SAVED:
                        each[...] = state[name][source.parameter]
                    case _:
                        each[...] = 0
        self._seen = deepcopy(state["options"])
        for group, saved in zip(self.param_groups, self._seen, strict=True):
            group.update({name: saved[name] for name in _OPTIONS})
            group["betas"] = saved["beta1"], saved["beta2"]


def _named(group: Mapping[str, Any]) -> dict[str, Any]:
    beta1, beta2 = group["betas"]
    return {
        **{name: group[name] for name in _OPTIONS},
        "lr": float(group["lr"]),
        "beta1": beta1,
        "beta2": beta2,
    }
