"""The diagnosis of wrong optimizers with a known cause, and of right ones."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.causes.diagnosis import Diagnosis
from adamax_conformance.oracles.causes.lives import cause_lives
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.causes.catalogue import CATALOGUE, RULES, composed
from adamax_conformance.reference.life import Construct, Life, Step
from adamax_conformance.reference.values import Values
from adamax_conformance.reports.record.diagnosis import diagnosis_to_json
from adamax_conformance.reports.rule.diagnose import diagnose_subject
from adamax_conformance.reports.rule.life_lines import life_lines
from adamax_conformance.tests.meta.causes.subjects import CAUSES, CONDITIONS, Known
from adamax_conformance.tests.meta.planted import faithful
from adamax_conformance.tests.meta.sampling import crossed


def _diagnosis(factory: type, dtype: str = "float64", search: float = 4.0) -> Diagnosis:
    with Subject.in_process(factory, factory.__name__) as subject:
        return diagnose_subject(subject, dtype, search)


@pytest.mark.parametrize("wrong", CAUSES, ids=lambda wrong: wrong.__name__)
def test_the_cause_of_a_wrong_optimizer_is_named_and_no_other(wrong: type[Known]) -> None:
    found = _diagnosis(wrong)
    assert [set(cause.slug.split("+")) for cause in found.causes] == [set(wrong.cause.split("+"))]
    assert all(part in found.besides for part in wrong.besides)
    assert bool(found.besides) == bool(wrong.besides)
    assert found.shortest is not None
    assert list(life_lines(found.shortest))


@pytest.mark.parametrize("wrong", CONDITIONS, ids=lambda wrong: wrong.__name__)
def test_without_a_known_cause_the_conditions_and_the_first_quantity_are_reported(wrong: type[Known]) -> None:
    found = _diagnosis(wrong, search=1.0)
    assert not found.causes
    assert wrong.condition in found.conditions
    assert found.quantity == wrong.quantity


@pytest.mark.parametrize(("right", "dtype"), crossed([Known, *faithful.FAITHFUL], ("float64", "float32")))
def test_a_faithful_optimizer_has_no_cause(right: type, dtype: str) -> None:
    if dtype in getattr(right, "dtypes", (dtype,)):
        found = _diagnosis(right, dtype)
        assert not found.is_wrong, found.sentence


def test_a_diagnosis_is_json() -> None:
    found = _diagnosis(CAUSES[0])
    read = json.loads(json.dumps(diagnosis_to_json(found, "a subject")))
    assert read["causes"][0]["cause"] == "lr-of-step-before"
    assert Life.from_json(read["life"]) == found.shortest


@pytest.mark.parametrize("format_", Format)
def test_every_number_of_the_lives_is_one_of_the_format(format_: Format) -> None:
    for life in cause_lives(format_):
        for values in _arrays(life):
            assert all(map(format_.holds, values.pattern)), life.name
            assert all(format_.holds(x) for _, x in values.exceptions), life.name


def _arrays(life: Life) -> Iterator[Values]:
    for action in life.actions:
        match action:
            case Construct():
                yield from (p.values for group in action.groups for p in group.parameters)
            case Step():
                yield from (spec.values for spec in action.gradients if spec.values is not None)


def test_every_deviation_says_what_a_maintainer_would() -> None:
    for kind in CATALOGUE:
        assert kind.sentence
        assert kind.line
        assert kind.documented
        assert kind.line != kind.documented


def test_a_rule_of_several_parts_says_each_of_them_once() -> None:
    assert len({kind.slug for kind in RULES}) == len(RULES)
    for kind in RULES:
        assert len(kind.slug.split("+")) > 1
        assert len(set(kind.documented.split("; "))) == len(kind.documented.split("; "))


def test_two_deviations_compose_in_either_order() -> None:
    first, second = CATALOGUE[0], CATALOGUE[-1]
    for pair in (composed(first, second), composed(second, first)):
        assert first.sentence in pair.sentence
        assert second.sentence in pair.sentence
