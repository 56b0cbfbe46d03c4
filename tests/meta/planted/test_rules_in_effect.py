"""Planted bugs that are rules in effect; no other bug is ever taken for a rule."""

from __future__ import annotations

import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.rules import DOCUMENTED, Ascent, BiasCorrection, Decay, Epsilon, Rule
from adamax_conformance.reports.rule.identify import identify_rule
from adamax_conformance.tests.meta.planted import bugs_formula
from adamax_conformance.tests.meta.sampling import some

RULES = {
    "eps-outside-maximum": Rule(Epsilon.IN_DENOMINATOR),
    "eps-on-decayed-norm": Rule(Epsilon.ON_DECAYED_NORM),
    "eps-as-floor": Rule(Epsilon.FLOOR),
    "eps-missing": Rule(Epsilon.NONE),
    "no-bias-correction": Rule(bias_correction=BiasCorrection.NONE),
    "decay-decoupled": Rule(decay=Decay.DECOUPLED),
    "decay-ignored": Rule(decay=Decay.NONE),
    "maximize-ignored": Rule(ascent=Ascent.NONE),
    "maximize-after-decay": Rule(ascent=Ascent.NEGATE_AFTER_DECAY),
}
"""The wrong formulas that are rules: they differ from the documented one in one part."""

LATER = {"bias-correction-ends-after-thousand-steps"}
"""Bugs that follow the documented rule while identification runs; `value/long-run` catches them."""


OTHERS = [bug for bug in bugs_formula.BUGS if bug.name not in {*RULES, *LATER}]
ASKED = [bug for bug in bugs_formula.BUGS if bug not in OTHERS or bug in some(OTHERS, of=2)]
"""The rules in effect, and some of those that are none."""


@pytest.mark.parametrize("bug", ASKED, ids=lambda bug: bug.name)
def test_a_wrong_formula_is_a_rule_or_none(bug):
    with Subject.in_process(bug) as subject:
        found = identify_rule(subject, "float32")
    assert found.alternatives == ()
    if bug.name in RULES:
        assert found.rule == RULES[bug.name]
        assert found.scheme.admissible(found.format_)
    elif bug.name in LATER:
        assert found.rule == DOCUMENTED
    else:
        assert found.rule is None
        first = next(iter(found.mismatches.values()))
        assert first.step is not None
        assert first.quantity in {Quantity.M, Quantity.U, Quantity.THETA}
