"""The examples in docstrings print what they claim."""

from __future__ import annotations

import doctest

from adamax_conformance.impl.adamax import optimizer as adamax


def test_the_example_of_our_optimizer_is_right():
    result = doctest.testmod(adamax)
    assert result.attempted
    assert not result.failed
