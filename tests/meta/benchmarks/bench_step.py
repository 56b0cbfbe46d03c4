"""One step of each contestant, in turns.

pytest-benchmark keeps our own times, to compare over versions. The ratios are in each
benchmark's `extra_info`, and in the table at the end.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

from adamax_conformance.tests.meta.benchmarks.contestants import (
    CEILING,
    FOREACH,
    LOOP,
    OURS,
    PLAIN,
    ROUNDINGS,
    contestants,
)
from adamax_conformance.tests.meta.benchmarks.race import race

DTYPES = ("float32", "float64")
ONE_ARRAY = tuple(10**power for power in range(9))
MANY = ((10, 1), (10, 1000), (10, 10**5), (100, 10), (100, 1000), (100, 10**4), (100, 10**5), (10_000, 100))


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def compare(benchmark, row, name: str, dtype: str, sizes: list[int]) -> None:
    """Race over arrays of these sizes, and report."""
    steps = contestants(np.dtype(dtype), sizes)
    result = race(steps, rounds=7 if sum(sizes) >= 10**8 else 31)
    others = {other: result.times(other, OURS) for other in (CEILING, ROUNDINGS, LOOP, FOREACH, PLAIN)}
    benchmark.extra_info.update({f"{other} / ours": ratio for other, ratio in others.items()})
    row(
        [
            name,
            dtype,
            f"{duration(result.best(OURS))}, {duration(result.typical(OURS))}",
            *(f"{others[other]:.2f}" for other in (CEILING, ROUNDINGS, LOOP, FOREACH, PLAIN)),
        ]
    )
    benchmark.pedantic(steps[OURS], rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", ONE_ARRAY)
def test_one_array(benchmark, row, dtype, size):
    compare(benchmark, row, f"{size:,}", dtype, [size])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("number", "size"), MANY)
def test_many_arrays(benchmark, row, dtype, number, size):
    compare(benchmark, row, f"{number:,} arrays of {size:,}", dtype, [size] * number)


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is read as Linux keeps it")
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_beyond_theta_gradient_m_and_u(benchmark, row, dtype):
    def extra(name: str) -> str:
        command = [
            sys.executable,
            "-m",
            "adamax_conformance.tests.meta.benchmarks.peak",
            name,
            dtype,
            str(2**24),
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return f"{float(answer):.1f} bytes"

    used = {name: extra(name) for name in (LOOP, FOREACH, PLAIN)}
    ours = benchmark.pedantic(extra, args=(OURS,), rounds=1)
    row(["high-water mark an element", dtype, ours, "", "", *used.values()])
