"""Golden: the published trajectories, the same for every subject in any language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from adamax_conformance.impl.protocol.errors import RejectedError
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.golden.values import formats_of
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.case import Case
from adamax_conformance.reference.golden.cases import GOLDEN_CASES
from adamax_conformance.reference.golden.model import GoldenCase
from adamax_conformance.tests.conformance.harness.budget import budget_of
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.evidence import digest_of, refusal, state_arrays
from adamax_conformance.tests.conformance.harness.target import Profile

_FAMILIES = tuple(dict.fromkeys(case.family for case in GOLDEN_CASES))
_QUICK_STEPS = 300


def _choose_cases(context: CheckContext, family: str) -> list[GoldenCase]:
    """The cases of a family for this format, with as many steps as the profile allows."""
    quick = context.target.settings.profile is Profile.QUICK
    fits = [
        case
        for case in GOLDEN_CASES
        if case.family == family
        and context.format.name.lower() in formats_of(case)
        and not (quick and case.steps > _QUICK_STEPS)
        and (context.has("groups") or len(case.groups) == 1)
        and _has_all_arguments(context, case)
        and (context.has("set_lr") or not any(group.learning_rates for group in case.groups))
    ]
    return fits[:: budget_of(context.subject.info).golden] if quick else fits


def _has_all_arguments(context: CheckContext, case: GoldenCase) -> bool:
    """Whether the subject has every argument that the case uses."""
    run = case.run()
    return context.target.restrict_case(run) is run


def _has_zero_rate(case: GoldenCase) -> bool:
    """Whether a learning rate of 0 occurs, which some subjects refuse."""
    return any(0.0 in (group.hyperparameters.lr, *group.learning_rates) for group in case.groups)


def _runs(context: CheckContext, cases: Iterable[GoldenCase]) -> Iterator[Case]:
    """The runs: each case alone, or many at once if a new optimizer costs much time."""
    if not budget_of(context.subject.info).compiles or not context.has("groups"):
        yield from (case.run() for case in cases)
        return
    for (steps, rests), members in groupby(
        sorted(cases, key=lambda c: (c.steps, _has_zero_rate(c))), key=lambda c: (c.steps, _has_zero_rate(c))
    ):
        runs = [case.run() for case in members]
        if rests:
            yield from runs
        else:
            name = f"{runs[0].name} and {len(runs) - 1} more of {steps} steps"
            whole = Case(name, tuple(group for run in runs for group in run.groups))
            yield from [whole] if context.target.restrict_case(whole) is whole else runs


@check("golden/{family}", title="the golden trajectories: {family}", since="0.1.0", family=_FAMILIES)
def test_each_golden_trajectory_is_followed(context: CheckContext, family: str) -> None:
    """Compare a family's cases with their exact trajectories.

    A case that the subject refuses, such as one with a learning rate of 0, is left to the checks of the contract.
    """
    total = empty_tallies(Quantity.M, Quantity.U, Quantity.THETA)
    refused: list[str] = []
    strange: list[str] = []
    bits: dict[str, str] = {}
    last: RejectedError | None = None

    def examine(case: Case) -> Divergence | None:
        nonlocal last
        try:
            observed = context.observe(case)
        except RejectedError as error:
            last = error
            refused.append(case.name)
            return None
        bits[case.name] = digest_of(observed)
        strange.extend(_describe_finite_numbers(case, observed))
        return context.judge(case, observed, total)

    runs = list(_runs(context, _choose_cases(context, family)))
    if not runs:
        context.skip(f"no {family} case is for {context.dtype} and what the subject has")
        return
    for run in runs:
        if found := examine(run):
            context.diverges(found, bits=bits)
            return
    measured: dict[str, Any] = {
        "cases": len(runs),
        "judged": sum(tally.judged for tally in total.values()),
        "open": sum(tally.open for tally in total.values()),
        "largest_over_bound": max(tally.largest_over_bound for tally in total.values()),
        "bits": bits,
    }
    if last is not None and len(refused) == len(runs):
        context.diverges(refusal(last, runs[0]), **measured)
    elif strange:
        context.decide(Status.UNSPECIFIED, strange[0], measured=measured)
    elif measured["judged"] and measured["judged"] == measured["open"]:
        words = f"nothing was compared: none of {measured['open']} numbers has a finite bound"
        context.decide(Status.SKIPPED, words, measured=measured)
    else:
        context.conforms(**measured, refused=refused)


def _describe_finite_numbers(case: Case, observed: list[StepResult]) -> Iterator[str]:
    """A sentence for each number that a NaN or an infinite gradient left finite.

    The page does not say what such a gradient does to the numbers, so no golden file has them.
    """
    for index, _, parameter in case.indexed_parameters():
        for element in range(parameter.theta.size):
            values = [float(g[element]) for g in parameter.gradients]
            at = next((t for t, g in enumerate(values) if not math.isfinite(g)), None)
            if at is None:
                continue
            for t, state in enumerate(observed[at:], start=at + 1):
                for quantity, seen in state_arrays(state).items():
                    came = float(seen[index][element])
                    if not (math.isnan(came) or (math.isinf(came) and math.isinf(values[at]))):
                        yield f"{quantity.value} is {came:g} after a gradient of {values[at]:g} ({case.name}, step {t})"
