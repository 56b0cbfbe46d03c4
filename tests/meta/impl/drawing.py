"""Random inputs of the tests of our own Adamax, and comparisons of bits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from adamax_conformance.impl.adamax.kernel_numpy import Job
from adamax_conformance.impl.adamax.step_scalars import StepScalars, step_scalars
from adamax_conformance.reference.hyperparameters import Hyperparameters
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def any_bits(rng: np.random.Generator, dtype: np.dtype, size: int) -> np.ndarray:
    """Random bit patterns: NaN, infinities and subnormals are among them."""
    return rng.integers(0, 256, size * dtype.itemsize, dtype=np.uint8).view(dtype)


def training_sizes(rng: np.random.Generator, dtype: np.dtype, size: int) -> np.ndarray:
    """Numbers of the sizes that training has."""
    return (rng.standard_normal(size) * 10.0 ** rng.integers(-4, 3, size)).astype(dtype)


def draw_job(
    rng: np.random.Generator, size: int, scalars: StepScalars, dtype: np.dtype, draw=any_bits
) -> Job:
    """A job over arrays of its own; u is not negative."""
    theta, gradient, m, u = (draw(rng, dtype, size) for _ in range(4))
    return Job(theta, gradient, m, np.abs(u), scalars)


def copy_job(job: Job) -> Job:
    """The same job over copies of its arrays."""
    return Job(*(array.copy() for array in job[:4]), job.scalars)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays agree bit for bit.

    A NaN equals any NaN, since IEEE 754 leaves its bits open.
    """
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    bits = np.dtype(f"u{one.itemsize}")
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    return bool(np.all((one.view(bits) == other.view(bits)) | (np.isnan(one) & np.isnan(other))))


def same_results(one: Job, other: Job) -> bool:
    """Whether theta, m and u agree."""
    return all(same(getattr(one, name), getattr(other, name)) for name in ("theta", "m", "u"))


def various_scalars(dtype: np.dtype) -> list[StepScalars]:
    """The options that change what is computed, in all combinations."""
    choices = product(
        (0.0, 0.1), (False, True), (1e-8, 1e-50), ((0.9, 0.999), (0.0, 0.0), (1 - 2.0**-53, 0.5))
    )
    return [
        step_scalars(Hyperparameters(2e-3, *betas, eps, decay, maximize), t, dtype)
        for t, (decay, maximize, eps, betas) in enumerate(choices, start=1)
    ]


hyperparameters = st.builds(
    Hyperparameters,
    lr=st.floats(0, 10),
    beta1=st.floats(0, 1, exclude_max=True),
    beta2=st.floats(0, 1, exclude_max=True),
    eps=st.floats(1e-12, 1),
    weight_decay=st.sampled_from([0.0, 1e-2, 0.5]),
    maximize=st.booleans(),
)
