"""The share of many costly cases that every change runs.

With the environment variable `EVERY_CASE`, as in `tox -m trust`, all of them run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

EVERY = bool(os.environ.get("EVERY_CASE"))


def some(cases: Sequence[Any], of: int) -> Sequence[Any]:
    """One case of so many; or every one."""
    return cases if EVERY else cases[::of]


def crossed(*lists: Iterable[Any], of: int = 2) -> list[tuple[Any, ...]]:
    """One combination of so many, evenly spread over the values of each list."""
    numbered = product(*(list(enumerate(each)) for each in lists))
    combinations = [list(zip(*each, strict=True)) for each in numbered]
    return [values for places, values in combinations if EVERY or sum(places) % of == 0]
