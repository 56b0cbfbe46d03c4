"""Contexts by kind, the effects that suit them, and bugs that are written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

KINDS = (
    "shape",
    "size",
    "number",
    "memory",
    "identity",
    "input",
    "counter",
    "option",
    "domain",
    "checkpoint",
    "special",
    "precision",
    "hidden",
)
CONTEXTS: dict[str, list[tuple[str, Callable, tuple]]] = {kind: [] for kind in KINDS}
CUSTOM: dict[str, list[tuple[str, Callable]]] = {kind: [] for kind in KINDS}

PLACES = (
    "skip_all",
    "skip_theta",
    "m_lost",
    "u_lost",
    "u_undecayed",
    "m_late",
    "wd_off",
    "wd_decoupled",
    "sign",
    "lr_late",
    "lr_first",
    "eps_off",
    "eps_outside",
    "bias_off",
    "bias_behind",
    "g_roll",
    "g_reversed",
    "g_zero",
    "g_abs",
    "g_late",
    "betas_swapped",
    "u_shared",
    "m_off",
    "u_off",
    "p_off",
    "m_coarse",
    "nesterov",
    "u_sum",
    "u_unsaved",
    "max_after_decay",
    "g_clipped",
    "step_twice",
    "m_is_theta",
    "wd_not_in_u",
    "u_twice",
)


def context(kind: str, effects: tuple = PLACES, plus: tuple = (), less: tuple = ()) -> Callable:
    """Register a function from a generator to phrase, mask and demonstration."""

    def register(f: Callable) -> Callable:
        CONTEXTS[kind].append((f.__name__, f, tuple(x for x in effects + plus if x not in less)))
        return f

    return register


def custom(kind: str) -> Callable:
    """Register (rng, number) -> Bug for a kind."""

    def register(f: Callable) -> Callable:
        CUSTOM[kind].append((f.__name__, f))
        return f

    return register


def flat(shape: tuple, *slices: Any) -> np.ndarray:
    """A mask that is True in flat slices, in C order."""
    mask = np.zeros(int(np.prod(shape)), bool)
    for s in slices:
        mask[s] = True
    return mask.reshape(shape)
