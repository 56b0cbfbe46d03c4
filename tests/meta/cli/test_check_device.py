"""`check-device`: a folder with all that was judged and all that was not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED, Arithmetic
from adamax_conformance.reports import arithmetic_file
from adamax_conformance.reports.cli.check_device import check_device
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.merge import merge
from click.testing import CliRunner

FORMS = {"float32", "float64"}


def run(folder, *words):
    return CliRunner().invoke(check_device, [*words, "--output", str(folder)], standalone_mode=False)


def test_a_device_is_checked_in_every_format_and_a_run_is_recorded_there(tmp_path):
    ran = run(tmp_path / "sent", "numpy", "--check", "rule/*")
    assert ran.exception is None, ran.output
    assert ran.return_value == ExitCode.CONFORMS
    verdicts = [each for record in merge([tmp_path / "sent"]) for each in record.verdicts]
    assert {each.dtype for each in verdicts if each.check.startswith("rule/")} == FORMS
    assert any(each.check == "audit/lockstep/theta" for each in verdicts)
    about = json.loads((tmp_path / "sent" / "device.json").read_text())
    assert {each["run"]: each["exit_code"] for each in about["runs"]} == {
        "audit": 0,
        "numpy-float32": 0,
        "numpy-float64": 0,
    }
    assert len(list((tmp_path / "sent" / "recording").glob("step-*"))) == 20
    assert "the folder to send back" in ran.output


def test_what_there_was_no_time_for_is_said_and_is_not_green(tmp_path):
    ran = run(tmp_path, "numpy", "--minutes", "1e-9")
    assert isinstance(ran.exception, CommandError)
    assert ran.exception.exit_code == ExitCode.NOTHING_JUDGED
    assert "numpy-float64: not run, 0 s: the time was over" in ran.exception.message
    assert json.loads((tmp_path / "device.json").read_text())["runs"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["numpy", "--device", "hpu:1"], ExitCode.NOTHING_JUDGED, "not on hpu:1"),
        (["numpi"], ExitCode.USAGE, "did you mean numpy?"),
        (["--python", "/nowhere/python"], ExitCode.NOTHING_JUDGED, "/nowhere/python cannot be started"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(tmp_path, words, code, message):
    ran = run(tmp_path / "new", *words)
    assert isinstance(ran.exception, CommandError)
    assert (ran.exception.exit_code, ran.exception.message.count("\n")) == (code, 0)
    assert message in ran.exception.message


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    ran = run(tmp_path, "numpy")
    assert isinstance(ran.exception, CommandError)
    assert "holds mine.txt; name an empty one with --output" in ran.exception.message
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_each_documented_arithmetic_is_one_and_says_so(tmp_path):
    page = (Path(arithmetic_file.__file__).parent / "ARITHMETIC.md").read_text(encoding="utf-8")
    models = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(models) == 4
    for text in models:
        (tmp_path / "device.toml").write_text(text)
        assert arithmetic_file.load(tmp_path / "device.toml") != CORRECTLY_ROUNDED
    assert {f.name for f in fields(Arithmetic)} == set(
        re.findall(r"`(\w+)`", page.partition("Half an ulp")[0])
    ) - {"false"}


def test_recording_needs_numpy_alone_of_the_packages_that_are_installed(tmp_path):
    blocked = (
        "click",
        "hypothesis",
        "jinja2",
        "jsonschema",
        "mpmath",
        "packaging",
        "pytest",
        "rich",
        "tomli_w",
    )
    script = tmp_path / "train.py"
    script.write_text(
        f"""
import sys
sys.modules.update(dict.fromkeys({blocked!r}))  # as if they were not installed: importing one raises
import numpy as np
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
theta = np.ones(5)
optimizer = Adamax([theta])
with record(optimizer, {str(tmp_path / "recording")!r}) as recording:
    optimizer((np.ones(5),))
print(recording.recorded)
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
