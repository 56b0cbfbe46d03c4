"""Whatever evaluates the documented rule is identified as such, and then accused of nothing."""

from __future__ import annotations

import random

import pytest
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import Assumption
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases
from adamax_conformance.oracles.identify.search import identify
from adamax_conformance.oracles.judgement import findings
from adamax_conformance.reference.rules import DOCUMENTED
from adamax_conformance.tests.meta.oracles.programs import drawn_cases, drawn_program
from adamax_conformance.tests.meta.oracles.search import QUANTITIES


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_a_drawn_program_is_identified_and_accused_of_nothing(format_, seed) -> None:
    """Its own bounds hold for it (test_bounds.py); here those hold that it was identified by, which may be tighter."""
    rng = random.Random(f"{format_.dtype} {seed}")
    program = drawn_program(format_, rng)
    identified = identify([(case, program.states(case)) for case in cases(format_)], format_)
    assert (identified.rule, identified.computes_in) == (DOCUMENTED, format_)
    assert identified.admissible
    compare = trajectory if program.hidden else lockstep
    for case in drawn_cases(format_, rng, 40):
        found = findings(*QUANTITIES)
        compare(case, program.states(case), Assumption(format_, habits=identified.habits), found)
        assert not any(tally.exceeded for tally in found.values()), (program, case)
