"""The history of a subject, from the records of its versions.

A record names the version of the subject's framework, has a verdict for each check, and of each golden trajectory a
digest of its bits. `gather` puts the versions next to each other; `to_json` and `from_json` convert the result for a
file, and everything that is shown is made from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from ...oracles.verdict import Status, Verdict
from ..ledger.ledger import Ledger
from ..record.record import Record

DIVERGES: Final = "d"
DOCUMENTED: Final = "o"
JUDGED: Final = "c"
BROKEN: Final = "b"
UNJUDGED: Final = "."
_STATES: Final[Mapping[Status, str]] = {
    Status.CONFORMS: JUDGED,
    Status.DIVERGES: DIVERGES,
    Status.KNOWN: DIVERGES,
    Status.UNSPECIFIED: JUDGED,
    Status.SKIPPED: UNJUDGED,
    Status.BROKEN: BROKEN,
}
ALWAYS: Final = "in every version"
_GOLDEN: Final = "golden/"
_LEDGER: Final = "ledger/"


@dataclass(frozen=True)
class Recorded:
    """One version.

    Attributes:
        version: of the framework.
        runtime: of the language, and of NumPy.
        created: when its last run began, in ISO 8601.
    """

    version: str
    runtime: str
    created: str


@dataclass(frozen=True)
class Course:
    """A check that diverged or broke in some version, in one dtype.

    Attributes:
        check: the id.
        dtype: the working format.
        states: a letter for each version: `d` diverges, `o` diverges as the framework documents it, `b` broken,
            `c` none of these, `.` not judged.
        reason: of the newest version in which it diverged or broke.
    """

    check: str
    dtype: str
    states: str
    reason: str


@dataclass(frozen=True)
class Bits:
    """The golden trajectories of a version, next to those of the one before.

    Attributes:
        before: the earlier version.
        version: the later one.
        dtype: the working format.
        compared: how many trajectories both have.
        changed: the names of those that differ in a bit.
    """

    before: str
    version: str
    dtype: str
    compared: int
    changed: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """The history of one subject on one device.

    Attributes:
        subject: as on the command line.
        device: where it ran.
        versions: from the oldest on.
        courses: of the checks that diverged or broke somewhere.
        bits: for each dtype and each version but the first.
    """

    subject: str
    device: str
    versions: tuple[Recorded, ...]
    courses: tuple[Course, ...]
    bits: tuple[Bits, ...]


def gather(records: Iterable[Record]) -> list[History]:
    """The history of each subject and device in some records.

    If several runs have a verdict of one version on the same, the last one counts.

    Args:
        records: of any subjects and versions.
    """
    verdicts: dict[tuple[str, str], dict[str, dict[tuple[str, str], Verdict]]] = {}
    recorded: dict[tuple[str, str], dict[str, Recorded]] = {}
    for record in sorted(records, key=lambda each: each.header.created):
        facts = {str(each.get("name", "")): each for each in record.header.subjects}
        for verdict in record.verdicts:
            known = facts.get(verdict.subject, {})
            version = str(known.get("version", ""))
            key = (verdict.subject, verdict.device)
            recorded.setdefault(key, {})[version] = Recorded(
                version, str(known.get("runtime", "")), record.header.created
            )
            if not verdict.check.startswith(_LEDGER):
                at = verdicts.setdefault(key, {}).setdefault(version, {})
                at[verdict.check, verdict.dtype] = verdict
    return [_history(*key, recorded[key], verdicts.get(key, {})) for key in sorted(recorded)]


def _history(
    subject: str,
    device: str,
    recorded: Mapping[str, Recorded],
    verdicts: Mapping[str, Mapping[tuple[str, str], Verdict]],
) -> History:
    versions = sorted(recorded, key=_order)
    in_order = [verdicts.get(version, {}) for version in versions]
    courses = []
    for check, dtype in dict.fromkeys(key for found in in_order for key in found):
        judged = [found.get((check, dtype)) for found in in_order]
        states = "".join(map(_state, judged))
        wrong = [v for v, state in zip(judged, states, strict=True) if v is not None and state in "dob"]
        if wrong:
            last = wrong[-1]
            found = last.divergence.reason if last.divergence else last.reason
            courses.append(Course(check, dtype, states, found))
    bits = tuple(_compare_bits(versions, in_order))
    return History(subject, device, tuple(recorded[v] for v in versions), tuple(courses), bits)


def _state(verdict: Verdict | None) -> str:
    if verdict is None:
        return UNJUDGED
    is_documented = verdict.status is Status.KNOWN and "ledger" not in verdict.measured
    return DOCUMENTED if is_documented else _STATES[verdict.status]


def _compare_bits(
    versions: Sequence[str], in_order: Sequence[Mapping[tuple[str, str], Verdict]]
) -> Iterator[Bits]:
    dtypes = dict.fromkeys(dtype for found in in_order for _, dtype in found)
    for dtype in dtypes:
        before: tuple[str, dict[str, str]] | None = None
        for version, found in zip(versions, in_order, strict=True):
            digests = _digests(found, dtype)
            if not digests:
                continue
            if before is not None:
                common = [name for name in digests if name in before[1]]
                changed = tuple(name for name in common if digests[name] != before[1][name])
                yield Bits(before[0], version, dtype, len(common), changed)
            before = version, digests


def _digests(found: Mapping[tuple[str, str], Verdict], dtype: str) -> dict[str, str]:
    """The digest of each golden trajectory, by its name."""
    digests: dict[str, str] = {}
    for (check, of), verdict in found.items():
        bits = verdict.measured.get("bits")
        if of == dtype and check.startswith(_GOLDEN) and isinstance(bits, Mapping):
            digests |= {str(name): str(digest) for name, digest in bits.items()}
    return digests


def _order(version: str) -> tuple[bool, Version, str]:
    """Versions as PEP 440 orders them, after what is none."""
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version


def in_words(history: History, states: str) -> str:
    """The course of a check in words: `since 0.26, gone in 0.30`."""
    names = [each.version for each in history.versions]
    states = states.replace(DOCUMENTED, DIVERGES)
    known = [(name, state) for name, state in zip(names, states, strict=True) if state != UNJUDGED]
    words: list[str] = []
    last = ""
    for number, (name, state) in enumerate(known):
        if state != last:
            words += _change(name, state, is_first=number == 0)
        last = state
    if {state for _, state in known} == {DIVERGES} and len(known) == len(names):
        return ALWAYS
    unjudged = [name for name, state in zip(names, states, strict=True) if state == UNJUDGED]
    words += [f"not judged in {', '.join(unjudged)}"] if unjudged else []
    return ", ".join(words)


def condense(bits: Iterable[Bits]) -> list[Bits]:
    """Join versions one after the other whose trajectories have the same bits."""
    found: list[Bits] = []
    for each in bits:
        last = found[-1] if found else each
        same = not (last.changed or each.changed) and last.compared and each.compared
        if found and same and (last.dtype, last.version) == (each.dtype, each.before):
            compared = min(last.compared, each.compared)
            found[-1] = replace(each, before=last.before, compared=compared)
        else:
            found.append(each)
    return found


def _change(version: str, state: str, *, is_first: bool) -> list[str]:
    match state:
        case "d":
            return [f"at the first, {version}" if is_first else f"since {version}"]
        case "b":
            return [f"no answer from {version} on"]
    return [] if is_first else [f"gone in {version}"]


def find_disagreements(history: History, ledger: Ledger) -> list[str]:
    """Sentences on the versions for which the ledger says something else.

    An entry with a glob or for any class does not have to diverge in each of its checks.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for course in history.courses:
        verdict = Verdict(course.check, Status.DIVERGES, history.subject, course.dtype, history.device)
        missing: list[str] = []
        stale: dict[str, list[str]] = {}
        for recorded, state in zip(history.versions, course.states, strict=True):
            entries = [e for e in ledger.entries if e.concerns(verdict, recorded.version)]
            exact = [e.id for e in entries if not e.is_glob and e.expires_with(history.subject)]
            if state == DIVERGES and not entries:
                missing.append(recorded.version)
            elif state == JUDGED and exact:
                stale.setdefault(exact[0], []).append(recorded.version)
        wrong = [(versions, "no entry lists what diverges") for versions in [missing] if versions]
        wrong += [
            (versions, f"the entry {name} lists what does not diverge") for name, versions in stale.items()
        ]
        for versions, words in wrong:
            checks = found.setdefault(f"{words} in {', '.join(versions)}", {})
            checks.setdefault(course.check, []).append(course.dtype)
    return [
        f"{words}: " + ", ".join(f"{check} ({', '.join(dtypes)})" for check, dtypes in checks.items())
        for words, checks in found.items()
    ]


def to_json(history: History) -> dict[str, Any]:
    """The history as JSON values, which have each reason once."""
    reasons: dict[str, int] = {}
    courses = [
        {
            "check": c.check,
            "dtype": c.dtype,
            "states": c.states,
            "reason": reasons.setdefault(c.reason, len(reasons)),
        }
        for c in history.courses
    ]
    return {
        "subject": history.subject,
        "device": history.device,
        "versions": [vars(each) for each in history.versions],
        "reasons": list(reasons),
        "courses": courses,
        "bits": [{**vars(each), "changed": list(each.changed)} for each in history.bits],
    }


def from_json(value: Mapping[str, Any]) -> History:
    """The inverse of `to_json`."""
    return History(
        value["subject"],
        value["device"],
        tuple(Recorded(**each) for each in value["versions"]),
        tuple(Course(**{**each, "reason": value["reasons"][each["reason"]]}) for each in value["courses"]),
        tuple(Bits(**{**each, "changed": tuple(each["changed"])}) for each in value["bits"]),
    )
