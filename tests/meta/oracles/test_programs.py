"""Any program for the documented rule is identified, and accused of nothing."""

from __future__ import annotations

import random

import pytest
from adamax_conformance.oracles.comparison import lockstep, trajectory
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases
from adamax_conformance.oracles.identify.search import identify
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.reference.rules import DOCUMENTED
from adamax_conformance.tests.meta.oracles.programs import draw_cases, draw_program
from adamax_conformance.tests.meta.oracles.search import QUANTITIES
from adamax_conformance.tests.meta.sampling import some


@pytest.mark.parametrize("seed", some(range(8), of=2))
@pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
def test_a_drawn_program_is_identified_and_accused_of_nothing(format_, seed) -> None:
    """The bounds that it is identified by, perhaps tighter than its own, hold for it."""
    rng = random.Random(f"{format_.dtype} {seed}")
    program = draw_program(format_, rng)
    identify_rule = identify([(case, program.states(case)) for case in cases(format_)], format_)
    assert (identify_rule.rule, identify_rule.computes_in) == (DOCUMENTED, format_)
    assert identify_rule.admissible
    compare = trajectory if program.hidden else lockstep
    for case in draw_cases(format_, rng, 40):
        found = empty_tallies(*QUANTITIES)
        compare(case, program.states(case), ErrorModel(format_, scheme=identify_rule.scheme), found)
        assert not any(tally.exceeded for tally in found.values()), (program, case)
