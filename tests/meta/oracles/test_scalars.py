"""The scalars of a step: how far they may be off as they enter an operation."""

from __future__ import annotations

import math
import random

import pytest
from adamax_conformance.oracles.bounds.scalar_errors import ScalarPath, correction_error, lasting_errors
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.formula import bias_correction
from adamax_conformance.reference.hyperparameters import Hyperparameters

FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
CTX = mpmath_context(200)


def errors(format_, scalar_format, hyperparameters, t=3, arithmetic=CORRECTLY_ROUNDED):
    """The errors of the scalars of one step."""
    scalars = exact_scalars(CTX, hyperparameters)
    correction = bias_correction(t, scalars)
    path = ScalarPath(format_, scalar_format, arithmetic)
    of_correction = correction_error(scalars.beta1, t, correction, path, float)
    return lasting_errors(scalars, path, float)._replace(correction=of_correction)


@FORMATS
def test_scalars_that_every_format_holds_have_no_error(format_) -> None:
    held = Hyperparameters(lr=0.5, beta1=0.75, beta2=0.5, eps=0.25, weight_decay=2.0)
    found = errors(format_, Format.BINARY64, held, t=1)
    assert (found.lr, found.beta1, found.beta2, found.eps, found.weight_decay, found.complement) == (0,) * 6
    assert errors(format_, Format.BINARY64, Hyperparameters(beta1=0.0)).correction == 0


@FORMATS
def test_a_scalar_of_binary64_is_off_by_at_most_one_rounding(format_) -> None:
    found = errors(format_, Format.BINARY64, Hyperparameters(eps=0.3, weight_decay=0.7))
    plain = (found.lr, found.beta1, found.complement, found.beta2, found.eps, found.weight_decay)
    limit = 0 if format_ is Format.BINARY64 else format_.unit_roundoff
    assert all(error <= limit for error in plain)


def test_a_correction_in_the_working_format_loses_what_the_power_lost() -> None:
    v = Format.BINARY32.unit_roundoff
    for beta1, t in ((0.9, 1), (0.9, 5), (0.999, 3), (0.5, 4), (0.3, 2)):
        found = errors(Format.BINARY32, Format.BINARY32, Hyperparameters(beta1=beta1), t).correction
        power = beta1**t
        counted = 2 * t * power / (1 - power) + 4  # the rounding of beta1 and the products; and of the rest
        assert found <= counted * v
    wide = errors(Format.BINARY32, Format.BINARY64, Hyperparameters(beta1=0.999), 3).correction
    assert wide <= v * (1 + 1e-4)


@FORMATS
@pytest.mark.parametrize("t", [2**16, 2**31, 2**53])
def test_a_correction_after_very_many_steps_has_an_error_of_all_of_it_at_most(format_, t) -> None:
    for beta1 in (0.3, 0.9, 0.999, 1 - 2**-53):
        found = errors(format_, format_, Hyperparameters(beta1=beta1), t).correction
        assert 0 <= found <= 1


def test_an_eps_that_rounds_to_zero_is_off_by_all_of_itself() -> None:
    assert errors(Format.BINARY16, Format.BINARY64, Hyperparameters()).eps == 1.0
    assert errors(Format.BINARY32, Format.BINARY64, Hyperparameters(eps=1e-50)).eps == 1.0


@pytest.mark.parametrize("t", [1, 2, 3, 10, 1000])
def test_the_correction_by_a_logarithm_is_within_what_is_counted_for_it(t) -> None:
    rng = random.Random(20150507)
    near_one, small, tiny = (-12, -1), (-4, -0.3), (-24, -12)
    for _ in range(200):
        powers = [10 ** rng.uniform(*reach) for reach in (near_one, small, tiny)]
        beta1 = rng.choice((rng.random(), 1 - powers[0], *powers[1:]))
        right, complement = 1 - CTX.mpf(beta1) ** t, 1 - beta1
        off = abs((-math.expm1(t * math.log1p(-complement)) if complement < 1 else 1) - right)
        counted = errors(Format.BINARY64, Format.BINARY64, Hyperparameters(beta1=beta1), t).correction
        assert off <= counted * right, beta1


@FORMATS
def test_a_beta1_below_every_roundoff_leaves_the_correction_at_one_within_a_few_roundings(format_) -> None:
    """A logarithm of 1 - (1 - beta1) loses it, and no more than it."""
    for scalar_format in (Format.BINARY64, format_):
        found = errors(format_, scalar_format, Hyperparameters(beta1=1.3 * 2.0**-60), t=1).correction
        assert (
            found <= 4.001 * scalar_format.unit_roundoff
        )  # of 1 - beta1; an ulp of the result; as it enters


def test_a_scalar_that_rounds_to_infinity_has_an_infinite_error() -> None:
    found = errors(Format.BINARY16, Format.BINARY64, Hyperparameters(lr=1e6, eps=1e6, weight_decay=1e6))
    assert {found.lr, found.eps, found.weight_decay} == {math.inf}
