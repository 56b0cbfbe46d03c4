"""The vectorised oracle: it says of every element what the exact one says."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from adamax_conformance.oracles.batch import lockstep as vectorized
from adamax_conformance.oracles.batch.lockstep import (
    QUANTITIES,
    Block,
    QuantityTally,
    judge_block,
    judge_element,
    judge_exactly,
    merge,
)
from adamax_conformance.oracles.comparison import lockstep
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import divergence_of, empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.oracles.observation import observe
from adamax_conformance.tests.meta.oracles.random_steps import draw_step
from adamax_conformance.tests.meta.planted.faithful import Plain

SETTING = Hyperparameters(lr=0.1, beta1=0.6, beta2=0.7, eps=0.06, weight_decay=0.01)


def run(dtype, size: int = 100, steps: int = 2, setting=SETTING):
    """Run a right optimizer: the case, its states, and the block of its last step."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=size).astype(dtype)
    gradients = [rng.normal(size=size).astype(dtype) for _ in range(steps)]
    case = Case("run", (Group(setting, (Parameter.of(theta, gradients),)),))
    states = observe(Plain, case, dtype)
    zeros = np.zeros(size)
    before = (
        [theta, zeros, zeros]
        if steps == 1
        else [x[0] for x in (states[-2].theta, states[-2].m, states[-2].u)]
    )
    after = [x[0] for x in (states[-1].theta, states[-1].m, states[-1].u)]
    return case, states, Block(*(np.asarray(x).astype(dtype) for x in (*before, gradients[-1], *after)))


@pytest.mark.parametrize(
    "format_", [Format.BINARY16, Format.BINARY32, Format.BINARY64], ids=lambda f: f.dtype
)
def test_a_step_is_judged_as_the_comparison_judges_it(format_) -> None:
    case, states, block = run(format_.dtype, steps=1)
    found = empty_tallies(*QUANTITIES)
    lockstep(case, states, ErrorModel(format_), found)
    for quantity, tally in judge_block(block, SETTING, 1, ErrorModel(format_)).items():
        expected = found[quantity]
        assert (tally.judged, tally.open, tally.exceeded) == (
            expected.judged,
            expected.open,
            expected.exceeded,
        )
        assert tally.largest_over_bound.over_bound == pytest.approx(expected.largest_over_bound, rel=2.0**-20)
        assert tally.largest_ulp.in_ulp == pytest.approx(expected.largest_ulp, rel=2.0**-20)
        assert tally.sixteenths == expected.sixteenths


def test_what_is_not_finite_before_the_step_is_skipped_and_counted() -> None:
    _, _, block = run("float32")
    block.gradient[3] = math.nan
    block.m[5] = math.inf
    block.u_after[7] = math.inf
    tallies = judge_block(block, SETTING, 2, ErrorModel(Format.BINARY32))
    assert {q: (t.judged, t.skipped, t.exceeded) for q, t in tallies.items()} == {
        Quantity.M: (98, 2, 0),
        Quantity.U: (98, 2, 1),
        Quantity.THETA: (97, 3, 0),
    }
    assert tallies[Quantity.U].first.index == 7


def test_the_worst_elements_are_named_and_can_be_judged_again_for_the_record() -> None:
    _, _, block = run("float32")
    block.theta_after[[11, 40]] += np.float32([1e-3, 1e-2])
    tally = judge_block(block, SETTING, 2, ErrorModel(Format.BINARY32), start=1000)[Quantity.THETA]
    assert tally.exceeded == 2
    assert [error.index for error in tally.worst[:2]] == [1040, 1011]
    assert tally.largest_over_bound == tally.worst[0]
    assert tally.first.index == 1011
    judged = judge_element(block, 40, SETTING, 2, ErrorModel(Format.BINARY32))[Quantity.THETA]
    divergence = divergence_of(Quantity.THETA, "it is wrong", judged, (2, 0, (40,)), None)
    assert divergence.error_over_bound == pytest.approx(tally.worst[0].over_bound, rel=2.0**-20)
    assert float.fromhex(divergence.actual_hex) == block.theta_after[40]


def test_a_block_cut_anywhere_adds_up_to_the_same_to_the_bit() -> None:
    _, _, block = run("float32")
    block.theta_after[[11, 40]] += np.float32([1e-3, 1e-2])
    whole = judge_block(block, SETTING, 2, ErrorModel(Format.BINARY32))
    for cuts in ((0, 1, 100), (0, 33, 34, 90, 100), (0, 0, 50, 100, 100)):
        parts = [
            judge_block(block.cut(a, b), SETTING, 2, ErrorModel(Format.BINARY32), start=a)
            for a, b in pairwise(cuts)
        ]
        for quantity in QUANTITIES:
            left = right = QuantityTally()
            for part in parts:
                left = merge(left, part[quantity])
            for part in reversed(parts):
                right = merge(part[quantity], right)
            assert left == right == whole[quantity]


def test_bfloat16_is_passed_as_bits_or_widened() -> None:
    rng = np.random.default_rng(2)
    bits = [
        (rng.normal(size=20).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16) for _ in range(7)
    ]
    block = Block(*bits)
    error_model = ErrorModel(Format.BFLOAT16)
    assert judge_block(block, SETTING, 1, error_model) == judge_block(
        block.widen(np.float32), SETTING, 1, error_model
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:3], "3 numbers of float32; theta is 4 of float32"),
        (lambda x: x.astype(np.float64), "4 numbers of float64; theta is 4 of float32"),
        (lambda x: x.reshape(2, 2), "one-dimensional contiguous"),
        (lambda x: np.repeat(x, 2)[::2], "one-dimensional contiguous"),
        (lambda x: x.astype(np.int32), "u_after is int32; a block is of"),
    ],
)
def test_arrays_that_are_no_block_are_refused_by_name(change, message) -> None:
    array = np.ones(4, np.float32)
    with pytest.raises(ValueError, match=message):
        Block(array, array, array, array, array, array, change(array))


@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_without_a_compiler_a_step_is_judged_as_by_the_exact_oracle(monkeypatch, format_) -> None:
    monkeypatch.setattr(vectorized, "_has_numba", lambda: False)
    vectorized._fast_step.cache_clear()
    rng = np.random.default_rng(20)
    for _ in range(12):
        block, options, t, error_model = draw_step(rng, format_, 60)
        found = judge_block(block, options, t, error_model, start=7)
        exact = judge_exactly(block, options, t, error_model, start=7)
        for quantity in QUANTITIES:
            few, many = exact[quantity], found[quantity]
            assert (many.judged, many.open, many.exceeded, many.skipped) == (
                few.judged,
                few.open,
                few.exceeded,
                few.skipped,
            )
            assert many.sixteenths == few.sixteenths
            firsts = [None if x.first is None else x.first.index for x in (many, few)]
            assert firsts[0] == firsts[1]
            assert [x.over_bound for x in many.worst] == pytest.approx(
                [x.over_bound for x in few.worst], rel=2.0**-19, abs=2.0**-19
            )
    vectorized._fast_step.cache_clear()
