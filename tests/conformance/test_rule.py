"""Rule: the formula that the subject implements, and the precision of its scalars."""

from __future__ import annotations

from dataclasses import replace

from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.rule import verdicts
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext


@check("rule/documented", title="the formula is the documented one", since="0.1.0")
@check("rule/scalars", title="no scalar is computed below the working precision", since="0.1.0")
def test_the_formula_is_the_documented_one(context: CheckContext) -> None:
    found = context.target.identification()
    for result in (
        verdicts.judge_rule(found, context.subject.name, context.documented_by),
        verdicts.judge_scalars(found, context.subject.name),
    ):
        context.decide(result.status, result.reason, result.divergence, result.measured, check=result.check)


@check("rule/subnormals", title="subnormal numbers are computed with, not flushed to zero", since="0.1.0")
def test_subnormal_numbers_are_computed_with(context: CheckContext) -> None:
    """Report flushing to zero once.

    The other checks then judge the subject by the bound for a device that flushes.
    """
    found = context.target.underflow()
    if not context.target.follows_known_rule():
        words = (
            "no known rule explains ordinary numbers (rule/documented), so nothing is put down to flushing"
        )
        context.decide(Status.SKIPPED, words)
    elif found is None:
        weak = context.target.divides_by_reciprocal()
        reason = (
            "weak: theta is infinite where 1/u or 1/(c*u) overflows, with c = 1 - beta1^t, and m/u does not"
        )
        context.decide(Status.CONFORMS, reason if weak else "")
    else:
        context.diverges(replace(found, reason=f"subnormal numbers are flushed to zero: {found.reason}"))
