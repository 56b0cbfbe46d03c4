"""The compiled oracle agrees with the exact one on random steps of all numbers."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numba
import numpy as np
import pytest
from adamax_conformance import oracles
from adamax_conformance.oracles.batch import compiled_lockstep as compiled
from adamax_conformance.oracles.batch.block import Block
from adamax_conformance.oracles.batch.kernels import lockstep as kernel
from adamax_conformance.oracles.batch.kernels.counts import KernelTally
from adamax_conformance.oracles.batch.kernels.lockstep import make_safe_range_loop
from adamax_conformance.oracles.batch.lockstep import QUANTITIES, judge_block, judge_exactly, tally_judgements
from adamax_conformance.oracles.batch.tally import KEPT, QuantityTally
from adamax_conformance.oracles.batch.trajectory import ORDER, ExactRunJudge, judge_trajectory
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context, precision_for
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.tests.meta.oracles.element_bounds import ElementBounds
from adamax_conformance.tests.meta.oracles.random_steps import Step, draw_run, draw_step, draw_training_step
from adamax_conformance.tests.meta.sampling import some

NEAR = 2.0**-20
"""How near the sizes of errors are, as fractions of the bound."""


@pytest.fixture
def at_any_size(monkeypatch) -> None:
    """Ordinary elements are looked for in small blocks as well."""
    monkeypatch.setattr(compiled, "_MANY", 0)


def agree(step: Step) -> None:
    """Assert that both oracles agree on a block that a tally names in full."""
    block, options, t, error_model = step
    assert block.size <= KEPT
    found, expected = (judge(block, options, t, error_model) for judge in (judge_block, judge_exactly))
    for quantity in QUANTITIES:
        alike(found[quantity], expected[quantity])


def alike(a: QuantityTally, b: QuantityTally) -> None:
    """Assert that two tallies agree but for the last bits of errors."""
    assert (a.judged, a.open, a.exceeded, a.skipped) == (b.judged, b.open, b.exceeded, b.skipped)
    assert (a.first and a.first.index) == (b.first and b.first.index)
    sizes = {one.index: (one.over_bound, one.in_ulp) for one in b.worst}
    assert sizes.keys() == {one.index for one in a.worst}
    for one in a.worst:
        over, in_ulp = sizes[one.index]
        assert one.over_bound == pytest.approx(over, rel=NEAR, abs=NEAR)
        # The bound in ulp, where there is one and an error to tell it by.
        bounds = (x / y for x, y in ((in_ulp, over), (one.in_ulp, one.over_bound)) if 0 < y < math.inf)
        assert one.in_ulp == pytest.approx(in_ulp, rel=NEAR, abs=NEAR * max(bounds, default=0.0))
    assert a.sixteenths == b.sixteenths


@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_any_element_under_any_assumption_is_judged_as_by_the_exact_oracle(format_) -> None:
    rng = np.random.default_rng(11)
    for _ in some(range(150), of=3):
        agree(draw_step(rng, format_, KEPT))


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize(
    ("format_", "form", "weight_decay"),
    [
        (Format.BINARY32, Form.WEIGHTED, 0.0),
        (Format.BINARY32, Form.INTERPOLATED, 0.01),
        (Format.BFLOAT16, Form.INTERPOLATED, 0.01),
        (Format.BINARY16, Form.WEIGHTED, 0.0),
        (Format.BINARY64, Form.WEIGHTED, 0.01),
    ],
    ids=str,
)
def test_ordinary_elements_are_judged_as_by_the_exact_oracle(format_, form, weight_decay) -> None:
    rng = np.random.default_rng(12)
    for _ in some(range(150), of=3):
        agree(draw_training_step(rng, format_, KEPT, form=form, weight_decay=weight_decay))


@pytest.mark.usefixtures("at_any_size")
def test_a_step_of_training_is_left_to_no_slower_loop() -> None:
    # What is left is moved by far, lies on its bound, or may have no error at all.
    rng = np.random.default_rng(13)
    block, options, t, error_model = draw_training_step(
        rng, Format.BINARY32, 1 << 12, form=Form.WEIGHTED, weight_decay=0.0, share=1.0
    )
    step = compiled.CompiledStep(exact_scalars(mpmath_context(precision_for(t)), options), t, error_model)
    state = np.zeros(block.size, np.uint8)
    step.run(make_safe_range_loop, block, 0, state, KernelTally.empty())
    assert np.count_nonzero(state) < block.size // 20


def test_the_answer_does_not_depend_on_threads(monkeypatch) -> None:
    rng = np.random.default_rng(14)
    block, options, t, error_model = draw_training_step(
        rng, Format.BINARY32, 1 << 12, form=Form.WEIGHTED, weight_decay=0.0, share=1.0
    )
    whole = Block(*(np.tile(array, 40) for _, array in block.arrays()))
    answers = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        answers.append(judge_block(whole, options, t, error_model, start=7))
    assert answers[0] == answers[1] == answers[2]
    assert all(answers[0][quantity].exceeded for quantity in QUANTITIES)


def test_the_bounds_are_compiled_as_they_stand() -> None:
    rng = np.random.default_rng(15)
    for _ in range(60):
        block, options, t, error_model = draw_step(rng, Format.BINARY32, KEPT)
        scalars = exact_scalars(mpmath_context(precision_for(t)), options)
        bounds = ElementBounds(scalars, t, error_model, float)
        for i in range(block.size):
            (theta, m, u, _), (_, m_after, u_after) = block.element(i)[0], block.element(i)[1]
            if math.isfinite(sum((theta, m, u, m_after, u_after))):
                radius = bounds.stored_theta_radius(theta, m_after, u_after, abs(m), abs(u))
                assert (
                    kernel.stored_theta_radius(bounds.constants, theta, m_after, u_after, abs(m), abs(u))
                    == radius
                )


@pytest.mark.parametrize(
    ("module", "constant"),
    [
        ("bounds/radii.py", "TWICE: Final = 1 + 2.0**-11"),
        ("judgement.py", "EDGE_SHIFT: Final = 2.0**-10"),
        ("batch/kernels/double_double.py", "float(2**27 + 1)"),
    ],
)
def test_a_loop_is_compiled_again_where_anything_it_is_made_of_has_changed(
    tmp_path, module, constant
) -> None:
    real = Path(oracles.__path__[0])
    copy = tmp_path / "oracles"
    shutil.copytree(real, copy, ignore=shutil.ignore_patterns("__pycache__"))
    digest = kernel.digest.__wrapped__  # without its cache
    before = digest(copy)
    assert before == digest(real) == digest()
    source = (copy / module).read_text(encoding="utf-8")
    assert source.count(constant) == 1
    (copy / module).write_text(source.replace(constant, constant.replace("1", "3", 1)), encoding="utf-8")
    assert digest(copy) != before


@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_a_trajectory_is_judged_as_by_the_exact_oracle(format_) -> None:
    rng = np.random.default_rng(16)
    for _ in some(range(25), of=3):
        theta, steps, error_model = draw_run(rng, format_, KEPT)
        found = judge_trajectory(theta, steps, error_model)
        exact = ExactRunJudge(theta, steps, error_model)
        expected: list[dict[Quantity, list]] = [{} for _ in steps]
        for index in range(theta.size):
            for t, judged in exact.judge(index):
                for quantity, judgement in judged.items():
                    expected[t - 1].setdefault(quantity, []).append((index, judgement))
        for tallies, judgements in zip(found, expected, strict=True):
            for quantity in ORDER:
                alike(tallies.get(quantity, QuantityTally()), tally_judgements(judgements.get(quantity, [])))
