"""This suite: every check of `adamax-conformance check` with the quick profile.

It stops at the first check that finds something wrong, as the other methods do.
"""

from __future__ import annotations

from typing import Any

from adamax_conformance.tests.conformance.harness.target import Settings
from adamax_conformance.tests.meta.methods.method import Method
from adamax_conformance.tests.meta.planted.trial import run_trials


def judge(factory: type[Any], dtype: str) -> str | None:
    """Name the first check that diverges."""
    (trial,) = run_trials(factory, dtype, [Settings(shrink=False)], until_caught=True)
    return trial.first


METHOD = Method(
    "suite",
    "this suite, `adamax-conformance check`",
    "whether it does what is documented, to the last bit that the format allows",
    judge,
)
