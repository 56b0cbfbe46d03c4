"""Bugs of some values of the options only."""

from __future__ import annotations

from collections.abc import Callable

from adamax_conformance.tests.meta.planted.drawn.bug import Bug, Demonstration
from adamax_conformance.tests.meta.planted.drawn.optimizer import plain
from adamax_conformance.tests.meta.planted.drawn.registry import CUSTOM, context

DOMAIN = (
    "skip_all",
    "m_lost",
    "u_lost",
    "u_undecayed",
    "sign",
    "wd_off",
    "bias_off",
    "eps_off",
    "eps_outside",
    "g_late",
    "lr_late",
    "u_off",
    "m_off",
    "wd_decoupled",
    "nesterov",
    "u_sum",
    "g_zero",
    "m_unsaved",
    "u_twice",
)


def ranged(
    name: str, phrase: str, test: Callable, opts: Callable, less: tuple = (), keep: Callable | None = None
) -> None:
    """A context of options in a range, and the bug that clamps them to it."""

    def f(r):
        k, o = opts(r)
        return (
            phrase.format(k=k),
            lambda e: test(e, k),
            Demonstration(shapes=((5,), (3, 4)), opts=o, lr_every=True, steps=8),
        )

    f.__name__ = "domain_" + name
    context("domain", DOMAIN, less=less)(f)
    if keep:

        def g(r, n):
            k, o = opts(r)
            what, value = keep(k)

            def step(self, e):
                return plain(e.but(**{what: value(e)})) if test(e, k) else plain(e)

            words = phrase.format(k=k)
            return Bug(
                "",
                "clamped",
                f"{words} use another {what}: it is clamped or replaced.",
                methods={"_step": step},
                demo=Demonstration(shapes=((5,), (3, 4)), opts=o, lr_every=True, steps=8),
            )

        CUSTOM["domain"].append((f"domain_{name}_clamped", g))


ranged(
    "eps_large",
    "Steps with eps above {k}",
    lambda e, k: e.eps > k,
    lambda r: (k := r.choice((1, 2, 4, 64, 1000)), {"eps": 3.0 * k, "lr": 0.3 * k}),
    ("u_lost", "u_twice", "u_undecayed"),
    lambda k: ("eps", lambda e: float(k)),
)
ranged(
    "eps_medium",
    "Steps with eps between 0.05 and {k}",
    lambda e, k: 0.05 < e.eps < k,
    lambda r: (k := r.choice((0.5, 1, 2)), {"eps": 0.4 * k, "lr": 0.05}),
    (),
    lambda k: ("eps", lambda e: 0.05),
)
ranged(
    "eps_tiny",
    "Steps with eps above zero and below {k:g}",
    lambda e, k: 0 < e.eps < k,
    lambda r: (k := r.choice((1e-9, 1e-12, 1e-30)), {"eps": k / 10, "lr": 0.05}),
    ("eps_off", "eps_outside"),
)
ranged(
    "eps_zero",
    "Steps with eps of zero",
    lambda e, k: e.eps == 0,
    lambda r: (0, {"eps": 0.0, "lr": 0.05}),
    ("eps_off", "eps_outside"),
    lambda k: ("eps", lambda e: 1e-3),
)
ranged(
    "decay_large",
    "Steps with a decay above {k}",
    lambda e, k: e.wd > k,
    lambda r: (k := r.choice((1, 2, 10, 100)), {"weight_decay": 2.5 * k, "lr": 0.05}),
    ("eps_off", "eps_outside"),
    lambda k: ("wd", lambda e: float(k)),
)
ranged(
    "decay_small",
    "Steps with a decay above zero and below {k:g}",
    lambda e, k: 0 < e.wd < k,
    lambda r: (k := r.choice((1e-2, 1e-3, 1e-4)), {"weight_decay": k / 2, "lr": 0.05}),
    (),
    lambda k: ("wd", lambda e: 0.0),
)
ranged(
    "decay_one",
    "Steps with a decay of exactly 1",
    lambda e, k: e.wd == 1.0,
    lambda r: (1, {"weight_decay": 1.0, "lr": 0.05}),
    (),
    lambda k: ("wd", lambda e: 0.0),
)
ranged(
    "beta1_near",
    "Steps with beta1 within {k:g} of 1",
    lambda e, k: 1 - e.b1 < k,
    lambda r: (k := r.choice((1e-2, 1e-3, 1e-4, 1e-6)), {"betas": (1 - k / 2, 0.99), "lr": 0.05 / k}),
    ("nesterov",),
    lambda k: ("b1", lambda e: 1.0 - k),
)
ranged(
    "beta1_tiny",
    "Steps with a beta1 above zero and below {k:g}",
    lambda e, k: 0 < e.b1 < k,
    lambda r: (k := r.choice((1e-1, 1e-2, 1e-3)), {"betas": (k / 2, 0.99), "lr": 0.05}),
    ("bias_off",),
    lambda k: ("b1", lambda e: 0.0),
)
ranged(
    "beta1_zero",
    "Steps with a beta1 of zero",
    lambda e, k: e.b1 == 0,
    lambda r: (0, {"betas": (0.0, 0.99), "lr": 0.05}),
    ("bias_off", "m_lost", "m_unsaved", "nesterov"),
    lambda k: ("b1", lambda e: 0.1),
)
ranged(
    "beta1_half",
    "Steps with a beta1 below {k}",
    lambda e, k: 0 < e.b1 < k,
    lambda r: (k := r.choice((0.5, 0.6, 0.75)), {"betas": (k * 0.8, 0.99), "lr": 0.05}),
    (),
    lambda k: ("b1", lambda e: k),
)
ranged(
    "beta2_zero",
    "Steps with a beta2 of zero",
    lambda e, k: e.b2 == 0,
    lambda r: (0, {"betas": (0.9, 0.0), "lr": 0.05}),
    ("u_lost", "u_unsaved", "u_twice", "u_undecayed", "u_sum", "eps_outside"),
    lambda k: ("b2", lambda e: 0.5),
)
ranged(
    "beta2_near",
    "Steps with beta2 within {k:g} of 1",
    lambda e, k: 1 - e.b2 < k,
    lambda r: (k := r.choice((1e-3, 1e-4, 2e-5)), {"betas": (0.9, 1 - k / 2), "lr": 0.05}),
    (),
    lambda k: ("b2", lambda e: 1.0 - 20 * k),
)
ranged(
    "beta2_low",
    "Steps with a beta2 below {k}",
    lambda e, k: 0 < e.b2 < k,
    lambda r: (k := r.choice((0.5, 0.8, 0.9)), {"betas": (0.9, 0.7 * k), "lr": 0.05}),
    (),
    lambda k: ("b2", lambda e: k),
)
ranged(
    "betas_reversed",
    "Steps with beta1 above beta2",
    lambda e, k: e.b1 > e.b2,
    lambda r: (0, {"betas": (0.95, 0.6), "lr": 0.05}),
    (),
    lambda k: ("b1", lambda e: e.b2),
)
ranged(
    "betas_equal",
    "Steps with equal betas",
    lambda e, k: e.b1 == e.b2,
    lambda r: (0, {"betas": (0.9, 0.9), "lr": 0.05}),
    (),
    lambda k: ("b2", lambda e: 0.999),
)
ranged(
    "lr_large",
    "Steps with an lr above {k}",
    lambda e, k: e.lr > k,
    lambda r: (k := r.choice((1, 2, 10)), {"lr": 1.9 * k}),
    (),
    lambda k: ("lr", lambda e: float(k)),
)
ranged(
    "lr_small",
    "Steps with an lr above zero and below {k:g}, from theta of any size,",
    lambda e, k: 0 < e.lr < k,
    lambda r: (k := r.choice((1e-2, 1e-3, 1e-4)), {"lr": k / 4}),
    (),
)
ranged(
    "decay_and_max",
    "Steps with decay and maximize",
    lambda e, k: e.wd > 0 and e.maximize,
    lambda r: (0, {"weight_decay": 0.2, "maximize": True, "lr": 0.05}),
    (),
    lambda k: ("wd", lambda e: -e.wd),
)
ranged(
    "eps_over_u",
    "Steps with an eps larger than lr by a factor of {k}",
    lambda e, k: e.eps > k * e.lr,
    lambda r: (k := r.choice((10, 100)), {"eps": 0.5, "lr": 0.1 / k}),
    (),
    lambda k: ("eps", lambda e: 0.01),
)
