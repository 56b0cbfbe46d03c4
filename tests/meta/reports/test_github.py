"""The workflow and the action that users copy: valid, safe, and of options that the command line has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from adamax_conformance import reports
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.record import read_record

yaml = pytest.importorskip("ruamel.yaml", reason="comes with check-jsonschema")

GITHUB = Path(reports.__file__).parent / "github"
ACTION = GITHUB / "action" / "action.yml"
WORKFLOW = GITHUB / "workflow.yml"


def load(path):
    return yaml.YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def steps():
    for step in load(ACTION)["runs"]["steps"]:
        yield ACTION, step
    for job in load(WORKFLOW)["jobs"].values():
        for step in job["steps"]:
            yield WORKFLOW, step


def script(name):
    return next(step["run"] for _, step in steps() if step.get("name") == name)


@pytest.mark.parametrize(
    ("path", "schema"), [(ACTION, "vendor.github-actions"), (WORKFLOW, "vendor.github-workflows")]
)
def test_it_is_valid_by_github_s_own_schema(path, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_expression_is_written_into_a_script():
    for path, step in steps():
        assert "${{" not in step.get("run", ""), (path, step)


def test_the_workflow_may_do_no_more_than_read():
    assert load(WORKFLOW)["permissions"] == {"contents": "read"}


def test_every_input_of_the_action_is_used_and_every_used_one_is_declared():
    text = ACTION.read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(load(ACTION)["inputs"])


def test_the_workflow_passes_what_the_action_takes():
    used = [step for _, step in steps() if "reports/github/action@" in step.get("uses", "")]
    assert used
    assert set(used[0]["with"]) <= set(load(ACTION)["inputs"])


def test_the_options_are_those_of_the_command_line():
    for _, step in steps():
        for command, rest in re.findall(r"adamax-conformance (\w+)(.*)", step.get("run", "")):
            assert command in cli.commands
            known = {option for parameter in cli.commands[command].params for option in parameter.opts}
            assert set(re.findall(r"--[a-z-]+", rest)) <= known
    known = {option for parameter in cli.commands["check"].params for option in parameter.opts}
    assert set(re.findall(r"(--[a-z]+) \"", script("Check"))) <= known


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(("subject", "code"), [("numpy", 0), ("nobody knows", 2)])
def test_the_action_s_script_checks_and_reports(tmp_path, subject, code):
    """As a runner has it: inputs in the environment, files for outputs and summary; a kit of one quick check."""
    files = {name: tmp_path / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    (tmp_path / "bin").mkdir()
    kit = tmp_path / "bin" / "adamax-conformance"
    kit.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m adamax_conformance.reports.cli.main "$@" --check contract/lr/zero\n'
    )
    kit.chmod(0o755)
    inputs = {
        "DTYPE": "float64",
        "DEVICE": "cpu",
        "PROFILE": "quick",
        "KNOWN": "",
        "SUITE": "",
        "REPORT": "re port",
    }
    environment = {
        **os.environ,
        **inputs,
        "SUBJECT": subject,
        "PATH": f"{kit.parent}{os.pathsep}{os.environ['PATH']}",
        **{name: str(path) for name, path in files.items()},
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script("Check")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert files["GITHUB_OUTPUT"].read_text() == f"exit-code={code}\n"
    if code == 0:
        assert files["GITHUB_STEP_SUMMARY"].read_text().startswith("# ✓ Conforms")
        assert [v.check for v in read_record(tmp_path / "re port").verdicts] == ["contract/lr/zero"]
