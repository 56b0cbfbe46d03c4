"""A diagnosis in a record: as JSON, and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...oracles.causes.diagnosis import Diagnosis
from ...oracles.verdict import Verdict
from ...reference.contract import CLAUSES, Outcome

REFUSALS: Final = frozenset(f"contract/{each.id}" for each in CLAUSES if each.outcome is Outcome.REJECT)
"""The checks on what must be refused."""


def is_of_arguments(verdict: Verdict) -> bool:
    """Whether a verdict is on arguments alone, and on no number that a step gave."""
    divergence = verdict.divergence
    has_case = divergence is not None and divergence.case is not None
    return verdict.check in REFUSALS or (verdict.check.startswith("contract/") and not has_case)


def diagnosis_to_json(
    found: Diagnosis,
    subject: str,
    lacking: tuple[str, ...] = (),
    explained: tuple[tuple[str, str], ...] | None = None,
) -> dict[str, Any]:
    """A diagnosis as JSON values.

    Args:
        found: the diagnosis.
        subject: its name.
        lacking: the options that it has no argument for.
        explained: the check and dtype of each divergence that the cause explains; None if none was asked.
    """
    more = {} if explained is None else {"explains": [list(each) for each in explained]}
    return more | {
        "subject": subject,
        "dtype": found.dtype,
        "diagnosis": found.sentence,
        "causes": [
            {"cause": c.slug, "sentence": c.sentence, "documented": c.documented, "line": c.line}
            for c in found.causes
        ],
        "conditions": found.conditions,
        "besides": found.besides,
        "quantity": found.quantity,
        "lacks": list(lacking),
        "lives": found.lives,
        "diverging_lives": found.diverges,
        "raises": list(found.refused),
        "changes": list(found.changed),
        "asked": [life.to_json() for life in found.asked],
        "life": None if found.shortest is None else found.shortest.to_json(),
    }


def undiagnosed_to_json(subject: str, dtype: str, reason: str) -> dict[str, Any]:
    """A diagnosis that did not come about, as JSON values."""
    return {
        "subject": subject,
        "dtype": dtype,
        "diagnosis": f"not diagnosed: {reason}",
        "causes": [],
        "conditions": "",
        "lives": 0,
        "diverging_lives": 0,
    }


def diagnosis_in_words(entry: Mapping[str, Any], diverging: int) -> str:
    """A diagnosis of a record in one sentence.

    Args:
        entry: what `diagnosis_to_json` made.
        diverging: how many of the subject's verdicts diverge, without those on arguments.
    """
    if not entry["lives"]:
        return f"{entry['subject']}: {entry['diagnosis']}"
    besides = f"; besides, {entry['besides']}" if entry.get("besides") else ""
    return f"{_causes_in_words(entry, diverging)}{besides}"


def _causes_in_words(entry: Mapping[str, Any], diverging: int) -> str:
    subject = entry["subject"]
    seen = entry.get("seen", f"{entry['diverging_lives']} of {entry['lives']} lives")
    verdicts = f"{diverging} {'divergence' if diverging == 1 else 'divergences'}"
    if lacking := entry.get("lacks"):
        verdicts = f"{verdicts}, no argument {' and no argument '.join(lacking)}"
    match len(entry["causes"]):
        case 0 if entry["conditions"]:
            return f"{subject}: {verdicts}; no known cause: {entry['conditions']} ({seen})"
        case 0:
            return f"{subject}: {verdicts}; nothing is wrong in the {entry['lives']} lives of the diagnosis"
        case count if "explains" in entry:
            cause = "one cause explains" if count == 1 else f"each of {count} causes explains"
            lacks = "".join(f"; it has no argument {name}" for name in entry.get("lacks", ()))
            of = f"{len(entry['explains'])} of {verdicts.partition(',')[0]}"
            return f"{subject}: {cause} {of}: {entry['diagnosis']} ({entry['causes'][0]['line']}){lacks}"
        case 1:
            what = f"one cause explains all that is wrong in {seen}"
            return f"{subject}: {verdicts}; {what}: {entry['diagnosis']} ({entry['causes'][0]['line']})"
        case count:
            return f"{subject}: {verdicts}; {count} causes explain them alike: {entry['diagnosis']}"
