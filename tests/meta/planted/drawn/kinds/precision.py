"""Bugs of a few bits, in a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.effects import chop, effect
from adamax_conformance.tests.meta.planted.drawn.optimizer import effective, moments, plain, update
from adamax_conformance.tests.meta.planted.drawn.registry import context, custom, flat


@effect("divide by a reciprocal of u with twelve bits")
def reciprocal_coarse(e):
    m, u = moments(e)
    k = e.p.dtype.type
    r = chop(k(1) / u, max(np.finfo(u.dtype).nmant - 11, 3))
    return m, u, e.p - update(e.but(), m * r, np.ones_like(u))


@effect("truncate m by six bits")
def m_truncated(e):
    m, u, p = plain(e)
    return chop(m, 6, np.trunc), u, p


@effect("truncate u by six bits")
def u_truncated(e):
    m, u, p = plain(e)
    return m, chop(u, 6, np.trunc), p


@effect("round u up by six bits")
def u_rounded_up(e):
    m, u, p = plain(e)
    return m, chop(u, 6, np.ceil), p


@effect("truncate theta by five bits")
def p_truncated(e):
    m, u, p = plain(e)
    return m, u, chop(p, 5, np.trunc)


@effect("have 1 - beta1 rounded to seven bits")
def weight_coarse(e):
    k = e.p.dtype.type
    m, u = moments(e)
    w = float(chop(np.float64(1.0 - e.b1), 46))
    m = m + k(w - (1.0 - e.b1)) * effective(e)
    return m, u, e.p - update(e, m, u)


@effect("have beta2 rounded to eight bits")
def beta2_coarse(e):
    return plain(e.but(b2=float(chop(np.float64(e.b2), 45))))


@effect("have the bias correction rounded to eight bits")
def bias_coarse(e):
    bias = 1.0 - e.b1**e.t
    return plain(e.but(lr=e.lr * bias / float(chop(np.float64(bias), 45)))) if bias else plain(e)


PRECISE = (
    "m_off",
    "u_off",
    "p_off",
    "m_coarse",
    "u_coarse",
    "p_coarse",
    "g_coarse",
    "m_truncated",
    "u_truncated",
    "u_rounded_up",
    "p_truncated",
    "weight_coarse",
    "reciprocal_coarse",
)
WIDE = Demonstration(shapes=((4099,), (60, 50)), steps=4)


def binade(x: np.ndarray, k: int) -> np.ndarray:
    return (np.abs(x) >= 2.0**k) & (np.abs(x) < 2.0 ** (k + 1))


def window(x: np.ndarray, j: int, w: int) -> np.ndarray:
    """A mask of the elements whose significand lies in window j of w."""
    part, _ = np.frexp(np.abs(x.astype(np.float64)))
    return np.floor((part - 0.5) * 2 * w) == j


@context("precision", PRECISE)
def precision_m_binade(r):
    k = r.randint(-9, -3)
    return (
        f"Elements whose new m lies in [2^{k}, 2^{k + 1}) in magnitude",
        lambda e: binade(moments(e)[0], k),
        WIDE,
    )


@context("precision", PRECISE)
def precision_u_binade(r):
    k = r.randint(-5, 1)
    return f"Elements whose new u lies in [2^{k}, 2^{k + 1})", lambda e: binade(moments(e)[1], k), WIDE


@context("precision", PRECISE)
def precision_theta_binade(r):
    k = r.randint(-6, 0)
    return f"Elements whose theta lies in [2^{k}, 2^{k + 1}) in magnitude", lambda e: binade(e.p, k), WIDE


@context("precision", PRECISE)
def precision_g_binade(r):
    k = r.randint(-6, 0)
    return f"Elements whose gradient lies in [2^{k}, 2^{k + 1}) in magnitude", lambda e: binade(e.g, k), WIDE


def windowed(name: str, words: str, value: Callable) -> None:
    def f(r):
        w = 1 << r.randint(6, 10)
        j = r.randrange(w)
        return (
            f"Elements whose {words} has a significand in window {j} of {w} equal ones",
            lambda e: window(value(e), j, w),
            replace(WIDE, shapes=((16 * w + 3,), (8 * w, 3)), steps=4),
        )

    f.__name__ = f"precision_{name}_window"
    context("precision", PRECISE)(f)


windowed("m", "new m", lambda e: moments(e)[0])
windowed("u", "new u", lambda e: moments(e)[1])
windowed("theta", "theta", lambda e: e.p)
windowed("g", "gradient", lambda e: e.g)


@context("precision", PRECISE)
def precision_theta_large(r):
    k = r.choice((64, 1024, 4096, 20000))
    return (
        f"Elements whose theta is above {k} in magnitude",
        lambda e: np.abs(e.p) > k,
        Demonstration(shapes=((40,), (5, 6)), pscale=4.0 * k, opts={"lr": 0.05 * k}),
    )


@context("precision", PRECISE)
def precision_theta_small(r):
    k = 10.0 ** -r.choice((2, 3, 5))
    return (
        f"Elements whose theta is below {k:g} in magnitude, but not zero,",
        lambda e: (np.abs(e.p) < k) & (e.p != 0),
        Demonstration(shapes=((40,), (5, 6)), pscale=k / 3, opts={"lr": k / 20}),
    )


@context("precision", PRECISE)
def precision_theta_zero(r):
    return "Elements whose theta is zero", lambda e: e.p == 0, Demonstration(alter_p=lambda i, a: a * 0)


@context("precision", PRECISE)
def precision_tail(r):
    k = 1 << r.randint(2, 5)
    return (
        f"Elements past the last multiple of {k}",
        lambda e: e.p.size % k != 0 and flat(e.p.shape, slice(e.p.size - e.p.size % k, None)),
        Demonstration(shapes=((5 * k + k - 1,), (3, 5))),
    )


@context("precision", PRECISE)
def precision_vector(r):
    return "Elements of vectors (one dimension)", lambda e: e.p.ndim == 1, Demonstration()


@context("precision", PRECISE)
def precision_long(r):
    k = 1 << r.randint(8, 15)
    return (
        f"Elements of arrays of more than {k} elements",
        lambda e: e.p.size > k,
        Demonstration(shapes=((k + 3,), (5,))),
    )


@context("precision", PRECISE)
def precision_odd(r):
    k = r.choice((2, 4, 8, 64))
    return (
        f"Elements at every {k}th place of matrices",
        lambda e: e.p.ndim == 2 and flat(e.p.shape, slice(k - 1, None, k)),
        Demonstration(shapes=((20, 13), (5,))),
    )


@context("precision", PRECISE)
def precision_ratio(r):
    k = r.choice((4, 16, 64))

    def applies(e):
        m, u = moments(e)
        return np.abs(m) * k < u

    return f"Elements whose |m| is less than u / {k}", applies, WIDE


@context("precision", PRECISE)
def precision_cancel(r):
    return "Elements whose old m and gradient have opposite signs", lambda e: e.m * effective(e) < 0, WIDE


@context("precision", PRECISE)
def precision_decaying(r):
    def applies(e):
        k = e.p.dtype.type
        return k(e.b2) * e.u > np.abs(effective(e)) + k(e.eps)

    return "Elements whose u decays", applies, WIDE


@context("precision", PRECISE)
def precision_g_large(r):
    k = r.choice((100, 4096, 30000))
    return (
        f"Elements whose gradient is above {k} in magnitude",
        lambda e: np.abs(e.g) > k,
        Demonstration(shapes=((40,), (5, 6)), gscale=2.0 * k if k < 30000 else 1.1 * k),
    )


@context("precision", PRECISE)
def precision_g_small(r):
    k = 10.0 ** -r.choice((2, 3))
    return (
        f"Elements whose gradient is below {k:g} in magnitude, but not zero,",
        lambda e: (np.abs(e.g) < k) & (e.g != 0),
        Demonstration(shapes=((40,), (5, 6)), gscale=k / 3),
    )


@context("precision", PRECISE, plus=("beta2_coarse", "bias_coarse", "lr_coarse"))
def precision_every_step(r):
    k = r.choice((2, 4, 16))
    return (
        f"Elements at steps that are a multiple of {k}",
        lambda e: e.t % k == 0,
        Demonstration(steps=2 * k + 1, opts={"betas": (0.9, 0.991), "lr": 0.0511}),
    )


@context("precision", PRECISE, plus=("beta2_coarse", "bias_coarse", "lr_coarse"))
def precision_late(r):
    k = r.choice((8, 20, 100))
    return (
        f"Elements from step {k} on",
        lambda e: e.t >= k,
        Demonstration(steps=k + 4, opts={"betas": (0.9, 0.991), "lr": 0.0511}),
    )


@custom("precision")
def precision_u_clamped(r, n):
    k = r.choice((2.0**-4, 2.0**-6, 2.0**2))

    def wrong(e):
        m, u = moments(e)
        u = np.maximum(u, e.p.dtype.type(k)) if k < 1 else np.minimum(u, e.p.dtype.type(k))
        return m, u, e.p - update(e, m, u)

    return Bug(
        "",
        "u clamped",
        f"u is {'at least' if k < 1 else 'at most'} {k:g}.",
        lambda e: True,
        wrong,
        demo=replace(WIDE, gscale=k / 2 if k < 1 else 2 * k),
    )
