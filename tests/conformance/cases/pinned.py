"""The cases of every run, each for one purpose, with names that never change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.case import Case, FloatArray, Group, Parameter
from adamax_conformance.reference.hyperparameters import DEFAULTS, Hyperparameters


def single_parameter_case(
    name: str,
    hyperparameters: Hyperparameters,
    theta: Sequence[float] | FloatArray,
    gradients: Sequence[Sequence[float] | FloatArray],
) -> Case:
    """A case of one group and one parameter."""
    return Case(name, (Group(hyperparameters, (Parameter.of(theta, gradients),)),))


def noise(format_: Format, seed: int, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of the format in (-2, -0.5) and (0.5, 2).

    The bits come from PCG64, whose stream is fixed: the same seed gives the same numbers everywhere.
    """
    bits = np.random.PCG64(seed).random_raw(math.prod(shape)).reshape(shape)
    sizes = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 1.5 + 0.5
    return format_.round_array(np.where(bits & np.uint64(1), -sizes, sizes))


# Every magnitude --------------------------------------------------------------------------------------------

VECTORS: Final = 4096 + 67
"""Past the vectors and the blocks that a kernel works in, with a tail."""


def scales(format_: Format) -> tuple[Case, ...]:
    """Gradients of every magnitude, from subnormals to those whose square overflows.

    There is one element for every few binades. Theta is 0, so that the step shows in full, and eps is smaller
    than most gradients.
    """
    low = format_.emin - format_.precision + 2
    exponents = range(low, format_.emax - 1, max(1, (format_.emax - low) // 48))
    mantissas = 1 + np.abs(noise(format_, 3, (len(exponents),))) / 4
    sizes = format_.round_array(np.ldexp(mantissas, list(exponents)))
    signs = np.where(np.arange(len(exponents)) % 2, -1.0, 1.0)
    eps = math.ldexp(1.0, format_.emin // 2 - 3)
    gradients = [sizes * signs, format_.round_array(sizes * 0.75), sizes * signs * 0, -sizes * signs]
    zeros = np.zeros(len(exponents))
    small = Hyperparameters(lr=0.3, beta1=0.7, beta2=0.9, eps=eps)
    tiny = Hyperparameters(lr=0.3, beta1=0.7, beta2=0.9, eps=format_.smallest_normal)
    long = [np.resize(g, VECTORS) for g in gradients]
    return (
        single_parameter_case("scales/eps-small", small, zeros, gradients),
        single_parameter_case("scales/eps-smallest-normal", tiny, zeros, gradients),
        single_parameter_case("scales/long", tiny, np.zeros(VECTORS), long),
        single_parameter_case(
            "scales/eps-one", Hyperparameters(lr=1.0, beta1=0.3, beta2=0.5, eps=1.0), zeros, gradients
        ),
        single_parameter_case(
            "scales/theta",
            Hyperparameters(lr=0.3, beta1=0.7, beta2=0.9, eps=0.01, weight_decay=0.03),
            sizes * signs,
            [noise(format_, seed, (len(exponents),)) for seed in (4, 5, 6)],
        ),
    )


def subnormals(format_: Format) -> Case:
    """Gradients, and an eps, so small that m and u are subnormal."""
    sizes = [format_.smallest_subnormal * k for k in (1, 3, 5)] + [
        format_.smallest_normal / 2,
        format_.smallest_normal,
    ]
    setting = Hyperparameters(lr=0.5, beta1=0.5, beta2=0.5, eps=format_.smallest_normal)
    return single_parameter_case("subnormals", setting, [0.0] * len(sizes), [sizes, sizes])


def subnormal_divisors(format_: Format) -> Case:
    """Norms so small that their reciprocals overflow, and quotients by them do not."""
    sizes = [format_.smallest_normal * 2.0**power for power in (1, 0, -1, -2, -3)]
    setting = Hyperparameters(lr=2.0**-6, beta1=0.5, beta2=0.5, eps=format_.smallest_subnormal)
    return single_parameter_case("subnormal-divisors", setting, [0.0] * len(sizes), [sizes])


# Many steps -------------------------------------------------------------------------------------------------

LONG: Final = 2100
"""Past 2^8 and 2^11, where counters of bfloat16 and binary16 stop, and past 2^10."""

LATE: Final = (1001, 2050)
"""Steps at which elements get their first gradient: theta, at 0 until then, hides nothing of a late step."""


def long_runs(format_: Format) -> tuple[Case, ...]:
    """A run of `LONG` steps, in which the bias correction still shows at the end.

    In binary64 the power beta1^t may lose t roundings, each beta1^t/(1 - beta1^t) of its own size in the
    correction; beta1 is then such that these are few at late steps, and hide nothing.
    """
    beta1 = 0.993 if format_ is Format.BINARY64 else 0.9995
    pattern = noise(format_, 7, (5, 1 + len(LATE)))
    first = np.array([1, *LATE])
    gradients = [np.where(first <= t, pattern[t % 5], 0.0) for t in range(1, LONG + 1)]
    setting = Hyperparameters(lr=0.1, beta1=beta1, beta2=0.999, eps=1e-3)
    return (single_parameter_case("long-run", setting, [1.0, *(0.0 for _ in LATE)], gradients),)


# Layouts ----------------------------------------------------------------------------------------------------

LARGE: Final = (8192 + 37, 3 * 4096 + 5, 70_001)
"""Sizes past the blocks and vector widths that are in use, each with a tail."""


def large(format_: Format) -> Case:
    """Arrays longer than any block, with a prime period, so that few elements differ."""
    period = 61
    setting = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01, weight_decay=0.01)

    def tiled(seed: int, size: int) -> FloatArray:
        return np.resize(noise(format_, seed, (period,)), size)

    parameters = tuple(
        Parameter(tiled(size, size), tuple(tiled(size + t, size) for t in (1, 2, 3))) for size in LARGE
    )
    return Case("layout/large", (Group(setting, parameters),))


MANY: Final = 131
"""Past the 110 parameters that one launch of PyTorch's multi-tensor kernels takes."""


def many(format_: Format) -> Case:
    """Many parameters of few elements in one group, each with its own values."""
    setting = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01)
    parameters = tuple(
        Parameter(
            noise(format_, 100 + i, (1 + i % 3,)),
            tuple(noise(format_, 200 + 3 * i + t, (1 + i % 3,)) for t in range(3)),
        )
        for i in range(MANY)
    )
    return Case("layout/many", (Group(setting, parameters),))


# Special values ---------------------------------------------------------------------------------------------


class Expectation(Enum):
    """The numbers that a special case expects in its special elements."""

    NAN = "theta, and m and u where they are seen, are NaN from then on"
    INFINITE = "u is infinite and theta is not finite; after an infinity, infinite and NaN are both right"
    FINITE_THETA = "theta is what it was"
    BOUND = "within the bound, where there is one"
    OPEN = "anything; it is recorded"


@dataclass(frozen=True)
class SpecialCase:
    """One case of special values.

    Attributes:
        id: the last part of the check's id.
        title: the property that it checks, in a few words.
        expectation: for the elements at even indices; those at odd indices are plain, and the bound judges them.
        make: the case, for a format.
        at: the first step at which the expectation holds.
    """

    id: str
    title: str
    expectation: Expectation
    make: Callable[[Format], Case]
    at: int = 1


_PLAIN: Final = Hyperparameters(lr=0.1, beta1=0.5, beta2=0.75, eps=0.0625)


def _inject_value(
    name: str,
    value: Callable[[Format], float],
    at: int = 2,
    settings: Hyperparameters = _PLAIN,
    size: int = 4,
) -> Callable[[Format], Case]:
    """Four steps of plain gradients, with a special value at the even indices of one."""

    def make(format_: Format) -> Case:
        gradients = [np.resize(noise(format_, 20 + t, (4,)), size) for t in range(4)]
        gradients[at - 1][::2] = value(format_)
        theta = np.resize(format_.round_array([0.0, 1.5, -2.0, 0.25]), size)
        return single_parameter_case(f"special/{name}", settings, theta, gradients)

    return make


def _repeat_gradient(
    name: str,
    values: Callable[[Format], Sequence[float]],
    settings: Callable[[Format], Hyperparameters],
    theta: float = 0.0,
    steps: int = 4,
) -> Callable[[Format], Case]:
    def make(format_: Format) -> Case:
        gradient = format_.round_array(values(format_))
        return single_parameter_case(
            f"special/{name}", settings(format_), [theta] * len(gradient), [gradient] * steps
        )

    return make


SPECIALS: Final = (
    SpecialCase(
        "nan-gradient",
        "a NaN gradient makes theta, m and u NaN",
        Expectation.NAN,
        _inject_value("nan-gradient", lambda _: math.nan),
        at=2,
    ),
    SpecialCase(
        "nan-gradient-first-step",
        "a NaN gradient in the first step likewise",
        Expectation.NAN,
        _inject_value("nan-gradient-first-step", lambda _: math.nan, at=1),
        at=1,
    ),
    SpecialCase(
        "nan-gradient-maximize",
        "likewise when maximizing with decay",
        Expectation.NAN,
        _inject_value(
            "nan-gradient-maximize",
            lambda _: math.nan,
            settings=Hyperparameters(
                lr=0.1, beta1=0.5, beta2=0.75, eps=0.0625, weight_decay=0.25, maximize=True
            ),
        ),
        at=2,
    ),
    SpecialCase(
        "infinite-gradient",
        "an infinite gradient makes u infinite and theta not finite",
        Expectation.INFINITE,
        _inject_value("infinite-gradient", lambda _: math.inf),
        at=2,
    ),
    SpecialCase(
        "negative-infinite-gradient",
        "a negative infinite gradient likewise",
        Expectation.INFINITE,
        _inject_value("negative-infinite-gradient", lambda _: -math.inf),
        at=2,
    ),
    SpecialCase(
        "nan-gradient-long",
        "a NaN gradient likewise in every vector and block of a long array, and in its tail",
        Expectation.NAN,
        _inject_value("nan-gradient-long", lambda _: math.nan, size=VECTORS),
        at=2,
    ),
    SpecialCase(
        "infinite-gradient-long",
        "an infinite gradient likewise in every vector and block of a long array, and in its tail",
        Expectation.INFINITE,
        _inject_value("infinite-gradient-long", lambda _: math.inf, size=VECTORS),
        at=2,
    ),
    SpecialCase(
        "zero-gradient",
        "a zero gradient from a zero state leaves theta, with eps seen",
        Expectation.FINITE_THETA,
        _repeat_gradient("zero-gradient", lambda _: [0.0, -0.0], lambda _: _PLAIN, theta=1.5),
    ),
    SpecialCase(
        "zero-gradient-default-eps",
        "a zero gradient from a zero state leaves theta, with the default eps",
        Expectation.FINITE_THETA,
        _repeat_gradient("zero-gradient-default-eps", lambda _: [0.0, -0.0], lambda _: DEFAULTS, theta=1.5),
    ),
    SpecialCase(
        "zero-lr",
        "with lr=0 theta stays, and m and u go on",
        Expectation.BOUND,
        _repeat_gradient(
            "zero-lr",
            lambda f: [1.0, -0.5, f.smallest_normal],
            lambda _: Hyperparameters(lr=0.0, eps=0.0625),
            theta=1.5,
        ),
    ),
    SpecialCase(
        "negative-zero",
        "zeros of either sign",
        Expectation.BOUND,
        _repeat_gradient("negative-zero", lambda _: [-0.0, 1.0, 0.0], lambda _: _PLAIN, theta=-0.0),
    ),
    SpecialCase(
        "subnormal-gradient",
        "subnormal gradients count",
        Expectation.BOUND,
        _repeat_gradient(
            "subnormal-gradient",
            lambda f: [
                f.smallest_subnormal,
                f.smallest_normal / 2,
                f.smallest_normal,
                f.smallest_subnormal * 3,
            ],
            lambda f: Hyperparameters(lr=0.5, beta1=0.5, beta2=0.5, eps=f.smallest_normal),
        ),
    ),
    SpecialCase(
        "subnormal-state",
        "subnormal m and u are kept",
        Expectation.BOUND,
        _repeat_gradient(
            "subnormal-state",
            lambda f: [f.smallest_normal, f.smallest_subnormal * 5],
            lambda f: Hyperparameters(lr=0.5, beta1=0.9, beta2=0.5, eps=f.smallest_subnormal * 4),
        ),
    ),
    SpecialCase(
        "subnormal-norm",
        "a subnormal u divides",
        Expectation.BOUND,
        _repeat_gradient(
            "subnormal-norm",
            lambda f: [f.smallest_normal / 2, -f.smallest_normal / 4, f.smallest_normal / 3],
            lambda f: Hyperparameters(lr=0.5, beta1=0.5, beta2=0.5, eps=f.smallest_normal / 16),
        ),
    ),
    SpecialCase(
        "near-overflow",
        "gradients near the largest number",
        Expectation.BOUND,
        _repeat_gradient(
            "near-overflow",
            lambda f: [f.largest * 0.75, f.largest / 4, -f.largest / 8, f.largest / 16],
            lambda _: Hyperparameters(lr=1.0, beta1=0.5, beta2=0.5, eps=1.0),
        ),
    ),
    SpecialCase(
        "largest-gradient",
        "the largest number as gradient",
        Expectation.BOUND,
        _repeat_gradient(
            "largest-gradient",
            lambda f: [f.largest, -f.largest],
            lambda _: Hyperparameters(lr=0.01, beta1=0.9, beta2=0.5, eps=1.0),
        ),
    ),
    SpecialCase(
        "large-theta",
        "theta near the largest number",
        Expectation.BOUND,
        _repeat_gradient("large-theta", lambda _: [1.0, -1.0], lambda _: _PLAIN, theta=32768.0),
    ),
    SpecialCase(
        "eps-below-format",
        "an eps that the format cannot hold, with a zero gradient",
        Expectation.OPEN,
        _repeat_gradient(
            "eps-below-format",
            lambda _: [0.0, 0.0],
            lambda f: Hyperparameters(lr=0.1, eps=max(f.smallest_subnormal / 8, 5e-324)),
            theta=1.5,
        ),
    ),
    SpecialCase(
        "overflowing-step",
        "a step whose order of evaluation decides whether it overflows",
        Expectation.OPEN,
        _repeat_gradient(
            "overflowing-step",
            lambda f: [f.largest / 1.5, 1.0],
            lambda _: Hyperparameters(lr=100.0, beta1=0.5, beta2=0.5, eps=1.0),
        ),
    ),
)
