"""The documented rates: both forms, documented examples, and tight bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.oracles.bounds.learning_rate import rates
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.schedules import NAMES, SchedulePoint, chained_form_rate, closed_form_rate
from adamax_conformance.tests.conformance.cases.schedulers import SCHEDULER_SETTINGS, STEPS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_FORMATS = {Format.BINARY32: np.float32, Format.BINARY64: np.float64}


class Exactly:
    """Mathematics in many digits."""

    def number(self, value):
        return mpmath.mpf(value)

    def power(self, base, exponent):
        return base**exponent

    def cos_pi(self, x):
        return mpmath.cospi(x)


class Plainly:
    """Mathematics as a framework does it, in one format throughout."""

    def __init__(self, dtype):
        self.dtype = dtype

    def number(self, value):
        return self.dtype(value)

    def power(self, base, exponent):
        return self.dtype(base ** self.dtype(exponent))

    def cos_pi(self, x):
        return np.cos(self.dtype(math.pi) * x)


def sequence(schedule, lr, mathematics, form, metrics=()):
    """The rates of some steps, each from its number or from the rate before."""
    result = []
    for k in range(STEPS):
        point = SchedulePoint(mathematics, mathematics.number(lr), k, metrics)
        if form is chained_form_rate and k:
            result.append(chained_form_rate(schedule, point, result[-1]))
        else:
            result.append(closed_form_rate(schedule, point))
    return result


def test_every_form_has_a_setting_and_every_setting_a_form():
    assert {setting.schedule.name for setting in SCHEDULER_SETTINGS.values()} == set(NAMES)


@pytest.mark.parametrize("name", SCHEDULER_SETTINGS)
def test_the_rate_from_the_one_before_is_the_rate(name):
    setting = SCHEDULER_SETTINGS[name]
    with mpmath.workprec(200):
        one, other = (
            sequence(setting.schedule, 0.1, Exactly(), form, setting.metrics)
            for form in (closed_form_rate, chained_form_rate)
        )
        assert all(abs(a - b) < mpmath.mpf(2) ** -150 for a, b in zip(one, other, strict=True))


_CYCLE = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2000, "step_size_down": 2000, "mode": "triangular"}
_ONE_CYCLE = {
    "max_lr": 0.1,
    "total_steps": 12,
    "pct_start": 0.25,
    "div_factor": 25.0,
    "final_div_factor": 1e4,
}
_PARTS = (
    Schedule("ConstantLR", {"factor": 0.1, "total_iters": 2}),
    Schedule("ExponentialLR", {"gamma": 0.9}),
)


@pytest.mark.parametrize(
    ("schedule", "lr", "wanted"),
    [
        (Schedule("StepLR", {"step_size": 2, "gamma": 0.1}), 0.05, [0.05, 0.05, 0.005, 0.005, 0.0005]),
        (
            Schedule("MultiStepLR", {"milestones": [2, 4], "gamma": 0.1}),
            0.05,
            [0.05, 0.05, 0.005, 0.005, 0.0005],
        ),
        (
            Schedule("LinearLR", {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 4}),
            0.05,
            [0.025, 0.03125, 0.0375, 0.04375, 0.05, 0.05],
        ),
        (Schedule("ExponentialLR", {"gamma": 0.5}), 0.01, [0.01, 0.005, 0.0025, 0.00125]),
        (
            Schedule("PolynomialLR", {"total_iters": 5, "power": 1.0}),
            0.01,
            [0.01, 0.008, 0.006, 0.004, 0.002, 0, 0],
        ),
        (
            Schedule("LambdaLR", {"lr_lambda": [0.9**k for k in range(11)]}),
            0.01,
            [0.01, 0.009, 0.0081, 0.00729],
        ),
        (
            Schedule("MultiplicativeLR", {"lr_lambda": [0.95] * 11}),
            0.01,
            [0.01, 0.0095, 0.009025, 0.00857375],
        ),
        (Schedule("ConstantLR", {"factor": 0.5, "total_iters": 4}), 0.05, [0.025] * 4 + [0.05] * 3),
        (Schedule("CyclicLR", _CYCLE), 0.5, [0.01, 0.010045, 0.01009, 0.010135, 0.01018, 0.010225]),
        (
            Schedule("CyclicLR", {**_CYCLE, "step_size_up": 2, "step_size_down": 1, "mode": "triangular2"}),
            0.5,
            [0.01, 0.055, 0.1, 0.01, 0.0325, 0.055, 0.01],
        ),
        (
            Schedule("CosineAnnealingLR", {"T_max": 2, "eta_min": 0.0}),
            0.1,
            [0.1, 0.05, 0, 0.05, 0.1, 0.05, 0],
        ),
        (
            Schedule("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.0}),
            0.1,
            [0.1, 0.05, 0.1, 0.0853553, 0.05, 0.0146447, 0.1],
        ),
        (
            Schedule("OneCycleLR", {**_ONE_CYCLE, "anneal_strategy": "linear"}),
            0.5,
            [0.004, 0.052, 0.1, 0.08888893],
        ),
        (Schedule("SequentialLR", {"milestones": [2]}, _PARTS), 0.1, [0.01, 0.01, 0.1, 0.09, 0.081]),
        (Schedule("ChainedScheduler", {}, _PARTS), 0.1, [0.01, 0.009, 0.081, 0.0729]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_examples_of_the_pages_come_out(schedule, lr, wanted):
    found = rates(schedule, lr, len(wanted), Format.BINARY64)
    assert [float(rate.exact) for rate in found] == pytest.approx(wanted, rel=1e-5, abs=1e-12)


def test_the_rate_falls_once_patience_is_over_and_rests_then():
    """The example of MindSpore's page, with rests."""
    options = {"factor": 0.1, "patience": 0, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0}
    metrics = (1.0, 1.5, 1.8, 0.4, 0.5)
    plain = rates(Schedule("ReduceLROnPlateau", options), 0.1, 6, Format.BINARY64, metrics)
    assert [float(r.exact) for r in plain] == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001, 0.0001])
    resting = Schedule("ReduceLROnPlateau", {**options, "cooldown": 2, "min_lr": 0.02})
    rested = rates(resting, 0.1, 6, Format.BINARY64, (1.0,) * 5)
    assert [float(r.exact) for r in rested] == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.02, 0.02])


def _vary(schedule, scale):
    """The same scheduler with other reals."""
    kept = {"threshold", "pct_start"}
    options = {
        name: value * scale if isinstance(value, float) and name not in kept else value
        for name, value in schedule.options.items()
    }
    if "lr_lambda" in options:
        options["lr_lambda"] = tuple(x * scale for x in options["lr_lambda"])
    return replace(schedule, options=options, parts=tuple(_vary(part, scale) for part in schedule.parts))


@pytest.mark.parametrize("name", SCHEDULER_SETTINGS)
@pytest.mark.parametrize("format_", _FORMATS)
@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(lr=st.floats(1e-4, 1.0), scale=st.floats(0.5, 1.0))
def test_an_honest_scheduler_is_within_the_bound(name, format_, lr, scale):
    setting = SCHEDULER_SETTINGS[name]
    schedule = _vary(setting.schedule, scale)
    wanted = rates(schedule, lr, STEPS, format_, setting.metrics)
    for form in (closed_form_rate, chained_form_rate):
        computed = sequence(schedule, lr, Plainly(_FORMATS[format_]), form, setting.metrics)
        for rate, value in zip(wanted, computed, strict=True):
            assert abs(rate.exact - float(value)) <= rate.radius


@pytest.mark.parametrize("name", SCHEDULER_SETTINGS)
@pytest.mark.parametrize("format_", _FORMATS)
def test_a_rate_that_is_off_in_the_last_digits_is_beyond_the_bound(name, format_):
    """A bound of some hundred unit roundoffs hides no wrong formula."""
    setting = SCHEDULER_SETTINGS[name]
    wanted = rates(setting.schedule, 0.1, STEPS, format_, setting.metrics)
    largest = max(rate.exact for rate in wanted)
    assert all(rate.radius < 2**10 * format_.unit_roundoff * largest for rate in wanted)
