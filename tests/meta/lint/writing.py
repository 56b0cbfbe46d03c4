"""A check of the prose in this tree.

It reads the first lines of docstrings, and finds words that have a plainer one.

It needs the standard library only, so it runs where nothing is installed:

    python tests/meta/lint/writing.py            the whole tree
    python tests/meta/lint/writing.py oracles    some of it

It prints one finding a line, and exits with 1 if there are any.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
ROOMS: Final = ("reference", "oracles", "impl", "reports", "tests")
PROSE: Final = frozenset(
    {".c", ".cff", ".css", ".h", ".html", ".ini", ".js", ".md", ".mjs", ".toml", ".yaml", ".yml"}
)
"""The suffixes of files whose whole text is checked for words."""
SKIPPED: Final = frozenset(
    {"__pycache__", "build", "dist", "divergence-report", "kill-matrix", "node_modules", "typings"}
)
LONGEST: Final = 80
"""The characters that the first line of a docstring may have."""
QUESTION: Final = re.compile(r"(How|Which|What|Where|When|Who|Whose|Whom|Why|Whether)\b")
"""A first line that starts like this asks; a noun phrase or an imperative says.

Only a predicate, annotated `-> bool`, may start with "Whether".
"""
NAMES: Final = frozenset({"bench", "place", "places", "seat"})
"""Names of functions, classes and parameters that say too little."""


def _phrase(pattern: str) -> re.Pattern[str]:
    """Compile a phrase whose words may stand on two lines."""
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)


WORDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (_phrase(r"(?<!there\s)\bis no\b(?! (?:longer|more|less)\b)"), "is not a"),
    (_phrase(r"\banew\b"), "again"),
    (_phrase(r"\bbeside\b"), "besides, next to"),
    (_phrase(r"\b(?:of|by) which\b"), "whose, that"),
    (_phrase(r"\bwho asks\b"), "the caller, the user"),
    (_phrase(r"\bwhoever\b"), "the caller, the user"),
    (_phrase(r"\b(?:is|are) told\b"), "is passed, is reported"),
    (_phrase(r"\b(?:is|are) said\b"), "is passed, is reported"),
    (_phrase(r"\b(?:is|are) asked\b"), "is passed, is reported"),
    (_phrase(r"\bcannot be told\b"), "cannot be determined"),
    (_phrase(r"\btelling\b"), "distinguishing"),
    (_phrase(r"\bhonest(?:ly)?\b"), "admissible"),
    (_phrase(r"\bhabits?\b"), "evaluation scheme"),
    (_phrase(r"\b(?:a|our|the|this) kit\b"), "package, suite"),
    (_phrase(r"\bbench\b"), "context"),
    (_phrase(r"\bseats?\b"), "target"),
)
"""A phrase, and what to write instead of it."""


@dataclass(frozen=True)
class Allowance:
    """A phrase that one file may use.

    Attributes:
        path: a glob over paths from the root.
        text: the text to allow, as it stands in the file; a finding inside it is dropped. `*` allows any.
        reason: the reason, which somebody will ask for.
    """

    path: str
    text: str
    reason: str


ALLOWED: Final = (
    Allowance("tests/meta/lint/test_writing.py", "*", "its samples are the findings"),
    Allowance("tests/meta/lint/writing.py", "*", "its list of words is the list"),
    Allowance("*", "tox -e bench", "the name of an environment of tox"),
    Allowance("tox.ini", "[testenv:bench]", "the name of an environment of tox"),
    Allowance("tox.ini", "dependency_groups = bench", "the name of a dependency group"),
    Allowance("pyproject.toml", "bench = [", "the name of a dependency group"),
    Allowance("reference/golden/cases.py", "*", "the comments of published cases never change"),
    Allowance("reference/golden/flags.py", "*", "the words of published flags never change"),
    Allowance(
        "reports/MATRIX.md", "*", "it repeats recorded verdicts; its own words are in reports/matrix/page.py"
    ),
    Allowance("reference/golden/README.md", "`habits`", "a key of the golden files, which are published"),
)


@dataclass(frozen=True)
class Finding:
    """A place in a file that STYLE asks to be written otherwise."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"

    @property
    def room(self) -> str:
        """The folder at the top of the tree, or `.` for a file that lies there."""
        head, slash, _ = self.path.partition("/")
        return head if slash else "."


@dataclass(frozen=True)
class _Text:
    """A piece of prose, and the line of the file that it starts on."""

    line: int
    text: str


def _allowed(path: str, text: str, match: re.Match[str], used: set[Allowance]) -> bool:
    """Look a match up in the allow-list, and note the entry that covers it."""
    for allowance in ALLOWED:
        if not fnmatchcase(path, allowance.path):
            continue
        covers = allowance.text == "*"
        start = -1 if covers else text.find(allowance.text)
        while start >= 0 and not covers:
            covers = start <= match.start() and match.end() <= start + len(allowance.text)
            start = text.find(allowance.text, start + 1)
        if covers:
            used.add(allowance)
            return True
    return False


def check_words(path: str, pieces: Iterable[_Text], used: set[Allowance]) -> Iterator[Finding]:
    """Find the phrases of the word list."""
    for piece in pieces:
        for pattern, instead in WORDS:
            for match in pattern.finditer(piece.text):
                if not _allowed(path, piece.text, match, used):
                    line = piece.line + piece.text.count("\n", 0, match.start())
                    yield Finding(path, line, f"{' '.join(match[0].split())!r}: write {instead!r}")


def check_docstring(path: str, line: int, docstring: str, *, predicate: bool = False) -> Iterator[Finding]:
    """Check the first line of a docstring: its length, and that it is not a question."""
    first = docstring.strip().partition("\n")[0].strip()
    if len(first) > LONGEST:
        yield Finding(path, line, f"the docstring's first line has {len(first)} characters, of {LONGEST}")
    if "?" in first:
        yield Finding(path, line, "the docstring's first line is a question: say what it is or does")
    elif (match := QUESTION.match(first)) and not (predicate and match[0] == "Whether"):
        yield Finding(path, line, f"the docstring starts with {match[0]!r}: say what it is or does")


def _comments(source: str) -> Iterator[_Text]:
    """The comments; those on adjacent lines are one piece."""
    comments = [
        (token.start[0], token.string.lstrip("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    breaks = [0, *(i for i, (a, b) in enumerate(pairwise(comments), 1) if b[0] != a[0] + 1), len(comments)]
    for start, end in pairwise(breaks):
        if start < end:
            yield _Text(comments[start][0], "\n".join(text for _, text in comments[start:end]))


def check_python(path: str, source: str, used: set[Allowance]) -> Iterator[Finding]:
    """Check docstrings, comments, messages and names of one Python file."""
    tree = ast.parse(source)
    pieces = list(_comments(source))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if any(character.isspace() for character in text):
                pieces.append(_Text(node.lineno, text))
            case ast.arg(arg=name) if name in NAMES:
                yield Finding(path, node.lineno, f"the parameter {name!r}: say of what")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in NAMES:
            yield Finding(path, node.lineno, f"the name {node.name!r}: say of what")
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                returns = getattr(node, "returns", None)
                predicate = isinstance(returns, ast.Name) and returns.id == "bool"
                yield from check_docstring(path, node.body[0].lineno, docstring, predicate=predicate)
    yield from check_words(path, pieces, used)


def find_files(root: Path, paths: Iterable[Path]) -> Iterator[Path]:
    """The files below some paths that have prose in them.

    Of the tree, they are those of the rooms and those at the root.
    """
    for path in paths:
        if path.is_file():
            yield path
            continue
        for child in sorted(path.iterdir()):
            if child.is_symlink() or child.name in SKIPPED:
                continue
            if child.is_dir():
                in_room = path != root or child.name in {*ROOMS, ".github", ".ci", "docs"}
                if in_room and (not child.name.startswith(".") or path == root):
                    yield from find_files(root, [child])
            elif child.suffix in PROSE or child.suffix == ".py":
                yield child


def check_tree(root: Path = ROOT, paths: Iterable[Path] | None = None) -> list[Finding]:
    """Check every file below some paths, or the whole tree.

    An entry of the allow-list that the whole tree has no use for is a finding, too.
    """
    used: set[Allowance] = set()
    findings = []
    for file in find_files(root, [root] if paths is None else paths):
        path = file.relative_to(root).as_posix()
        source = file.read_text(encoding="utf-8")
        if file.suffix == ".py":
            findings += check_python(path, source, used)
        else:
            findings += check_words(path, [_Text(1, source)], used)
    if paths is None:
        here = Path(__file__).resolve().relative_to(ROOT).as_posix()
        findings += [
            Finding(here, 1, f"nothing needs the allowance {entry.text!r} in {entry.path}: take it out")
            for entry in ALLOWED
            if entry not in used
        ]
    return sorted(findings, key=lambda finding: (finding.path, finding.line))


def main(arguments: list[str]) -> int:
    """Print the findings and how many there are in each room."""
    paths = [Path(argument).resolve() for argument in arguments]
    findings = check_tree(ROOT, paths or None)
    for finding in findings:
        print(finding)
    rooms = Counter(finding.room for finding in findings)
    if rooms:
        print(", ".join(f"{room} {count}" for room, count in rooms.most_common()), file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
