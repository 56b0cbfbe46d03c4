"""The search for the smallest case that diverges: how often the subject is run."""

import pytest
from adamax_conformance.impl.adamax.optimizer import Adamax
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.target import Profile, Settings, Target

FIRST, SECOND = "value/lockstep/m", "value/lockstep/u"


@pytest.fixture
def context():
    with Subject.in_process(Adamax) as subject:
        target = Target(subject, "float32", Settings())
        yield CheckContext(target, (CHECKS[FIRST], CHECKS[SECOND]))


def divergence(case) -> Divergence:
    return Divergence(Quantity.M, "it is wrong", "0", "1", case=case.to_json())


def is_wrong(case) -> bool:
    """Whether a case has several numbers, none like another: no simple one has."""
    numbers = [*case.groups[0].parameters[0].theta.ravel(), *case.gradients(1)[0].ravel()]
    return len(numbers) >= 6 and len({abs(x) for x in numbers}) == len(numbers)


def size(verdict) -> int:
    return len(str(verdict.divergence.case))


def test_the_first_divergence_of_a_search_is_shrunk_and_a_later_one_in_a_quarter_of_the_runs(context) -> None:
    runs = {FIRST: [], SECOND: []}

    def examine(case, wanted):
        check = FIRST if FIRST in wanted else SECOND
        runs[check].append(case)
        return {check: divergence(case)} if is_wrong(case) else {}

    context.search(examine, strategy=context.drawn_cases(), order=(FIRST, SECOND))
    drawn = [next(case for case in runs[check] if is_wrong(case)) for check in (FIRST, SECOND)]
    assert [verdict.check for verdict in context.verdicts] == [FIRST, SECOND]
    for verdict, case in zip(context.verdicts, drawn, strict=True):
        assert size(verdict) < len(str(case.to_json()))
    limit = Profile.QUICK.shrinks + Profile.QUICK.examples
    assert len(runs[FIRST]) <= limit
    assert (
        Profile.QUICK.shrinks // 4 <= len(runs[SECOND]) <= Profile.QUICK.shrinks // 4 + Profile.QUICK.examples
    )


def test_a_case_that_does_not_diverge_once_more_after_the_last_run_says_so(context) -> None:
    left = 5 + Profile.QUICK.shrinks // 2

    def examine(case, _):
        nonlocal left
        left -= 1
        return {FIRST: divergence(case)} if left > 0 and is_wrong(case) else {}

    context.search(examine, strategy=context.drawn_cases(), order=(FIRST,))
    (verdict,) = context.verdicts
    assert verdict.divergence.reason == "it is wrong; the same case did not diverge when it was run again"
