"""A gradient that is written to is one finding, not one of every life."""

import pytest
from adamax_conformance.impl.adamax.optimizer import Adamax
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.life.findings import Aspect
from adamax_conformance.reference.life import Watched
from adamax_conformance.tests.conformance.cases.lives import Feature
from adamax_conformance.tests.conformance.cases.probes import LifeBuilder
from adamax_conformance.tests.conformance.harness.lives import LifePerformer
from adamax_conformance.tests.conformance.harness.target import Settings, Target
from adamax_conformance.tests.meta.planted.bugs_side_effects import (
    GradientDecayedInPlace,
    GradientNegatedInPlace,
)


class _ClearsTenth(Adamax):
    """The gradients of the tenth step are cleared."""

    steps = 0

    def __call__(self, gradients):
        super().__call__(gradients)
        self.steps += 1
        if self.steps == 10:
            for g in gradients:
                g[...] = 0


@pytest.mark.parametrize("factory", [Adamax, GradientDecayedInPlace, GradientNegatedInPlace])
def test_its_own_check_says_it_and_the_others_do_not(factory) -> None:
    with Subject.in_process(factory) as subject:
        performer = LifePerformer(Target(subject, "float32", Settings(shrink=False)))
        keeps = Feature.GRADIENT_KEPT in performer.features()
    assert keeps == (factory is Adamax)
    said = {
        id_
        for id_, tally in performer.tallies.items()
        if tally.divergence is not None and tally.divergence.extra.get("watched") == Watched.GRADIENT.name
    }
    assert said == (set() if keeps else {"gradient-kept"})


def test_lives_find_a_gradient_that_only_they_see_changed() -> None:
    life = LifeBuilder(Format.BINARY32, "ten").construct().step(times=10).life()
    with Subject.in_process(_ClearsTenth) as subject:
        performer = LifePerformer(Target(subject, "float32", Settings(shrink=False)))
        performer.features()
        found = performer.judge(life).findings
    assert {finding.aspect for finding in found} == {Aspect.UNTOUCHED}
