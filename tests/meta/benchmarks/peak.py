"""The memory of a step beyond theta, gradient, m and u, of one contestant.

It runs in a process of its own. `python -m adamax_conformance.tests.meta.benchmarks.peak NAME DTYPE SIZE`
prints bytes an element. Linux only: the
mark is the one that the kernel keeps of this very process, where `getrusage` begins with its parent's.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from adamax_conformance.tests.meta.benchmarks.contestants import contestants


def extra_bytes(name: str, dtype: np.dtype, size: int) -> float:
    """The bytes an element that steps add to the process's high-water mark."""
    contestants(dtype, [1 << 16])[name]()  # what is compiled or loaded once does not belong to a step
    step = contestants(dtype, [size])[name]
    Path("/proc/self/clear_refs").write_text(
        "5", encoding="ascii"
    )  # the mark begins again from what is in use
    before = high_water_mark()
    for _ in range(3):
        step()
    return (high_water_mark() - before) / size


def high_water_mark() -> int:
    """The most bytes of memory that this process has ever had in use."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    contestant, of, elements = sys.argv[1:]
    print(extra_bytes(contestant, np.dtype(of), int(elements)))
