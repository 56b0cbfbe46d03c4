"""What the comparisons of many cases come to, and what of it a verdict keeps."""

from __future__ import annotations

from typing import Any, Final

from adamax_conformance.oracles.judgement import Tally, fraction


def merge(total: Tally, part: Tally) -> None:
    """Add what one case showed to what all cases showed."""
    total.judged += part.judged
    total.open += part.open
    total.exceeded += part.exceeded
    total.sixteenths.update(part.sixteenths)
    total.largest_over_bound = max(total.largest_over_bound, part.largest_over_bound)
    total.largest_ulp = max(total.largest_ulp, part.largest_ulp)
    for t, pair in part.by_step.items():
        total.at_step(t, *pair)


_POINTS: Final = 128


def figures(tally: Tally) -> dict[str, Any]:
    """What a verdict keeps of a tally."""
    steps = [(t, *pair) for t, pair in sorted(tally.by_step.items())]
    size = max(1, -(-len(steps) // _POINTS))
    bunches = (steps[start : start + size] for start in range(0, len(steps), size))
    kept = [max(bunch, key=lambda step: fraction(*step[1:])) for bunch in bunches]
    return {
        "judged": tally.judged,
        "open": tally.open,
        "largest_over_bound": tally.largest_over_bound,
        "largest_ulp": tally.largest_ulp,
        "ulp_by_step": [list(step) for step in kept],
        "histogram": _histogram(tally),
    }


_BINS: Final = 32
"""Sixteenths of an ulp that are told apart; what is beyond 2 ulp is counted together."""


def _histogram(tally: Tally) -> dict[str, Any]:
    """How many elements have an error of which size, in ulp."""
    return {
        "edges": [place / 16 for place in range(_BINS + 1)],
        "counts": [tally.sixteenths[place] for place in range(_BINS)],
        "beyond": sum(count for place, count in tally.sixteenths.items() if place >= _BINS),
    }
