"""Parts of a rule that a subject has no argument for stay undetermined."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.protocol.errors import RejectedError
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.rules import DOCUMENTED, Ascent, Decay, Epsilon, Rule
from adamax_conformance.reports.rule.identify import identify_rule
from adamax_conformance.tests.meta.planted.base import Adamax
from adamax_conformance.tests.meta.planted.bugs_formula import EpsOutsideMaximum


class WithoutDecay(Adamax):
    """An Adamax without the argument weight_decay."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, *, maximize=False) -> None:
        super().__init__(params, lr, betas, eps, maximize=maximize)


class WithoutBoth(EpsOutsideMaximum):
    """An Adamax without weight_decay and maximize."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8) -> None:
        super().__init__(params, lr, betas, eps)


class WithoutAscent(Adamax):
    """An Adamax without maximize, that hides its state."""

    exp_avg = exp_inf = None

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


class RaisesInAStep(Adamax):
    """An Adamax that takes every argument, and raises when it steps."""

    def __call__(self, _gradients) -> None:
        raise RuntimeError("no step today")


class RaisesNextToOne(Adamax):
    """An Adamax that fails if beta1 is 1 in binary32, like MindSpore's nn.AdaMax."""

    def correction(self, beta1, t):
        if np.float32(beta1) == 1:
            raise RuntimeError("the power can't be 1")
        return super().correction(beta1, t)


class RefusesAll(Adamax):
    """An Adamax that rejects all arguments."""

    def validate(self, _options) -> None:
        raise ValueError("no options today")


def of(factory):
    with Subject.in_process(factory) as subject:
        return identify_rule(subject, "float32")


def test_without_decay_the_rules_that_differ_in_it_fit_as_well():
    found = of(WithoutDecay)
    assert found.rule == DOCUMENTED
    assert set(found.undetermined) == {"decay", "ascent"}
    assert "weight_decay" in found.undetermined["decay"]
    assert set(found.alternatives) == {
        Rule(decay=Decay.DECOUPLED),
        Rule(decay=Decay.NONE),
        Rule(ascent=Ascent.NEGATE_AFTER_DECAY),
    }
    assert found.describe().startswith(
        "the documented rule, as far as it can be tested: its decay and ascent"
    )


def test_without_decay_and_ascent_only_the_rest_is_claimed():
    found = of(WithoutBoth)
    assert {found.rule.epsilon, *(rule.epsilon for rule in found.alternatives)} == {Epsilon.IN_DENOMINATOR}
    assert set(found.undetermined) == {"decay", "ascent"}
    assert "maximize" in found.undetermined["ascent"]
    assert len(found.alternatives) == 3 * 3 - 2 - 1


def test_without_ascent_and_state_the_decay_is_still_told():
    found = of(WithoutAscent)
    assert {found.rule.decay, *(rule.decay for rule in found.alternatives)} == {Decay.L2}
    assert set(found.undetermined) == {"ascent"}
    assert len(found.evidence) == 1


def test_nothing_is_undetermined_if_the_subject_takes_every_argument():
    assert not of(Adamax).undetermined
    assert not of(Adamax).alternatives


def test_what_raises_in_the_midst_of_a_step_is_not_an_argument_that_is_missing():
    with pytest.raises(RejectedError, match="no step today"):
        of(RaisesInAStep)


def test_what_takes_no_case_at_all_raises_its_own_words():
    with pytest.raises(RejectedError, match="no options today"):
        of(RefusesAll)


def test_who_will_not_step_next_to_one_is_identified_all_the_same():
    found = of(RaisesNextToOne)
    assert (found.rule, found.undetermined) == (DOCUMENTED, {})
    assert found.admissible
