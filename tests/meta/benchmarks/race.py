"""A race: the times of contestants, measured side by side.

They run in turns, forwards and backwards by turns, and are compared round by round: what else the machine
does meets all of them alike.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

SECONDS_AT_LEAST = 2e-3
"""What one turn lasts: shorter steps are repeated within it."""


@dataclass(frozen=True)
class Race:
    """The seconds a step took, by contestant and round."""

    seconds: Mapping[str, list[float]]

    def best(self, name: str) -> float:
        """The shortest."""
        return min(self.seconds[name])

    def typical(self, name: str) -> float:
        """The median."""
        return median(self.seconds[name])

    def times(self, name: str, other: str) -> float:
        """The time of `name` as a multiple of that of `other`: the median over the rounds."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return median(one / two for one, two in pairs)


def race(steps: Mapping[str, Callable[[], object]], rounds: int) -> Race:
    """Run all contestants in turns."""
    repeats = {}
    for name, step in steps.items():
        step()
        step()
        repeats[name] = max(1, round(SECONDS_AT_LEAST / _seconds(step, 1)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name in list(steps)[:: 1 if turn % 2 else -1]:
                seconds[name].append(_seconds(steps[name], repeats[name]))
    finally:
        gc.enable()
    return Race(seconds)


def _seconds(step: Callable[[], object], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats
