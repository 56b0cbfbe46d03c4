"""The contestants of the benchmark compute the same step."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

from adamax_conformance.impl import Adamax
from adamax_conformance.tests.meta.benchmarks.contestants import (
    CEILING,
    LOOP,
    plain,
    pytorch,
    same_bytes,
    same_roundings,
)
from adamax_conformance.tests.meta.benchmarks.race import Race, race

SIZES = (5, 70_000)


def state(dtype):
    rng = np.random.default_rng(1)
    thetas = [rng.standard_normal(size).astype(dtype) for size in SIZES]
    gradients = tuple(rng.standard_normal(size).astype(dtype) for size in SIZES)
    return thetas, gradients, [np.zeros_like(x) for x in thetas], [np.zeros_like(x) for x in thetas]


OTHERS = {
    "plain": plain,
    "loop": lambda *arrays: pytorch(*arrays, foreach=False),
    "foreach": lambda *arrays: pytorch(*arrays, foreach=True),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_everyone_takes_our_step(dtype, other):
    thetas, gradients, *_ = state(dtype)
    arrays = state(dtype)
    optimizer, step = Adamax(thetas), other(*arrays)
    for _ in range(3):
        optimizer(gradients)
        step()
    # Each of three steps is off by at most 6 roundings of a step of at most lr, and one of theta, both ways.
    few = 3 * 2 * np.finfo(dtype).eps
    for ours, theirs in zip(thetas, arrays[0], strict=True):
        assert np.all(np.abs(ours - theirs) <= few * (np.abs(ours) + 6 * 2e-3))


@pytest.mark.parametrize("ceiling", [same_bytes, same_roundings])
def test_a_ceiling_takes_back_what_it_adds(ceiling):
    arrays = [[np.full(70_000, value)] for value in (1.0, 0.5, 2.0, 4.0)]
    step = ceiling(*arrays)
    step()
    assert arrays[0][0][0] != 1.0
    step()
    assert [group[0][-1] for group in arrays] == [1.0, 0.5, 2.0, 4.0]


def test_a_race_compares_round_by_round():
    result = Race({LOOP: [1.0, 2.0, 9.0], CEILING: [1.0, 1.0, 3.0]})
    assert result.times(LOOP, CEILING) == 2.0
    assert (result.best(LOOP), result.typical(LOOP)) == (1.0, 2.0)


def test_a_race_gives_everyone_every_round():
    turns = []
    result = race({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=4)
    assert [len(times) for times in result.seconds.values()] == [4, 4]
    assert set(turns) == {"a", "b"}
