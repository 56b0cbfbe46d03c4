"""An audit names every damage of a recording, without a traceback."""

from __future__ import annotations

import pytest
from adamax_conformance.tests.meta.audit.damaging import WAYS, Damaged


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    return Damaged(tmp_path_factory.mktemp("damage"))


def test_a_recording_that_is_whole_is_accepted(damaged):
    assert damaged.audit(None, 0) == ""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_damage_is_named_and_never_accepted(damaged, way, seed):
    assert damaged.audit(way, seed) == ""
