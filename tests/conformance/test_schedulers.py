"""Schedulers: each of the framework's own drives the optimizer.

The check reads the rate back at each step. The rate must be the documented one, within the error that rounding
explains. Each step must be right for the rate that was in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.bounds.learning_rate import Rate, rates
from adamax_conformance.oracles.exact.trajectory import decimal
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.conformance.cases.pinned import noise
from adamax_conformance.tests.conformance.cases.schedulers import SCHEDULER_SETTINGS, STEPS, SchedulerSetting
from adamax_conformance.tests.conformance.harness.check import check
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.figures import figures, sum_tallies

_FIRST: Final = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01)
_SECOND: Final = Hyperparameters(lr=0.03, beta1=0.5, beta2=0.95, eps=0.3, weight_decay=0.1)


def _groups(context: CheckContext) -> tuple[Group, ...]:
    """One group, or two with different rates."""
    settings = (_FIRST, _SECOND) if context.has("groups") else (_FIRST,)
    return tuple(
        Group(
            setting,
            (
                Parameter(
                    noise(context.format, 1000 + 20 * i, (3,)),
                    tuple(noise(context.format, 1001 + 20 * i + t, (3,)) for t in range(STEPS)),
                ),
            ),
        )
        for i, setting in enumerate(settings)
    )


def _run_schedule(context: CheckContext, case: Case, setting: SchedulerSetting) -> list[StepResult]:
    handle = context.subject.construct(
        context.subject.groups(case),
        context.dtype,
        schedule=setting.schedule,
    )
    metrics = setting.metrics or (None,) * case.steps
    states = [
        context.subject.step(handle, case.gradients(t), metric=metrics[t - 1])
        for t in range(1, case.steps + 1)
    ]
    context.subject.release(handle)
    return states


def _rate_format(shown: Sequence[Sequence[float]]) -> Format:
    """The format that holds the rates: binary32 if it has each of them.

    Rates that are held in binary64 are hardly ever all numbers of binary32.
    """
    held = all(float(np.float32(rate)) == rate for group in shown for rate in group)
    return Format.BINARY32 if held else Format.BINARY64


@check(
    "schedulers/{setting}",
    title="{setting.id} gives its documented rate, and drives the steps",
    since="0.1.0",
    setting=SCHEDULER_SETTINGS.values(),
)
def test_the_framework_s_own_scheduler_drives_the_optimizer(
    context: CheckContext, setting: SchedulerSetting
) -> None:
    name = setting.schedule.name
    known = context.subject.info.schedulers
    if name not in known:
        words = f"the subject's framework has no {name}; it has {', '.join(known)}"
        context.skip(words if known else "the subject has no learning rate schedulers")
        return
    bare = context.target.restrict_case(Case(context.check, _groups(context)))
    observed = _run_schedule(context, bare, setting)
    if any(state.lr is None for state in observed):
        context.skip("the subject does not show its learning rate")
        return
    shown = tuple(zip(*(state.lr for state in observed), strict=True))
    case = Case(
        context.check,
        tuple(Group(g.hyperparameters, g.parameters, lr) for g, lr in zip(bare.groups, shown, strict=True)),
    )
    held = _rate_format(shown)
    wanted = [
        rates(setting.schedule, g.hyperparameters.lr, case.steps, held, setting.metrics) for g in case.groups
    ]
    largest = max(
        _error_over_bound(r, w)
        for group in zip(shown, wanted, strict=True)
        for r, w in zip(*group, strict=True)
    )
    tallies = empty_tallies(Quantity.M, Quantity.U, Quantity.THETA)
    beyond_bound = context.judge(case, observed, tallies)
    found = _first_wrong_rate(case, shown, wanted) or beyond_bound
    measured = {
        **figures(sum_tallies(tallies)),
        "rate held in": held.name.lower(),
        "rate largest_over_bound": largest,
    }
    if found is None:
        context.conforms(**measured)
    else:
        context.diverges(found, **measured)


def _error_over_bound(shown: float, wanted: Rate) -> float:
    """The error of a rate, as a fraction of its bound."""
    error = abs(wanted.exact - shown)
    if not error:
        return 0.0
    return float(error / wanted.radius) if wanted.radius and np.isfinite(shown) else float("inf")


def _first_wrong_rate(
    case: Case, shown: Sequence[Sequence[float]], wanted: Sequence[Sequence[Rate]]
) -> Divergence | None:
    """The first step with a rate that is not the documented one."""
    for t in range(1, case.steps + 1):
        for index, (group, forms) in enumerate(zip(shown, wanted, strict=True)):
            over = _error_over_bound(group[t - 1], forms[t - 1])
            if not over <= 1:
                return Divergence(
                    quantity=Quantity.OUTCOME,
                    reason=f"the learning rate of group {index} at step {t} is {group[t - 1]!r}; the scheduler "
                    f"documents {decimal(forms[t - 1].exact)}, and rounding explains {over:.4g} times less",
                    expected=decimal(forms[t - 1].exact),
                    actual=repr(group[t - 1]),
                    error_over_bound=over,
                    bound=decimal(forms[t - 1].radius, 6),
                    step=t,
                    case=case.to_json(),
                )
    return None
