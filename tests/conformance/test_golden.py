"""Golden: is each published trajectory followed? The same cases for every subject, in any language."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Any

import pytest
from adamax_conformance.impl.protocol.errors import Rejected
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.golden.values import formats_of
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case
from adamax_conformance.reference.golden.cases import GOLDEN_CASES
from adamax_conformance.reference.golden.model import GoldenCase
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.catalogue import GOLDEN_FAMILIES
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.evidence import arrays, refusal
from adamax_conformance.tests.conformance.harness.target import Profile

_QUICK_STEPS = 300


def _chosen(bench: Bench, family: str) -> list[GoldenCase]:
    """The cases of a family for this format, as far as the profile goes."""
    quick = bench.seat.settings.profile is Profile.QUICK
    fits = [
        case
        for case in GOLDEN_CASES
        if case.family == family
        and bench.format.name.lower() in formats_of(case)
        and not (quick and case.steps > _QUICK_STEPS)
        and (bench.has("groups") or len(case.groups) == 1)
        and _is_expressible(bench, case)
        and (bench.has("set_lr") or not any(group.learning_rates for group in case.groups))
    ]
    return fits[:: budget_of(bench.subject.info).golden] if quick else fits


def _is_expressible(bench: Bench, case: GoldenCase) -> bool:
    """Whether the subject has all arguments that the case is about."""
    run = case.run()
    return bench.seat.expressible(run) is run


def _rests(case: GoldenCase) -> bool:
    """Whether a learning rate of 0 occurs, which some refuse."""
    return any(0.0 in (group.hyperparameters.lr, *group.learning_rates) for group in case.groups)


def _runs(bench: Bench, cases: Iterable[GoldenCase]) -> Iterator[Case]:
    """What the subject is run on: each case, or many at once where a new optimizer is dear."""
    if not budget_of(bench.subject.info).compiles or not bench.has("groups"):
        yield from (case.run() for case in cases)
        return
    for (steps, rests), members in groupby(
        sorted(cases, key=lambda c: (c.steps, _rests(c))), key=lambda c: (c.steps, _rests(c))
    ):
        runs = [case.run() for case in members]
        if rests:
            yield from runs
        else:
            name = f"{runs[0].name} and {len(runs) - 1} more of {steps} steps"
            whole = Case(name, tuple(group for run in runs for group in run.groups))
            yield from [whole] if bench.seat.expressible(whole) is whole else runs


@pytest.mark.parametrize("family", GOLDEN_FAMILIES)
@pytest.mark.check("golden/{family}")
def test_each_golden_trajectory_is_followed(bench: Bench, family: str) -> None:
    """A case that is refused, such as one with a learning rate of 0, is left to the checks of the contract."""
    check = f"golden/{family}"
    compare = lockstep if bench.shows_state() else trajectory
    total = findings(Quantity.M, Quantity.U, Quantity.THETA)
    refused: list[str] = []
    strange: list[str] = []
    last: Rejected | None = None

    def examine(case: Case, _: Collection[str]) -> dict[str, Divergence]:
        nonlocal last
        try:
            observed = bench.observe(case)
        except Rejected as error:
            last = error
            refused.append(case.name)
            return {}
        compare(case, observed, bench.seat.assumption(), total)
        strange.extend(_unusual(case, observed))
        found = next((tally.divergence for tally in total.values() if tally.divergence is not None), None)
        return {} if found is None else {check: found}

    runs = list(_runs(bench, _chosen(bench, family)))
    if not runs:
        bench.skip(f"no {family} case is for {bench.dtype} and what the subject has")
        return
    for run in runs:
        if found := examine(run, ()):
            bench.diverges(check, found[check])
            return
    measured: dict[str, Any] = {
        "cases": len(runs),
        "judged": sum(tally.judged for tally in total.values()),
        "largest_over_bound": max(tally.largest_over_bound for tally in total.values()),
    }
    if last is not None and len(refused) == len(runs):
        bench.diverges(check, refusal(last, runs[0]), **measured)
    elif strange:
        bench.decide(check, Status.UNSPECIFIED, strange[0], measured=measured)
    else:
        bench.conforms(check, **measured, refused=refused)


def _unusual(case: Case, observed: list[StepResult]) -> Iterator[str]:
    """What came of a gradient that is NaN or infinite, where no golden file has it: the page does not say."""
    for place, _, parameter in case.placed():
        for element in range(parameter.theta.size):
            values = [float(g[element]) for g in parameter.gradients]
            at = next((t for t, g in enumerate(values) if not math.isfinite(g)), None)
            if at is None:
                continue
            for t, state in enumerate(observed[at:], start=at + 1):
                for quantity, seen in arrays(state).items():
                    came = float(seen[place][element])
                    if not (math.isnan(came) or (math.isinf(came) and math.isinf(values[at]))):
                        yield f"{quantity.value} is {came:g} after a gradient of {values[at]:g} ({case.name}, step {t})"
