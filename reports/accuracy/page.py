"""The page of the largest known errors, from answers of `accuracy --json`.

`python -m adamax_conformance.reports.accuracy.page FILE...` adds answers to the record, and writes the page again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..escape import markdown, markdown_code
from ..record.record import write_file

RECORD: Final = Path(__file__).with_name("recorded.json")
PAGE: Final = RECORD.parents[1] / "ACCURACY.md"

_HEAD: Final = """# How accurate is each?

The largest error that a search found, in ulp: of m, u and theta after one step from the optimizer's own state, and of
theta after 50 steps against the exact run. In brackets stands the proven bound of the same input. A longer search may
find more. It says proved where no input can have an error that is a tenth larger: of our own optimizer, whose operations
are known ([the proof](../oracles/BOUNDS.md#our-own-in-ulp)).

An error of m is in ulp of the largest of m and its two terms, one of theta in ulp of the larger of theta before and
after the step, or of the largest theta of the run: a difference may be as small as one likes. Every number is of
ordinary size, beta1 and beta2 begin between 0.05 and 1 - 2^-10, and there is no weight decay. Each optimizer is measured
by the formula that it implements, which is not the page's for all ([the matrix](MATRIX.md) says whose).

The last column says how often theta is rounded correctly: at near-ties, where the exact result is constructed to lie
within 2^-10 ulp of the middle of two numbers, and at ordinary inputs next to them, where lr alone differs. The step is
2^6 to 2^12 ulp of theta: small enough that most optimizers round an ordinary input correctly.

`adamax-conformance accuracy SUBJECT` searches again. The inputs of the table are in
[`accuracy/recorded.json`](accuracy/recorded.json); `adamax-conformance accuracy SUBJECT --again FILE` measures those
of an answer of `--json` once more. A compiled loop may round otherwise on another processor. Subjects share a row where
the search found the same in every number.
"""

_COLUMNS: Final = (("m", False), ("u", False), ("theta", False), ("theta", True))


def page(answers: Iterable[Mapping[str, Any]]) -> str:
    """The page of some answers."""
    return "\n".join([_HEAD, *_lines(answers), ""])


def _lines(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    answers = sorted(answers, key=lambda each: str(each["subject"]))
    yield "| optimizer | dtype | m | u | theta | theta after 50 steps | rounded correctly: near-ties, others |"
    yield "| --- " * 7 + "|"
    rows: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for answer in answers:
        for dtype in dict.fromkeys(each["dtype"] for each in answer["known"]):
            known = {(e["quantity"], e["whole run"]): e for e in answer["known"] if e["dtype"] == dtype}
            cells = tuple(_cell(known.get(column)) for column in _COLUMNS)
            rows.setdefault((dtype, *cells, _near_ties(answer, dtype)), []).append(answer)
    for cells, sharing in rows.items():
        versions = dict.fromkeys(markdown(answer["version"]) for answer in sharing)
        names = ", ".join(markdown_code(answer["subject"]) for answer in sharing)
        yield f"| {names} {', '.join(versions)} | {' | '.join(cells)} |"
    left = [(answer["subject"], words) for answer in answers for words in answer.get("not measured", ())]
    if left:
        yield ""
        yield "What cannot be measured:"
        yield ""
        yield from (f"- {markdown_code(subject)}: {markdown(words)}" for subject, words in left)


def _near_ties(answer: Mapping[str, Any], dtype: str) -> str:
    found = next((each for each in answer.get("near ties", ()) if each["dtype"] == dtype), None)
    if found is None:
        return "m and u are hidden"
    return f"{found['correct']}, {found['ordinary']} of {found['inputs']}"


def _cell(known: Mapping[str, Any] | None) -> str:
    if known is None:
        return "m and u are hidden"
    proved = ", proved" if known["proved"] else ""
    return f"{_number(known['error'])} ({_number(known['bound'])}{proved})"


def _number(value: float) -> str:
    return f"{value:.4g}" if value >= 1 else f"{value:.4f}"


def join(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer, with what an earlier one of the same version found that is larger."""
    if old is None or old["version"] != new["version"]:
        return new
    largest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for each in (*new["known"], *old["known"]):
        key = (each["dtype"], each["quantity"], each["whole run"])
        if key not in largest or each["error"] > largest[key]["error"]:
            largest[key] = each
    return {**new, "known": list(largest.values())}


def main(files: Sequence[str]) -> None:
    """Add answers to the record; of each subject and version the largest errors stay."""
    answers = (
        {each["subject"]: each for each in json.loads(RECORD.read_text("utf-8"))} if RECORD.exists() else {}
    )
    for file in files:
        answer = json.loads(Path(file).read_text("utf-8"))
        answers[answer["subject"]] = join(answers.get(answer["subject"]), answer)
    listed = [answers[name] for name in sorted(answers)]
    write_file(RECORD, (json.dumps(listed, indent=1) + "\n").encode())
    write_file(PAGE, page(listed).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
