"""Effects: the wrong numbers of a step, wherever a bug strikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.optimizer import effective, moments, plain, update


def chop(x: np.ndarray, lost: int, how: Callable = np.rint) -> np.ndarray:
    """X with `lost` bits fewer in its significand."""
    x = np.asarray(x)
    bits = np.finfo(x.dtype).nmant + 1 - lost
    with np.errstate(all="ignore"):
        part, exponent = np.frexp(x.astype(np.float64))
        return np.ldexp(how(np.ldexp(part, bits)), exponent - bits).astype(x.dtype)


def off(x: np.ndarray, ulps: int) -> np.ndarray:
    """x, off by between `ulps` and twice as many units in the last place."""
    x = np.asarray(x)
    return x + x * x.dtype.type(2 * ulps * np.finfo(x.dtype).eps)


EFFECTS: dict[str, tuple[Callable, str, dict]] = {}


def effect(text: str, *, keeps: bool = False, **needs: Any) -> Callable:
    """Register an effect.

    Args:
        text: its description.
        keeps: whether it needs the gradients of the step before.
        needs: the features without which a demonstration does not show it.
    """

    def register(f: Callable) -> Callable:
        f.keeps = keeps
        EFFECTS[f.__name__] = (f, text, needs)
        return f

    return register


@effect("are left out of the step: theta, m and u stay")
def skip_all(e):
    return e.m, e.u, e.p


@effect("have m and u updated, theta not")
def skip_theta(e):
    m, u, _ = plain(e)
    return m, u, e.p


@effect("keep the old m in storage, though theta uses the new one")
def m_unsaved(e):
    _, u, p = plain(e)
    return e.m, u, p


@effect("keep the old u in storage, though theta uses the new one")
def u_unsaved(e):
    m, _, p = plain(e)
    return m, e.u, p


@effect("lose m: the average starts again from zero")
def m_lost(e):
    return plain(e.but(m=e.m * 0))


@effect("lose u: it becomes |g| + eps", g_falls=True)
def u_lost(e):
    return plain(e.but(u=e.u * 0))


@effect("take a u that does not decay", g_falls=True)
def u_undecayed(e):
    return plain(e.but(b2=1.0))


@effect("decay u twice a step", g_falls=True)
def u_twice(e):
    return plain(e.but(b2=e.b2 * e.b2))


@effect("add the branches of u instead of taking the larger")
def u_sum(e):
    k = e.p.dtype.type
    m, _ = moments(e)
    u = k(e.b2) * e.u + np.abs(effective(e)) + k(e.eps)
    return m, u, e.p - update(e, m, u)


@effect("decay m twice a step")
def m_twice(e):
    k = e.p.dtype.type
    m, u = moments(e)
    m = m - k(e.b1 * (1.0 - e.b1)) * e.m
    return m, u, e.p - update(e, m, u)


@effect("look ahead as in Nesterov's method")
def nesterov(e):
    k = e.p.dtype.type
    m, u = moments(e)
    return m, u, e.p - update(e, k(e.b1) * m + k(1.0 - e.b1) * effective(e), u)


@effect("step with the m from before the step")
def m_late(e):
    m, u = moments(e)
    return m, u, e.p - update(e, e.m, u)


@effect("step with the u from before the step")
def u_late(e):
    m, u = moments(e)
    return m, u, e.p - update(e, m, e.u)


@effect("ignore weight decay", wd=0.1)
def wd_off(e):
    return plain(e.but(wd=0.0))


@effect("apply weight decay to theta directly, as AdamW does", wd=0.1)
def wd_decoupled(e):
    m, u, p = plain(e.but(wd=0.0))
    return m, u, p - e.p.dtype.type(e.lr * e.wd) * e.p


@effect("apply weight decay twice", wd=0.1)
def wd_twice(e):
    return plain(e.but(wd=2.0 * e.wd))


@effect("give weight decay the wrong sign", wd=0.1)
def wd_sign(e):
    return plain(e.but(wd=-e.wd))


@effect("take the maximum over the raw gradient, without decay", wd=0.1)
def wd_not_in_u(e):
    m, _ = moments(e)
    _, u = moments(e.but(wd=0.0))
    return m, u, e.p - update(e, m, u)


@effect("move the wrong way")
def sign(e):
    return plain(e.but(maximize=not e.maximize))


@effect("negate theta's decay along with the gradient when maximizing", wd=0.1, maximize=True)
def max_after_decay(e):
    return plain(e.but(wd=-e.wd if e.maximize else e.wd))


@effect("use the lr of construction", lr_moves=True)
def lr_first(e):
    return plain(e.but(lr=e.first["lr"]))


@effect("use the lr of the step before", lr_moves=True)
def lr_late(e):
    return plain(e.but(lr=e.last["lr"]))


@effect("round lr to eight bits")
def lr_coarse(e):
    part, exponent = np.frexp(e.lr)
    return plain(e.but(lr=float(np.ldexp(np.rint(part * 256.0), exponent))))


@effect("leave eps out", eps=0.02)
def eps_off(e):
    return plain(e.but(eps=0.0))


@effect("add eps after the maximum instead of to |g|", eps=0.02, g_falls=True)
def eps_outside(e):
    m, u = moments(e.but(eps=0.0))
    u = u + e.p.dtype.type(e.eps)
    return m, u, e.p - update(e, m, u)


@effect("leave the bias correction out")
def bias_off(e):
    return plain(e.but(t=1 << 40))


@effect("correct the bias with t + 1")
def bias_ahead(e):
    return plain(e.but(t=e.t + 1))


@effect("correct the bias with t - 1 from the second step on")
def bias_behind(e):
    return plain(e.but(t=max(e.t - 1, 1)))


@effect("correct the bias with beta2")
def bias_beta2(e):
    m, u = moments(e)
    return m, u, e.p - update(e.but(b1=e.b2), m, u)


@effect("read the gradient of the element before", many=True)
def g_roll(e):
    return plain(e.but(g=np.roll(e.g.ravel(), 1).reshape(e.g.shape)))


@effect("read the gradient from its other end", many=True)
def g_reversed(e):
    return plain(e.but(g=e.g.ravel()[::-1].reshape(e.g.shape)))


@effect("read the gradient in the other memory order", many=True, ndim=2)
def g_transposed(e):
    return plain(e.but(g=e.g.ravel("F").reshape(e.g.shape)))


@effect("read the first element's gradient for all", many=True)
def g_first(e):
    return plain(e.but(g=np.full_like(e.g, e.g.flat[0] if e.g.size else 0)))


@effect("read the gradient as zero")
def g_zero(e):
    return plain(e.but(g=e.g * 0))


@effect("read the gradient's magnitude without its sign")
def g_abs(e):
    return plain(e.but(g=np.abs(e.g)))


@effect("read the gradient of the step before", keeps=True)
def g_late(e):
    return plain(e.but(g=e.previous))


@effect("see the gradient clipped to 0.5 in magnitude")
def g_clipped(e):
    return plain(e.but(g=np.clip(e.g, e.g.dtype.type(-0.5), e.g.dtype.type(0.5))))


@effect("see the gradient with eight bits")
def g_coarse(e):
    return plain(e.but(g=chop(e.g, np.finfo(e.g.dtype).nmant - 7)))


@effect("swap the betas")
def betas_swapped(e):
    return plain(e.but(b1=e.b2, b2=e.b1))


@effect("share one u, the largest of the array", many=True)
def u_shared(e):
    m, u = moments(e)
    u = np.full_like(u, u.max() if u.size else 0)
    return m, u, e.p - update(e, m, u)


@effect("take the step twice")
def step_twice(e):
    m, u = moments(e)
    return m, u, e.p - 2 * update(e, m, u)


@effect("have the step capped at lr", grows=True)
def step_capped(e):
    k = e.p.dtype.type
    m, u = moments(e)
    return m, u, e.p - np.clip(update(e, m, u), k(-e.lr / 3), k(e.lr / 3))


@effect("clear m after the step")
def m_cleared(e):
    m, u, p = plain(e)
    return m * 0, u, p


@effect("clear u after the step")
def u_cleared(e):
    m, u, p = plain(e)
    return m, u * 0, p


@effect("store m with eight bits")
def m_coarse(e):
    m, u, p = plain(e)
    return chop(m, np.finfo(m.dtype).nmant - 7), u, p


@effect("store u with eight bits")
def u_coarse(e):
    m, u, p = plain(e)
    return m, chop(u, np.finfo(u.dtype).nmant - 7), p


@effect("store theta with eight bits")
def p_coarse(e):
    m, u, p = plain(e)
    return m, u, chop(p, np.finfo(p.dtype).nmant - 7)


@effect("store m off by 32 units in the last place")
def m_off(e):
    m, u, p = plain(e)
    return off(m, 32), u, p


@effect("store u off by 16 units in the last place")
def u_off(e):
    m, u, p = plain(e)
    return m, off(u, 16), p


@effect("store theta off by 16 units in the last place")
def p_off(e):
    m, u, p = plain(e)
    return m, u, off(p, 16)


@effect("swap m and u in storage")
def mu_swapped(e):
    m, u, p = plain(e)
    return u, np.abs(m), p


@effect("keep the theta from before as their m", many=True)
def m_is_theta(e):
    _, u, p = plain(e)
    return np.array(e.p), u, p
