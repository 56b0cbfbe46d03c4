"""The published matrix as Markdown: rules, verdicts, and how to migrate.

`python -m adamax_conformance.reports.matrix.page FILE` writes the page again from the data next to it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...oracles.formats import Format
from ...oracles.verdict import Status
from ...reference.documentation import DOCUMENTATION, PAGE_ADDRESS, Documentation, code_of, documentation_of
from ...reference.hyperparameters import DEFAULTS
from ...reference.migration import Adjustment, adjustments
from ...reference.rules import Ascent, BiasCorrection, Decay, Rule, all_rules
from ..accuracy.page import RECORD
from ..escape import markdown, markdown_code, one_line
from ..ledger.ledger import Ledger
from ..record.record import Record, write_file
from ..render.summary import GROUPS, OTHER_FORMULA, SYMBOL, WITHOUT_VALUES, few, other_formula
from .model import Matrix, MatrixRow, from_json, gather_matrix, to_json

_RULES: Final = {rule.name: rule for rule in all_rules()}
_LONGEST: Final = 240
_NAME: Final = 80
_ROWS: Final = 400
"""The most rows of a table, so that the page stays a page for any record."""
_NAMES: Final = 60
"""The most names in a cell."""
_BINARY64: Final = Format.BINARY64.name.lower()
_BAD: Final = (Status.DIVERGES, Status.BROKEN)


DATA_FILE: Final = "matrix.json"
"""The file of the page's data, next to it."""


def write_matrix(records: Sequence[Record], file: Path, ledger: Ledger | None = None) -> None:
    """Write the page of some runs, and its data next to it; a ledger is applied again.

    Rows of the data that is there, and that no run renews, stay.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: what is there is not the data of such a page.
    """
    data_file = file.with_name(DATA_FILE)
    earlier = _read(data_file) if data_file.is_file() else None
    data = to_json(replace(gather_matrix(records, ledger, earlier), accuracy=_recorded_accuracy()))
    write_file(data_file, text(data).encode("utf-8", "replace"))
    write_file(file, page(from_json(data)).encode("utf-8", "replace"))


def _read(data_file: Path) -> Matrix:
    try:
        return from_json(json.loads(data_file.read_text("utf-8")))
    except (AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        problem = one_line(f"{type(error).__name__}: {error}")
        raise ValueError(
            f"{data_file} is not the data of a matrix that could be renewed ({problem}); remove it to begin again"
        ) from None


def _recorded_accuracy() -> dict[str, dict[str, float]]:
    """The largest known errors of theta after one step."""
    return {
        answer["subject"]: {
            each["dtype"]: each["error"]
            for each in answer["known"]
            if each["quantity"] == "theta" and not each["whole run"]
        }
        for answer in json.loads(RECORD.read_text("utf-8"))
    }


def text(data: Mapping[str, Any]) -> str:
    """The page's data as the text of a file: one line for each row and each reason."""
    plain = {name: value for name, value in data.items() if name not in {"rows", "reasons"}}
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in plain.items()]
    for name in ("reasons", "rows"):
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in data[name])
        members.append(f"{json.dumps(name)}: [\n{lines}\n]")
    return "{\n" + ",\n".join(members) + "\n}\n"


def page(matrix: Matrix) -> str:
    """Render the whole page."""
    return "\n".join(_lines(matrix)) + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    yield from ("# Everyone's Adamax", "")
    yield from _first_screen(matrix)
    yield from ("", "## What was run", "")
    yield from _opening(matrix)
    yield from ("", "## Which rule each follows", "")
    yield from _rules(matrix)
    yield ""
    yield (
        "A part cannot be determined if the subject has no argument for it. Complex parameters are not among the "
        "formats that are judged: PyTorch and pytorch_optimizer take the norm of each part, Optax and MLX that of the "
        "modulus."
    )
    yield from ("", "## What the suite says", "")
    yield from _verdicts(matrix)
    if any(cell.status in _BAD for row in matrix.rows for cell in row.cells):
        yield from ("", "## Divergences that no ledger lists", "")
        yield from _findings(matrix, _BAD)
    yield from ("", "## Known divergences", "")
    yield from _findings(matrix, (Status.KNOWN,))
    yield from ("", "## What is skipped", "")
    yield from _skipped(matrix)
    yield from ("", "## What each documents as its defaults", "")
    yield from _defaults()
    yield from ("", "## From one framework to another", "")
    yield from _migration(matrix)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    left_out = 0
    for number, row in enumerate(rows):
        if number < _ROWS:
            yield f"| {' | '.join(row)} |"
        else:
            left_out += 1
    if left_out:
        yield from ("", f"{left_out:,} more rows are left out here; `{DATA_FILE}` has all.")


def _first_screen(matrix: Matrix) -> Iterator[str]:
    """A row for each formula: who has it, how accurately, and what surprises."""
    groups: dict[str, dict[str, list[MatrixRow]]] = {}
    for row in matrix.rows:
        rule = _RULES.get(str(row.rule.get("rule")))
        words = "of no known rule" if rule is None else _formula(rule)
        framework = row.subject.partition("[")[0]
        groups.setdefault(words, {}).setdefault(framework, []).append(row)
    modes = {row.subject for row in matrix.rows}
    yield from _table(
        ("formula", "who, in which formats", "error of theta in a step", "what surprises"),
        (
            (
                markdown(words),
                ", ".join(few((_who(rows, modes) for rows in found.values()), _NAMES)),
                ", ".join(few(_errors(matrix, found), _NAMES)),
                "; ".join(few(_surprising(matrix, found), _NAMES)),
            )
            for words, found in sorted(groups.items(), key=lambda item: -len(item[1]))
        ),
    )
    yield ""
    yield (
        "A name leads to the documentation, its arrow to the line of the source, a surprise to its issue. Errors are "
        "the largest known ones in ulp, of float32 and float64 ([how they were found](ACCURACY.md)). The reasons of the "
        "surprises are among the [known divergences](#known-divergences). Names with a colon are "
        "[bridges](../impl/BRIDGES.md)."
    )


def _formula(rule: Rule) -> str:
    """The formula of u, and the parts of the step that are not the page's."""
    words = [rule.epsilon.value]
    if rule.bias_correction is BiasCorrection.NONE:
        words.append(rule.bias_correction.value)
    if rule.decay is Decay.DECOUPLED:
        words.append("decoupled decay")
    return "; ".join(words)


def _who(rows: Sequence[MatrixRow], subjects: Collection[str]) -> str:
    """A framework, or those of its subjects that have a formula, and their formats."""
    framework = rows[0].subject.partition("[")[0]
    own = dict.fromkeys(row.subject for row in rows)
    whole = own.keys() == {name for name in subjects if name.partition("[")[0] == framework}
    shown = [framework] if whole else list(own)
    names = " ".join(_linked(markdown_code(name, _NAME), _page_of(name)) for name in shown)
    code = code_of(shown[0])
    arrow = f" [↗]({code})" if code else ""
    dtypes = dict.fromkeys(row.dtype.replace("float", "") for row in rows)
    return f"{names}{arrow} {markdown(' '.join(dtypes), _NAME)}"


def _linked(words: str, address: str) -> str:
    return f"[{words}]({address})" if address else words


def _page_of(subject: str) -> str:
    """The address of a subject's documentation; empty for our own."""
    own = documentation_of(subject)
    if own is not None:
        return own.source
    return PAGE_ADDRESS if subject.startswith("mindspore") else ""


def _errors(matrix: Matrix, found: Mapping[str, Sequence[MatrixRow]]) -> Iterator[str]:
    """The errors of the frameworks that have a record."""
    for rows in found.values():
        for name in dict.fromkeys(row.subject for row in rows):
            if errors := matrix.accuracy.get(name):
                figures = (f"{errors[d]:.3g}" for d in ("float32", "float64") if d in errors)
                yield f"{markdown_code(name, _NAME)} {' / '.join(figures)}"
                break


def _surprising(matrix: Matrix, found: Mapping[str, Sequence[MatrixRow]]) -> Iterator[str]:
    """The surprises, each with the subjects that it is of."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for row in (row for rows in found.values() for row in rows):
        for surprise in matrix.surprises.get(row.subject, {}).items():
            names = subjects.setdefault(surprise, [])
            framework = row.subject.partition("[")[0]
            if not any(name.partition("[")[0] == framework for name in names):
                names.append(row.subject)
    for (words, address), names in subjects.items():
        shown = ", ".join(markdown_code(name, _NAME) for name in names)
        yield f"{shown}: {_linked(markdown(words, _LONGEST), address)}"


def _opening(matrix: Matrix) -> Iterator[str]:
    days = sorted({row.created[:10] for row in matrix.rows})
    span = markdown(" to ".join(dict.fromkeys(days[:1] + days[-1:])) or "never")
    subjects = {row.subject for row in matrix.rows}
    count = sum(len(row.cells) for row in matrix.rows)
    yield (
        f"{count} verdicts of suite {markdown(matrix.suite, _NAME)} on {len(subjects)} subjects in "
        f"{len(matrix.rows)} rows, recorded {span}. "
        "`tox -m matrix` records them again and writes this page, and one environment of it renews the rows of its "
        "subjects; it is never edited, and a test compares it with "
        "`matrix.json`, which keeps every verdict."
    )
    yield ""
    versions = dict.fromkeys((row.framework, row.version, row.runtime) for row in matrix.rows)
    yield from _table(
        ("framework", "version", "ran on"),
        ([markdown(word, _NAME) for word in words] for words in versions),
    )


def _rules(matrix: Matrix) -> Iterator[str]:
    found: dict[tuple[str, ...], list[str]] = {}
    for row in matrix.rows:
        found.setdefault(_rule_cells(row), []).append(row.dtype)
    head = (
        "subject",
        "rule",
        "its documentation",
        "cannot be determined",
        "first moment",
        "scalars of m, u, theta",
        "in",
    )
    yield from _table(head, ((*cells, markdown(", ".join(dtypes), _NAME)) for cells, dtypes in found.items()))


def _rule_cells(row: MatrixRow) -> tuple[str, ...]:
    facts = row.rule
    name = facts.get("rule")
    own = documentation_of(row.subject)
    if own is None:
        there = "the page"
    elif own.rule is None:
        there = "no formula"
    else:
        agrees = any(own.states(_RULES[n]) for n in (name, *(facts.get("also") or ())) if n in _RULES)
        there = "as found" if agrees else _in_words(own.rule.name)
        there += f", silent about {' and '.join(own.silent)}" if own.silent else ""
    return (
        markdown_code(row.subject, _NAME),
        "not identified" if not facts else "none" if name is None else _in_words(str(name)),
        there,
        markdown(", ".join(part.replace("_", " ") for part in facts.get("open") or ()), _LONGEST),
        markdown(facts.get("form") or "", _NAME),
        markdown(_scalars(row), _LONGEST),
    )


def _in_words(name: str) -> str:
    rule = _RULES.get(name)
    if rule is None:
        return markdown(name, _NAME)
    return markdown("; ".join(rule.deviations) or "documented")


def _scalars(row: MatrixRow) -> str:
    """The formats of the scalars, and of all computation if that is not the dtype's."""
    own = {each.dtype: each.name.lower() for each in Format}.get(row.dtype, "")

    def word(name: str) -> str:
        return "working" if name == own != _BINARY64 else name

    found = row.rule.get("scalars")
    scalars = [word(name) for name in found.values()] if isinstance(found, Mapping) else []
    words = scalars[0] if len(set(scalars)) == 1 else ", ".join(scalars)
    computed = row.rule.get("computed in") or ""
    return words if computed in ("", own) else f"{words}; all computed in {computed}"


def _verdicts(matrix: Matrix) -> Iterator[str]:
    groups = dict.fromkeys([*GROUPS, *(s.check.partition("/")[0] for row in matrix.rows for s in row.cells)])
    symbols = ", ".join(f"{SYMBOL[s]} {s.value}" for s in Status)
    checks = len({s.check for row in matrix.rows for s in row.cells if not s.check.startswith("ledger/")})
    yield from (
        f"How many checks of each layer say what: {symbols}. There are {checks} checks; a run that was made before one "
        "came, or that was cut off, has fewer.",
        "",
    )
    others = dict.fromkeys(filter(None, (other_formula(row.rule) for row in matrix.rows)))
    letters = dict(zip(others, map(_letter, range(len(others))), strict=True))
    if letters:
        yield "Values are held to the formula that the subject follows. It is the page's, but for cells with:"
        yield ""
        yield from (f"- **{OTHER_FORMULA}{letter}**: {markdown(words)}" for words, letter in letters.items())
        yield ""

    def cell(row: MatrixRow, group: str) -> str:
        counts = Counter(s.status for s in row.cells if s.check.partition("/")[0] == group)
        parts = [f"{SYMBOL[s]}{counts[s]}" for s in Status if counts[s]]
        other = other_formula(row.rule)
        if other and set(counts) - {Status.SKIPPED, Status.BROKEN} and group not in WITHOUT_VALUES:
            parts.append(f"{OTHER_FORMULA}{letters[other]}")
        return " ".join(parts)

    yield from _table(
        ("subject", "dtype", "checks", *(markdown(group, _NAME) for group in groups)),
        (
            (
                markdown_code(row.subject, _NAME),
                markdown(row.dtype, _NAME),
                str(len(row.cells)),
                *(cell(row, group) for group in groups),
            )
            for row in matrix.rows
        ),
    )


def _letter(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    rest, last = divmod(index, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("A") + last)


def _findings(matrix: Matrix, statuses: Sequence[Status]) -> Iterator[str]:
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in matrix.rows:
        for cell in row.cells:
            if cell.status in statuses:
                where = found.setdefault((cell.check, cell.reason), {})
                where.setdefault(row.subject, []).append(row.dtype)
    if not found:
        yield "None."
        return
    formats: dict[str, list[str]] = {}
    for row in matrix.rows:
        formats.setdefault(row.subject, []).append(row.dtype)
    yield from ("A subject without a dtype: in all that it was run in.", "")
    yield from _table(
        ("check", "where", "what"),
        (
            (markdown_code(check, _LONGEST), _places(where, formats), markdown(reason, _LONGEST))
            for (check, reason), where in sorted(found.items())
        ),
    )


def _places(where: Mapping[str, Sequence[str]], formats: Mapping[str, Sequence[str]]) -> str:
    places = (
        " ".join(
            [
                markdown_code(subject, _NAME),
                *([markdown(", ".join(dtypes), _NAME)] if dtypes != formats[subject] else []),
            ]
        )
        for subject, dtypes in where.items()
    )
    return "; ".join(few(places, _NAMES))


def _skipped(matrix: Matrix) -> Iterator[str]:
    found: dict[tuple[str, str], set[str]] = {}
    for row in matrix.rows:
        for cell in row.cells:
            if cell.status is Status.SKIPPED:
                found.setdefault((row.subject, cell.reason), set()).add(cell.check)
    yield from _table(
        ("subject", "why", "checks"),
        (
            (markdown_code(subject, _NAME), markdown(reason, _LONGEST), str(len(checks)))
            for (subject, reason), checks in sorted(found.items())
        ),
    )


def _defaults() -> Iterator[str]:
    names = tuple(DEFAULTS.options())

    def cell(name: str, defaults: Mapping[str, Any], required: Sequence[str]) -> str:
        if name in required:
            return "no default"
        return markdown(str(defaults[name])) if name in defaults else "no such argument"

    yield from _table(
        ("documentation", *names, "states"),
        [
            (
                "the page (mindspore.experimental.optim.Adamax)",
                *(markdown(str(x)) for x in DEFAULTS.options().values()),
                "documented",
            ),
            *(
                (
                    f"[{markdown(own.title)}]({own.source})",
                    *(cell(name, own.defaults, own.required) for name in names),
                    _stated_rule(own),
                )
                for own in DOCUMENTATION.values()
            ),
        ],
    )


def _stated_rule(own: Documentation) -> str:
    if own.rule is None:
        return "no formula"
    return "; ".join([_in_words(own.rule.name), *(f"nothing of {part}" for part in own.silent)])


def followers(matrix: Matrix) -> dict[Rule, list[str]]:
    """The subjects of each rule in the matrix.

    A part that a subject has no argument for counts as none.
    """
    found: dict[Rule, list[str]] = {}
    for row in matrix.rows:
        name = row.rule.get("rule")
        if not isinstance(name, str) or name not in _RULES:
            continue
        rule = _RULES[name]
        if "decay" in (row.rule.get("open") or ()):
            rule = replace(rule, decay=Decay.NONE)
        if "ascent" in (row.rule.get("open") or ()):
            rule = replace(rule, ascent=Ascent.NONE)
        subjects = found.setdefault(rule, [])
        if row.subject not in subjects and not any(row.subject in others for others in found.values()):
            subjects.append(row.subject)
    return {
        rule: subjects
        for rule, subjects in found.items()
        if subjects and rule.ascent is not Ascent.NEGATE_AFTER_DECAY
    }


def _migration(matrix: Matrix) -> Iterator[str]:
    yield (
        "What has to be done in the framework on the left so that it follows the trajectory of the one above: pass "
        "its lr, betas, eps and weight_decay, never rely on defaults, and do what the letters say. `=` is nothing. "
        "In exact arithmetic the trajectories are then the same: `tests/meta/oracles/test_migration.py` "
        "proves it of each cell, in fractions."
    )
    yield ""
    yield from (f"- **{a.letter}**: {a.words}." for a in Adjustment)
    yield ""
    yield (
        "With eps=0, a gradient that was always 0 divides 0 by 0. Where eps=0 is refused, or taken for the default "
        "(as by `bridge:tf_keras_legacy`), scale the loss: gradients "
        "and eps times a constant give the same trajectory (without decay), so gradients alone times 2^k make eps 2^k "
        "times smaller. With an eps above 0 in different places, a step differs by less than "
        "eps/((1 - beta2)\\*u + eps) of itself, and without decay these differences add up."
    )
    yield ""
    found = followers(matrix)
    names = {
        rule: ", ".join(few((markdown_code(subject, _NAME) for subject in subjects), _NAMES))
        for rule, subjects in found.items()
    }
    yield from _table(
        ("", *names.values()),
        (
            (f"**{name}**", *(_letters(leader, follower) for leader in found))
            for follower, name in names.items()
        ),
    )


def _letters(leader: Rule, follower: Rule) -> str:
    needed = adjustments(leader, follower, decays=leader.decay is not Decay.NONE)
    return "".join(a.letter for a in Adjustment if a in needed) or "="


if __name__ == "__main__":
    published = Path(sys.argv[1])
    data = json.loads(published.with_name(DATA_FILE).read_text("utf-8"))
    published.write_text(page(from_json(data)), encoding="utf-8", newline="\n")
