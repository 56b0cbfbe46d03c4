"""Each context of the lives is needed: without it, some planted bug survives them."""

from __future__ import annotations

import pytest
from adamax_conformance.tests.conformance.cases import lives
from adamax_conformance.tests.conformance.cases.lives import Feature
from adamax_conformance.tests.conformance.harness import lives as harness
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.conformance.harness.target import Settings
from adamax_conformance.tests.meta.planted import BUGS
from adamax_conformance.tests.meta.planted.bugs_lives import BroadcastGradientAveraged
from adamax_conformance.tests.meta.planted.bugs_places import TinyDecayIgnored
from adamax_conformance.tests.meta.planted.bugs_scale import IndexOfSeventeenBits, StepWrapsAt4096
from adamax_conformance.tests.meta.planted.contexts import ASKED
from adamax_conformance.tests.meta.planted.probes_lives import LIFE_PROBES
from adamax_conformance.tests.meta.planted.trial import run_trials, suite


def catch(bug, without=frozenset()):
    """The first check of the lives that catches a bug, if those without are not asked."""
    calls = [call for call in suite(("lives",)) if not call.ids & without]
    (trial,) = run_trials(bug, "float32", [Settings(shrink=False)], until_caught=True, calls=calls)
    return trial.first


def test_the_contexts_of_each_kind_are_checks_of_lives():
    assert ASKED.keys() == LIFE_PROBES.keys()
    assert {check for checks in ASKED.values() for check in checks} <= CHECKS.keys()


def test_every_check_of_lives_is_a_context_of_some_kind():
    asked = {check for checks in ASKED.values() for check in checks}
    assert {check for check in CHECKS if check.startswith("lives/")} <= asked


def test_each_kind_has_bugs():
    assert ASKED.keys() <= {bug.family for bug in BUGS}


@pytest.mark.parametrize(
    ("bug", "check"), [(IndexOfSeventeenBits, "lives/sizes"), (StepWrapsAt4096, "lives/counters")]
)
def test_without_pinned_lives_a_bug_survives(bug, check):
    assert catch(bug) == check
    assert catch(bug, {check}) is None


def test_without_a_feature_a_bug_survives(monkeypatch):
    check = "lives/broadcast-gradient"
    assert catch(BroadcastGradientAveraged) == check
    left = tuple(probe for probe in harness.PROBES if probe.feature is not Feature.BROADCAST)
    monkeypatch.setattr(harness, "PROBES", left)
    assert catch(BroadcastGradientAveraged, {check}) is None


def test_without_small_decays_in_the_drawing_a_bug_survives(monkeypatch):
    assert catch(TinyDecayIgnored).startswith("lives/drawn-")
    monkeypatch.setattr(lives._Drawer, "wide_decay", lambda _: 1.5)
    assert catch(TinyDecayIgnored) is None
