"""The tightness of the bounds, as a table.

`python -m adamax_conformance.tests.meta.oracles.tightness` prints it.

For each quantity, mode and dtype: the largest fraction of the bound that a faithful optimizer reaches, over
ordinary numbers and over those of every magnitude, and a search over admissible evaluations; and the smallest
systematic error, in ulp, that is caught.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import hypothesis
import ml_dtypes
import numpy as np
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases as identifying_cases
from adamax_conformance.oracles.identify.cases import rule_cases
from adamax_conformance.oracles.judgement import ComparisonTally, empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.cases.strategies import cases as drawn
from adamax_conformance.tests.meta.oracles.observation import declared_error_model, observe
from adamax_conformance.tests.meta.oracles.search import QUANTITIES, climb
from adamax_conformance.tests.meta.planted import FAITHFUL
from adamax_conformance.tests.meta.planted.faithful import Plain

DTYPES = {
    Format.BINARY16: np.float16,
    Format.BFLOAT16: ml_dtypes.bfloat16,
    Format.BINARY32: np.float32,
    Format.BINARY64: np.float64,
}
"""The dtype of each format: NumPy's own, and for bfloat16 the one that ml_dtypes lends it."""

SHIFTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""The systematic errors that are tried, in ulp."""


class Mode(Enum):
    """The mode in which a run is judged."""

    LOCKSTEP = "lockstep"
    TRAJECTORY = "trajectory"

    @property
    def compare(self):
        """The comparison."""
        return lockstep if self is Mode.LOCKSTEP else trajectory


@functools.cache
def runs(format_: Format, examples: int = 6) -> tuple[Case, ...]:
    """Cases of every kind: identifying ones, every magnitude, and drawn ones."""
    found = []

    @hypothesis.seed(20150507)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.generate,),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(drawn(format_, schedules=False))
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return (*identifying_cases(format_), *pinned.scales(format_), *found)


@dataclass(frozen=True)
class LargestFraction:
    """The largest fraction of a bound, the optimizer that reached it, and the counts."""

    fraction: float = 0.0
    optimizer: str = "nobody"
    judged: int = 0
    open: int = 0

    def add(self, tally: ComparisonTally, optimizer: str) -> LargestFraction:
        """Add one more comparison's tally."""
        counts = (self.judged + tally.judged - tally.open, self.open + tally.open)
        if tally.largest_over_bound > self.fraction:
            return LargestFraction(tally.largest_over_bound, optimizer, *counts)
        return LargestFraction(self.fraction, self.optimizer, *counts)


def modes(variant, format_: Format) -> Iterator[Mode]:
    """The modes in which an optimizer can be judged: lockstep needs its state."""
    if observe(variant, identifying_cases(format_)[0], DTYPES[format_])[0].m is not None:
        yield Mode.LOCKSTEP
    yield Mode.TRAJECTORY


@functools.cache
def largest_fractions(
    variant, format_: Format, mode: Mode, *, ordinary: bool = False
) -> dict[Quantity, LargestFraction]:
    """The largest fraction of each bound of one optimizer, ordinary numbers or any."""
    result = dict.fromkeys(QUANTITIES, LargestFraction())
    for case in rule_cases(format_) if ordinary else runs(format_):
        found = empty_tallies(*QUANTITIES)
        mode.compare(
            case, observe(variant, case, DTYPES[format_]), declared_error_model(variant, format_), found
        )
        result = {q: result[q].add(tally, variant.name) for q, tally in found.items()}
    return result


def largest_fraction(
    format_: Format, mode: Mode, quantity: Quantity, *, ordinary: bool = False
) -> LargestFraction:
    """The largest fraction of a bound of all faithful optimizers."""
    everyone = [v for v in FAITHFUL if mode in modes(v, format_)]
    found = (largest_fractions(v, format_, mode, ordinary=ordinary)[quantity] for v in everyone)
    return max(found, key=lambda one: one.fraction)


def searched_fraction(format_: Format, mode: Mode, quantity: Quantity, climbs: int, turns: int) -> float:
    """The largest fraction of a bound that a search over all decisions reaches."""
    rng = random.Random(f"{format_.dtype} {mode.value} {quantity.value}")
    whole = mode is Mode.TRAJECTORY
    return max(climb(format_, quantity, rng, turns, whole=whole).fraction for _ in range(climbs))


def make_shifted_optimizer(quantity: Quantity, ulps: int) -> type[Plain]:
    """The plain optimizer with m, u or the step always too large by so many ulp."""

    def away(x):
        return x + ulps * np.spacing(x)

    class Shifted(Plain):
        """Off by a few ulp."""

        def first_moment(self, m, g, scalars):
            right = super().first_moment(m, g, scalars)
            return away(right) if quantity is Quantity.M else right

        def norm(self, u, g, scalars):
            right = super().norm(u, g, scalars)
            return away(right) if quantity is Quantity.U else right

        def step(self, m, u, scalars):
            right = super().step(m, u, scalars)
            return away(right) if quantity is Quantity.THETA else right

    return Shifted


@functools.cache
def smallest_caught_shift(format_: Format, mode: Mode, quantity: Quantity) -> int | None:
    """The smallest systematic error in ulp that the identifying cases catch, or None."""
    for ulps in SHIFTS:
        wrong = make_shifted_optimizer(quantity, ulps)
        for case in identifying_cases(format_):
            found = empty_tallies(quantity)
            states = observe(wrong, case, DTYPES[format_])
            mode.compare(case, states, declared_error_model(Plain, format_), found, brief=True)
            if found[quantity].exceeded:
                return ulps
    return None


HEAD = (
    "| mode | quantity | dtype | faithful, ordinary numbers | by | faithful, any | search | caught from |",
    "| --- | --- | --- | ---: | --- | ---: | ---: | ---: |",
)


def table(climbs: int, turns: int) -> Iterator[str]:
    """The table of the largest fractions of the bounds in Markdown, line by line."""
    yield from HEAD
    for mode in Mode:
        for quantity in QUANTITIES:
            for format_ in Format:
                start = f"| {mode.value} | {quantity.value} | {format_.dtype}"
                by_search = f"{searched_fraction(format_, mode, quantity, climbs, turns):.2f}"
                ordinary = largest_fraction(format_, mode, quantity, ordinary=True)
                anywhere = largest_fraction(format_, mode, quantity)
                smallest = smallest_caught_shift(format_, mode, quantity)
                yield (
                    f"{start} | {ordinary.fraction:.2f} | {ordinary.optimizer} | {anywhere.fraction:.2f} "
                    f"| {by_search} | {'none' if smallest is None else f'{smallest} ulp'} |"
                )


def main() -> None:
    """Print the table."""
    for line in table(climbs=4, turns=300):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
