"""The choice among several causes that fit."""

from __future__ import annotations

import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.causes.diagnosis import Cause, Diagnosis, fits
from adamax_conformance.oracles.causes.drawn import drawn_life
from adamax_conformance.oracles.causes.modelled import modelled
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.causes.catalogue import CATALOGUE
from adamax_conformance.reference.causes.machine import Machine
from adamax_conformance.reports.rule.decide import decide
from adamax_conformance.tests.meta.causes.subjects import Known


class FrozenMaximize(Known):
    """maximize is that of the first step of the process."""

    first: bool | None = None

    def ascent(self, g, scalars):
        if type(self).first is None:
            type(self).first = scalars.maximize
        return -g if self.first else g


def renewed() -> Subject:
    """A subject in a process of its own, as far as it can tell."""
    return Subject.in_process(type("Fresh", (FrozenMaximize,), {"first": None}), "frozen")


def cause(slug: str) -> Cause:
    """A cause of the catalogue."""
    kind = next(kind for kind in CATALOGUE if kind.slug == slug)
    return Cause(slug, kind.sentence, kind.documented, kind.line, kind)


BOTH = Diagnosis(
    dtype="float64",
    diverges=2,
    lives=2,
    steps=8,
    causes=(cause("maximize-always"), cause("maximize-frozen-in-process")),
    conditions="theta is off",
)


def test_the_answer_to_a_case_that_tells_two_causes_apart_decides() -> None:
    found = decide(BOTH, renewed)
    assert [each.slug for each in found.causes] == ["maximize-frozen-in-process"]
    assert found.asked
    assert found.sentence == found.causes[0].sentence


def test_without_a_case_that_tells_them_apart_both_are_said() -> None:
    found = decide(BOTH, renewed, budget=0.0)
    assert found.causes == BOTH.causes
    assert not found.asked
    assert all(each.sentence in found.sentence for each in BOTH.causes)


def test_a_cause_that_the_answer_refutes_is_not_said() -> None:
    found = decide(BOTH, lambda: Subject.in_process(Known, "right"))
    assert "maximize-always" not in {each.slug for each in found.causes}


@pytest.mark.parametrize("kind", [Machine, *CATALOGUE[::17]], ids=lambda kind: kind.slug or "documented")
def test_a_modelled_optimizer_is_explained_by_its_own_cause(kind: type[Machine]) -> None:
    format_ = Format.BINARY64
    own = Cause(kind.slug, kind.sentence, kind.documented, kind.line, kind)
    with Subject.in_process(modelled(kind, format_), kind.slug) as model:
        life = drawn_life(4, format_)
        assert fits(own, (life, model.live(life)), format_)
