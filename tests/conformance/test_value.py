"""Value: each number is within the bound of the exact one."""

from __future__ import annotations

from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.harness.check import check_quantities
from adamax_conformance.tests.conformance.harness.context import CheckContext


@check_quantities(
    "value/lockstep/{quantity}",
    title="{quantity} is within the lockstep bound of the exact step",
    since="0.1.0",
)
def test_each_step_is_within_the_bound_of_the_exact_step(context: CheckContext) -> None:
    context.compare_numbers(lockstep, strategy=context.drawn_cases(), needs_state=True)


@check_quantities(
    "value/trajectory/{quantity}",
    title="{quantity} is within the carried bound of the exact trajectory",
    since="0.1.0",
)
def test_each_run_is_within_the_carried_bound_of_the_exact_trajectory(context: CheckContext) -> None:
    context.compare_numbers(trajectory, strategy=context.drawn_cases())


@check_quantities(
    "value/scales/{quantity}",
    title="{quantity} is right at every magnitude of the format",
    since="0.1.0",
)
def test_numbers_of_every_magnitude_are_right(context: CheckContext) -> None:
    compare = lockstep if context.shows_state() else trajectory
    context.compare_numbers(compare, pinned.scales(context.format))


@check_quantities(
    "value/long-run/{quantity}",
    title="{quantity} is right after thousands of steps",
    since="0.1.0",
)
def test_thousands_of_steps_are_right(context: CheckContext) -> None:
    compare = lockstep if context.shows_state() else trajectory
    context.compare_numbers(compare, pinned.long_runs(context.format))
