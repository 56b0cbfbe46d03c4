"""Special values: NaN, infinities, zeros, subnormals, and numbers near overflow.

A check compares them before it measures any error in ulp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case
from adamax_conformance.tests.conformance.cases.pinned import SPECIALS, Expectation, SpecialCase
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.evidence import difference_at, state_arrays
from adamax_conformance.tests.conformance.harness.figures import figures, sum_tallies


@check("special/{special}", title="{special.title}", since="0.1.0", special=SPECIALS)
def test_special_values_are_treated_as_the_formula_does(context: CheckContext, special: SpecialCase) -> None:
    case = special.make(context.format)
    if case.groups[0].hyperparameters.maximize and context.lacks("maximize"):
        context.skip("the subject has no argument maximize")
        return
    case = context.target.restrict_case(case)
    observed = context.observe(case)
    if special.expectation is Expectation.OPEN:
        last = {q.value: [f"{x:g}" for x in values[0]] for q, values in state_arrays(observed[-1]).items()}
        context.decide(Status.UNSPECIFIED, f"admissible evaluations differ here; at the end {last}")
        return
    found = _first_wrong_number(context, special, case, observed)
    if found is not None:
        context.diverges(found)
        return
    if special.expectation is Expectation.FINITE_THETA:
        context.conforms()
        return
    tallies = empty_tallies(Quantity.M, Quantity.U, Quantity.THETA)
    divergence = context.judge(case, observed, tallies)
    total = sum_tallies(tallies)
    if divergence is not None:
        context.diverges(divergence, **figures(total))
    elif total.judged and total.open == total.judged:
        context.decide(
            Status.UNSPECIFIED, "an admissible evaluation overflows or divides by zero at each element"
        )
    else:
        context.conforms(**figures(total))


def _first_wrong_number(
    context: CheckContext, special: SpecialCase, case: Case, observed: Sequence[StepResult]
) -> Divergence | None:
    """The first of the named elements that is not the number it must be."""
    start = case.parameters[0].theta
    for t, state in enumerate(observed, start=1):
        if t < special.at:
            continue
        for quantity, values in state_arrays(state).items():
            for flat_index in range(0, start.size, 2):
                element = np.unravel_index(flat_index, start.shape)
                actual = float(values[0][element])
                wanted = _expected_number(special.expectation, quantity, actual, float(start[element]))
                if wanted is not None:
                    index = tuple(int(i) for i in element)
                    return difference_at(
                        wanted, actual, context.format, special.title, quantity, (t, 0, index), case
                    )
    return None


def _expected_number(wanted: Expectation, quantity: Quantity, actual: float, start: float) -> float | None:
    """The number that it must be, or None if it is right."""
    match wanted:
        case Expectation.NAN:
            return None if math.isnan(actual) else math.nan
        case Expectation.INFINITE if quantity is Quantity.U:
            return None if actual == math.inf or math.isnan(actual) else math.inf
        case Expectation.INFINITE if quantity is Quantity.THETA:
            return None if not math.isfinite(actual) else math.nan
        case Expectation.FINITE_THETA if quantity is Quantity.THETA:
            return None if actual == start else start
    return None
