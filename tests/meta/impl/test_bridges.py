"""The bridges, where their packages are installed, and the page that lists them."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from adamax_conformance.impl.adapters.registry import BRIDGES, open_adapter, parse_name
from adamax_conformance.impl.protocol.errors import UnavailableError, UnknownSubjectError
from adamax_conformance.impl.protocol.messages import Start
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.documentation import CODE, DOCUMENTATION
from adamax_conformance.reference.rules import BiasCorrection, Decay, Epsilon
from adamax_conformance.reports.rule.identify import identify_rule

FOLDER = Path(__file__).parents[3] / "impl"
PAGE = (FOLDER / "BRIDGES.md").read_text("utf-8")
ROWS = {
    name: row
    for name, *row in re.findall(
        r"^\| \[`(bridge:\w+)`\]\(\S+\) \| (\S+) (\S+) \| ([^|]+) \| .*\((\S+)\) \|", PAGE, re.MULTILINE
    )
}
RULES = {
    "none": None,
    "documented": (Epsilon.IN_NORM, Decay.L2),
    "in-denominator": (Epsilon.IN_DENOMINATOR, Decay.L2),
    "in-denominator, decoupled": (Epsilon.IN_DENOMINATOR, Decay.DECOUPLED),
}

SOMEWHERE = """import numpy as np

class Adamax:
    def __init__(self, lr, beta1, beta2, eps):
        self.options, self.moments, self.steps = (lr, beta1, beta2, eps), {}, {}

    def step(self, key, theta, g):
        lr, beta1, beta2, eps = self.options
        m, u = self.moments.get(key, (0 * theta, 0 * theta))
        t = self.steps[key] = self.steps.get(key, 0) + 1
        m, u = beta1 * m + (1 - beta1) * g, np.maximum(beta2 * u, abs(g))
        self.moments[key] = m, u
        return theta - lr / (1 - beta1**t) * m / (u + eps)

    first_moments = property(lambda self: [m for m, _ in self.moments.values()])
    norms = property(lambda self: [u for _, u in self.moments.values()])
"""


def test_each_bridge_has_a_row_a_documentation_a_line_of_source_and_some_thirty_lines():
    assert BRIDGES.keys() == ROWS.keys()
    assert {name.removeprefix("bridge:") for name in BRIDGES} == {
        file.stem for file in FOLDER.glob("bridges/[a-z]*.py")
    }
    assert BRIDGES.keys() == {name for name in DOCUMENTATION if name.startswith("bridge:")}
    assert {name: row[-1] for name, row in ROWS.items()} == {name: CODE[name] for name in BRIDGES}
    for name in BRIDGES:
        text = (FOLDER / "bridges" / f"{name.removeprefix('bridge:')}.py").read_text("utf-8")
        assert len(text.splitlines()) <= 45


@pytest.mark.parametrize("name", ROWS)
def test_a_bridge_implements_the_rule_that_its_row_says(name):
    package, version, rule, _ = ROWS[name]
    try:
        installed = metadata.version(package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    with Subject.open(name) as subject:
        assert (subject.info.framework, subject.info.version) == (package, installed)
        found = identify_rule(subject, subject.info.dtypes[0]).rule
    if installed == version:
        assert (found and (found.epsilon, found.decay)) == RULES[rule]
        assert found is None or found.bias_correction is BiasCorrection.FIRST_MOMENT


@pytest.mark.parametrize("name", CODE)
def test_a_line_of_source_is_where_the_maximum_is_taken(name):
    found = re.search(
        r"(?:/blob/[^/]*?|-)([0-9.]+)(?:-py3-none-any\.whl)?/(\S+)#(?:L|line\.)(\d+)$", CODE[name]
    )
    if found is None:
        pytest.skip("it is of no version")
    version, path, line = found.groups()
    tail = "/".join(path.split("/")[-2:])
    files = [
        Path(str(file.locate()))
        for each in metadata.distributions()
        if each.version.partition("+")[0] == version
        for file in each.files or ()
        if str(file).endswith(tail)
    ]
    if not files:
        pytest.skip(f"{path} of version {version} is not installed")
    lines = [file.read_text("utf-8").splitlines()[int(line) - 1 : int(line)] for file in files]
    assert any("max" in each.lower() for found in lines for each in found)


def test_the_snippet_of_the_page_is_a_bridge(tmp_path, monkeypatch):
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "own.py").write_text(snippet)
    (tmp_path / "somewhere.py").write_text(SOMEWHERE)
    (tmp_path / "somewhere-1.5.dist-info").mkdir()
    (tmp_path / "somewhere-1.5.dist-info" / "METADATA").write_text("Name: somewhere\nVersion: 1.5\n")
    monkeypatch.chdir(tmp_path)
    with Subject.open("own.py:Adamax") as subject:
        assert (subject.info.framework, subject.info.version) == ("somewhere", "1.5")
        found = identify_rule(subject, "float32")
    assert found.rule is not None
    assert found.rule.epsilon is Epsilon.IN_DENOMINATOR
    assert found.admissible


def test_an_unknown_bridge_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownSubjectError, match="the bridges are bridge:braintools, "):
        parse_name("bridge:nothing")
    with pytest.raises(
        UnknownSubjectError, match=r"'bridge:rivers' is unknown; did you mean bridge:river\? "
    ):
        parse_name("bridge:rivers")


def test_a_bridge_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.delitem(sys.modules, "adamax_conformance.impl.bridges.river", raising=False)
    with pytest.raises(
        UnavailableError, match=r"^bridge:river is not here .* get it with: \S+ -m pip install river$"
    ):
        open_adapter(Start("bridge:river", "cpu"))
