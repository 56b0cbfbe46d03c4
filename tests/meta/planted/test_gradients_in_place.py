"""A gradient that is written to is one finding, not one of every life."""

import pytest
from adamax_conformance.impl.adamax.optimizer import Adamax
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.life.findings import Aspect
from adamax_conformance.tests.conformance.cases.probes import LifeBuilder, writing_lives
from adamax_conformance.tests.conformance.harness.lives import LifePerformer
from adamax_conformance.tests.conformance.harness.target import Settings, Target
from adamax_conformance.tests.meta.planted.bugs_side_effects import (
    GradientDecayedInPlace,
    GradientNegatedInPlace,
)


class _ClearsThird(Adamax):
    """The gradients of the third step are cleared."""

    steps = 0

    def __call__(self, gradients):
        super().__call__(gradients)
        self.steps += 1
        if self.steps == 3:
            for g in gradients:
                g[...] = 0


def findings(factory, life):
    with Subject.in_process(factory) as subject:
        performer = LifePerformer(Target(subject, "float32", Settings(shrink=False)))
        return performer.judge(life).findings


@pytest.mark.parametrize("factory", [Adamax, GradientDecayedInPlace, GradientNegatedInPlace])
def test_lives_leave_a_gradient_that_every_step_writes_to_to_its_own_check(factory) -> None:
    for life in writing_lives(Format.BINARY32):
        assert findings(factory, life) == []


def test_lives_find_a_gradient_that_only_they_see_changed() -> None:
    life = LifeBuilder(Format.BINARY32, "three").construct().step(times=3).life()
    assert {finding.aspect for finding in findings(_ClearsThird, life)} == {Aspect.UNTOUCHED}
