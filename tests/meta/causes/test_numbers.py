"""The radii of numbers hold what any evaluation of their operations gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from adamax_conformance.oracles.causes.numbers import ROUNDINGS, Number, Rounding
from adamax_conformance.oracles.formats import Format

_ROUNDING = Rounding(Format.BINARY64, Format.BINARY64.unit_roundoff * ROUNDINGS)


def _by_products(beta: float, t: int) -> float:
    return math.prod([beta] * t)


def _by_squares(beta: float, t: int) -> float:
    half = _by_squares(beta, t // 2) if t > 1 else 1.0
    return half * half * (beta if t % 2 else 1.0)


@pytest.mark.parametrize("form", [pow, _by_products, _by_squares, lambda b, t: math.exp(t * math.log(b))])
def test_the_radius_of_a_power_holds_every_way_to_form_it(form: Callable[[float, int], float]) -> None:
    rng = np.random.default_rng(18)
    for _ in range(2000):
        beta, t = float(1 - 2.0 ** -rng.uniform(0.1, 53)), int(2 ** rng.uniform(0, 9))
        number = Number(np.array(beta), np.array(0.0), _ROUNDING) ** np.array(t)
        with mpmath.workprec(2000):
            off = abs(mpmath.mpf(form(beta, t)) - mpmath.mpf(beta) ** t)
            of_value = abs(mpmath.mpf(float(number.value)) - mpmath.mpf(beta) ** t)
        assert off <= float(number.radius) * (1 + 2.0**-40), (beta, t)
        assert of_value <= float(number.radius) * (1 + 2.0**-40), (beta, t)


def test_the_complement_of_a_power_next_to_one_keeps_a_digit() -> None:
    beta = Number(np.array(1 - 2.0**-53), np.array(0.0), _ROUNDING)
    first, second = 1 - beta ** np.array(1), 1 - beta ** np.array(2)
    assert first.radius < 2.0**-40 * first.value
    assert second.radius < 0.51 * second.value


def test_a_scalar_of_binary64_enters_an_operation_rounded_to_its_format() -> None:
    working = Rounding(Format.BINARY32, Format.BINARY32.unit_roundoff * ROUNDINGS)
    rng = np.random.default_rng(5)
    m, g = (rng.standard_normal(500).astype(np.float32).astype(float) for _ in range(2))
    beta = Number(np.array(0.9), np.array(0.0), _ROUNDING)
    found = beta * Number(m, 0.0, working) + (1 - beta) * Number(g, 0.0, working)
    float32 = np.float32
    seen = float32(0.9) * m.astype(float32) + float32(1 - 0.9) * g.astype(float32)
    exact = 0.9 * m + (1 - 0.9) * g
    assert found.rounding is working
    assert (np.abs(seen - exact) <= found.radius).all()
    assert (found.radius <= 2.0**-20 * (np.abs(m) + np.abs(g))).all()
