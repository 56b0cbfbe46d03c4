"""The layout: what ships in the wheel, and what may import what."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "reference": set(),
    "oracles": {"reference"},
    "impl": {"reference"},
    "reports": {"reference", "oracles", "impl"},
    "tests": {"reference", "oracles", "impl", "reports"},
}
"""Each room, and the rooms that it may import: the table of CONTRIBUTING.md."""

LEVELS = {"reference": 4, "oracles": 8, "impl": 5, "reports": 7}
"""The most levels that a room may have, as `levels` counts them: a file at its top or a folder is one."""

SHIPPED = {
    ".c",
    ".css",
    ".h",
    ".html",
    ".ini",
    ".js",
    ".json",
    ".md",
    ".mjs",
    ".py",
    ".toml",
    ".typed",
    ".yml",
}
"""The suffixes of files that a user needs."""

LEFT_OUT = {
    "reports/MATRIX.md",
    "reports/matrix.json",
    "reports/report-dark.png",
    "reports/report-light.png",
}
"""Pages and pictures for readers of the repository."""


def files(room: str) -> Iterator[Path]:
    """The files of a room, without what running it leaves behind."""
    for path in (ROOT / room).rglob("*"):
        if path.is_file() and not any(
            p == "__pycache__" or p.startswith(".") for p in path.parts[len(ROOT.parts) :]
        ):
            yield path.relative_to(ROOT)


# The wheel --------------------------------------------------------------------------------------------------------

READ_WHEEL = """
import json, sys
from pathlib import Path
from setuptools.dist import Distribution
import distutils.core
distribution = distutils.core.run_setup("setup.py", stop_after="init")
distribution.parse_config_files()
build = distribution.get_command_obj("build_py")
build.ensure_finalized()
modules = [path for *_, path in build.find_all_modules()]
data = [Path(folder) / name for _, folder, _, names in build.data_files for name in names]
json.dump(sorted({Path(path).as_posix() for path in [*modules, *data]}), sys.stdout)
"""


@pytest.fixture(scope="module")
def shipped():
    """The files that setuptools puts into the wheel, asked of setuptools itself."""
    pytest.importorskip("setuptools", minversion="77", reason="the dependency group test has it")
    command = [sys.executable, "-c", READ_WHEEL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return {Path(path) for path in json.loads(done.stdout)}


def test_every_module_of_the_rooms_ships_and_tests_meta_does_not(shipped):
    modules = {path for room in ROOMS for path in files(room) if path.suffix == ".py"}
    assert {path for path in shipped if path.suffix == ".py"} == {
        path for path in modules if path.parts[:2] != ("tests", "meta")
    }


def test_every_data_file_of_the_rooms_ships(shipped):
    data = {path for room in ROOMS for path in files(room) if path.suffix in SHIPPED - {".py"}}
    expected = {p for p in data if p.parts[:2] != ("tests", "meta") and p.as_posix() not in LEFT_OUT}
    assert {path for path in shipped if path.suffix != ".py"} == expected


def test_no_file_of_the_rooms_has_a_suffix_that_nobody_decided_on():
    found = {path for room in ROOMS for path in files(room) if path.parts[:2] != ("tests", "meta")}
    strange = {path for path in found if path.suffix not in SHIPPED and path.name != "py.typed"}
    assert {path.as_posix() for path in strange} <= LEFT_OUT


def test_every_folder_with_modules_is_a_package():
    programs = {Path("impl/programs"), Path("reports/ledger/scripts")}  # run by path, never imported
    folders = {path.parent for room in ROOMS for path in files(room) if path.suffix == ".py"}
    without = {folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()}
    assert {folder for folder in without if not any(folder.is_relative_to(p) for p in programs)} == set()


# Imports ----------------------------------------------------------------------------------------------------------


def module_name(path: Path) -> str:
    """The dotted name of a file without the namespace: `oracles.bounds.step`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for room in ROOMS
    for path in files(room)
    if path.suffix == ".py" and not {"programs", "scripts"} & set(path.parts[:-1])
}


def module_level_imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that run when a module is loaded."""
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef():
                for part in ("body", "orelse", "finalbody"):
                    yield from module_level_imports(getattr(node, part, []))
                for handler in getattr(node, "handlers", []):
                    yield from module_level_imports(handler.body)


def imported_names(name: str, path: Path) -> Iterator[str]:
    """The modules of ours that a module names in its imports, without the namespace."""
    package = f"adamax_conformance.{name}".split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in module_level_imports(ast.parse((ROOT / path).read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            members = [f"{source}.{alias.name}" for alias in node.names]
            targets = [m if m.removeprefix("adamax_conformance.") in MODULES else source for m in members]
        for target in targets:
            if target.startswith("adamax_conformance.") and target != f"adamax_conformance.{name}":
                yield target.removeprefix("adamax_conformance.")


IMPORTS = {name: set(imported_names(name, path)) for name, path in MODULES.items()}


def test_every_import_of_ours_names_a_module():
    assert {target for targets in IMPORTS.values() for target in targets} <= MODULES.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_admits(room):
    admitted = {room, *ROOMS[room]}
    wrong = {
        (name, target)
        for name, targets in IMPORTS.items()
        for target in targets
        if name.split(".")[0] == room and target.split(".")[0] not in admitted
    }
    assert wrong == set()


def test_contributing_has_the_same_table():
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(" `/"): line.split("|")[-2] for line in lines if line.startswith("| `")}
    for room, admitted in ROOMS.items():
        if room != "tests":
            assert {other for other in ROOMS if f"`{other}`" in rows[room]} == admitted, room


def test_contributing_names_every_folder():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {
        path.parts[:2] for room in ROOMS if room != "tests" for path in files(room) if path.suffix == ".py"
    }
    missing = {"/".join(f) for f in folders if not f[1].endswith(".py") and f"`{'/'.join(f)}/`" not in text}
    assert missing == set()


def test_what_ships_does_not_import_tests_meta():
    wrong = {
        (name, target)
        for name, targets in IMPORTS.items()
        for target in targets
        if target.startswith("tests.meta") and not name.startswith("tests.meta")
    }
    assert wrong == set()


def assert_acyclic(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def test_no_modules_import_each_other_in_a_circle():
    assert_acyclic(IMPORTS)


def subject(name: str) -> str:
    """The folder, or the file at the top, of a room that a module belongs to."""
    return ".".join(name.split(".")[:2])


def subjects(room: str) -> dict[str, set[str]]:
    """The imports between the folders of a room."""
    graph: dict[str, set[str]] = {}
    for name, targets in IMPORTS.items():
        if name.split(".")[0] == room and name != room:
            inside = {subject(target) for target in targets if target.split(".")[0] == room}
            graph.setdefault(subject(name), set()).update(inside - {subject(name)})
    return graph


def levels(graph: dict[str, set[str]]) -> int:
    """The nodes of the longest chain."""
    height: dict[str, int] = {}
    for node in TopologicalSorter(graph).static_order():
        height[node] = 1 + max((height[other] for other in graph.get(node, ())), default=0)
    return max(height.values())


@pytest.mark.parametrize("room", LEVELS)
def test_no_folders_import_each_other_in_a_circle(room):
    assert_acyclic(subjects(room))


@pytest.mark.parametrize("room", LEVELS)
def test_a_room_has_few_levels(room):
    assert levels(subjects(room)) <= LEVELS[room]


if __name__ == "__main__":
    for each in LEVELS:
        inside = {n: {t for t in ts if t.startswith(each)} for n, ts in IMPORTS.items() if n.startswith(each)}
        print(f"{each}: {levels(subjects(each))} levels of folders, {levels(inside)} of modules")
