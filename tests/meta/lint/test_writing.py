"""The check of prose: what it finds, what it lets pass, and the whole tree."""

from __future__ import annotations

import subprocess
import sys

import pytest
from adamax_conformance.tests.meta.lint import writing


def messages(source, path="oracles/somewhere.py"):
    return [finding.message for finding in writing.check_python(path, source, set())]


@pytest.mark.parametrize(
    "line",
    [
        "Is this a question?",
        "How is a program asked so that it can neither hang nor crash?",
        "Which rules are there",
        "What comes back",
        "Whether a rule is known",
        "x" * 81,
    ],
)
@pytest.mark.parametrize(
    "source", ['"""{}"""', 'def f():\n    """{}"""', 'class C:\n    """{}\n\n    More.\n    """']
)
def test_a_first_line_that_asks_or_is_too_long_is_found(source, line):
    assert len(messages(source.format(line))) == 1


@pytest.mark.parametrize(
    "line", ["The whole formula.", "Read one chunk.", "Whatever comes, as bytes.", "x" * 80]
)
def test_a_noun_phrase_or_an_imperative_passes(line):
    assert messages(f'def f():\n    """{line}\n\n    What more is there to say?\n    """') == []


def test_a_predicate_may_say_whether():
    assert messages('def f() -> bool:\n    """Whether a rule is known."""') == []


@pytest.mark.parametrize(
    "text",
    [
        "this is no file",
        "measure it anew",
        "a file beside it",
        "the rule, of which there are three",
        "the rule by\nwhich it goes",
        "one who asks",
        "whoever comes",
        "what it is told",
        "what is said",
        "it is asked",
        "it cannot be told from that",
        "a telling case",
        "an honest evaluation",
        "a habit",
        "the kit itself",
        "a bench",
        "a seat",
    ],
)
def test_a_phrase_of_the_list_is_found_in_prose_comments_and_messages(text):
    sources = (
        f'"""A module.\n\n{text}\n"""',
        "\n".join(f"# {line}" for line in text.split("\n")),
        f"raise ValueError({text!r})",
        f"print(f{f'{{x}} {text} {{y}}'!r})",
    )
    assert [len(messages(source)) for source in sources] == [1] * len(sources)
    assert len(list(writing.check_words("README.md", [writing._Text(1, text)], set()))) == 1


@pytest.mark.parametrize(
    "text",
    ["there is no file", "this is no longer so", "besides", "in which case", "a kitchen", "dishonesty"],
)
def test_its_neighbours_pass(text):
    assert messages(f'"""A module: {text}."""') == []


def test_a_key_is_not_prose():
    assert messages('record["habits"] = 1') == []


@pytest.mark.parametrize(
    "source",
    [
        "def place(): ...",
        "def f(place): ...",
        "def f(*, bench): ...",
        "f = lambda seat: 0",
        "class place: ...",
    ],
)
def test_a_name_that_says_too_little_is_found(source):
    assert len(messages(source)) == 1


def test_a_finding_names_its_line():
    text = writing._Text(7, "one\ntwo\nthis is\nno file")
    (finding,) = writing.check_words("README.md", [text], set())
    assert str(finding) == "README.md:9: 'is no': write 'is not a'"
    assert finding.room == "."


def test_an_allowance_covers_its_own_text_only():
    used = set()
    text = "`tox -e bench` prints it; the bench does not"
    findings = list(writing.check_words("README.md", [writing._Text(1, text)], used))
    assert len(findings) == 1
    assert [allowance.text for allowance in used] == ["tox -e bench"]


def test_every_allowance_has_a_reason():
    assert all(allowance.reason for allowance in writing.ALLOWED)


def test_it_reads_the_rooms_and_what_lies_at_the_root():
    found = {
        path.relative_to(writing.ROOT).as_posix() for path in writing.find_files(writing.ROOT, [writing.ROOT])
    }
    assert {
        "README.md",
        "oracles/BOUNDS.md",
        "reference/formula.py",
        "reports/render/templates/page.html",
    } <= found
    assert not [path for path in found if path.startswith("typings/") or "__pycache__" in path]


def test_it_runs_where_nothing_is_installed(tmp_path):
    (tmp_path / "bad.py").write_text('"""What is this?"""\n', encoding="utf-8")
    script = f"import sys; sys.argv[0] = ''; import runpy; g = runpy.run_path({writing.__file__!r})"
    check = f"print(*g['check_tree'](g['Path']({str(tmp_path)!r}), [g['Path']({str(tmp_path)!r})]))"
    command = [sys.executable, "-I", "-S", "-c", f"{script}; {check}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("bad.py:1: ")


def test_the_tree_reads_as_style_asks():
    assert [str(finding) for finding in writing.check_tree()] == []
