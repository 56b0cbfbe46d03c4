"""Collect benchmarks with `--benchmark-only`, and print the table of SPEED.md."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import import_module

import pytest

ROWS = pytest.StashKey[list[list[str]]]()

HEADER = [
    "parameters",
    "dtype",
    "our step: best, median",
    "same bytes",
    "same roundings",
    "torch loop",
    "torch foreach",
    "plain NumPy",
]


def pytest_configure(config):
    config.stash[ROWS] = []


def pytest_collect_file(file_path, parent):
    """Collect `bench_*.py`, which takes minutes, with `--benchmark-only` alone."""
    wanted = parent.config.getoption("benchmark_only", default=False)
    if wanted and file_path.name.startswith("bench_") and not parent.session.isinitpath(file_path):
        return pytest.Module.from_parent(parent, path=file_path)
    return None


@pytest.fixture
def row(request):
    """Adds a row to the table."""
    return request.config.stash[ROWS].append


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[ROWS]
    if not rows:
        return
    cpuinfo, numba, numpy, torch = map(import_module, ("cpuinfo", "numba", "numpy", "torch"))
    terminalreporter.section("table")
    machine = cpuinfo.get_cpu_info().get("brand_raw", platform.processor())
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in (numpy, numba, torch))
    threads = numba.config.NUMBA_NUM_THREADS
    terminalreporter.line(
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {threads} threads, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}"
    )
    for cells in (HEADER, ["---"] * len(HEADER), *rows):
        terminalreporter.line(f"| {' | '.join(cells)} |")
