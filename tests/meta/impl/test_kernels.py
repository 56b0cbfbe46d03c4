"""The kernels: the same bits, whatever the split of the work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax import kernel_numpy
from adamax_conformance.tests.meta.impl.drawing import (
    any_bits,
    both_dtypes,
    copy_job,
    draw_job,
    same,
    same_results,
    steady,
    training_sizes,
    various_scalars,
)
from hypothesis import given
from hypothesis import strategies as st

kernel_numba = pytest.importorskip("adamax_conformance.impl.adamax.kernel_numba", exc_type=ImportError)

SEVERAL_BLOCKS = 3 * 16384 + 77
"""Elements: more than a block of NumPy's kernel, with a tail that fills no vector."""


@both_dtypes
@pytest.mark.parametrize("draw", [any_bits, training_sizes])
def test_numba_and_numpy_give_the_same_bits(dtype, draw):
    rng = np.random.default_rng(1)
    for scalars in various_scalars(dtype):
        job = draw_job(rng, SEVERAL_BLOCKS, scalars, dtype, draw)
        other = copy_job(job)
        kernel_numpy.run_jobs([job])
        kernel_numba.run_jobs([other])
        assert same_results(job, other), scalars


@both_dtypes
@steady
@given(size=st.integers(0, 70), seed=st.integers(0, 2**32), threads=st.integers(1, 9))
def test_neither_size_nor_threads_decide_the_bits(dtype, size, seed, threads):
    rng = np.random.default_rng(seed)
    scalars = various_scalars(dtype)
    job = draw_job(rng, size, scalars[seed % len(scalars)], dtype)
    other = copy_job(job)
    kernel_numpy.run_jobs([job])
    for share in kernel_numba._split_jobs([other], threads):
        kernel_numba._run_share(share)
    assert same_results(job, other)


@both_dtypes
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_share_the_work_of_many_jobs(dtype, threads):
    rng = np.random.default_rng(2)
    scalars = various_scalars(dtype)
    sizes = (1, 700_000, 0, 300_000, 77)
    jobs = [draw_job(rng, size, own, dtype) for size, own in zip(sizes, scalars, strict=False)]
    others = [copy_job(job) for job in jobs]
    kernel_numpy.run_jobs(jobs)
    kernel_numba.run_jobs(others, threads)
    assert all(map(same_results, jobs, others))


@given(sizes=st.lists(st.integers(0, 40), max_size=6), parts=st.integers(1, 9))
@steady
def test_shares_hold_every_element_once_and_in_order(sizes, parts):
    scalars = various_scalars(np.dtype(np.float64))[0]
    numbers = iter(range(sum(sizes)))
    jobs = []
    for size in sizes:
        theta = np.array([next(numbers) for _ in range(size)], dtype=np.float64)
        jobs.append(kernel_numpy.Job(theta, theta, theta, theta, scalars))
    shares = kernel_numba._split_jobs(jobs, parts)
    assert [x for share in shares for job in share for x in job.theta] == list(range(sum(sizes)))
    assert max(sum(job.theta.size for job in share) for share in shares) <= -(-sum(sizes) // parts)


@both_dtypes
def test_the_loop_is_vectorized_and_may_not_be_contracted(dtype):
    signatures = kernel_numba.compile_loop(dtype).nopython_signatures
    compiled_here = kernel_numba.numba.njit(signatures, **kernel_numba._COMPILER_OPTIONS)(kernel_numba._step)
    code = "\n".join(compiled_here.inspect_llvm().values())
    assert re.search(r"fdiv <\d+ x double>", code)
    assert not re.search(r"f(mul|add|sub|div) [a-z ]*(fast|contract|reassoc)", code)


def test_optimizers_in_several_threads_do_not_disturb_each_other():
    gradient = np.random.default_rng(5).standard_normal(400_000)

    def train(_):
        theta = np.ones(400_000)
        optimizer = Adamax([theta])
        for _ in range(5):
            optimizer((gradient,))
        return theta

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(train, range(8)))
    assert all(same(results[0], result) for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_child_can_take_steps():
    program = (
        "import os\n"
        "import numpy as np\n"
        "from adamax_conformance.impl.adamax import kernel_numba\n"
        "from adamax_conformance.tests.meta.impl.drawing import draw_job, various_scalars\n"
        "dtype = np.dtype(float)\n"
        "job = draw_job(np.random.default_rng(6), 600_000, various_scalars(dtype)[0], dtype)\n"
        "kernel_numba.run_jobs([job], 3)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    kernel_numba.run_jobs([job], 3)\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "7"


def test_a_cache_that_fails_does_not(monkeypatch):
    numba = kernel_numba.numba
    njit, tried = numba.njit, []

    def without_cache(*args, cache=False, **options):
        tried.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", without_cache)
    dtype = np.dtype(np.float32)
    loop = kernel_numba.compile_loop.__wrapped__(dtype)
    job = draw_job(np.random.default_rng(3), 100, various_scalars(dtype)[0], dtype)
    other = copy_job(job)
    kernel_numpy.run_jobs([job])
    loop(*other[:4], *other.scalars)
    assert tried == [True, False]
    assert same_results(job, other)


def test_a_damaged_cache_does_no_harm(tmp_path):
    program = (
        "import numpy as np\n"
        "from adamax_conformance.impl.adamax import kernel_numba\n"
        "loop = kernel_numba.compile_loop(np.dtype('float32'))\n"
        "a = [np.ones(9, 'float32') for _ in range(4)]\n"
        "loop(*a, *[0.5] * 8)\n"
        "print(a[0].sum())\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}

    def outcome():
        command = [sys.executable, "-c", program]
        run = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=120
        )
        return run.stdout

    first = outcome()
    written = [path for path in tmp_path.rglob("*") if path.suffix in {".nbi", ".nbc"}]
    assert written
    for path in written:
        path.write_bytes(path.read_bytes()[:64])
    assert outcome() == first
