"""The command in a report is ours, whatever a record says."""

from __future__ import annotations

import shlex

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.render.command import command_of
from adamax_conformance.tests.meta.reports.samples import verdict

_OURS = "adamax-conformance check torch --dtype float32 --check value/x"


def shown(reproduce, **fields):
    names = {"subject": "torch", "dtype": "float32", "check": "value/x", "reproduce": reproduce} | fields
    return command_of(verdict(Status.DIVERGES, **names))


@pytest.mark.parametrize(
    "more", ["", " --seed 3 --profile full", " --timeout 5.0 --in-process", " --known 'a b'"]
)
def test_our_own_command_is_shown_as_it_is(more):
    assert shown(_OURS + more) == _OURS + more


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "rm -rf /",
        "adamax-conformance; rm -rf /",
        "adamax-conformance check 'torch",
        "sh -c 'adamax-conformance check'",
    ],
)
def test_another_command_is_not_shown(foreign):
    assert shown(foreign) == ""


@pytest.mark.parametrize(
    "more", ["; rm -rf /", " | sh", " $(id)", " `id`", "\nrm -rf /", " --report /etc -- -p evil"]
)
def test_what_is_no_option_of_ours_is_left_out(more):
    assert shown(_OURS + more) == _OURS


@pytest.mark.parametrize("subject", ["process:x; rm -rf /", "$(id)", "a'b", "`id`"])
def test_a_subject_is_one_word(subject):
    words = shlex.split(shown(_OURS, subject=subject))
    assert words[2] == subject
    assert len(words) == 7


@pytest.mark.parametrize("subject", ["--python=evil", "a\nrm", "a\x1b[2J", "a\u202eb", ""])
def test_a_subject_that_is_no_plain_word_has_no_command(subject):
    assert shown(_OURS, subject=subject) == ""


def test_an_audit_is_shown_with_its_folder():
    line = "adamax-conformance audit 'my run' --step 3 --unfinished"
    assert shown(f"{line} --output /etc") == line
