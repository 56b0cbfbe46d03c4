"""Fixtures of all tests of the suite itself."""

from __future__ import annotations

import os

import pytest
from adamax_conformance.tests.meta.cli.forks import Forks


@pytest.fixture(scope="session", autouse=True)
def options_of_an_environment():
    """A command's options are those that a test gives.

    An environment of tox names one report folder, and two tests at once would write into it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith("ADAMAX_CONFORMANCE_CHECK_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def forks():
    """The process that commands are forks of; None where there are no forks."""
    if not hasattr(os, "fork"):
        yield None
        return
    started = Forks()
    yield started
    started.close()
