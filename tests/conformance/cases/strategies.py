"""Whole cases, drawn by hypothesis.

Hyperparameters at and near the edges of their domains; gradients that are zero, tiny, huge, sparse in time,
or of alternating sign; theta at 0 and far from it. Every number is one of the working format.

Pinned cases alone have what is known to differ between implementations, or is left open: lr=0, an eps that the
format cannot hold, numbers that are not finite. A search then neither finds nor misses these by chance.
Small cases come first when a failure is shrunk.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.case import Case, FloatArray, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from hypothesis import strategies as st

_BINADES = 8
"""The number of neighbouring exponents that the numbers of one array have."""


class Pattern(Enum):
    """The course of a parameter's gradients over the steps."""

    FREE = "each drawn"
    CONSTANT = "the same at each step"
    ALTERNATING = "the same size, with alternating sign"
    SPARSE = "zero but at one step"
    FADING = "halved at each step"
    ZERO = "zero"


def decode_number(code: int, format_: Format, lowest: int) -> float:
    """The number that a drawn integer encodes.

    0 encodes 0. The digits of any other integer are mantissa, sign and exponent.
    """
    if code == 0:
        return 0.0
    fraction, rest = code % (1 << (format_.precision - 1)), code >> (format_.precision - 1)
    size = math.ldexp(1 + math.ldexp(fraction, 1 - format_.precision), lowest + (rest >> 1) % _BINADES)
    return format_.round_float(-size if rest & 1 else size)


# Strategies are made once: hypothesis checks the arguments of each that is made.


@cache
def _codes(format_: Format, size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(
        st.integers(0, (1 << (format_.precision - 1)) * 2 * _BINADES - 1), min_size=size, max_size=size
    )


def _array(draw: st.DrawFn, format_: Format, shape: tuple[int, ...], lowest: int) -> FloatArray:
    codes = draw(_codes(format_, math.prod(shape)))
    return np.array([decode_number(code, format_, lowest) for code in codes], dtype=np.float64).reshape(shape)


@cache
def _exponents(format_: Format) -> st.SearchStrategy[int]:
    """The lowest exponent of an array: mostly near 1, sometimes tiny or huge."""
    reach = min(format_.emax // 2, 60)
    return st.sampled_from((-4, -4, -4, -12, 0, -reach, reach - _BINADES, format_.emin - 3))


@cache
def _options(format_: Format) -> dict[str, st.SearchStrategy[Any]]:
    """The strategies of the hyperparameters."""
    betas = st.one_of(
        st.sampled_from((0.9, 0.0, 0.5, 0.1, 1e-3, 1e-6, 0.999, 1 - 2.0**-20, 1 - 2.0**-53)),
        st.floats(0.0, 1.0, exclude_max=True, allow_subnormal=False),
    )
    smallest_eps = max(format_.smallest_normal, 1e-300)
    return {
        "lr": st.one_of(st.sampled_from((2e-3, 0.1, 1.0, 17.0)), st.floats(2.0**-13, 64.0)),
        "beta1": betas,
        "beta2": betas,
        "eps": st.one_of(
            st.sampled_from(tuple(e for e in (1e-8, 1e-3, 0.3, 1.0, 1e-30) if e >= smallest_eps)),
            st.floats(2.0**-13, 2.0),
        ),
        "weight_decay": st.sampled_from((0.0, 0.0, 0.01, 0.3, 1.5)),
        "maximize": st.booleans(),
    }


@st.composite
def hyperparameters(draw: st.DrawFn, format_: Format) -> Hyperparameters:
    """Hyperparameters at the edges of their domains, near them, and in the middle.

    lr=0 and an eps that the format cannot hold are left to pinned cases.
    """
    return Hyperparameters(**{name: draw(strategy) for name, strategy in _options(format_).items()})


@st.composite
def parameters(draw: st.DrawFn, format_: Format, steps: int, *, points: bool = True) -> Parameter:
    """A parameter of few elements, with its gradients.

    `points` says whether it may have no dimensions.
    """
    shape = draw(st.sampled_from(((2,), (1,), () if points else (4,), (3,), (2, 2), (5,))))
    theta = np.zeros(shape)
    if draw(st.booleans()):
        theta = _array(
            draw, format_, shape, draw(st.sampled_from((-4, 0, 6, -20 if format_.emin < -20 else -8)))
        )
    lowest = draw(_exponents(format_))
    pattern = draw(st.sampled_from(Pattern))
    match pattern:
        case Pattern.ZERO:
            gradients = [np.zeros(shape)] * steps
        case Pattern.FREE:
            gradients = [_array(draw, format_, shape, lowest) for _ in range(steps)]
        case Pattern.SPARSE:
            at, value = draw(st.integers(0, steps - 1)), _array(draw, format_, shape, lowest)
            gradients = [value if t == at else np.zeros(shape) for t in range(steps)]
        case Pattern.CONSTANT | Pattern.ALTERNATING | Pattern.FADING:
            value = _array(draw, format_, shape, lowest)
            factor = {Pattern.CONSTANT: 1.0, Pattern.ALTERNATING: -1.0, Pattern.FADING: 0.5}[pattern]
            gradients = [format_.round_array(value * factor**t) for t in range(steps)]
    return Parameter(theta, tuple(gradients))


@st.composite
def cases(
    draw: st.DrawFn,
    format_: Format,
    *,
    groups: bool = True,
    schedules: bool = True,
    points: bool = True,
    most_steps: int = 6,
) -> Case:
    """A whole case of one or two groups.

    Args:
        draw: hypothesis'.
        format_: the working format.
        groups: whether the subject has groups.
        schedules: whether its learning rate can be set.
        points: whether its parameters may have no dimensions.
        most_steps: the largest number of steps.
    """
    steps = draw(st.integers(1, most_steps))
    made = []
    for _ in range(draw(st.integers(1, 2)) if groups else 1):
        members = tuple(
            draw(parameters(format_, steps, points=points)) for _ in range(draw(st.integers(1, 2)))
        )
        rates = None
        if schedules and draw(st.booleans()):
            rates = tuple(draw(st.sampled_from((0.1, 2e-3, 1.0, 0.37))) for _ in range(steps))
        made.append(Group(draw(hyperparameters(format_)), members, rates))
    return Case("drawn", tuple(made))
