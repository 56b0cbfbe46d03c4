"""The numbers of our Adamax against exact ones."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax.step_scalars import RateSequence, step_scalars
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.formula import effective_gradient, first_moment, norm_branches, update
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.impl.drawing import both_dtypes, hyperparameters, steady, training_sizes
from hypothesis import example, given
from hypothesis import strategies as st

EXACT = mpmath_context(400)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


class Snapshot:
    """Copies of theta, m and u after a step, as binary64."""

    def __init__(self, theta, optimizer):
        self.theta = [theta.astype(np.float64)]
        self.m = [m.astype(np.float64) for m in optimizer.exp_avg]
        self.u = [u.astype(np.float64) for u in optimizer.exp_inf]


def run(options: Hyperparameters, dtype, seed: int, steps: int = 6, size: int = 6):
    """A short run: the case, and a snapshot after each step."""
    rng = np.random.default_rng(seed)
    start = training_sizes(rng, dtype, size)
    start[0] = 0
    gradients = [training_sizes(rng, dtype, size) for _ in range(steps)]
    case = Case("drawn", (Group(options, (Parameter.of(start, gradients),)),))
    theta = start.copy()
    optimizer = Adamax([theta], **options.options())
    snapshots = []
    for gradient in gradients:
        optimizer((gradient,))
        snapshots.append(Snapshot(theta, optimizer))
    return case, snapshots


def each_step(case, snapshots):
    """Every element and step: scalars, t, theta, m, u, gradient, and those after."""
    (parameter,) = case.parameters
    scalars = exact_scalars(EXACT, case.groups[0].hyperparameters)
    before = (parameter.theta, np.zeros_like(parameter.theta), np.zeros_like(parameter.theta))
    for t, (gradient, snapshot) in enumerate(zip(parameter.gradients, snapshots, strict=True), start=1):
        after = (snapshot.theta[0], snapshot.m[0], snapshot.u[0])
        for values in zip(*before, gradient, *after, strict=True):
            yield scalars, t, *(EXACT.mpf(float(x)) for x in values)
        before = after


@both_dtypes
@steady
@given(options=hyperparameters, seed=st.integers(0, 2**32))
def test_every_step_is_within_the_tightest_bound(dtype, options, seed):
    case, snapshots = run(options, dtype, seed)
    found = empty_tallies(Quantity.THETA, Quantity.M, Quantity.U)
    lockstep(case, snapshots, ErrorModel(Format.of(dtype.name)), found)
    trajectory(case, snapshots, ErrorModel(Format.of(dtype.name)), found)
    assert {quantity: tally.divergence for quantity, tally in found.items()} == dict.fromkeys(found)


@steady
@given(options=hyperparameters, seed=st.integers(0, 2**32))
def test_float32_theta_is_within_one_ulp_of_the_larger_theta(options, seed):
    for scalars, t, theta, _, _, _, theta_after, m_after, u_after in each_step(*run(options, FLOAT32, seed)):
        exact = update(theta, m_after, u_after, t, scalars)
        larger = max(abs(float(theta)), abs(float(theta_after)))
        assert abs(theta_after - exact) <= Format.BINARY32.ulp(larger)


@steady
@given(options=hyperparameters, seed=st.integers(0, 2**32))
def test_float32_moments_are_correctly_rounded_but_for_a_double_rounding(options, seed):
    """The exact values lie within a few roundings of the unrounded ones.

    The gradient takes at most 2 roundings (the decay's product and sum), m at most 4 more of its terms (the
    complement, two products, the sum), u at most 1 more (the product with beta2, or the sum with eps): 6
    units of 2^-53 of the terms, to first order; 8 covers the rest. Rounding is monotone, so the result lies
    between the rounded ends.
    """
    few = 8 * EXACT.mpf(2) ** -53
    for scalars, _, theta, m, u, g, _, m_after, u_after in each_step(*run(options, FLOAT32, seed)):
        effective = effective_gradient(theta, g, scalars)
        size = abs(g) + scalars.weight_decay * abs(theta)
        exact_m = first_moment(m, effective, scalars)
        spread_m = few * (scalars.beta1 * abs(m) + (1 - scalars.beta1) * size)
        assert between(exact_m, spread_m, m_after)
        exact_u = max(norm_branches(u, effective, scalars))
        assert between(exact_u, few * (scalars.beta2 * u + size + scalars.eps), u_after)


def between(exact, spread, actual) -> bool:
    low, high = (Format.BINARY32.round(x) for x in (exact - spread, exact + spread))
    return low <= actual <= high


@steady
@given(
    lr=st.floats(0, 1e6),
    beta1=st.floats(0, 1, exclude_max=True),
    t=st.integers(1, 10**7),
)
@example(lr=2e-3, beta1=1 - 2.0**-53, t=1)
@example(lr=2e-3, beta1=5e-324, t=3)
@example(lr=0.0, beta1=0.9, t=1)
@example(lr=1.0, beta1=0.5, t=1)
def test_the_corrected_rate_is_the_nearest_binary64(lr, beta1, t):
    exact = EXACT.mpf(lr) / (1 - EXACT.mpf(beta1) ** t)
    assert RateSequence(beta1).at(lr, t) == Format.BINARY64.round(exact)


def test_the_corrected_rate_stays_right_over_many_steps():
    exact = EXACT.mpf(0.1) / (1 - EXACT.mpf(1 - 2.0**-53) ** 10**15)
    assert RateSequence(1 - 2.0**-53).at(0.1, 10**15) == Format.BINARY64.round(exact)


@steady
@given(
    lr=st.floats(0, 1e6) | st.sampled_from([5e-324, 2.0**-1022, 1.7e308]),
    beta1=st.floats(0, 1, exclude_max=True) | st.sampled_from([0.5, 0.9, 0.99]),
    ts=st.lists(st.integers(1, 2000), max_size=3),
)
@example(lr=1.7e308, beta1=0.9, ts=[])
@example(lr=2e-3, beta1=0.9, ts=[1000, 5, 1000])
@example(lr=5e-324, beta1=0.5, ts=[50])
def test_the_corrected_rate_does_not_depend_on_the_steps_before(lr, beta1, ts):
    rates = RateSequence(beta1)
    for start in [1, *ts]:
        for t in range(start, start + 60):
            assert rates.at(lr, t) == RateSequence(beta1).at(lr, t)


@steady
@given(lr=st.floats(0, 1e6, allow_subnormal=True), beta1=st.floats(0.1, 0.9))
@example(lr=5e-324, beta1=0.9)
@example(lr=1.7976931348623157e308, beta1=0.9)
@example(lr=1.0, beta1=0.5)
def test_the_rate_is_the_nearest_binary64_about_where_its_correction_vanishes(lr, beta1):
    rates, t = RateSequence(beta1), 1
    while beta1**t > 2.0**-58:
        t += 1
    for near in range(max(1, t - 8), t + 3):
        exact = EXACT.mpf(lr) / (1 - EXACT.mpf(beta1) ** near)
        assert rates.at(lr, near) == Format.BINARY64.round(exact)


def test_a_learning_rate_of_minus_zero_keeps_its_sign():
    assert math.copysign(1, RateSequence(0.9).at(-0.0, 1)) == -1


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", "674696f1ac0f283a"), ("float64", "f80e31c97771ce3c")],
)
def test_a_run_has_the_same_bits_on_every_platform(dtype, expected):
    rng = np.random.default_rng(7)

    def drawn() -> np.ndarray:  # no function of a platform's math library takes part
        return (rng.integers(-(2**20), 2**20, 30_000) / 2**15).astype(dtype)

    theta = drawn()
    optimizer = Adamax([theta], lr=lambda t: 0.1 / t, betas=(0.9, 0.99), weight_decay=0.01)
    for _ in range(50):
        optimizer((drawn(),))
    content = b"".join(array.tobytes() for array in (theta, *optimizer.exp_avg, *optimizer.exp_inf))
    assert hashlib.sha256(content).hexdigest()[:16] == expected


@both_dtypes
def test_the_first_step_moves_by_the_learning_rate(dtype):
    theta = np.zeros(3, dtype)
    Adamax([theta], lr=0.25, eps=2.0**-40)((np.array([4.0, -4.0, 0.5], dtype),))
    assert theta == pytest.approx([-0.25, 0.25, -0.25], rel=2.0**-22)


@both_dtypes
def test_a_zero_gradient_from_a_zero_state_is_a_fixed_point(dtype):
    theta = np.array([1.5, -0.0, 0.0, -3.0], dtype)
    before = theta.copy()
    optimizer = Adamax([theta], lr=0.1)
    for _ in range(3):
        optimizer((np.zeros(4, dtype),))
    assert theta.tobytes() == before.tobytes()
    assert np.array_equal(optimizer.exp_inf[0], np.full(4, 1e-8, dtype))


def test_eps_that_float32_cannot_hold_still_keeps_a_zero_gradient_from_dividing_by_zero():
    theta = np.ones(2, np.float32)
    Adamax([theta], eps=1e-50)((np.zeros(2, np.float32),))
    assert np.array_equal(theta, np.ones(2))


@both_dtypes
@pytest.mark.parametrize("size", [1, 40_000])
def test_a_nan_gradient_makes_theta_m_and_u_nan_and_keeps_them_so(dtype, size):
    theta = np.ones(size, dtype)
    optimizer = Adamax([theta])
    gradient = np.ones(size, dtype)
    gradient[-1] = math.nan
    optimizer((gradient,))
    optimizer((np.ones(size, dtype),))
    for array in (theta, optimizer.exp_avg[0], optimizer.exp_inf[0]):
        assert np.isnan(array[-1])
        assert not np.isnan(array[:-1]).any()


@both_dtypes
@pytest.mark.parametrize("infinite", [math.inf, -math.inf])
def test_an_infinite_gradient_makes_u_infinite_and_theta_not_finite(dtype, infinite):
    theta = np.ones(1, dtype)
    optimizer = Adamax([theta])
    optimizer((np.array([infinite], dtype),))
    assert optimizer.exp_inf[0] == math.inf
    assert optimizer.exp_avg[0] == infinite
    assert not np.isfinite(theta[0])


@both_dtypes
@steady
@given(options=hyperparameters, seed=st.integers(0, 2**32))
def test_the_mirrored_case_has_the_mirrored_trajectory(dtype, options, seed):
    rng = np.random.default_rng(seed)
    theta = training_sizes(rng, dtype, 20)
    mirrored = -theta
    optimizers = [Adamax([array], **options.options()) for array in (theta, mirrored)]
    for _ in range(4):
        gradient = training_sizes(rng, dtype, 20)
        optimizers[0]((gradient,))
        optimizers[1]((-gradient,))
        assert np.array_equal(theta, -mirrored)


@both_dtypes
def test_maximizing_equals_negated_gradients(dtype):
    rng = np.random.default_rng(4)
    one, other = np.ones(50, dtype), np.ones(50, dtype)
    maximizer = Adamax([one], weight_decay=0.1, maximize=True)
    minimizer = Adamax([other], weight_decay=0.1)
    for _ in range(5):
        gradient = training_sizes(rng, dtype, 50)
        maximizer((gradient,))
        minimizer((-gradient,))
    assert one.tobytes() == other.tobytes()


def test_the_scalars_are_exact_where_binary64_is():
    scalars = step_scalars(Hyperparameters(beta1=0.75), 1, FLOAT64)
    assert Fraction(scalars.complement) == 1 - Fraction(scalars.beta1)
