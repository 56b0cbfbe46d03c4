"""Run an optimizer of this process on a case and keep its state after every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from adamax_conformance.oracles.error_model import ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.case import Case


@dataclass(frozen=True)
class State:
    """The observed state after one step; a `Snapshot`."""

    theta: list[np.ndarray]
    m: list[np.ndarray] | None
    u: list[np.ndarray] | None


def widen(arrays) -> list[np.ndarray]:
    """Copies in float64, which holds every number of a narrower format."""
    return [np.array(x, dtype=np.float64) for x in arrays]


def observe(factory, case: Case, dtype) -> list[State]:
    """The state after every step of a case."""
    thetas = [np.array(p.theta, dtype=dtype) for p in case.parameters]
    left = iter(thetas)
    groups = [
        group.hyperparameters.options() | {"params": [next(left) for _ in group.parameters]}
        for group in case.groups
    ]
    optimizer = factory(groups)
    states = []
    with np.errstate(all="ignore"):
        for t in range(1, case.steps + 1):
            for group, own in zip(case.groups, getattr(optimizer, "param_groups", ()), strict=False):
                own["lr"] = group.at(t).lr
            optimizer(tuple(np.array(g, dtype=dtype) for g in case.gradients(t)))
            m, u = getattr(optimizer, "exp_avg", None), getattr(optimizer, "exp_inf", None)
            seen = None if m is None else widen(m)
            states.append(State(widen(thetas), seen, None if u is None else widen(u)))
    return states


def declared_error_model(variant, format_: Format) -> ErrorModel:
    """The error model that a faithful variant declares."""
    scalars = format_ if variant.scalars == "working" else Format.BINARY64
    return ErrorModel(format_, scheme=EvaluationScheme(Form(variant.form)).with_scalars(scalars))
