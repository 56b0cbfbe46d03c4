"""No time for the search for two causes, but where it is tested."""

from __future__ import annotations

import pytest
from adamax_conformance.reports.audit import causes

_SEARCHING = ("test_causes", "test_recording_keras", "test_recording_mindspore", "test_recording_paddle")
"""The tests of causes, and of optimizers whose formula is not the page's: its difference is a cause of its own."""


@pytest.fixture(autouse=True)
def short_search(request, monkeypatch):
    """Give the search for two causes at once no time, but where a test needs it."""
    if not request.module.__name__.endswith(_SEARCHING):
        monkeypatch.setattr(causes, "_SEARCH", 0.0)
