"""The names of subjects, and the messages about wrong ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from adamax_conformance.impl.adapters.frameworks import FRAMEWORKS
from adamax_conformance.impl.adapters.registry import BUILTIN, SubjectKind, open_adapter, parse_name
from adamax_conformance.impl.protocol.errors import (
    UnavailableError,
    UnknownSubjectError,
    UnsupportedDeviceError,
)
from adamax_conformance.impl.protocol.messages import Start

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "kind", "mode", "target"),
    [
        ("numpy", SubjectKind.NUMPY, "", ""),
        ("torch", SubjectKind.FRAMEWORK, "", ""),
        ("torch[foreach]", SubjectKind.FRAMEWORK, "foreach", ""),
        ("mindspore", SubjectKind.FRAMEWORK, "", ""),
        ("mindspore[nn]", SubjectKind.FRAMEWORK, "nn", ""),
        ("torch:torch.optim.Adamax", SubjectKind.TORCH_CLASS, "", "torch.optim.Adamax"),
        ("package.module:factory", SubjectKind.FACTORY, "", "package.module:factory"),
        ("module:Class.make", SubjectKind.FACTORY, "", "module:Class.make"),
        ("path/to/file.py:factory", SubjectKind.FACTORY, "", "path/to/file.py:factory"),
        ("C:\\path to\\file.py:factory", SubjectKind.FACTORY, "", "C:\\path to\\file.py:factory"),
        ("process:node adamax.js --fast", SubjectKind.PROCESS, "", "node adamax.js --fast"),
        ("torch:factory", SubjectKind.FACTORY, "", "torch:factory"),
    ],
)
def test_a_name_is_taken_apart(name, kind, mode, target):
    named = parse_name(name)
    assert (named.name, named.kind, named.mode, named.target) == (name, kind, mode, target)


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda row: row.names[0])
def test_every_framework_is_a_row_with_an_adapter_an_extra_and_pinned_versions(framework):
    module, _, name = framework.adapter.partition(":")
    assert f"class {name}(" in (ROOT / "impl" / "adapters" / f"{module}.py").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {str(requirement) for requirement in framework.requires}
    extras = [{x.partition(";")[0] for x in extra} for extra in project["optional-dependencies"].values()]
    assert any(wanted <= extra for extra in extras)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f"\n{framework.requires[0].package}==" in pinned


def test_every_built_in_name_is_built_in():
    assert all(parse_name(name).is_builtin for name in BUILTIN)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pytorch",
        "torch[",
        "torch[]x",
        "process:",
        "process:  ",
        "file.py",
        "file.py:",
        ":factory",
        "a b:c",
        "a:b c",
    ],
)
def test_any_other_name_is_refused_with_the_forms_that_there_are(name):
    with pytest.raises(UnknownSubjectError, match="right is one of numpy, torch,") as caught:
        parse_name(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["torch[fused]", "numpy[fast]", "mindspore[foreach]"])
def test_a_mode_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(UnknownSubjectError, match="has no such mode; there are"):
        parse_name(name)


def test_a_command_is_split_as_a_shell_would():
    assert parse_name("process:'my program' --fast").command[-1] == "--fast"


def test_our_own_runs_on_the_cpu_only():
    with pytest.raises(UnsupportedDeviceError, match="on the cpu, not on mps"):
        open_adapter(Start("numpy", "mps"))


def test_a_program_never_runs_in_this_process():
    with pytest.raises(UnavailableError, match="a process of its own"):
        open_adapter(Start("process:true"))
