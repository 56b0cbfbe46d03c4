"""The cases that separate the rules and the evaluation schemes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from ...reference.case import Case, FloatArray, Group, Parameter
from ...reference.hyperparameters import Hyperparameters
from ..comparison import Snapshot
from ..formats import Format

ObservedRun = tuple[Case, Sequence[Snapshot]]

SCALARS: Final = (Format.BINARY64, Format.BINARY32, Format.BINARY16, Format.BFLOAT16)
"""From the finest to the coarsest; the coarsest is rarely a whole optimizer's choice, and is tried last."""

_SETTINGS: Final = (
    # The most distinguishing first, since a rule is dropped at the first error. Decay, from a theta that is not 0, while
    # ascending.
    Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=0.3, weight_decay=0.3, maximize=True),
    # beta1 near 1: 1 - beta1^t cancels, and scalars of a low precision show.
    Hyperparameters(lr=0.01, beta1=0.987, beta2=0.95, eps=0.01),
    # Decay while descending.
    Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=0.3, weight_decay=0.3),
    # Ascending, without decay, for subjects that have none. With beta1 below 1/2 the interpolated form turns round, and
    # g - beta1*(g - m) shows in the first step: see `_error_going_back`.
    Hyperparameters(lr=0.3, beta1=0.3, beta2=0.7, eps=0.3, maximize=True),
    # Nothing but the moments: betas that show, eps that shows, lr that no binary format holds.
    Hyperparameters(lr=0.3, beta1=0.9, beta2=0.7, eps=0.3),
    # No memory of the gradient: 1 - beta1^t is exactly 1 in any precision, so the step stands bare.
    Hyperparameters(lr=0.3, beta1=0.0, beta2=0.6, eps=0.3),
    # Small beta1: the interpolated form loses what the weighted one keeps.
    Hyperparameters(lr=0.3, beta1=1.1e-3, beta2=0.6, eps=0.01),
)
_STEPS: Final = (4, 12, 4, 4, 4, 4, 4)
"""The number of steps of each; where the bias correction shows longest, it is enough to see it end."""
_BETA1_NEAREST_ONE: Final = Hyperparameters(lr=0.01, beta1=1 - 2.0**-26, beta2=0.95, eps=0.01)
"""A setting whose beta1 is 1 in binary32: it shows binary32 scalars, which bfloat16 hides elsewhere."""
_NORM_FORGOTTEN: Final = Hyperparameters(lr=0.3, beta1=0.9, beta2=0.05, eps=0.3)
"""A setting whose norm falls far below eps in a step: it shows a floor in theta, which bfloat16 hides elsewhere."""
_ELEMENTS: Final = 8
_MANY: Final = 12


def cases(format_: Format) -> tuple[Case, ...]:
    """The cases that identify a subject: those for rules, then those for schemes."""
    return (*rule_cases(format_), *scheme_cases(format_))


@lru_cache
def scheme_cases(format_: Format) -> tuple[Case, ...]:
    """The cases that separate the evaluation schemes.

    Each has a gradient, a zero, and a gradient against what is left, under a beta1 that separates two schemes.
    """
    rng = np.random.default_rng(20150104)

    def draw(scale: float = 1.0) -> FloatArray:
        drawn = scale * rng.uniform(0.5, 2.0, _MANY)
        return format_.round_array(drawn)

    forgetful, size = _small_beta1_setting(format_)
    plain = Hyperparameters(lr=0.3, beta2=0.6, eps=0.01)
    runs = [
        (forgetful, draw(size)),
        (
            replace(plain, beta1=_BACK),
            _distinguishing_gradients(_error_going_back(format_, _BACK), format_, _MANY),
        ),
        (
            replace(plain, beta1=_ONWARD),
            _distinguishing_gradients(_error_going_onward(format_), format_, _MANY),
        ),
        *((replace(plain, beta1=beta1), draw()) for beta1 in _betas_next_to_one(format_)),
        # beta1 and 1 - beta1 are numbers of the format, and g - beta1*g has but two correct bits.
        (replace(plain, beta1=1 - 2.0 ** (2 - format_.precision)), draw()),
    ]
    result = []
    for number, (setting, first) in enumerate(runs, start=1):
        gradients = [first, np.zeros(_MANY), -np.roll(first, 2)]
        parameter = Parameter.of(draw(), gradients)
        result.append(Case(f"identify/habits/{number}", (Group(setting, (parameter,)),)))
    for number, beta1 in enumerate((_BELOW_HALF, _ABOVE_HALF), start=len(runs) + 1):
        first, second = _gradients_next_to_m(format_, beta1)
        group = Group(replace(plain, beta1=beta1), (Parameter.of(draw(), [first, second, -second]),))
        result.append(Case(f"identify/habits/{number}", (group,)))
    return tuple(result)


_BACK: Final = 29 / 64
_ONWARD: Final = 33 / 64
"""Values of beta1 under which an interpolation, back or onward, rounds more than the weighted form.

It does so from m = 0 if it goes back from the gradient, which it may for beta1 < 1/2, and to a gradient of 0 if it goes
onward. Here neither beta1 nor 1 - beta1 has an error that widens the weighted bound.
"""


def _gradients_next_to_m(format_: Format, beta1: float) -> tuple[FloatArray, FloatArray]:
    """Two gradients, where the second is m after the first, or a few ulp off.

    An interpolation then has the error of its sum and no other. The products of the weighted form and of the
    decremented one are rounded all the same; the elements are those where that shows most. The first gradient has so few
    bits that every form has the same m after it.
    """
    exponent = format_.precision - 4
    drawn = np.random.default_rng(20150105).integers(1 << exponent, 2 << exponent, 24).tolist()
    pairs = []
    for mantissa in sorted({*drawn}):
        first = math.ldexp(mantissa, -exponent)
        m = (1 - beta1) * first
        pairs += [(first, m + k * format_.ulp(m)) for k in range(-_NEXT, _NEXT + 1)]
    chosen: dict[tuple[float, float], None] = {}
    share = _MANY // len(_PRODUCT_FORMS)
    for form in _PRODUCT_FORMS:
        error = _error_next_to_m(form, format_, beta1)
        left = [pair for pair in pairs if pair not in chosen]
        chosen |= dict.fromkeys(sorted(left, key=error)[-share:])
    signs = np.tile([1.0, -1.0], len(chosen) // 2)
    first_, second = (np.array(column) * signs for column in zip(*chosen, strict=True))
    return first_, second


_BELOW_HALF: Final = 3 / 8
_ABOVE_HALF: Final = 13 / 16
"""Values of beta1 on either side of 1/2, of few bits. Of those, the products of the weighted and the decremented form
have the largest errors here, in relation to the bound of an interpolation, in every format."""
_NEXT: Final = 6
"""So many ulp at most is the second gradient off m."""


def _error_next_to_m(
    form: _ProductForm, format_: Format, beta1: float
) -> Callable[[tuple[float, float]], Fraction]:
    """The error of a form after two gradients, relative to that of an interpolation."""

    def error(gradients: tuple[float, float]) -> Fraction:
        m, g = (1 - beta1) * gradients[0], gradients[1]
        exact = Fraction(beta1) * Fraction(m) + (1 - Fraction(beta1)) * Fraction(g)
        interpolated = exact + 2 * Fraction(max(beta1, 1 - beta1)) * abs(Fraction(g) - Fraction(m))
        return abs(form(format_, Fraction(beta1), Fraction(m), Fraction(g)) - exact) / interpolated

    return error


_ProductForm = Callable[[Format, Fraction, Fraction, Fraction], Fraction]


def _round(format_: Format, x: Fraction) -> Fraction:
    """A fraction with a power of two below its bar, rounded."""
    return Fraction(format_.round_scaled(x.numerator, 1 - x.denominator.bit_length()))


def _weighted(format_: Format, beta1: Fraction, m: Fraction, g: Fraction) -> Fraction:
    return _round(format_, _round(format_, beta1 * m) + _round(format_, (1 - beta1) * g))


def _decremented(format_: Format, beta1: Fraction, m: Fraction, g: Fraction) -> Fraction:
    kept = _round(format_, m - _round(format_, (1 - beta1) * m))
    return _round(format_, kept + _round(format_, (1 - beta1) * g))


def _decremented_fused(format_: Format, beta1: Fraction, m: Fraction, g: Fraction) -> Fraction:
    return _round(format_, _round(format_, beta1 * m) + (1 - beta1) * g)


_PRODUCT_FORMS: Final = (_weighted, _decremented, _decremented_fused)


def _small_beta1_setting(format_: Format) -> tuple[Hyperparameters, float]:
    """A setting whose beta1 the interpolated form loses in any wider format.

    After one gradient and a zero, the weighted form leaves beta1*m. The interpolated one leaves m - (1 - beta1)*m;
    with ordinary numbers a wider format hides the difference. In binary16 beta1 is one of its numbers: the products of
    binary32 lose it, and m - m*(1 - (1 - beta1)) loses nothing. An eps of a like size, and a norm that is forgotten as
    soon, let theta show it, too.

    Returns:
        The setting, and a size for the gradient to show the loss.
    """
    beta1, eps, size = 1.3 * 2.0**-60, 2.0**-60, 1.0
    if format_ is Format.BINARY16:
        beta1, eps, size = 3 * 2.0**-24, 2.0**-8, 2.0**12
    return Hyperparameters(lr=0.3, beta1=beta1, beta2=eps / size, eps=eps), size


def _betas_next_to_one(format_: Format) -> Iterator[float]:
    """Values of beta1 that separate scalars of each format from those of binary64.

    The formats are the working one and the finer ones. In scalars of p bits, 1 - 2^-(p+2) is 1; and where 1 - beta1 is
    about 2^-(p/2), its powers have the largest error relative to what is left of 1.
    """
    for scalars in SCALARS[1:]:
        if format_.precision <= scalars.precision < -format_.emin:
            yield from (1 - 2.0 ** -(scalars.precision + 2), 1 - 1.37 * 2.0 ** -(scalars.precision // 2))


@lru_cache
def rule_cases(format_: Format) -> tuple[Case, ...]:
    """The cases that separate the rules, with every number in the format."""
    rng = np.random.default_rng(20150102)

    def draw(scale: FloatArray | float = 1.0) -> FloatArray:
        sizes = rng.uniform(0.5, 2.0, _ELEMENTS) * rng.choice([-1.0, 1.0], _ELEMENTS)
        return format_.round_array(sizes * scale)

    result = []
    runs = [*zip(_SETTINGS, _STEPS, strict=True)]
    if format_ is Format.BFLOAT16:
        runs += [(_BETA1_NEAREST_ONE, 4), (_NORM_FORGOTTEN, 2)]
    for number, (setting, steps) in enumerate(runs, start=1):
        # Elements 0 to 3 start at 0, where a step shows in full; the odd ones see their gradient fade, so that
        # the decayed norm wins, and m is remembered rather than renewed.
        theta = draw(np.repeat([0.0, 1.0], _ELEMENTS // 2))
        fading = np.tile([1.0, 2.0**-9], _ELEMENTS // 2)
        gradients = [draw(), *(draw(fading) for _ in range(steps - 1))]
        if 0.25 < setting.beta1 < 0.5:
            gradients[0] = _distinguishing_gradients(
                _error_going_back(format_, setting.beta1), format_, _ELEMENTS
            )
        result.append(Case(f"identify/{number}", (Group(setting, (Parameter.of(theta, gradients),)),)))
    return tuple(result)


def _distinguishing_gradients(error: Callable[[float], Fraction], format_: Format, count: int) -> FloatArray:
    """Choose, of many gradients, those with the largest error."""
    drawn = np.random.default_rng(20150103).uniform(0.5, 2.0, 32 * count)
    chosen = sorted({format_.round_float(g) for g in drawn.tolist()}, key=error)[-count:]
    result: FloatArray = np.array(chosen) * np.tile([1.0, -1.0], count // 2)
    return result


def _error_going_back(format_: Format, beta1: float) -> Callable[[float], Fraction]:
    """The relative error of g - beta1*g, with each operation rounded: m, from m = 0.

    The weighted form, (1 - beta1)*g, has one rounding.
    """
    held, rounded = format_.round_float(beta1), format_.round_float

    def error(g: float) -> Fraction:
        exact = (1 - Fraction(beta1)) * Fraction(g)
        return abs(Fraction(rounded(g - rounded(held * g))) - exact) / exact

    return error


def _error_going_onward(format_: Format) -> Callable[[float], Fraction]:
    """The relative error of m - (1 - beta1)*m: what a gradient of 0 leaves of m.

    Here m is (1 - beta1)*g, rounded. The weighted form, beta1*m, has one rounding.
    """
    rounded = format_.round_float

    def error(g: float) -> Fraction:
        m = rounded((1 - _ONWARD) * g)
        exact = Fraction(_ONWARD) * Fraction(m)
        return abs(Fraction(rounded(m - rounded((1 - _ONWARD) * m))) - exact) / exact

    return error
