"""The frameworks' documentation: well-formed, complete, in one vocabulary."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from adamax_conformance.impl.adapters.registry import BUILTIN
from adamax_conformance.impl.protocol.messages import ARGUMENTS
from adamax_conformance.reference.contract import CLAUSES
from adamax_conformance.reference.documentation import DOCUMENTATION, documentation_of
from adamax_conformance.reference.rules import Ascent, Decay, Epsilon, Rule, all_rules

ENTRIES = pytest.mark.parametrize("own", DOCUMENTATION.values(), ids=DOCUMENTATION)


@ENTRIES
def test_an_entry_speaks_of_documented_arguments_and_cites_its_source(own):
    assert set(own.defaults) | set(own.required) <= set(ARGUMENTS)
    assert not set(own.defaults) & set(own.required)
    assert own.source.startswith("https://")
    assert own.rule is None or own.rule in all_rules()
    assert own.rule is None or own.rule.ascent is Ascent.NEGATE_GRADIENT  # nobody documents another


@ENTRIES
def test_each_promise_is_about_a_clause_of_the_contract(own):
    for glob in own.raises:
        assert any(fnmatchcase(clause.id, glob) for clause in CLAUSES), glob


def test_every_built_in_subject_has_the_page_or_documentation_of_its_own():
    without = {name for name in BUILTIN if documentation_of(name) is None}
    assert {name for name in without if "functional" not in name} <= {
        "numpy",
        "mindspore",
        "mindspore[pynative]",
        "mindspore[graph]",
    }


def test_a_mode_has_its_framework_s_documentation_unless_it_has_its_own():
    assert documentation_of("torch[foreach]") is DOCUMENTATION["torch"]
    assert documentation_of("keras[torch]") is DOCUMENTATION["keras"]
    assert documentation_of("optax[adamaxw]") is not DOCUMENTATION["optax"]
    assert documentation_of("package.module:factory") is None


def test_what_a_documentation_is_silent_about_is_not_held_against_it():
    keras = DOCUMENTATION["keras"]
    assert keras.states(Rule(Epsilon.IN_DENOMINATOR, decay=Decay.DECOUPLED))
    assert not keras.states(Rule(decay=Decay.DECOUPLED))
    assert not DOCUMENTATION["pytorch_optimizer"].states(Rule())


def test_a_promise_is_told_in_a_few_words():
    own = DOCUMENTATION["mindspore[nn]"]
    assert own.promise("eps/zero") == "promises ValueError"
    assert own.promise("lr/zero") == "promises no exception"
