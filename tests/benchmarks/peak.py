"""How much memory does a step take beyond theta, gradient, m and u? One contestant in a process of its own.

`python -m adamax_conformance.tests.benchmarks.peak NAME DTYPE SIZE` prints bytes an element. Unix only.
"""

from __future__ import annotations

import resource
import sys

import numpy as np
from adamax_conformance.tests.benchmarks.contestants import contestants

UNIT = 1 if sys.platform == "darwin" else 1024


def extra_bytes(name: str, dtype: np.dtype, size: int) -> float:
    """By how much steps raise the process's high-water mark, for each element."""
    contestants(dtype, [1 << 16])[name]()  # what is compiled or loaded once is no part of a step
    step = contestants(dtype, [size])[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * UNIT / size


if __name__ == "__main__":
    contestant, of, elements = sys.argv[1:]
    print(extra_bytes(contestant, np.dtype(of), int(elements)))  # noqa: T201 - its answer
