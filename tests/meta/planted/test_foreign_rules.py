"""A difference never hides another: the suite catches a bug on top of any rule."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

import numpy as np
import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reference.rules import DOCUMENTED, BiasCorrection, Decay, Epsilon, Rule
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.target import Settings, Target
from adamax_conformance.tests.meta.oracles.rule_optimizer import RuleOptimizer
from adamax_conformance.tests.meta.planted.trial import RULE, suite

FOREIGN = {
    "keras": Rule(Epsilon.IN_DENOMINATOR, decay=Decay.DECOUPLED),
    "tensorflow": Rule(Epsilon.IN_DENOMINATOR, decay=Decay.NONE),
    "mindspore.nn": Rule(Epsilon.IN_DENOMINATOR),
    "mlx": Rule(Epsilon.IN_DENOMINATOR, BiasCorrection.NONE, Decay.NONE),
    "paddle": Rule(Epsilon.ON_DECAYED_NORM),
    "netket": Rule(Epsilon.FLOOR, decay=Decay.NONE),
    "paper": Rule(Epsilon.NONE),
    "optax.adamaxw": Rule(decay=Decay.DECOUPLED),
}


class Right(RuleOptimizer):
    """The rule alone."""


class NormCoarseWhereLarge(RuleOptimizer):
    """A large u, which no identifying case has, keeps only 16 of its bits."""

    def store(self, index, theta, new_theta, m, u) -> None:
        coarse = np.ldexp(np.round(np.ldexp(np.frexp(u)[0], 16)), np.frexp(u)[1] - 16)
        super().store(index, theta, new_theta, m, np.where(u > 2.0**20, coarse, u))


class LearningRateSetInVain(RuleOptimizer):
    """A learning rate that is set later has no effect."""

    def options_of(self, group_index):
        return super().options_of(group_index) | {"lr": self.defaults["lr"]}


class NanDropped(RuleOptimizer):
    """A NaN gradient is taken for 0."""

    def advance(self, theta, m, u, g, scalars):
        return super().advance(theta, m, u, np.nan_to_num(g, nan=0.0), scalars)


BUGS = {
    NormCoarseWhereLarge: "value/*/u",
    LearningRateSetInVain: "bookkeeping/lr-schedule",
    NanDropped: "special/nan-gradient",
}
SELECTED = (RULE, "value/lockstep/*", "value/scales/*", "bookkeeping/lr-schedule", "special/nan-gradient")


def verdicts(rule: Rule, kind: type[RuleOptimizer]) -> dict[str, Verdict]:
    """The verdicts of the checks in `SELECTED` on a rule with a bug."""
    planted = type("Planted", (kind,), {"rule": rule})
    results: dict[str, Verdict] = {}
    with Subject.in_process(planted) as subject:
        target = Target(subject, "float32", Settings(shrink=False))
        for call in suite():
            if any(fnmatchcase(each, glob) for each in call.ids for glob in SELECTED):
                context = CheckContext(target, call.checks)
                call.function(context=context, **call.arguments)
                results |= {verdict.check: verdict for verdict in context.verdicts}
    return results


def diverging_checks(results: dict[str, Verdict]) -> set[str]:
    return {check for check, verdict in results.items() if verdict.status is Status.DIVERGES}


@pytest.mark.parametrize("rule", FOREIGN.values(), ids=FOREIGN)
def test_another_rule_is_one_divergence_and_no_more(rule):
    results = verdicts(rule, Right)
    assert diverging_checks(results) == {RULE}
    assert results[RULE].measured["rule"] == rule.name


@cache
def caught_under_the_documented_rule(bug: type[RuleOptimizer]) -> set[str]:
    return diverging_checks(verdicts(DOCUMENTED, bug))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_the_check_that_is_for_it(bug):
    found = caught_under_the_documented_rule(bug)
    assert any(fnmatchcase(check, BUGS[bug]) for check in found)
    assert RULE not in found  # identification does not see it


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
@pytest.mark.parametrize("rule", FOREIGN.values(), ids=FOREIGN)
def test_a_bug_on_top_of_another_rule_is_caught_by_the_same_checks(rule, bug):
    results = verdicts(rule, bug)
    assert results[RULE].measured["rule"] == rule.name
    assert diverging_checks(results) == {RULE} | caught_under_the_documented_rule(bug)
