"""How tight are the bounds? Printed as a table: `python -m adamax_conformance.tests.meta.oracles.tightness`.

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
from adamax_conformance.oracles.judgement import Tally, findings
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.cases.strategies import cases as drawn
from adamax_conformance.tests.meta.oracles.running import declared, observe
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
    """How a run is judged."""

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
class Reached:
    """The largest fraction of a bound, who reached it, how much was judged, and how much was open."""

    fraction: float = 0.0
    who: str = "nobody"
    judged: int = 0
    open: int = 0

    def and_also(self, tally: Tally, who: str) -> Reached:
        """With what one more comparison found."""
        counts = (self.judged + tally.judged - tally.open, self.open + tally.open)
        if tally.largest_over_bound > self.fraction:
            return Reached(tally.largest_over_bound, who, *counts)
        return Reached(self.fraction, self.who, *counts)


def modes(variant, format_: Format) -> Iterator[Mode]:
    """The modes in which an optimizer can be judged: lockstep needs its state."""
    if observe(variant, identifying_cases(format_)[0], DTYPES[format_])[0].m is not None:
        yield Mode.LOCKSTEP
    yield Mode.TRAJECTORY


@functools.cache
def reached_by(variant, format_: Format, mode: Mode, *, ordinary: bool = False) -> dict[Quantity, Reached]:
    """How near to its bound one faithful optimizer comes; with ordinary numbers, or any."""
    result = dict.fromkeys(QUANTITIES, Reached())
    for case in rule_cases(format_) if ordinary else runs(format_):
        found = findings(*QUANTITIES)
        mode.compare(case, observe(variant, case, DTYPES[format_]), declared(variant, format_), found)
        result = {q: result[q].and_also(tally, variant.name) for q, tally in found.items()}
    return result


def reached(format_: Format, mode: Mode, quantity: Quantity, *, ordinary: bool = False) -> Reached:
    """How near to its bound any faithful optimizer comes; with ordinary numbers, or any."""
    everyone = [v for v in FAITHFUL if mode in modes(v, format_)]
    found = (reached_by(v, format_, mode, ordinary=ordinary)[quantity] for v in everyone)
    return max(found, key=lambda one: one.fraction)


def searched(format_: Format, mode: Mode, quantity: Quantity, climbs: int, turns: int) -> float:
    """How near a search comes that turns every decision of an evaluation."""
    rng = random.Random(f"{format_.dtype} {mode.value} {quantity.value}")
    whole = mode is Mode.TRAJECTORY
    return max(climb(format_, quantity, rng, turns, whole=whole).fraction for _ in range(climbs))


def shifted(quantity: Quantity, ulps: int) -> type[Plain]:
    """The plain optimizer with one quantity too large by so many ulp, every time; of theta, the step."""

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
def caught(format_: Format, mode: Mode, quantity: Quantity) -> int | None:
    """The smallest systematic error, in ulp, that is caught on the identifying cases; None if none is."""
    for ulps in SHIFTS:
        wrong = shifted(quantity, ulps)
        for case in identifying_cases(format_):
            found = findings(quantity)
            states = observe(wrong, case, DTYPES[format_])
            mode.compare(case, states, declared(Plain, format_), found, brief=True)
            if found[quantity].exceeded:
                return ulps
    return None


HEAD = (
    "| mode | quantity | dtype | faithful, ordinary numbers | by | faithful, any | search | caught from |",
    "| --- | --- | --- | ---: | --- | ---: | ---: | ---: |",
)


def table(climbs: int, turns: int) -> Iterator[str]:
    """The table in Markdown, line by line; the figures are the largest fractions of the bound."""
    yield from HEAD
    for mode in Mode:
        for quantity in QUANTITIES:
            for format_ in Format:
                start = f"| {mode.value} | {quantity.value} | {format_.dtype}"
                by_search = f"{searched(format_, mode, quantity, climbs, turns):.2f}"
                ordinary = reached(format_, mode, quantity, ordinary=True)
                anywhere = reached(format_, mode, quantity)
                smallest = caught(format_, mode, quantity)
                yield (
                    f"{start} | {ordinary.fraction:.2f} | {ordinary.who} | {anywhere.fraction:.2f} "
                    f"| {by_search} | {'none' if smallest is None else f'{smallest} ulp'} |"
                )


def main() -> None:
    """Print the table."""
    for line in table(climbs=4, turns=300):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
