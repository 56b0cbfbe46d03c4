"""Special values: NaN, infinities, zeros, subnormals, and numbers near overflow. Judged before any ulp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case
from adamax_conformance.tests.conformance.cases.pinned import SPECIALS, Special, Wanted
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.evidence import arrays, between
from adamax_conformance.tests.conformance.harness.figures import figures, merge


@pytest.mark.parametrize("special", SPECIALS, ids=[special.id for special in SPECIALS])
@pytest.mark.check("special/{special}")
def test_special_values_are_treated_as_the_formula_does(bench: Bench, special: Special) -> None:
    check = f"special/{special.id}"
    case = special.make(bench.format)
    if case.groups[0].hyperparameters.maximize and bench.lacks("maximize"):
        bench.skip("the subject has no argument maximize")
        return
    case = bench.seat.expressible(case)
    observed = bench.observe(case)
    if special.wanted is Wanted.OPEN:
        last = {q.value: [f"{x:g}" for x in values[0]] for q, values in arrays(observed[-1]).items()}
        bench.decide(check, Status.UNSPECIFIED, f"admissible evaluations differ here; at the end {last}")
        return
    found = _first_wrong(bench, special, case, observed)
    if found is not None:
        bench.diverges(check, found)
        return
    if special.wanted is Wanted.FINITE_THETA:
        bench.conforms(check)
        return
    tallies = findings(Quantity.M, Quantity.U, Quantity.THETA)
    compare = lockstep if bench.shows_state() else trajectory
    compare(case, observed, bench.seat.assumption(), tallies)
    total = findings(Quantity.THETA)[Quantity.THETA]
    for tally in tallies.values():
        merge(total, tally)
    divergence = next((t.divergence for t in tallies.values() if t.divergence is not None), None)
    if divergence is not None:
        bench.diverges(check, divergence, **figures(total))
    elif total.judged and total.open == total.judged:
        bench.decide(
            check, Status.UNSPECIFIED, "an admissible evaluation overflows or divides by zero at each element"
        )
    else:
        bench.conforms(check, **figures(total))


def _first_wrong(
    bench: Bench, special: Special, case: Case, observed: Sequence[StepResult]
) -> Divergence | None:
    """The first of the named elements that is not what it must be."""
    start = case.parameters[0].theta
    for t, state in enumerate(observed, start=1):
        if t < special.at:
            continue
        for quantity, values in arrays(state).items():
            for place in range(0, start.size, 2):
                element = np.unravel_index(place, start.shape)
                actual = float(values[0][element])
                wanted = _wanted(special.wanted, quantity, actual, float(start[element]))
                if wanted is not None:
                    index = tuple(int(i) for i in element)
                    return between(wanted, actual, bench.format, special.title, quantity, (t, 0, index), case)
    return None


def _wanted(wanted: Wanted, quantity: Quantity, actual: float, start: float) -> float | None:
    """What the number must be, where it is not; None where it is right."""
    match wanted:
        case Wanted.NAN:
            return None if math.isnan(actual) else math.nan
        case Wanted.INFINITE if quantity is Quantity.U:
            return None if actual == math.inf or math.isnan(actual) else math.inf
        case Wanted.INFINITE if quantity is Quantity.THETA:
            return None if not math.isfinite(actual) else math.nan
        case Wanted.FINITE_THETA if quantity is Quantity.THETA:
            return None if actual == start else start
    return None
