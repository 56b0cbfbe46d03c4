"""A subject that gives no answer while it is identified, as on a busy machine."""

from dataclasses import replace

import pytest
from adamax_conformance.impl.adamax.optimizer import Adamax
from adamax_conformance.impl.protocol.errors import SubjectDiedError, SubjectTimeoutError
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.error_model import STRICTEST
from adamax_conformance.reference.rules import DOCUMENTED, Decay
from adamax_conformance.reports.rule.identify import identify_rule
from adamax_conformance.tests.conformance.harness import target as harness
from adamax_conformance.tests.conformance.harness.target import Settings, Target

TIMEOUT = SubjectTimeoutError("no answer within 60 s", "")


@pytest.fixture
def unanswered(monkeypatch):
    """A target whose identification raises these errors in turn, then succeeds."""

    def make(*errors):
        left = list(errors)

        def identify(*arguments):
            if left:
                raise left.pop(0)
            return identify_rule(*arguments)

        monkeypatch.setattr(harness, "identify_rule", identify)
        return Target(subject, "float32", Settings(shrink=False))

    with Subject.in_process(Adamax) as subject:
        yield make


def test_it_is_identified_once_more(unanswered) -> None:
    assert unanswered(TIMEOUT).identification().rule is not None


def test_nothing_is_judged_by_the_bounds_of_a_subject_that_gave_no_answer_twice(unanswered) -> None:
    target = unanswered(TIMEOUT, TIMEOUT)
    for judged in (target.error_model, target.follows_known_rule, target.underflow, target.error_model):
        with pytest.raises(SubjectTimeoutError):
            judged()


def test_one_that_dies_each_time_is_held_to_the_page(unanswered) -> None:
    dies = SubjectDiedError("the subject's process ended", "")
    target = unanswered(dies, dies)
    assert target.error_model().scheme == STRICTEST
    assert target.follows_known_rule()


def test_a_dtype_without_checks_is_identified_by_the_likely_rule_alone() -> None:
    with Subject.in_process(Adamax) as subject:
        target = Target(subject, "float32", Settings(shrink=False))
        rule = target.known_rule()
        other = target.in_dtype("float64", rule)
        assert other.error_model().rule == rule == target.error_model().rule
        assert other.identification().alternatives == ()
        wrong = Target(
            subject, "float64", Settings(shrink=False), likely=replace(DOCUMENTED, decay=Decay.DECOUPLED)
        )
        assert wrong.error_model().rule == DOCUMENTED
