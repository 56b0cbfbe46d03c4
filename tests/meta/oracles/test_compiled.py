"""The compiled oracle says of every element what the exact one says: on drawn steps, of every kind of number."""

from __future__ import annotations

import math
from pathlib import Path

import numba
import numpy as np
import pytest
from adamax_conformance import oracles
from adamax_conformance.oracles.batch import compiled_lockstep as compiled
from adamax_conformance.oracles.batch.block import Block
from adamax_conformance.oracles.batch.kernels import lockstep as kernel
from adamax_conformance.oracles.batch.kernels.counts import Found
from adamax_conformance.oracles.batch.kernels.lockstep import over_ordinary
from adamax_conformance.oracles.batch.lockstep import QUANTITIES, judge_block, judge_exactly, tally
from adamax_conformance.oracles.batch.tally import KEPT, BlockTally
from adamax_conformance.oracles.batch.trajectory import ORDER, ExactRun, judge_trajectory
from adamax_conformance.oracles.bounds.step import StepBounds
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.exact.trajectory import context, exact_scalars, precision_for
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.tests.meta.oracles.drawn_steps import Step, drawn_run, drawn_step, ordinary_step

NEAR = 2.0**-20
"""How near the sizes of errors are, as fractions of the bound."""


@pytest.fixture
def at_any_size(monkeypatch) -> None:
    """Ordinary elements are looked for in small blocks as well."""
    monkeypatch.setattr(compiled, "_MANY", 0)


def agree(step: Step) -> None:
    """Both oracles count the same, and find the same of each element; a block has no more than are named."""
    block, options, t, assumption = step
    assert block.size <= KEPT
    found, expected = (judge(block, options, t, assumption) for judge in (judge_block, judge_exactly))
    for quantity in QUANTITIES:
        alike(found[quantity], expected[quantity])


def alike(a: BlockTally, b: BlockTally) -> None:
    """Two tallies of no more elements than are named, but for the last bits of errors."""
    assert (a.judged, a.open, a.exceeded, a.skipped) == (b.judged, b.open, b.exceeded, b.skipped)
    assert (a.first_exceeded and a.first_exceeded.place) == (b.first_exceeded and b.first_exceeded.place)
    sizes = {one.place: (one.over_bound, one.in_ulp) for one in b.worst}
    assert sizes.keys() == {one.place for one in a.worst}
    for one in a.worst:
        over, in_ulp = sizes[one.place]
        assert one.over_bound == pytest.approx(over, rel=NEAR, abs=NEAR)
        # The bound in ulp, where there is one and an error to tell it by.
        bounds = (x / y for x, y in ((in_ulp, over), (one.in_ulp, one.over_bound)) if 0 < y < math.inf)
        assert one.in_ulp == pytest.approx(in_ulp, rel=NEAR, abs=NEAR * max(bounds, default=0.0))
    assert a.sixteenths == b.sixteenths


@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_any_element_under_any_assumption_is_judged_as_by_the_exact_oracle(format_) -> None:
    rng = np.random.default_rng(11)
    for _ in range(150):
        agree(drawn_step(rng, format_, KEPT))


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
    for _ in range(150):
        agree(ordinary_step(rng, format_, KEPT, form=form, weight_decay=weight_decay))


@pytest.mark.usefixtures("at_any_size")
def test_a_step_of_training_is_left_to_no_slower_loop() -> None:
    # What is left is moved by far, lies on its bound, or may have no error at all.
    rng = np.random.default_rng(13)
    block, options, t, assumption = ordinary_step(
        rng, Format.BINARY32, 1 << 12, form=Form.WEIGHTED, weight_decay=0.0, share=1.0
    )
    step = compiled.CompiledStep(exact_scalars(context(precision_for(t)), options), t, assumption)
    state = np.zeros(block.size, np.uint8)
    step.run(over_ordinary, block, 0, state, Found.nothing())
    assert np.count_nonzero(state) < block.size // 20


def test_the_answer_does_not_depend_on_threads(monkeypatch) -> None:
    rng = np.random.default_rng(14)
    block, options, t, assumption = ordinary_step(
        rng, Format.BINARY32, 1 << 12, form=Form.WEIGHTED, weight_decay=0.0, share=1.0
    )
    whole = Block(*(np.tile(array, 40) for _, array in block.arrays()))
    answers = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        answers.append(judge_block(whole, options, t, assumption, start=7))
    assert answers[0] == answers[1] == answers[2]
    assert all(answers[0][quantity].exceeded for quantity in QUANTITIES)


def test_the_bounds_are_compiled_as_they_stand() -> None:
    rng = np.random.default_rng(15)
    for _ in range(60):
        block, options, t, assumption = drawn_step(rng, Format.BINARY32, KEPT)
        a = assumption
        scalars = exact_scalars(context(precision_for(t)), options)
        bounds = StepBounds(scalars, t, a.format_, a.rule, a.habits, a.arithmetic, float)
        for i in range(block.size):
            (theta, m, u, _), (_, m_after, u_after) = block.element(i)[0], block.element(i)[1]
            if math.isfinite(sum((theta, m, u, m_after, u_after))):
                radius = bounds.stored_theta(theta, m_after, u_after, abs(m), abs(u))
                assert (
                    kernel.stored_theta(bounds.constants, theta, m_after, u_after, abs(m), abs(u)) == radius
                )


def test_a_loop_is_compiled_anew_where_anything_it_is_made_of_has_changed(tmp_path) -> None:
    for name in ("before", "after"):
        (tmp_path / name / "bounds").mkdir(parents=True)
        (tmp_path / name / "bounds" / "radii.py").write_text(f"# {name}")
    assert kernel.digest(tmp_path / "before") != kernel.digest(tmp_path / "after")
    assert kernel.digest() == kernel.digest(Path(oracles.__path__[0]))


@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_a_trajectory_is_judged_as_by_the_exact_oracle(format_) -> None:
    rng = np.random.default_rng(16)
    for _ in range(25):
        theta, steps, assumption = drawn_run(rng, format_, KEPT)
        found = judge_trajectory(theta, steps, assumption)
        exact = ExactRun(theta, steps, assumption)
        expected: list[dict[Quantity, list]] = [{} for _ in steps]
        for place in range(theta.size):
            for t, judged in exact.judge(place):
                for quantity, judgement in judged.items():
                    expected[t - 1].setdefault(quantity, []).append((place, judgement))
        for tallies, judgements in zip(found, expected, strict=True):
            for quantity in ORDER:
                alike(tallies.get(quantity, BlockTally()), tally(judgements.get(quantity, [])))
