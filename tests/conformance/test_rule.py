"""Rule: which formula does the subject implement, and how precisely are its scalars?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from adamax_conformance.oracles.identify import Identification
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.documentation import Documentation, documentation_of
from adamax_conformance.reference.rules import DOCUMENTED
from adamax_conformance.reports.training import trajectories
from adamax_conformance.tests.conformance.bench import Bench


def _as_documented(own: Documentation | None, found: Identification) -> str:
    """Whether the framework's own documentation states the formula that was found."""
    if own is None or own.rule is None or found.rule is None:
        return ""
    agrees = own.rule in (found.rule, *found.also)
    return f", {'as' if agrees else 'other than'} {own.title} documents ({own.source})"


@pytest.mark.check("rule/documented", "rule/scalars")
def test_the_formula_is_the_documented_one(bench: Bench) -> None:
    found = bench.seat.identification()
    facts = {
        "rule": found.nearest.name if found.rule else None,
        "also": [rule.name for rule in found.also],
        "open": dict(found.open),
        "computed in": found.computes_in.name.lower(),
        "form": found.habits.form.value,
        "scalars": {q: getattr(found.habits, q).name.lower() for q in ("m", "u", "theta")},
        "evidence": list(found.evidence),
    }
    own = documentation_of(bench.subject.name)
    if own is not None:
        facts["own documentation"] = own.source
        facts["documented there"] = own.rule.name if own.rule else "no formula"
    if found.rule == DOCUMENTED:
        words = found.describe() if found.open else ""
        bench.decide("rule/documented", Status.CONFORMS, words, measured=facts)
    else:
        misfit = next(iter(found.misfits.values()), None)
        bench.diverges(
            "rule/documented",
            Divergence(
                quantity=Quantity.OUTCOME,
                reason=f"implements {found.describe()}{_as_documented(own, found)}",
                expected="the documented rule",
                actual=found.rule.name if found.rule else "no known rule",
                case=misfit.case if misfit else None,
                step=misfit.step if misfit else None,
                parameter=misfit.parameter if misfit else None,
                element=misfit.element if misfit else None,
                extra={} if misfit is None else {"first misfit": misfit.reason},
            ),
            **facts,
            **({"trajectories": trajectories(found.rule)} if found.rule else {}),
        )
    if found.admissible:
        bench.conforms("rule/scalars", **facts)
    else:
        coarse = {
            q: getattr(found.habits, q).name.lower()
            for q in ("m", "u", "theta")
            if getattr(found.habits, q).precision < bench.format.precision
        }
        words = ", ".join(f"of {q} in {name}" for q, name in coarse.items())
        what, working = "scalars", bench.format.name.lower()
        if found.computes_in is not bench.format:
            what, words = "numbers", f"all in {found.computes_in.name.lower()}"
        bench.diverges(
            "rule/scalars",
            Divergence(
                quantity=Quantity(next(iter(coarse), "theta")),
                reason=f"{what} are computed below the working precision {working}: {words}",
                expected=f"{what} of {working} or finer",
                actual=words,
            ),
            **facts,
        )


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
