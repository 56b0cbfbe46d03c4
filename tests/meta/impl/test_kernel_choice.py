"""The choice of the kernel, and its cost."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax import kernel as kernels
from adamax_conformance.impl.adamax import kernel_numpy
from adamax_conformance.tests.meta.impl.drawing import same

SMALL, LARGE = 10, 1 << 20


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch):
    monkeypatch.delenv(kernels.KERNEL_VARIABLE, raising=False)
    kernels._find_numba_kernel.cache_clear()
    yield
    kernels._find_numba_kernel.cache_clear()


def test_small_optimizers_do_not_import_numba(monkeypatch):
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert kernels.choose_kernel(SMALL) is kernel_numpy.run_jobs


def test_small_optimizers_take_numba_where_it_is_imported():
    kernel_numba = pytest.importorskip("adamax_conformance.impl.adamax.kernel_numba", exc_type=ImportError)
    assert kernels.choose_kernel(SMALL) is kernel_numba.run_jobs


def test_large_optimizers_take_numba():
    kernel_numba = pytest.importorskip("adamax_conformance.impl.adamax.kernel_numba", exc_type=ImportError)
    assert kernels.choose_kernel(LARGE) is kernel_numba.run_jobs


def test_without_numba_numpy_takes_every_step(monkeypatch):
    monkeypatch.setattr(kernels, "find_spec", lambda _: None)
    assert kernels.choose_kernel(LARGE) is kernel_numpy.run_jobs


def test_numba_that_compiles_nothing_is_left_alone(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert kernels.choose_kernel(LARGE) is kernel_numpy.run_jobs


def test_numba_that_cannot_be_imported_is_named_in_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "adamax_conformance.impl.adamax.kernel_numba", raising=False)
    monkeypatch.delattr("adamax_conformance.impl.adamax.kernel_numba", raising=False)
    monkeypatch.setattr(kernels, "find_spec", lambda _: object())
    with pytest.warns(RuntimeWarning, match="NumPy alone"):
        assert kernels.choose_kernel(LARGE) is kernel_numpy.run_jobs


def test_asking_for_numba_where_it_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv(kernels.KERNEL_VARIABLE, "numba")
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "adamax_conformance.impl.adamax.kernel_numba", raising=False)
    monkeypatch.delattr("adamax_conformance.impl.adamax.kernel_numba", raising=False)
    with pytest.raises(ImportError, match=r"adamax-conformance\[fast\]"):
        kernels.choose_kernel(SMALL)


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv(kernels.KERNEL_VARIABLE, "fortran")
    with pytest.raises(ValueError, match="'auto', 'numpy' or 'numba'"):
        Adamax([np.zeros(3)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_choice_does_not_change_the_bits(monkeypatch, dtype):
    pytest.importorskip("numba")
    rng = np.random.default_rng(1)
    start, gradients = (
        rng.standard_normal(50_000).astype(dtype),
        rng.standard_normal((5, 50_000)).astype(dtype),
    )
    results = []
    for choice in ("numpy", "numba"):
        monkeypatch.setenv(kernels.KERNEL_VARIABLE, choice)
        theta = start.copy()
        optimizer = Adamax([theta], weight_decay=0.1)
        for gradient in gradients:
            optimizer((gradient,))
        results.append((theta, *optimizer.exp_avg, *optimizer.exp_inf))
    assert all(map(same, *results))


def test_importing_the_room_imports_no_compiler():
    program = (
        "import sys, adamax_conformance.impl; print(sorted({'numba', 'safetensors'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
