"""No time for the search for two causes, but where it is tested."""

from __future__ import annotations

import pytest
from adamax_conformance.reports.audit import causes


@pytest.fixture(autouse=True)
def short_search(request, monkeypatch):
    """Give the search for two causes at once no time, but in its own tests."""
    if not request.module.__name__.endswith("test_causes"):
        monkeypatch.setattr(causes, "_SEARCH", 0.0)
