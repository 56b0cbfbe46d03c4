"""The bridges of the page, wherever their packages are installed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.rules import BiasCorrection, Epsilon
from adamax_conformance.reports.rule.identify import identify_rule

PAGE = Path(__file__).parents[3] / "impl" / "BRIDGES.md"
BRIDGES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
ROWS = dict(re.findall(r"^\| `(\w+\.py)` \| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))


def test_each_bridge_has_a_row_and_some_twenty_lines():
    assert BRIDGES.keys() == ROWS.keys()
    assert all(len(text.splitlines()) <= 25 for text in BRIDGES.values())


@pytest.mark.parametrize("file", BRIDGES)
def test_a_bridge_implements_the_formula_that_its_row_says(file, tmp_path, monkeypatch):
    if importlib.util.find_spec(ROWS[file]) is None:
        pytest.skip(f"{ROWS[file]} is not installed")
    (tmp_path / file).write_text(BRIDGES[file])
    monkeypatch.chdir(tmp_path)
    with Subject.open(f"{file}:Adamax") as subject:
        (dtype,) = subject.info.dtypes
        found = identify_rule(subject, dtype)
    assert found.rule is not None
    assert found.rule.epsilon is Epsilon.IN_DENOMINATOR
    assert found.rule.bias_correction is BiasCorrection.FIRST_MOMENT
    assert found.admissible
