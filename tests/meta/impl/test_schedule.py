"""Learning rates that change during a run."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.tests.meta.impl.drawing import same

GRADIENTS = [np.full(3, 0.5), np.full(3, -0.25), np.full(3, 2.0)]


def decayed(t: int) -> float:
    return 0.5 / t


def run(**options) -> np.ndarray:
    theta = np.ones(3)
    optimizer = Adamax([theta], **options)
    for gradient in GRADIENTS:
        optimizer((gradient,))
    return theta


def test_a_callable_gives_what_setting_lr_before_each_step_gives():
    theta = np.ones(3)
    optimizer = Adamax([theta])
    for t, gradient in enumerate(GRADIENTS, start=1):
        optimizer.param_groups[0]["lr"] = decayed(t)
        optimizer((gradient,))
    assert same(run(lr=decayed), theta)


@pytest.mark.parametrize(
    "lr", [1, 1.0, np.array(1.0), np.array(1), np.float32(1.0), np.int64(1), lambda _: 1]
)
def test_every_type_of_lr_means_the_same_number(lr):
    assert same(run(lr=lr), run(lr=1.0))


def test_a_0d_array_is_read_at_each_step():
    theta = np.ones(3)
    optimizer = Adamax([theta])
    rate = np.array(0.0)
    optimizer.param_groups[0]["lr"] = rate
    for t, gradient in enumerate(GRADIENTS, start=1):
        rate[()] = decayed(t)
        optimizer((gradient,))
    assert same(run(lr=decayed), theta)


def test_a_rate_of_zero_moves_m_and_u_but_not_theta():
    theta = np.ones(3)
    optimizer = Adamax([theta], lr=0)
    optimizer((GRADIENTS[0],))
    assert np.array_equal(theta, np.ones(3))
    assert optimizer.exp_avg[0].all()
    assert optimizer.exp_inf[0].all()


def test_a_schedule_counts_the_steps_of_the_optimizer_from_one():
    seen = []
    optimizer = Adamax([np.ones(3)], lr=lambda t: seen.append(t) or 0.1)
    for gradient in GRADIENTS:
        optimizer((gradient,))
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("rate", [-1.0, None, float("nan"), np.ones(2)])
def test_a_schedule_that_returns_no_rate_is_refused_before_anything_changes(rate):
    theta = np.ones(3)
    optimizer = Adamax([theta], lr=lambda _: rate)
    with pytest.raises(ValueError, match="group 0: the schedule at step 1: lr is"):
        optimizer((GRADIENTS[0],))
    assert np.array_equal(theta, np.ones(3))
    assert optimizer.t == 0


def test_each_group_follows_its_own_schedule():
    thetas = [np.ones(3), np.ones(3)]
    optimizer = Adamax([{"params": [thetas[0]], "lr": decayed}, {"params": [thetas[1]]}], lr=0.5)
    for gradient in GRADIENTS:
        optimizer((gradient, gradient))
    assert same(thetas[0], run(lr=decayed))
    assert same(thetas[1], run(lr=0.5))
