"""Rule: which formula does the subject implement, and how precisely are its scalars?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from adamax_conformance.reports.rule import verdicts
from adamax_conformance.tests.conformance.harness.context import Bench


@pytest.mark.check("rule/documented", "rule/scalars")
def test_the_formula_is_the_documented_one(bench: Bench) -> None:
    found = bench.seat.identification()
    for said in (
        verdicts.documented(found, bench.subject.name),
        verdicts.scalars(found, bench.subject.name),
    ):
        bench.decide(said.check, said.status, said.reason, said.divergence, said.measured)


@pytest.mark.check("rule/subnormals")
def test_subnormal_numbers_are_computed_with(bench: Bench) -> None:
    """Where they are flushed to zero, this one divergence says so, and the rest is judged with that."""
    found = bench.seat.underflow()
    if found is None:
        bench.conforms("rule/subnormals")
    else:
        bench.diverges(
            "rule/subnormals", replace(found, reason=f"subnormal numbers are flushed to zero: {found.reason}")
        )
