"""Dual-delta testing (arXiv 2602.10605): two error distributions and an oracle.

The author's example draws 1000 normal inputs. For each it takes the largest |x - y| / (1 + |y|) between a result x
and the oracle's y, once of the implementation, once of a reference in the same format. Here an input is theta with
128 elements and five gradients, and the result is theta after five steps. There are 1000 inputs for each of the five
configurations in which PyTorch tests. The oracle computes in the widest format of
NumPy, which on x86 has 11 bits more than binary64.

The author leaves open how the two samples are compared, and names statistical tests. Here the implementation is worse
than the reference if the rank test of Mann and Whitney says so in any configuration, on one side and at a level of
1 % over all five.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.methods.reference import Array, ForLoop, InLongDouble
from adamax_conformance.tests.meta.methods.running import CONFIGURATIONS, count_exceptions, describe, run

INPUTS: Final = 1000
SIZE: Final = 128
STEPS: Final = 5
CRITICAL: Final = NormalDist().inv_cdf(1 - 0.01 / len(CONFIGURATIONS))
"""The statistic that the right one exceeds in 1 of 100 runs of all configurations."""


def largest_errors(results: Array, oracle: Array) -> Array:
    """The largest error of each result."""
    errors = np.abs(results - oracle) / (1 + np.abs(oracle))
    return np.where(np.isnan(errors), np.inf, errors).max(axis=1)


def rank_statistic(sample: Array, other: Array) -> float:
    """The standardized statistic of Mann and Whitney.

    It is positive if the first sample is the larger one.
    """
    together = np.concatenate([sample, other])
    _, index, counts = np.unique(together, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    n, k, total = len(sample), len(other), len(together)
    excess = ranks[index[:n]].sum() - n * (total + 1) / 2
    ties = (counts.astype(float) ** 3 - counts).sum() / (total * (total - 1))
    variance = n * k / 12 * (total + 1 - ties)
    return float(excess / np.sqrt(variance)) if variance > 0 else 0.0


@count_exceptions
def judge(factory: type[Any], dtype: str) -> str | None:
    """Name the first configuration in which it is worse than the reference."""
    random = np.random.default_rng(0)
    thetas = random.normal(size=(INPUTS, SIZE)).astype(dtype)
    gradients = random.normal(size=(STEPS, INPUTS, SIZE)).astype(dtype)
    wide = thetas.astype(np.longdouble)
    for options in CONFIGURATIONS:
        results = np.empty(thetas.shape, dtype)
        for row, theta in enumerate(thetas):
            *_, state = run(factory, [theta], lambda step, _, row=row: [gradients[step, row]], STEPS, options)
            results[row] = state.theta[0]
        *_, reference = run(ForLoop, [thetas], lambda step, _: [gradients[step]], STEPS, options)
        *_, oracle = run(InLongDouble, [wide], lambda step, _: [gradients[step]], STEPS, options)
        errors, usual = (largest_errors(x, oracle.theta[0]) for x in (results, reference.theta[0]))
        if rank_statistic(errors, usual) > CRITICAL:
            return describe(STEPS, options)
    return None


METHOD = Method(
    "dual-delta",
    "two error distributions: [dual-delta testing](https://arxiv.org/abs/2602.10605)",
    "whether it is less accurate than a reference, on typical numbers",
    judge,
)
