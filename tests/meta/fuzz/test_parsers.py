"""Damaged inputs are read or refused in one line.

This is a sample of what `parsers.py` tries.
"""

from __future__ import annotations

import pytest
from adamax_conformance.tests.meta.fuzz.parsers import fuzz, parsers

_SAMPLE = 60


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_right_inputs_are_read(parser, tmp_path):
    for seed in parser.seeds:
        parser.parse(seed, tmp_path)


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_damaged_inputs_are_read_or_refused_in_one_line(parser):
    assert fuzz(parser, _SAMPLE, seed=1) == []
