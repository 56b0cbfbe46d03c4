"""The example of the digits reaches the accuracy that it claims."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

from adamax_conformance.tests.meta.examples import digits


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_small_network_reads_95_percent_of_held_out_digits(seed):
    assert digits.train(seed) >= 0.95


def test_the_schedule_rises_to_its_peak_and_falls_to_zero():
    lr = digits.warm_up_then_cosine(peak=0.5, warm_up=10, steps=100)
    rates = [lr(t) for t in range(1, 101)]
    assert max(rates) == rates[9] == 0.5
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == 0
