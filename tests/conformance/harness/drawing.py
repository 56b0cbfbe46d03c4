"""Draw the same cases from the same seed, whatever modules are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest import mock


@contextmanager
def without_local_constants() -> Iterator[None]:
    """Keep hypothesis from drawing constants of the modules that are loaded.

    It collects the numbers in the source of every module that it takes for the user's, and now and then draws one of
    them. So a seed would draw other cases in a process of pytest-xdist's, from another way of installation, or next to
    a conftest.py. A version of hypothesis without such constants needs nothing.
    """
    providers: Any = import_module("hypothesis.internal.conjecture.providers")
    if not (hasattr(providers, "_get_local_constants") and hasattr(providers, "Constants")):
        yield
        return
    # The cache holds the constants that are possible for a choice, local ones included.
    cache = type(providers.CONSTANTS_CACHE)(1024)
    with (
        mock.patch.object(providers, "_get_local_constants", providers.Constants),
        mock.patch.object(providers, "CONSTANTS_CACHE", cache),
    ):
        yield
