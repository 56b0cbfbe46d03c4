"""The oracle in NumPy: what it decides is what the exact oracle decides."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.oracles.batch.arrays import DOUBT, ArraySteps, CarriedState
from adamax_conformance.oracles.batch.exact_step import QUANTITIES, ExactStepJudge
from adamax_conformance.oracles.batch.vectorize import vectorized
from adamax_conformance.oracles.bounds import radii
from adamax_conformance.oracles.error_model import ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.exact.trajectory import element_trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import Decay, Epsilon
from adamax_conformance.tests.meta.oracles.random_steps import (
    draw_block,
    draw_error_model,
    draw_options,
    draw_step,
    draw_training_step,
    in_format,
)

FORMATS = pytest.mark.parametrize("format_", list(Format), ids=lambda f: f.dtype)
FORMS = pytest.mark.parametrize("form", list(Form), ids=lambda f: f.name)
SEEDS = range(12)
SIZE = 40


def columns(block):
    """The numbers of a block before and after its step, as binary64."""
    wide = [np.asarray(x, np.float64) for x in (block.theta, block.m, block.u, block.gradient)]
    after = [np.asarray(x, np.float64) for x in (block.theta_after, block.m_after, block.u_after)]
    return tuple(wide), tuple(after)


def agree(step) -> int:
    """Assert that both oracles agree on every number; how many the fast one decided."""
    block, options, t, error_model = step
    before, after = columns(block)
    found = ArraySteps([(options, t)], error_model).judge(np.zeros(block.size, np.intp), before, after)
    exact = ExactStepJudge(options, t, error_model)
    for i in range(block.size):
        expected = exact.judge([float(x[i]) for x in before], [float(x[i]) for x in after])
        for q, quantity in enumerate(QUANTITIES):
            assert bool(found.judged[q, i]) == (quantity in expected)
            if found.judged[q, i] and found.decided[q, i]:
                same_judgement(found, q, i, expected[quantity])
    return int((found.judged & found.decided).sum())


def same_judgement(found, q: int, i: int, expected) -> None:
    """Assert that a number that is decided is so on the same side, and as far off."""
    if expected.error_size is None:
        assert found.radius[q, i] == math.inf
        return
    over = expected.error_size.over_bound
    assert (found.error[q, i] > found.radius[q, i]) == (over > 1)
    radius = float(expected.radius)
    assert found.radius[q, i] == pytest.approx(radius, rel=DOUBT)
    error = float(abs(expected.exact - expected.actual)) if math.isfinite(expected.actual) else math.inf
    assert found.error[q, i] == pytest.approx(error, rel=DOUBT, abs=DOUBT * radius)
    if math.isfinite(expected.error_size.rounded) and math.isfinite(error):
        near = DOUBT * expected.error_size.bound_in_ulp
        assert found.ulp[q, i] == pytest.approx(expected.error_size.in_ulp, rel=DOUBT, abs=near)


@FORMATS
@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_of_any_rule_scheme_and_arithmetic_is_judged_as_the_exact_oracle_does(format_, seed) -> None:
    rng = np.random.default_rng([seed, format_.precision])
    for _ in range(3):
        agree(draw_step(rng, format_, SIZE))


@FORMATS
@FORMS
def test_a_step_as_in_training_is_judged_alike_and_hardly_anything_is_left_to_the_exact_oracle(
    format_, form
) -> None:
    rng = np.random.default_rng([7, format_.precision, list(Form).index(form)])
    decided = 0
    for decay in (0.0, 0.01):
        decided += agree(draw_training_step(rng, format_, SIZE, form=form, weight_decay=decay, share=1.0))
    assert decided >= 0.9 * 2 * SIZE * len(QUANTITIES)


@pytest.mark.parametrize("scale", [2.0**-700, 2.0**900])
def test_m_and_u_are_judged_without_the_exact_oracle_where_theta_alone_is_far(scale) -> None:
    rng = np.random.default_rng(5)
    block, options, t, error_model = draw_training_step(
        rng, Format.BINARY64, SIZE, form=Form.WEIGHTED, weight_decay=0.0, share=1.0
    )
    far = replace(block, theta=block.theta * scale, theta_after=block.theta_after * scale)
    decided = agree((far, options, t, error_model))
    assert decided >= 0.9 * 2 * SIZE


@FORMATS
def test_steps_judged_together_are_judged_as_each_alone_to_the_bit(format_) -> None:
    rng = np.random.default_rng(11)
    scheme = EvaluationScheme(Form.WEIGHTED).with_scalars(format_)
    error_model = ErrorModel(format_, scheme=scheme)
    drawn = [
        draw_training_step(rng, format_, 20, form=Form.WEIGHTED, weight_decay=decay)
        for decay in (0.0, 0.01, 0.0)
    ]
    steps = [(options, t) for _, options, t, _ in drawn]
    parts = [columns(block) for block, *_ in drawn]
    before, after = (
        tuple(np.concatenate([part[side][k] for part in parts]) for k in range(count))
        for side, count in ((0, 4), (1, 3))
    )
    together = ArraySteps(steps, error_model).judge(np.repeat(np.arange(3), 20), before, after)
    for i, (step, part) in enumerate(zip(steps, parts, strict=True)):
        alone = ArraySteps([step], error_model).judge(np.zeros(20, np.intp), *part)
        own = slice(20 * i, 20 * i + 20)
        for name in ("exact", "error", "radius", "ulp", "judged", "decided"):
            assert np.array_equal(getattr(together, name)[:, own], getattr(alone, name), equal_nan=True), name


# The functions of `radii` -----------------------------------------------------------------------------------

VECTORIZED = vectorized(radii.__name__)
PLAIN = {
    name: function
    for name, function in vars(radii).items()
    if inspect.isfunction(function) and function.__module__ == radii.__name__
}
POSITIVE = {"size": ("divisor_underflow",), "u": ("theta_radius", "stored_theta_radius")}
"""Arguments that a function may take for more than 0 only, as a divisor."""


def numbers(rng, format_, count: int, *, signed: bool):
    """Numbers of all sizes of a format, zeros and the smallest among them."""
    low, high = max(format_.emin - format_.precision - 1, -190), min(format_.emax, 190)
    values = 2.0 ** rng.uniform(low, high, count)
    values = np.where(rng.random(count) < 0.3, format_.smallest_normal * rng.uniform(0, 4, count), values)
    values = in_format(np.where(rng.random(count) < 0.2, 0.0, values), format_)
    return np.where(rng.random(count) < 0.5, -values, values) if signed else values


def arguments(rng, format_, function, name: str):
    """An array for each argument after the step's constants."""
    made = []
    for parameter in list(inspect.signature(function).parameters)[1:]:
        unsigned = parameter in {"size", "u", "total", "distance", "branches"} or parameter.endswith(
            ("radius", "size", "formed")
        )
        values = numbers(rng, format_, 60, signed=not unsigned)
        if name in POSITIVE.get(parameter, ()):
            values = np.where(values == 0, format_.smallest_normal, values)
        made.append(
            (values, np.abs(numbers(rng, format_, 60, signed=True))) if parameter == "branches" else values
        )
    return made


def parts(value, count: int = 60):
    """A function's value as arrays: one, or one for each part of a tuple."""
    values = value if isinstance(value, tuple) else (value,)
    return [np.broadcast_to(np.asarray(x, np.float64), count) for x in values]


def takes_numbers(function) -> bool:
    """Find functions of the step's constants and an element's numbers."""
    names = list(inspect.signature(function).parameters)
    return names[0] == "k" and "e" not in names


@pytest.mark.parametrize("name", [name for name, function in PLAIN.items() if takes_numbers(function)])
@FORMATS
def test_a_vectorised_radius_is_the_plain_one_to_the_bit(format_, name) -> None:
    rng = np.random.default_rng([format_.precision, len(name)])
    function = PLAIN[name]
    for _ in range(12):
        _, options, t, error_model = draw_step(rng, format_, 1)
        k = ArraySteps([(options, t)], error_model)._constants[0]
        drawn = arguments(rng, format_, function, name)
        with np.errstate(all="ignore"):
            found = parts(VECTORIZED[name](k, *drawn))
        for i in range(60):
            own = [tuple(float(y[i]) for y in x) if isinstance(x, tuple) else float(x[i]) for x in drawn]
            try:
                expected = parts(function(k, *own), 1)
            except ZeroDivisionError:
                continue
            for a, b in zip(found, expected, strict=True):
                assert np.array_equal(a[i : i + 1], b, equal_nan=True), (own, a[i], b)


def test_every_function_of_radii_is_vectorised() -> None:
    assert PLAIN.keys() <= VECTORIZED.keys()


# Rewriting ---------------------------------------------------------------------------------------------------


def module(tmp_path, monkeypatch, source: str) -> str:
    """The name of a module with this source."""
    name = f"plain_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_each_element_takes_its_own_branches(tmp_path, monkeypatch) -> None:
    source = """
def f(x, y):
    total = 0.0
    if x > 1 and not y:
        return -x
    if x > 0:
        total += min(x, 2.0, y) if y != 3 else 7.0
        for each in (x, y):
            total = total + each
    else:
        total = abs(x)
    return total / y
"""
    name = module(tmp_path, monkeypatch, source)
    plain: dict[str, object] = {}
    exec(source, plain)
    x, y = (a.reshape(-1) for a in np.meshgrid([-2.0, 0.0, 0.5, 1.5, 4.0], [-1.0, 1.0, 3.0]))
    assert vectorized(name)["f"](x, y).tolist() == [plain["f"](a, b) for a, b in zip(x, y, strict=True)]
    assert vectorized(name)["f"](np.array([2.0]), np.array([0.0])).tolist() == [-2.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("while x: x = x - 1", "While cannot be vectorised"),
        ("return 0 < x < 1", "a chained comparison cannot be vectorised"),
        ("if x: y = 1\n    else: y = 2\n    return y", "y must have a value before the branches"),
    ],
)
def test_a_function_that_cannot_be_vectorised_is_refused_with_its_line(
    tmp_path, monkeypatch, body, message
) -> None:
    name = module(tmp_path, monkeypatch, f"def f(x):\n    {body}\n")
    with pytest.raises(TypeError, match=rf"line \d+: {message}"):
        vectorized(name)


def test_a_module_without_a_source_is_refused() -> None:
    with pytest.raises(ImportError, match="has no source"):
        vectorized("sys")


# Carried states ----------------------------------------------------------------------------------------------


def test_carried_m_and_u_are_the_exact_ones_and_theta_is_within_its_radius() -> None:
    rng = np.random.default_rng(3)
    options = Hyperparameters(lr=0.1, beta1=0.75, beta2=0.875, eps=2.0**-10, weight_decay=0.0)
    error_model = ErrorModel(Format.BINARY64)
    theta = rng.normal(size=20)
    gradients = [rng.normal(size=20) for _ in range(5)]
    state = CarriedState.start(20)
    case = Case("run", (Group(options, (Parameter.of(theta, gradients),)),))
    exact = [list(element_trajectory(case, 0, (i,))) for i in range(20)]
    for t, g in enumerate(gradients, start=1):
        steps = ArraySteps([(options, t)], error_model)
        before = theta if t == 1 else np.array([float(run[t - 2].state.theta) for run in exact])
        state, (high, low), radius = steps.carry(state, before, g)
        for i, run in enumerate(exact):
            m, u = run[t - 1].state.m, run[t - 1].state.u
            assert abs((m - state.m[0][i]) - state.m[1][i]) <= 2.0**-95 * abs(m)
            assert abs((u - state.u[0][i]) - state.u[1][i]) <= 2.0**-95 * abs(u)
            assert abs((run[t - 1].state.theta - high[i]) - low[i]) <= radius[i] < math.inf


@FORMATS
@pytest.mark.parametrize("lr", [2.0**-260, 1e-300, 5e-324, 2.0**210])
def test_an_lr_beyond_the_range_of_binary64_s_bounds_leaves_theta_to_the_exact_oracle(format_, lr) -> None:
    rng = np.random.default_rng(3)
    block, options, t, error_model = draw_training_step(
        rng, format_, SIZE, form=Form.WEIGHTED, weight_decay=0.01, share=1.0
    )
    wide = replace(options, lr=lr)
    before, after = columns(block)
    found = ArraySteps([(wide, t)], error_model).judge(np.zeros(block.size, np.intp), before, after)
    agree((block, wide, t, error_model))
    assert found.decided[:2].mean() > 0.9
    assert not found.decided[2].any()


@FORMATS
@pytest.mark.parametrize("eps", [2.0**-201, 2.0**-260, 1e-300, 2.0**-1022, 5e-324])
def test_an_eps_below_the_range_of_binary64_s_bounds_hides_no_number(format_, eps) -> None:
    rng = np.random.default_rng(4)
    decided = judged = 0
    for _ in range(8):
        options, t, error_model = draw_options(rng), 2, draw_error_model(rng, format_)
        options = replace(options, eps=eps)
        block = draw_block(rng, format_, options, t, error_model.rule, SIZE, ordinary=True)
        decided += agree((block, options, t, error_model))
        judged += 3 * SIZE * (error_model.rule.epsilon is Epsilon.IN_NORM and eps >= 2.0**-1022)
    assert decided >= 0.3 * judged
    assert eps >= 2.0**-1022 or not decided


@FORMATS
def test_an_error_of_a_theta_that_stays_is_within_what_is_said_without_the_exact_oracle(format_) -> None:
    rng = np.random.default_rng(5)
    error_model, which = ErrorModel(format_), np.zeros(SIZE, np.intp)
    theta, m, g, u = (in_format(rng.normal(size=SIZE), format_) for _ in range(4))
    u = np.abs(u) + 0.5
    m_after = in_format(0.5 * m + 0.5 * g, format_)
    m_after[0] = 0.0
    before, after = (theta, m, u, g), (theta, m_after, in_format(np.maximum(0.5 * u, np.abs(g)), format_))
    applied = 0
    for t, lr in enumerate(
        (0.0, 5e-324, 1e-310, 2.0**-230, 2.0 ** -(format_.precision + 5), 2.0**-9), start=1
    ):
        options = Hyperparameters(lr=lr, beta1=0.5, beta2=0.5)
        bound = ArraySteps([(options, t)], error_model).unmoved(which, before, after)
        exact = ExactStepJudge(options, t, error_model)
        for i in np.flatnonzero(bound < math.inf):
            judged = exact.judge([float(x[i]) for x in before], [float(x[i]) for x in after])
            size = judged[Quantity.THETA].error_size
            assert size is None or size.over_bound <= bound[i]
            applied += 1
    assert applied > 4 * SIZE
    steps = ArraySteps([(options, 1)], error_model)
    assert np.isinf(steps.unmoved(which, before, (theta + 1, *after[1:]))).all()
    assert np.isinf(steps.unmoved(which, (0 * theta, *before[1:]), (0 * theta, *after[1:]))).all()
    decoupled = ErrorModel(format_, rule=replace(error_model.rule, decay=Decay.DECOUPLED))
    assert np.isinf(ArraySteps([(options, 1)], decoupled).unmoved(which, before, after)).all()
