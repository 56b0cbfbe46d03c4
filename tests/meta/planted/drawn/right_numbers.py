"""Right optimizers that evaluate in another order, form or format."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.optimizer import (
    Env,
    Faithful,
    effective,
    moments,
    update,
)


def guard(m, u, step):
    """No step where m and u are both zero."""
    return np.where((m == 0) & (u == 0), u.dtype.type(0), step)


def scalar(e: Env, x: float):
    return e.p.dtype.type(x)


def bias(e: Env) -> float:
    return 1.0 - e.b1**e.t


def fma(a, b, c):
    """a*b + c rounded once, for binary16 and binary32; for binary64, rounded twice."""
    a, b, c = np.asarray(a), np.asarray(b), np.asarray(c)
    kind = np.result_type(a, b, c)
    if kind == np.float64:
        return a * b + c
    p, c = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)  # the product is exact
    s = np.asarray(p + c)
    t = s - p
    rest = (p - (s - t)) + (c - t)
    even = (s.view(np.int64) & 1) == 0
    # round to odd in binary64, so that the second rounding is right
    nudge = np.isfinite(s) & np.isfinite(rest) & (rest != 0) & even
    s = np.where(nudge, np.nextafter(s, np.copysign(np.inf, rest)), s)
    return s.astype(kind)


VARIANTS: Final[list[type[Faithful]]] = []
"""The right variants, in the order of their definitions."""


def variant(cls: type[Faithful]) -> type[Faithful]:
    """Add a class to the right variants."""
    cls.name = cls.__name__
    cls.sentence = (cls.__doc__ or "").strip()
    VARIANTS.append(cls)
    return cls


class _Ordered(Faithful):
    """A base whose subclasses give only the subtracted step."""

    def _step(self, e):
        m, u = moments(e)
        return m, u, e.p - guard(m, u, self.order(e, m, u))


@variant
class ScaledDenominator(_Ordered):
    """lr * (m / (c*u)), with c = 1 - beta1^t."""

    def order(self, e, m, u):
        return scalar(e, e.lr) * (m / (scalar(e, bias(e)) * u))


@variant
class NumeratorFirst(_Ordered):
    """(lr*m) / (c*u)."""

    def order(self, e, m, u):
        return (scalar(e, e.lr) * m) / (scalar(e, bias(e)) * u)


@variant
class StepSizeFirst(_Ordered):
    """((lr/c) * m) / u."""

    def order(self, e, m, u):
        return (scalar(e, e.lr / bias(e)) * m) / u


@variant
class Reciprocal(_Ordered):
    """lr * (m * (1/(c*u)))."""

    def order(self, e, m, u):
        r = scalar(e, 1.0) / (scalar(e, bias(e)) * u)
        safe = scalar(e, e.lr) * (m * r)
        return np.where(
            np.isfinite(r) & (np.abs(r) >= np.finfo(r.dtype).tiny),
            safe,
            scalar(e, e.lr) * (m / (scalar(e, bias(e)) * u)),
        )


@variant
class CorrectedMoment(_Ordered):
    """lr * ((m/c) / u), the corrected moment formed first."""

    def order(self, e, m, u):
        return scalar(e, e.lr) * ((m / scalar(e, bias(e))) / u)


@variant
class OrderBySize(_Ordered):
    """Divides first where |m| is at least 1, multiplies by lr/c first elsewhere."""

    def order(self, e, m, u):
        k = scalar(e, e.lr / bias(e))
        return np.where(np.abs(m) >= 1, k * (m / u), (k * m) / u)


@variant
class Expm1(_Ordered):
    """The bias correction as -expm1(t * log(beta1)) in binary64."""

    def order(self, e, m, u):
        c = 1.0 if e.b1 == 0.0 else -math.expm1(e.t * math.log(e.b1))
        return scalar(e, e.lr / c) * (m / u)


class _Moment(Faithful):
    """A base whose subclasses give only the form of m."""

    def _step(self, e):
        _, u = moments(e)
        m = np.asarray(self.moment(e, effective(e))).astype(e.p.dtype, copy=False)
        return m, u, e.p - update(e, m, u)


@variant
class Interpolated(_Moment):
    """m + (1-beta1)*(g - m)."""

    def moment(self, e, g):
        return e.m + scalar(e, 1.0 - e.b1) * (g - e.m)


@variant
class InterpolatedFromGradient(_Moment):
    """g + beta1*(m - g)."""

    def moment(self, e, g):
        return g + scalar(e, e.b1) * (e.m - g)


@variant
class LerpSwitching(_Moment):
    """m + w*(g - m) for w < 1/2, else g - (g - m)*beta1, where w = fl(1 - beta1)."""

    def moment(self, e, g):
        w = scalar(e, 1.0 - e.b1)
        return e.m + w * (g - e.m) if w < 0.5 else g - (g - e.m) * scalar(e, e.b1)


@variant
class LerpFused(_Moment):
    """fma(w, g, fma(-w, m, m)) with w = fl(1 - beta1)."""

    def moment(self, e, g):
        w = scalar(e, 1.0 - e.b1)
        return fma(w, g, fma(-w, e.m, e.m))


@variant
class WeightedFused(_Moment):
    """fma(beta1, m, (1-beta1)*g)."""

    def moment(self, e, g):
        return fma(scalar(e, e.b1), e.m, scalar(e, 1.0 - e.b1) * g)


@variant
class WeightedFusedOtherWay(_Moment):
    """fma(1-beta1, g, beta1*m)."""

    def moment(self, e, g):
        return fma(scalar(e, 1.0 - e.b1), g, scalar(e, e.b1) * e.m)


@variant
class UpdateFused(Faithful):
    """theta = fma(-lr/c, m/u, theta)."""

    def _step(self, e):
        m, u = moments(e)
        q = guard(m, u, m / u)
        return m, u, fma(scalar(e, -e.lr / bias(e)), q, e.p)


@variant
class DecayFused(Faithful):
    """g = fma(decay, theta, g)."""

    def _step(self, e):
        g = -e.g if e.maximize else e.g
        g = fma(scalar(e, e.wd), e.p, g) if e.wd else g
        m, u = moments(e.but(g=g, wd=0.0, maximize=False))
        return m, u, e.p - update(e, m, u)


@variant
class DecayMinusGradient(Faithful):
    """Maximizing forms decay*theta - g, without negating the gradient first."""

    def _step(self, e):
        if e.maximize and e.wd:
            m, u = moments(e.but(g=scalar(e, e.wd) * e.p - e.g, wd=0.0, maximize=False))
            return m, u, e.p - update(e, m, u)
        return super()._step(e)


def wide(e: Env) -> tuple:
    """m, u and the step in binary64, unrounded."""
    e = e.but(**{k: getattr(e, k).astype(np.float64) for k in ("p", "g", "m", "u")})
    m, u = moments(e)
    return m, u, update(e, m, u), e.p


@variant
class WideUnrounded(Faithful):
    """All in binary64; m and u enter theta before they are rounded to storage."""

    def _step(self, e):
        m, u, step, p = wide(e)
        return tuple(np.asarray(x).astype(e.p.dtype) for x in (m, u, p - step))


@variant
class WideRounded(Faithful):
    """m and u in binary64 and rounded; theta's step in binary64 from the rounded ones."""

    def _step(self, e):
        m, u, _, p = wide(e)
        m, u = (np.asarray(x).astype(e.p.dtype) for x in (m, u))
        step = update(e.but(p=p), m.astype(np.float64), u.astype(np.float64))
        return m, u, np.asarray(p - step).astype(e.p.dtype)


@variant
class WideUpdateOnly(Faithful):
    """m and u in the working format, only theta's step in binary64."""

    def _step(self, e):
        m, u = moments(e)
        p = e.p.astype(np.float64)
        step = update(e.but(p=p), m.astype(np.float64), u.astype(np.float64))
        return m, u, np.asarray(p - step).astype(e.p.dtype)


@variant
class WorkingScalars(Faithful):
    """Scalars of the working format, or of binary32 if that is wider."""

    def _step(self, e):
        m, u = self.working_moments(e)
        k = np.promote_types(e.p.dtype, np.float32).type
        scale = k(e.lr) / (k(1) - k(e.b1) ** k(e.t))
        return m, u, e.p - guard(m, u, scalar(e, scale) * (m / u))

    def working_moments(self, e):
        k = np.promote_types(e.p.dtype, np.float32).type
        g = effective(e)
        m = scalar(e, e.b1) * e.m + scalar(e, k(1) - k(e.b1)) * g
        return m, moments(e)[1]
