"""The process that commands are forks of."""

from __future__ import annotations

import os

import pytest
from adamax_conformance.tests.meta.cli.forks import Forks


@pytest.fixture(scope="session")
def forks():
    """The process that commands are forks of; None where there are no forks."""
    if not hasattr(os, "fork"):
        yield None
        return
    started = Forks()
    yield started
    started.close()
