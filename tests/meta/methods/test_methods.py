"""Each method catches what it must, and lets a right optimizer be."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.tests.meta.methods import METHODS, suite
from adamax_conformance.tests.meta.methods.dual_delta import largest_errors, rank_statistic
from adamax_conformance.tests.meta.methods.reference import ForLoop, InLongDouble, Jax
from adamax_conformance.tests.meta.methods.seven_steps import differentiate, draw_network
from adamax_conformance.tests.meta.planted.base import Adamax
from adamax_conformance.tests.meta.planted.bugs_contract import MaximizePositional

PLAIN = {method.name: method.judge for method in METHODS if method is not suite.METHOD}
DTYPES = ("float32", "float64")
LONG = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


class TwiceTheStep(Adamax):
    """The step has twice the rate."""

    def step(self, m, u, scalars):
        return 2 * super().step(m, u, scalars)


class WrongStateShown(Adamax):
    """The first moment that can be seen is not the one that is used."""

    @property
    def exp_avg(self):
        return [2 * m for m in self.m]


class CoarseStep(Adamax):
    """The step is off by 16 roundings."""

    def step(self, m, u, scalars):
        right = super().step(m, u, scalars)
        return right * right.dtype.type(1 + 16 * np.finfo(right.dtype).eps)


class NothingShown(Adamax):
    """The state cannot be seen."""

    @property
    def exp_avg(self):
        raise AttributeError

    exp_inf = exp_avg


class Refuses(Adamax):
    """No step can be taken."""

    def __call__(self, gradients):
        raise NotImplementedError


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("right", [Adamax, ForLoop, NothingShown])
def test_a_right_optimizer_is_let_be(name, right, dtype):
    if name == "dual-delta" and dtype == "float64" and not LONG:
        pytest.skip("NumPy has no format here that is wider than binary64")
    assert PLAIN[name](right, dtype) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
def test_a_rate_that_is_twice_too_large_is_caught(name, dtype):
    assert PLAIN[name](TwiceTheStep, dtype) is not None


@pytest.mark.parametrize("name", PLAIN)
def test_an_exception_is_a_finding(name):
    assert PLAIN[name](Refuses, "float32") == "raises NotImplementedError"


def test_the_suite_names_the_check_that_catches_a_bug():
    assert suite.METHOD.judge(MaximizePositional, "float32") == "contract/maximize-keyword-only"


def test_seven_steps_alone_compare_the_state_too():
    found = {name for name, judge in PLAIN.items() if judge(WrongStateShown, "float32")}
    assert found == {"seven-steps"}


def test_only_the_statistics_see_an_error_of_a_few_roundings():
    found = {name for name, judge in PLAIN.items() if judge(CoarseStep, "float32")}
    assert found == {"dual-delta"}


def test_the_gradient_of_the_network_is_its_derivative():
    params = draw_network("float64")

    def output(params):
        inner, inner_bias, outer, outer_bias = params
        inputs = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
        hidden = 1 / (1 + np.exp(-(inputs @ inner.T + inner_bias)))
        return (1 / (1 + np.exp(-(hidden @ outer.T + outer_bias)))).sum()

    for index, gradient in enumerate(differentiate(params)):
        assert gradient.shape == params[index].shape
        for element in np.ndindex(gradient.shape):
            moved = [[theta.copy() for theta in params] for _ in range(2)]
            moved[0][index][element] += 1e-5
            moved[1][index][element] -= 1e-5
            slope = (output(moved[0]) - output(moved[1])) / 2e-5
            assert abs(gradient[element] - slope) < 1e-9


def test_the_rank_statistic_is_that_of_mann_and_whitney():
    # U = 0 of 9 pairs: (0 - 9/2) / sqrt(3 * 3 * 7 / 12).
    low, high = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    assert rank_statistic(low, high) == pytest.approx(-4.5 / 5.25**0.5)
    assert rank_statistic(high, low) == pytest.approx(4.5 / 5.25**0.5)
    # Ranks 1, 3, 3, 3, 5, 6: U = 7 - 6 = 1; the variance less 3/4 * (27 - 3)/30.
    tied = rank_statistic(np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0, 4.0]))
    assert tied == pytest.approx(-3.5 / (9 / 12 * (7 - 24 / 30)) ** 0.5)
    assert rank_statistic(np.zeros(3), np.zeros(3)) == 0


def test_a_result_that_is_not_a_number_has_an_infinite_error():
    errors = largest_errors(np.array([[1.0, np.nan], [1.0, 3.0]]), np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert errors.tolist() == [np.inf, 1.0]


@pytest.mark.parametrize("format_", [np.float32, np.float64, np.longdouble])
def test_a_reference_computes_in_its_own_format(format_):
    theta = np.array([1.0, -2.0, 0.5], format_)
    optimizer = (InLongDouble if format_ is np.longdouble else ForLoop)([theta], lr=0.1, weight_decay=0.1)
    optimizer([np.array([0.5, 1.0, -3.0], format_)])
    assert {x.dtype for x in (theta, *optimizer.exp_avg, *optimizer.exp_inf)} == {np.dtype(format_)}
    # The first step has the size of the rate, in the direction of the gradient.
    assert np.allclose(theta, [0.9, -2.1, 0.6])


def test_the_other_framework_divides_by_the_norm_and_eps():
    theta = np.array([0.0])
    Jax([theta], lr=1.0, eps=1.0)([np.array([3.0])])
    assert theta == pytest.approx(-3 / 4)
