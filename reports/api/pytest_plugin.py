"""A fixture and a marker for somebody's own tests, for those who ask for them.

In the `conftest.py` next to the configuration of pytest (or with `-p` and the name):

    pytest_plugins = ["adamax_conformance.reports.api.pytest_plugin"]

Then a test has the fixture `adamax_conforms`, and the marker `adamax` gives it options of `check`:

    @pytest.mark.adamax(dtypes=["float32"], checks=["value/*"])
    def test_my_adamax(adamax_conforms):
        adamax_conforms("torch:mypackage.optim.Adamax")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .run import NotJudgedError, Report, check


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "adamax(**options): options of the fixture adamax_conforms")


@pytest.fixture
def adamax_conforms(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """A function that fails the test with the findings unless a subject conforms.

    A subject whose framework is missing fails too: what was not judged has not passed.
    """
    marked: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("adamax"))):
        marked |= mark.kwargs

    def conforms(subject: Any, **options: Any) -> Report:
        __tracebackhide__ = True
        try:
            report = check(subject, **{**marked, **options})
        except NotJudgedError as error:
            pytest.fail(f"nothing was judged: {error}", pytrace=False)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return conforms
