"""The speed of judging recorded steps: prints a table of one run for the README.

    python -m adamax_conformance.tests.meta.benchmarks.audit [--largest 1e9] [--recorded 1.6e8]

In memory: blocks that our own Adamax made. "The same bytes" is a loop that only reads the seven arrays: the ceiling.
From files: a recording that was just written, and so is in the page cache.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numba
import numpy as np
import psutil
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.batch.block import Block
from adamax_conformance.oracles.batch.lockstep import QUANTITIES, judge_block, judge_exactly
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reports.audit.executors import executor
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.reports.audit.progress import ProgressFile
from adamax_conformance.reports.audit.run import ProgressCallbacks, audit

EXACTLY = 1 << 12
ROUNDS = 7


def training_steps(size: int, dtype: str, weight_decay: float, steps: int) -> Iterator[tuple[Block, int]]:
    """Steps of our own Adamax over one large parameter."""
    rng = np.random.default_rng(1)
    theta = rng.standard_normal(size, np.float32).astype(dtype)
    optimizer = Adamax([theta], weight_decay=weight_decay)
    before = (theta.copy(), np.zeros_like(theta), np.zeros_like(theta))
    for t in range(1, steps + 1):
        gradient = (rng.standard_normal(size, np.float32) * np.float32(0.01)).astype(dtype)
        optimizer((gradient,))
        after = (theta.copy(), optimizer.exp_avg[0].copy(), optimizer.exp_inf[0].copy())
        yield Block(*before, gradient, *after), t
        before = after


def judge_right(block: Block, t: int, weight_decay: float) -> None:
    """Judge a block of right results, whose errors are all within their bounds."""
    options = Hyperparameters(weight_decay=weight_decay)
    tallies = judge_block(block, options, t, ErrorModel(Format.of(block.theta.dtype.name)))
    assert not any(tallies[quantity].exceeded for quantity in QUANTITIES)


@numba.njit(nogil=True)
def _read(a, b, c, d, e, f, g):
    total = 0
    for i in range(a.size):
        total += a[i] ^ b[i] ^ c[i] ^ d[i] ^ e[i] ^ f[i] ^ g[i]
    return total


def read(block: Block) -> None:
    """Read the same bytes, with the same threads."""
    integers = np.dtype(f"i{block.theta.dtype.itemsize}")
    arrays = [array.view(integers) for _, array in block.arrays()]
    threads = numba.config.NUMBA_NUM_THREADS
    cuts = [block.size * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda ab: _read(*(x[slice(*ab)] for x in arrays)), pairwise(cuts)))


def best(step: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The shortest of some times, in seconds; one more comes before them."""
    step()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return min(times)


def rate(elements: float, seconds: float) -> str:
    return f"{elements / seconds / 1e6:,.1f} million"


def in_memory(dtype: str, weight_decay: float, size: int = 10**7) -> list[str]:
    """A row: lockstep over one large step."""
    *_, (block, t) = training_steps(size, dtype, weight_decay, 3)
    seconds = best(lambda: judge_right(block, t, weight_decay))
    ceiling = best(lambda: read(block))
    few = block.cut(0, EXACTLY)
    options, error_model = Hyperparameters(weight_decay=weight_decay), ErrorModel(Format.of(dtype))
    exactly = best(lambda: judge_exactly(few, options, t, error_model), 1) / EXACTLY * size
    decay = " with decay" if weight_decay else ""
    return [
        f"in memory, {size:.0e}{decay}",
        dtype,
        rate(size, seconds),
        f"{ceiling / seconds:.2f}",
        f"{exactly / seconds:,.0f} times",
    ]


def linear(total: float) -> list[str]:
    """A row: so many element-steps, made a step at a time and judged as they are made."""
    size = min(int(total), 10**8)
    spent = 0.0
    judge_right(next(training_steps(1 << 15, "float32", 0.0, 1))[0], 1, 0.0)  # the loops are there
    for block, t in training_steps(size, "float32", 0.0, max(1, round(total / size))):
        start = perf_counter()
        judge_right(block, t, 0.0)
        spent += perf_counter() - start
    return [f"in memory, {total:.0e} element-steps", "float32", rate(total, spent), "", ""]


def from_files(size: int, steps: int, dtype: str) -> list[str]:
    """A row: an audit of a recording by processes of this machine, once identified."""
    rng = np.random.default_rng(1)
    theta = rng.standard_normal(size, np.float32).astype(dtype)
    optimizer = Adamax([theta])
    spent: list[float] = []
    peak = Peak()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with record(optimizer, folder / "recording"):
            for _ in range(steps):
                optimizer(((rng.standard_normal(size, np.float32) * np.float32(0.01)).astype(dtype),))
        manifest = read_manifest(folder / "recording")
        large = sum(step.size for step in manifest.steps.values())
        with peak, executor(manifest.folder, manifest.facts["chunk"], size=large) as judge:
            for _ in range(3):
                began = perf_counter()

                def begins(_size: int, _found: object) -> None:
                    nonlocal began
                    began = perf_counter()

                kept = ProgressFile(folder, manifest, restart=True)
                found = audit(manifest, judge, kept, callbacks=ProgressCallbacks(begins))
                spent.append(perf_counter() - began)
                kept.remove()
                assert not any(tally.exceeded for tally in found.result.tallies.values())
    return [
        f"from files, {size * steps:.0e} element-steps, at most {peak.mebibytes:,.0f} MiB",
        dtype,
        rate(size * steps, min(spent)),
        "",
        "",
    ]


def recording_row(size: int, dtype: str) -> list[str]:
    """A row: recorded steps of our own Adamax, as a multiple of the time of others."""
    rng = np.random.default_rng(1)
    gradients = ((rng.standard_normal(size, np.float32) * np.float32(0.01)).astype(dtype),)

    def steps(optimizer: Adamax) -> float:
        return best(lambda: optimizer(gradients), 5)

    optimizer = Adamax([rng.standard_normal(size, np.float32).astype(dtype)])
    alone = steps(optimizer)
    with tempfile.TemporaryDirectory() as folder, record(optimizer, Path(folder) / "recording"):
        watched = steps(optimizer)
    return [
        f"recorded, {size:.0e}: a step takes {watched / alone:.0f} times as long",
        dtype,
        rate(size, watched),
        "",
        "",
    ]


class Peak:
    """The most memory of one child process, sampled ten times a second.

    Pages of files that are mapped are not theirs alone, and are not counted.
    """

    def __init__(self) -> None:
        self.mebibytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.1):
            for child in me.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    memory = child.memory_info()
                    self.mebibytes = max(self.mebibytes, (memory.rss - memory.shared) / 2**20)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=float, default=1e9, help="element-steps of the last row in memory")
    parser.add_argument("--recorded", type=float, default=1.6e8, help="element-steps of the recording")
    options = parser.parse_args()
    rows = [["what", "dtype", "element-steps a second", "rate, of the same bytes'", "of the exact oracle's"]]
    rows += [["---"] * 5]
    rows += [in_memory(dtype, decay) for dtype in ("float32", "float64") for decay in (0.0, 0.01)]
    total = 1e6
    while total <= options.largest:
        rows.append(linear(total))
        total *= 10
    rows += [from_files(int(options.recorded) // 8, 8, "float32"), recording_row(10**7, "float32")]
    sys.stdout.write(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {numba.config.NUMBA_NUM_THREADS} threads, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}\n\n"
    )
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    main()
