"""A difference never hides another: a bug on top of another rule is caught as on top of the documented one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

import numpy as np
import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reference.rules import DOCUMENTED, BiasCorrection, Decay, Epsilon, Rule
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.target import Seat, Settings
from adamax_conformance.tests.meta.oracles.ruled import Ruled
from adamax_conformance.tests.meta.planted.trial import RULE, suite

FOREIGN = {
    "keras": Rule(Epsilon.IN_DENOMINATOR, decay=Decay.DECOUPLED),
    "tensorflow": Rule(Epsilon.IN_DENOMINATOR, decay=Decay.NONE),
    "mindspore.nn": Rule(Epsilon.IN_DENOMINATOR),
    "mlx": Rule(Epsilon.IN_DENOMINATOR, BiasCorrection.NONE, Decay.NONE),
    "paddle": Rule(Epsilon.ON_DECAYED_NORM),
    "paper": Rule(Epsilon.NONE),
    "optax.adamaxw": Rule(decay=Decay.DECOUPLED),
}


class Right(Ruled):
    """Nothing but the rule."""


class NormCoarseWhereLarge(Ruled):
    """Where u is large, as it is in no identifying case, it keeps but 16 of its bits."""

    def store(self, place, theta, new_theta, m, u) -> None:
        coarse = np.ldexp(np.round(np.ldexp(np.frexp(u)[0], 16)), np.frexp(u)[1] - 16)
        super().store(place, theta, new_theta, m, np.where(u > 2.0**20, coarse, u))


class LearningRateSetInVain(Ruled):
    """A learning rate that is set later changes nothing."""

    def options_of(self, index):
        return super().options_of(index) | {"lr": self.defaults["lr"]}


class NanDropped(Ruled):
    """A NaN gradient is taken for 0."""

    def advance(self, theta, m, u, g, scalars):
        return super().advance(theta, m, u, np.nan_to_num(g, nan=0.0), scalars)


BUGS = {
    NormCoarseWhereLarge: "value/*/u",
    LearningRateSetInVain: "bookkeeping/lr-schedule",
    NanDropped: "special/nan-gradient",
}
ASKED = (RULE, "value/lockstep/*", "value/scales/*", "bookkeeping/lr-schedule", "special/nan-gradient")


def verdicts(rule: Rule, kind: type[Ruled]) -> dict[str, Verdict]:
    """What the suite says, as far as it is asked, of a rule with a bug."""
    planted = type("Planted", (kind,), {"rule": rule})
    said: dict[str, Verdict] = {}
    with Subject.in_process(planted) as subject:
        seat = Seat(subject, "float32", Settings(shrink=False))
        for asked in suite():
            if any(fnmatchcase(each, glob) for each in asked.ids for glob in ASKED):
                bench = Bench(seat, asked.ids)
                asked.function(bench=bench, **asked.arguments)
                said |= {verdict.check: verdict for verdict in bench.verdicts}
    return said


def accused(said: dict[str, Verdict]) -> set[str]:
    return {check for check, verdict in said.items() if verdict.status is Status.DIVERGES}


@pytest.mark.parametrize("rule", FOREIGN.values(), ids=FOREIGN)
def test_another_rule_is_one_divergence_and_no_more(rule):
    said = verdicts(rule, Right)
    assert accused(said) == {RULE}
    assert said[RULE].measured["rule"] == rule.name


@cache
def on_top_of_the_documented_rule(bug: type[Ruled]) -> set[str]:
    return accused(verdicts(DOCUMENTED, bug))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_each_bug_is_caught_by_the_check_that_is_for_it(bug):
    found = on_top_of_the_documented_rule(bug)
    assert any(fnmatchcase(check, BUGS[bug]) for check in found)
    assert RULE not in found  # identification does not see it


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
@pytest.mark.parametrize("rule", FOREIGN.values(), ids=FOREIGN)
def test_a_bug_on_top_of_another_rule_is_caught_by_the_same_checks(rule, bug):
    said = verdicts(rule, bug)
    assert said[RULE].measured["rule"] == rule.name
    assert accused(said) == {RULE} | on_top_of_the_documented_rule(bug)
