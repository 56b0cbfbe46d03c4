"""Which checks are there: their ids, which never change, and the suite version in which each appeared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adamax_conformance.reference.case import Layout
from adamax_conformance.reference.contract import CLAUSES
from adamax_conformance.reference.golden.cases import GOLDEN_CASES
from adamax_conformance.tests.conformance.cases.pinned import SPECIALS
from adamax_conformance.tests.conformance.cases.schedulers import SETTINGS
from packaging.version import Version


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable; its first part is the layer.
        title: what it asks, in a few words.
        since: the suite version in which it appeared.
    """

    id: str
    title: str
    since: str = "0.1.0"


def _numeric(prefix: str, title: str) -> tuple[Check, ...]:
    return tuple(Check(f"{prefix}/{q}", f"{q} {title}") for q in ("theta", "m", "u"))


GOLDEN_FAMILIES: Final = tuple(dict.fromkeys(case.family for case in GOLDEN_CASES))

_ALL: Final = (
    Check("contract/defaults", "the defaults are those of the page"),
    Check("contract/maximize-keyword-only", "maximize is refused as a positional argument"),
    *(Check(f"contract/{c.id}", f"{c.argument}: {c.outcome.value}") for c in CLAUSES),
    Check("rule/documented", "the formula is the documented one"),
    Check("rule/scalars", "no scalar is computed below the working precision"),
    Check("rule/subnormals", "subnormal numbers are computed with, not flushed to zero"),
    *_numeric("value/lockstep", "is within the lockstep bound of the exact step"),
    *_numeric("value/trajectory", "is within the carried bound of the exact trajectory"),
    *_numeric("value/scales", "is right at every magnitude of the format"),
    *_numeric("value/long-run", "is right after thousands of steps"),
    Check("relations/mirror", "the negated run is the run, negated, bit for bit"),
    Check("relations/powers-of-two", "gradients and eps scale by powers of two, bit for bit"),
    Check("relations/repeatable", "equal runs are equal, bit for bit"),
    Check("relations/gradient-untouched", "gradients are left as they came"),
    Check("relations/fixed-point", "a zero gradient from a zero state leaves theta alone"),
    Check("relations/maximize", "maximizing is minimizing with negated gradients, bit for bit"),
    Check("relations/split", "an array's parts are treated as the whole, within the bound"),
    Check("bookkeeping/groups", "each group keeps to its own options"),
    Check("bookkeeping/group-defaults", "an option that a group leaves out is the constructor's"),
    Check("bookkeeping/lr-schedule", "a learning rate that is set takes effect at the next step"),
    Check("bookkeeping/lr-read-back", "the learning rate that was set is the one that is shown"),
    Check("bookkeeping/options-kept", "the options shown after some steps are those that were given"),
    Check("bookkeeping/independent", "two optimizers at work in turn do not disturb each other"),
    Check("bookkeeping/resume", "a run that is saved and resumed goes on as if it never stopped"),
    Check("bookkeeping/resume-lr", "a learning rate that was set is saved and resumed"),
    *(Check(f"bookkeeping/layout/{layout.value}", f"{layout.value} arrays") for layout in Layout),
    Check("bookkeeping/layout/0-d", "a parameter without dimensions"),
    Check("bookkeeping/layout/empty", "a parameter without elements"),
    Check("bookkeeping/layout/large", "arrays longer than any block, and with a tail"),
    Check("bookkeeping/layout/many", "many parameters in one group"),
    *(
        Check(f"schedulers/{name}", f"{name} gives its documented rate, and drives the steps")
        for name in SETTINGS
    ),
    *(Check(f"special/{s.id}", s.title) for s in SPECIALS),
    *(Check(f"golden/{family}", f"the golden trajectories: {family}") for family in GOLDEN_FAMILIES),
)

LAYERS: Final = tuple(dict.fromkeys(check.id.partition("/")[0] for check in _ALL))
"""In the order in which they are asked: what is found early is not said again later."""

SOONEST: Final = ("contract", "rule", "special", "relations", "bookkeeping", "value", "schedulers", "golden")
"""The same by what they cost, for a run that ends at the first divergence."""
assert sorted(SOONEST) == sorted(LAYERS)

CHECKS: Final = {check.id: check for check in _ALL}
assert len(CHECKS) == len(_ALL)


def appeared(check: str, suite: str | None) -> bool:
    """Whether a check belongs to a suite version; all do where none is asked for."""
    return suite is None or Version(CHECKS[check].since) <= Version(suite)
