"""The share of the cases that a costly subject runs."""

from __future__ import annotations

import pytest
from adamax_conformance.impl.adapters.registry import BUILTIN, parse_name
from adamax_conformance.impl.protocol.messages import SubjectInfo
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.target import Profile


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", BUILTIN)
def test_every_subject_runs_a_drawn_case_and_a_drawn_life_at_least(name, profile):
    named = parse_name(name)
    budget = budget_of(SubjectInfo(name, named.framework or "numpy", mode=named.mode))
    assert 1 <= budget.share(profile.examples) <= profile.examples
    assert 1 <= budget.share(profile.lives) <= profile.lives
