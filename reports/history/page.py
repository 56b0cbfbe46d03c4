"""The page of the histories, from answers of `history --json`.

`python -m adamax_conformance.reports.history.page FILE...` adds answers to the record, and writes the page again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..escape import markdown, markdown_code
from ..record.record import write_file
from .model import ALWAYS, Bits, Course, History, condense, from_json, in_words, to_json

RECORD: Final = Path(__file__).with_name("recorded.json")
PAGE: Final = RECORD.parents[1] / "HISTORY.md"
_SHOWN: Final = 6

_HEAD: Final = """# Every version

Each framework in several versions, one after the other in an environment of its own: since which version a check
diverges, when it stopped, and which version changed a bit of a golden trajectory. A version between two recorded ones
was not tried. Of most versions the contract, the rule, the golden trajectories, bookkeeping, special values and some
lives were checked; where more was checked of others, it says "not judged". In every version: of those that are listed.

`adamax-conformance history SUBJECT --versions A,B,C` does it again. The data are in
[`history/recorded.json`](history/recorded.json); a test holds the page to them, and the versions of
[the ledger](ledger/README.md) as well.
"""


def page(histories: Iterable[History]) -> str:
    """The page of some histories."""
    histories = sorted(histories, key=lambda each: (each.subject, each.device))
    return "\n".join(
        [_HEAD, *_overview(histories), *(line for each in histories for line in _lines(each)), ""]
    )


def _overview(histories: Sequence[History]) -> Iterator[str]:
    yield "| subject | versions | checks that diverge or broke | in every version | versions that changed bits |"
    yield "| --- " * 5 + "|"
    for history in histories:
        names = [each.version for each in history.versions]
        courses = history.courses
        always = [c for c in courses if in_words(history, c.states) == ALWAYS]
        changed = [v for v in names if any(b.version == v and b.changed for b in history.bits)]
        yield (
            f"| {markdown_code(history.subject)} | {markdown(', '.join(names))} | "
            f"{len({c.check for c in courses})} | {len({c.check for c in always})} | "
            f"{markdown(', '.join(changed)) or 'none'} |"
        )


def _lines(history: History) -> Iterator[str]:
    device = "" if history.device == "cpu" else f" on {markdown(history.device)}"
    yield from ("", f"## {markdown(history.subject)}{device}", "")
    found: dict[tuple[str, str], list[Course]] = {}
    for course in history.courses:
        folder = course.check.rpartition("/")[0]
        found.setdefault((in_words(history, course.states), folder), []).append(course)
    if not found:
        yield "No check diverges in any version."
    else:
        yield "| when | checks | what |"
        yield "| --- " * 3 + "|"
    for (when, _), courses in sorted(found.items(), key=lambda item: (item[0][0] == ALWAYS, item[0])):
        by_check: dict[str, list[str]] = {}
        for course in courses:
            by_check.setdefault(course.check, []).append(course.dtype)
        groups: dict[str, list[str]] = {}
        for check, dtypes in by_check.items():
            groups.setdefault(", ".join(dtypes), []).append(check)
        checks = "; ".join(
            f"{', '.join(map(markdown_code, names[:_SHOWN]))}{_more(len(names) - _SHOWN)} ({dtypes})"
            for dtypes, names in groups.items()
        )
        reasons = list(dict.fromkeys(course.reason for course in courses))
        rest = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        yield f"| {markdown(when)} | {checks} | {markdown(reasons[0], 240)}{rest} |"
    yield ""
    yield from (f"- {markdown(bits_in_words(each))}" for each in condense(history.bits))


def bits_in_words(bits: Bits) -> str:
    """The change of the golden trajectories from a version to the next, in a sentence."""
    start = f"{bits.dtype}, from {bits.before} to {bits.version}"
    if not bits.compared:
        return f"{start}: no trajectory that both have"
    if not bits.changed:
        return f"{start}: the same bits in {bits.compared} golden trajectories"
    names = ", ".join(bits.changed[:_SHOWN]) + _more(len(bits.changed) - _SHOWN)
    return f"{start}: other bits in {len(bits.changed)} of {bits.compared} golden trajectories ({names})"


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def main(files: Sequence[str]) -> None:
    """Add answers to the record, those of a subject in the place of its earlier ones."""
    known = [from_json(each) for each in json.loads(RECORD.read_text("utf-8"))] if RECORD.exists() else []
    histories = {(each.subject, each.device): each for each in known}
    for file in files:
        for value in json.loads(Path(file).read_text("utf-8")):
            history = from_json(value)
            histories[history.subject, history.device] = history
    listed = [histories[key] for key in sorted(histories)]
    write_file(RECORD, (json.dumps([to_json(each) for each in listed], indent=1) + "\n").encode())
    write_file(PAGE, page(listed).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
