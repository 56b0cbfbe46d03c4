"""A device conforms under its declared arithmetic, and only under that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from adamax_conformance.reports.record.record import FILE_NAME, read_record

FLUSHING = 'name = "device F, subnormal numbers flushed"\nflush_to_zero = true\n'
POWERS = 'name = "device P, powers to 4 ulp"\npower_ulp = 4.0\n'
DIVIDING = 'name = "device D, division to 2 ulp"\ndivide = 4.0\n'


@pytest.fixture
def judge(run):
    """Check an optimizer of `devices.py` in float32, with or without a declaration."""
    folder = run("--version").folder
    shutil.copy(Path(__file__).with_name("devices.py"), folder)

    def call(name, declaration=None, checks="rule/*,value/lockstep/*,special/subnormal-*"):
        asked = ["check", f"devices.py:{name}", "--dtype", "float32", "--check", checks]
        if declaration is not None:
            (folder / "device.toml").write_text(declaration, encoding="utf-8")
            asked += ["--arithmetic", "device.toml"]
        return run(*asked)

    return call


@pytest.mark.parametrize(
    ("name", "declaration", "diverging"),
    [
        ("FlushesSubnormals", FLUSHING, {"rule/subnormals"}),
        ("DividesToTwoUlp", DIVIDING, {"rule/scalars", "rule/documented"}),
        ("PowersToFourUlp", POWERS, {"rule/scalars", "rule/documented"}),
    ],
)
def test_a_device_conforms_only_under_the_arithmetic_that_is_declared_of_it(
    judge, name, declaration, diverging
):
    undeclared = judge(name, checks="rule/*")
    assert undeclared.code == 1
    assert undeclared.diverging() & diverging
    declared = judge(name, declaration)
    assert declared.code == 0, declared.out
    assert not declared.diverging()


@pytest.mark.parametrize(
    ("name", "declaration"),
    [
        ("FlushesSubnormals", DIVIDING),
        ("DividesToTwoUlp", FLUSHING),
        ("DividesToTwoUlp", DIVIDING.replace("4.0", "1.0")),
        ("PowersToFourUlp", DIVIDING),
        ("PowersToFourUlp", POWERS.replace("4.0", "1.5")),
    ],
)
def test_another_declaration_does_not_help(judge, name, declaration):
    assert judge(name, declaration, "rule/*").code == 1


def test_the_declaration_is_part_of_the_record_and_of_the_report(judge):
    ran = judge("FlushesSubnormals", FLUSHING)
    report = ran.folder / "divergence-report"
    record = read_record(report / FILE_NAME)
    assert record.header.arithmetic == {
        "name": "device F, subnormal numbers flushed",
        "add": 1.0,
        "multiply": 1.0,
        "divide": 1.0,
        "flush_to_zero": True,
        "power_ulp": 1.0,
    }
    header = json.loads((report / FILE_NAME).read_text(encoding="utf-8").splitlines()[0])
    assert header["arithmetic"]["name"] in (report / "report.md").read_text(encoding="utf-8")
    assert header["arithmetic"]["name"] in (report / "index.html").read_text(encoding="utf-8")
    assert "--arithmetic device.toml" in ran.verdicts()[0].reproduce
