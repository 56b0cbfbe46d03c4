"""A diagnosis in a record: as JSON, and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...oracles.causes.diagnosis import Diagnosis


def diagnosis_to_json(found: Diagnosis, subject: str, lacking: tuple[str, ...] = ()) -> dict[str, Any]:
    """A diagnosis as JSON values."""
    return {
        "subject": subject,
        "dtype": found.dtype,
        "diagnosis": found.sentence,
        "causes": [
            {"cause": c.slug, "sentence": c.sentence, "documented": c.documented, "line": c.line}
            for c in found.causes
        ],
        "conditions": found.conditions,
        "quantity": found.quantity,
        "lacks": list(lacking),
        "lives": found.lives,
        "diverging_lives": found.diverges,
        "raises": list(found.refused),
        "changes": list(found.changed),
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
        diverging: how many of the subject's verdicts diverge.
    """
    if not entry["lives"]:
        return f"{entry['subject']}: {entry['diagnosis']}"
    subject, seen = entry["subject"], f"{entry['diverging_lives']} of {entry['lives']} lives"
    verdicts = f"{diverging} {'divergence' if diverging == 1 else 'divergences'}"
    if lacking := entry.get("lacks"):
        verdicts = f"{verdicts}, no argument {' and no argument '.join(lacking)}"
    match len(entry["causes"]):
        case 0 if entry["conditions"]:
            return f"{subject}: {verdicts}; no known cause: {entry['conditions']} ({seen})"
        case 0:
            return f"{subject}: {verdicts}; nothing is wrong in the {entry['lives']} lives of the diagnosis"
        case 1:
            what = f"one cause explains all that is wrong in {seen}"
            return f"{subject}: {verdicts}; {what}: {entry['diagnosis']} ({entry['causes'][0]['line']})"
        case count:
            return f"{subject}: {verdicts}; {count} causes explain them alike: {entry['diagnosis']}"
