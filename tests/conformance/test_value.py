"""Value: is each number within the bound of the exact one?"""

from __future__ import annotations

import pytest
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.tests.conformance.cases import pinned
from adamax_conformance.tests.conformance.harness.context import Bench


def _ids(prefix: str) -> pytest.MarkDecorator:
    return pytest.mark.check(*(f"{prefix}/{quantity}" for quantity in ("theta", "m", "u")))


@_ids("value/lockstep")
def test_each_step_is_within_the_bound_of_the_exact_step(bench: Bench) -> None:
    bench.numbers("value/lockstep", lockstep, strategy=bench.drawn(), needs_state=True)


@_ids("value/trajectory")
def test_each_run_is_within_the_carried_bound_of_the_exact_trajectory(bench: Bench) -> None:
    bench.numbers("value/trajectory", trajectory, strategy=bench.drawn())


@_ids("value/scales")
def test_numbers_of_every_magnitude_are_right(bench: Bench) -> None:
    compare = lockstep if bench.shows_state() else trajectory
    bench.numbers("value/scales", compare, pinned.scales(bench.format))


@_ids("value/long-run")
def test_thousands_of_steps_are_right(bench: Bench) -> None:
    compare = lockstep if bench.shows_state() else trajectory
    bench.numbers("value/long-run", compare, pinned.long_runs(bench.format))
