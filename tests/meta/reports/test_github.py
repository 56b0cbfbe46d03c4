"""The action, the templates to copy, and our own workflow are valid and pinned.

The options that they pass exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from adamax_conformance import reports
from adamax_conformance.reports.cli.checks import matches
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS

yaml = pytest.importorskip("ruamel.yaml", reason="comes with check-jsonschema")

ROOT = Path(__file__).resolve().parents[3]
ACTION = ROOT / "action.yml"
TEMPLATES = Path(reports.__file__).parent / "ci"
WORKFLOW = TEMPLATES / "workflow.yml"
GITLAB = TEMPLATES / "gitlab.yml"
PRE_COMMIT = TEMPLATES / "pre-commit.yml"
OUR_WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
OURS = "OWNER/adamax-conformance@v0.1.0"
"""The action of this repository, as others name it."""


def load(path):
    return yaml.YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def steps():
    for step in load(ACTION)["runs"]["steps"]:
        yield ACTION, step
    for path in (WORKFLOW, OUR_WORKFLOW):
        for job in load(path)["jobs"].values():
            for step in job["steps"]:
                yield path, step


UNFIT = {"--quiet", "--print-known", "--in-process"}
"""The options of `check` that are for somebody at a terminal."""


def script(name):
    return next(step["run"] for _, step in steps() if step.get("name") == name)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (ACTION, "vendor.github-actions"),
        (WORKFLOW, "vendor.github-workflows"),
        (OUR_WORKFLOW, "vendor.github-workflows"),
        (GITLAB, "vendor.gitlab-ci"),
        (ROOT / ".github" / "dependabot.yml", "vendor.dependabot"),
        (ROOT / ".github" / "ISSUE_TEMPLATE" / "false-alarm.yml", "vendor.github-issue-forms"),
        (ROOT / "CITATION.cff", "vendor.citation-file-format"),
    ],
)
def test_it_is_valid_by_its_published_schema(path, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_expression_is_written_into_a_script():
    for path, step in steps():
        assert "${{" not in step.get("run", ""), (path, step)


@pytest.mark.parametrize("path", [WORKFLOW, OUR_WORKFLOW])
def test_a_workflow_may_do_no_more_than_read(path):
    assert load(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", [ACTION, WORKFLOW, OUR_WORKFLOW])
def test_every_action_is_pinned_by_digest_with_its_version(path):
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for name in used:
        assert name == OURS or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", name), name


def test_the_files_agree_on_the_digest_of_an_action():
    pins = {}
    for _, step in steps():
        if "uses" in step:
            action, _, pin = step["uses"].partition("@")
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("page", ["README.md", "tests/README.md"])
def test_the_pages_name_the_action_as_the_workflow_does(page):
    assert f"uses: {OURS}\n" in (ROOT / page).read_text(encoding="utf-8")


def test_the_release_that_the_pages_name_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert OURS.endswith(f"@v{project['version']}")
    assert load(ROOT / "CITATION.cff")["version"] == project["version"]


def test_our_workflow_runs_what_the_readme_says():
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if "tox" in line
    ]
    assert commands[-1] in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert ".ci/run" in {step.get("run") for path, step in steps() if path == OUR_WORKFLOW}


def test_every_input_of_the_action_is_used_and_every_used_one_is_declared():
    text = ACTION.read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(load(ACTION)["inputs"])


def test_the_workflow_passes_what_the_action_takes():
    used = [step for _, step in steps() if step.get("uses") == OURS]
    assert used
    assert set(used[0]["with"]) <= set(load(ACTION)["inputs"])


def options_of(command):
    return {
        option
        for parameter in cli.get_command(click.Context(cli), command).params
        for option in parameter.opts
        if option[:2] == "--"
    }


def commands():
    """Every command line in a script or a template."""
    for _, step in steps():
        yield from step.get("run", "").splitlines()
    yield from load(GITLAB)["adamax"]["script"]
    yield from (hook["entry"] for repo in load(PRE_COMMIT)["repos"] for hook in repo["hooks"])


def test_the_options_are_those_of_the_command_line():
    seen = set()
    for line in commands():
        for command, rest in re.findall(r"adamax-conformance (check|report|diff)\b(.*)", line):
            seen.add(command)
            assert set(re.findall(r"--[a-z-]+", rest)) <= options_of(command)
    assert {"check", "report"} <= seen


def test_every_option_of_check_is_an_input_of_the_action_and_is_passed():
    inputs = set(load(ACTION)["inputs"])
    assert options_of("check") - UNFIT == {
        f"--{name}" for name in inputs - {"subject", "requirements", "artifact"}
    }
    loops = re.findall(r"for option in (.*); do", script("Check"))
    assert {f"--{name}" for words in loops for name in words.split()} == options_of("check") - UNFIT


def test_the_template_for_pre_commit_names_checks_that_there_are():
    (hook,) = load(PRE_COMMIT)["repos"][0]["hooks"]
    words = shlex.split(hook["entry"])
    globs = words[words.index("--check") + 1].split(",")
    assert all(any(matches(check, [glob]) for check in CHECKS) for glob in globs)
    assert hook["pass_filenames"] is False


def test_one_command_names_the_owner_everywhere_on_the_day_of_publication(tmp_path):
    """Run it on a copy of every page that names the repository."""
    named = [ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "action.yml", *TEMPLATES.iterdir()]
    for path in named:
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "publish", tmp_path / ".ci")
    done = subprocess.run(
        [tmp_path / ".ci" / "publish", "somebody"], capture_output=True, text=True, check=True
    )
    assert "./pyproject.toml" in done.stdout.splitlines()
    for path in named:
        text = (tmp_path / path.relative_to(ROOT)).read_text(encoding="utf-8")
        assert text == path.read_text(encoding="utf-8").replace("OWNER/", "somebody/")
        assert "OWNER" not in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("subject", "code"), [("numpy", 0), ("nobody knows", 2), ("optimizers.py:WithoutBiasCorrection", 1)]
)
def test_the_action_s_script_checks_and_reports(tmp_path, subject, code):
    """Run the script as a runner does, with a suite of one quick check.

    Inputs are in the environment; outputs and the summary go to files.
    """
    files = {name: tmp_path / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "adamax-conformance"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m adamax_conformance.reports.cli.main "$@"\n')
    command.chmod(0o755)
    shutil.copy(Path(__file__).parents[1] / "cli" / "optimizers.py", tmp_path)
    given = {
        "dtype": "float64",
        "check": "contract/lr/zero contract/lr/int",
        "report": "re port",
        "seed": "3",
    }
    given |= {"skip": "contract/*/int", "timeout": "50", "subject": subject}
    declared = {name: str(about.get("default", "")) for name, about in load(ACTION)["inputs"].items()}
    environment = {
        **os.environ,
        **{f"input_{name.replace('-', '_')}": given.get(name, value) for name, value in declared.items()},
        "GITHUB_ACTIONS": "true",
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
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
    assert ("::error title=Adamax conformance::" in done.stdout) is (code == 1)
    if code == 1:
        assert "no bias correction" in files["GITHUB_STEP_SUMMARY"].read_text()
        assert "--seed 3 --timeout 50.0" in read_record(tmp_path / "re port").verdicts[0].reproduce
    if code == 0:
        assert files["GITHUB_STEP_SUMMARY"].read_text().startswith("# ✓ Conforms")
        assert [v.check for v in read_record(tmp_path / "re port").verdicts] == [
            "contract/lr/zero",
            "rule/documented",
            "rule/scalars",
            "rule/subnormals",
        ]
