"""The sums of many comparisons, and the figures of them that a verdict keeps."""

from __future__ import annotations

from typing import Any, Final

from adamax_conformance.oracles.judgement import ComparisonTallies, ComparisonTally, empty_tallies, error_rank
from adamax_conformance.oracles.verdict import Quantity


def add_tally(total: ComparisonTally, part: ComparisonTally) -> None:
    """Add the tally of one case to the tally of all cases."""
    total.judged += part.judged
    total.open += part.open
    total.exceeded += part.exceeded
    total.sixteenths.update(part.sixteenths)
    total.largest_over_bound = max(total.largest_over_bound, part.largest_over_bound)
    total.largest_ulp = max(total.largest_ulp, part.largest_ulp)
    for t, pair in part.by_step.items():
        total.at_step(t, *pair)


def sum_tallies(tallies: ComparisonTallies) -> ComparisonTally:
    """The sum of the tallies of all quantities."""
    total = empty_tallies(Quantity.THETA)[Quantity.THETA]
    for tally in tallies.values():
        add_tally(total, tally)
    return total


_POINTS: Final = 128


def figures(tally: ComparisonTally) -> dict[str, Any]:
    """The figures of a tally that a verdict keeps."""
    steps = [(t, *pair) for t, pair in sorted(tally.by_step.items())]
    size = max(1, -(-len(steps) // _POINTS))
    bunches = (steps[start : start + size] for start in range(0, len(steps), size))
    kept = [max(bunch, key=lambda step: error_rank(*step[1:])) for bunch in bunches]
    return {
        "judged": tally.judged,
        "open": tally.open,
        "largest_over_bound": tally.largest_over_bound,
        "largest_ulp": tally.largest_ulp,
        "ulp_by_step": [list(step) for step in kept],
        "histogram": _histogram(tally),
    }


_BINS: Final = 32
"""The bins of the histogram, each a sixteenth of an ulp; one count holds all beyond 2 ulp."""


def _histogram(tally: ComparisonTally) -> dict[str, Any]:
    """The number of elements by the size of their error, in ulp."""
    return {
        "edges": [i / 16 for i in range(_BINS + 1)],
        "counts": [tally.sixteenths[i] for i in range(_BINS)],
        "beyond": sum(count for i, count in tally.sixteenths.items() if i >= _BINS),
    }
