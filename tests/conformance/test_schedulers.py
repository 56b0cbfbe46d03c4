"""Schedulers: the page asks for a dynamic learning rate, so each of the framework's own drives the optimizer.

The rate is read back at each step. It must be the documented one, within what rounding may do to it, and each step
must be right with the rate that was in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.bounds.learning_rate import Rate, rates
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.exact.trajectory import decimal
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.conformance.cases.pinned import noise
from adamax_conformance.tests.conformance.cases.schedulers import SETTINGS, STEPS, Setting
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.figures import figures, merge

_FIRST: Final = Hyperparameters(lr=0.1, beta1=0.8, beta2=0.7, eps=0.01)
_SECOND: Final = Hyperparameters(lr=0.03, beta1=0.5, beta2=0.95, eps=0.3, weight_decay=0.1)


def _groups(bench: Bench) -> tuple[Group, ...]:
    """One group, or two with rates of their own."""
    settings = (_FIRST, _SECOND) if bench.has("groups") else (_FIRST,)
    return tuple(
        Group(
            setting,
            (
                Parameter(
                    noise(bench.format, 1000 + 20 * i, (3,)),
                    tuple(noise(bench.format, 1001 + 20 * i + t, (3,)) for t in range(STEPS)),
                ),
            ),
        )
        for i, setting in enumerate(settings)
    )


def _run(bench: Bench, case: Case, setting: Setting) -> list[StepResult]:
    handle = bench.subject.construct(
        bench.subject.groups(case),
        bench.dtype,
        schedule=setting.schedule,
    )
    metrics = setting.metrics or (None,) * case.steps
    states = [
        bench.subject.step(handle, case.gradients(t), metric=metrics[t - 1]) for t in range(1, case.steps + 1)
    ]
    bench.subject.release(handle)
    return states


def _held_in(shown: Sequence[Sequence[float]]) -> Format:
    """The format of the rates: binary32 where each is a number of it, which rates of binary64 hardly are."""
    held = all(float(np.float32(rate)) == rate for group in shown for rate in group)
    return Format.BINARY32 if held else Format.BINARY64


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.check("schedulers/{setting}")
def test_the_framework_s_own_scheduler_drives_the_optimizer(bench: Bench, setting: Setting) -> None:
    check, name = f"schedulers/{setting.id}", setting.schedule.name
    known = bench.subject.info.schedulers
    if name not in known:
        words = f"the subject's framework has no {name}; it has {', '.join(known)}"
        bench.skip(words if known else "the subject has no learning rate schedulers")
        return
    bare = bench.seat.expressible(Case(check, _groups(bench)))
    observed = _run(bench, bare, setting)
    if any(state.lr is None for state in observed):
        bench.skip("the subject does not show its learning rate")
        return
    shown = tuple(zip(*(state.lr for state in observed), strict=True))
    case = Case(
        check,
        tuple(Group(g.hyperparameters, g.parameters, lr) for g, lr in zip(bare.groups, shown, strict=True)),
    )
    held = _held_in(shown)
    wanted = [
        rates(setting.schedule, g.hyperparameters.lr, case.steps, held, setting.metrics) for g in case.groups
    ]
    largest = max(
        _over(r, w) for group in zip(shown, wanted, strict=True) for r, w in zip(*group, strict=True)
    )
    tallies = findings(Quantity.M, Quantity.U, Quantity.THETA)
    compare = lockstep if bench.shows_state() else trajectory
    compare(case, observed, bench.seat.assumption(), tallies)
    found = _first_wrong(case, shown, wanted) or next(
        (t.divergence for t in tallies.values() if t.divergence is not None), None
    )
    total = findings(Quantity.THETA)[Quantity.THETA]
    for tally in tallies.values():
        merge(total, tally)
    measured = {**figures(total), "rate held in": held.name.lower(), "rate largest_over_bound": largest}
    if found is None:
        bench.conforms(check, **measured)
    else:
        bench.diverges(check, found, **measured)


def _over(shown: float, wanted: Rate) -> float:
    """How far a rate is off, as a fraction of what it may be."""
    error = abs(wanted.exact - shown)
    if not error:
        return 0.0
    return float(error / wanted.radius) if wanted.radius and np.isfinite(shown) else float("inf")


def _first_wrong(
    case: Case, shown: Sequence[Sequence[float]], wanted: Sequence[Sequence[Rate]]
) -> Divergence | None:
    """The first step with a rate that is not the documented one."""
    for t in range(1, case.steps + 1):
        for place, (group, forms) in enumerate(zip(shown, wanted, strict=True)):
            over = _over(group[t - 1], forms[t - 1])
            if not over <= 1:
                return Divergence(
                    quantity=Quantity.OUTCOME,
                    reason=f"the learning rate of group {place} at step {t} is {group[t - 1]!r}; the scheduler "
                    f"documents {decimal(forms[t - 1].exact)}, and rounding explains {over:.4g} times less",
                    expected=decimal(forms[t - 1].exact),
                    actual=repr(group[t - 1]),
                    error_over_bound=over,
                    bound=decimal(forms[t - 1].radius, 6),
                    step=t,
                    case=case.to_json(),
                )
    return None
