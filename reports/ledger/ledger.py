"""The ledger of known divergences, which also finds those that are gone.

The ledger is a TOML file of tables `[[divergence]]`; `ledger.toml` next to this module is the one that ships. A
table has an entry for its check, or one for each of its checks. An entry is precise: it names one check or a glob,
for a subject, versions, dtypes and devices, and the pinned case that shows it or the largest error that is known. It
turns that divergence from `diverges` to `known`, and nothing else. If the check conforms, the entry is stale, and that
is a divergence too. `README.md` next to this module documents the fields.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NoReturn

import tomli_w
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ...oracles.verdict import Divergence, Quantity, Status, Verdict
from ..escape import one_line, toml
from ..untrusted import LARGEST_TOML, UntrustedError, parse_toml, read_file, shorten

SHIPPED: Final = Path(__file__).with_name("ledger.toml")
SCRIPTS: Final = Path(__file__).with_name("scripts")
DTYPES: Final = ("float16", "bfloat16", "float32", "float64")
TABLE: Final = "divergence"
_SAME: Final = "{check}"
"""In a table, stands for the pinned case whose name is the check's id."""
_GLOB: Final = "*?["
_ANY_CLASS: Final = "torch:*"
"""Any optimizer class of torch: an entry for all of them is not stale where one of them does without."""
_DRAWN: Final = "drawn"
"""The name of a drawn case; `reference.case` names pinned ones after their checks."""
_DIGITS: Final = 3
"""The digits of a largest error that is written."""
_LONGEST_VERSION: Final = 200
_LONGEST_REASON: Final = 1_000
_TO_WRITE: Final = "why the subject does this, and where that is tracked"


class LedgerError(Exception):
    """The ledger is malformed; the message names the entry, and what would be right."""

    def __init__(self, path: str | os.PathLike[str], entry: str, message: str) -> None:
        self.path = Path(path)
        self.entry = entry
        super().__init__(shorten(f"{self.path}, {entry}: {message}" if entry else f"{self.path}: {message}"))


@dataclass(frozen=True)
class Entry:
    """One known divergence.

    Attributes:
        id: unique in the file, stable; the last part of the check `ledger/<id>`.
        subject: as on the command line, several separated by commas; `*` stands for anything.
        check: the id of the check that diverges, or a glob.
        reason: why, in one sentence for the reader of the report.
        versions: of the subject's framework, as a PEP 440 specifier; empty for all.
        dtypes: empty for all.
        devices: empty for all.
        case: the name of the pinned case that shows it; empty for a check without one.
        largest: the largest error that is known, as a multiple of the bound; a larger one is a divergence again. None
            for any size.
        evidence: where it is tracked, as a URL; may be empty.
        script: the name of a script in `reports/ledger/scripts/` that shows it; may be empty.
        surprise: a few words of it for the first screen of the matrix; empty for what surprises nobody.
    """

    id: str
    subject: str
    check: str
    reason: str
    versions: str = ""
    dtypes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    case: str = ""
    evidence: str = ""
    script: str = ""
    surprise: str = ""
    largest: float | None = None

    @cached_property
    def is_glob(self) -> bool:
        """Whether it may name several checks."""
        return any(c in self.check for c in _GLOB)

    @cached_property
    def _patterns(self) -> list[str]:
        return [name.strip().replace("[", "[[]") for name in self.subject.split(",")]

    def concerns(self, verdict: Verdict, version: str) -> bool:
        """Whether the verdict has this entry's check, subject, version, dtype, device."""
        return (
            self.names(verdict.check)
            and self.is_for(verdict.subject)
            and (not self.dtypes or verdict.dtype in self.dtypes)
            and (not self.devices or verdict.device in self.devices)
            and self.admits(version)
        )

    def names(self, check: str) -> bool:
        """Whether the entry is one for a check."""
        return check == self.check or (self.is_glob and fnmatchcase(check, self.check))

    def is_for(self, subject: str) -> bool:
        """Whether the entry is one for a subject."""
        return any(fnmatchcase(subject, name) for name in self._patterns)

    def expires_with(self, subject: str) -> bool:
        """Whether a subject that does not diverge makes the entry stale."""
        return any(fnmatchcase(subject, name) for name in self._patterns if name != _ANY_CLASS)

    def admits(self, version: str) -> bool:
        """Whether the entry is one for a version of the subject's framework."""
        return _admits_version(self.versions, version)

    def explains(self, verdict: Verdict, version: str) -> bool:
        """Whether this entry lists the divergence of a verdict that it concerns."""
        case = verdict.check if self.case == _SAME else self.case
        return self.covers(verdict, version) and (not case or _case_name(verdict) == case)

    def covers(self, verdict: Verdict, version: str) -> bool:
        """Whether this entry lists the divergence of a verdict, whatever its case."""
        if verdict.status is not Status.DIVERGES or not self.concerns(verdict, version):
            return False
        error = verdict.divergence.error_over_bound if verdict.divergence else None
        return self.largest is None or (error is not None and error <= self.largest)


@dataclass(frozen=True)
class Ledger:
    """The known divergences of one file.

    Attributes:
        path: the file.
        entries: in the file's order.
    """

    path: Path
    entries: tuple[Entry, ...] = ()

    def match(self, verdict: Verdict, version: str) -> Entry | None:
        """The first entry that lists the verdict's divergence; None if none does.

        Args:
            verdict: any verdict; only `diverges` can be on the ledger.
            version: of the subject's framework; empty if it has none.
        """
        return next((entry for entry in self.entries if entry.explains(verdict, version)), None)

    def apply(self, verdict: Verdict, version: str) -> Verdict:
        """The verdict, turned to `known` with the entry's reason if an entry lists it."""
        return _make_known(verdict, self.match(verdict, version))

    def apply_to_recording(self, verdict: Verdict, version: str) -> Verdict:
        """The same for a verdict on a recording, where an entry's case does not matter."""
        return _make_known(verdict, next((e for e in self.entries if e.covers(verdict, version)), None))

    def stale(
        self, verdicts: Sequence[Verdict], versions: Mapping[str, str], known_checks: Collection[str]
    ) -> list[Verdict]:
        """The stale entries: a divergence for each subject, dtype and device.

        A check that was skipped, broke, or did not run does not make its entry stale. An entry with a glob is stale
        where each of its checks ran, and none diverges.

        Args:
            verdicts: of the whole run, before or after `apply`.
            versions: of each subject's framework, by the subject's name.
            known_checks: the ids of all checks.

        Raises:
            LedgerError: for an entry that names a check which does not exist.
        """
        self.require(known_checks)
        stale = []
        subjects = {verdict.subject for verdict in verdicts}
        for entry in self.entries:
            if not any(map(entry.is_for, subjects)):
                continue
            wanted = {check for check in known_checks if entry.names(check)}
            places: dict[tuple[str, str, str], list[Verdict]] = {}
            for verdict in verdicts:
                concerned = entry.concerns(verdict, versions.get(verdict.subject, ""))
                if concerned and entry.expires_with(verdict.subject):
                    places.setdefault((verdict.subject, verdict.dtype, verdict.device), []).append(verdict)
            for judged in places.values():
                fine = [v for v in judged if v.status in {Status.CONFORMS, Status.UNSPECIFIED}]
                silent = [v for v in judged if v.status is Status.SKIPPED]
                whole = {v.check for v in judged} == wanted and len(fine) + len(silent) == len(judged)
                if fine and (whole or not entry.is_glob):
                    stale.append(_stale(entry, fine[0]))
        return stale

    def require(self, known_checks: Collection[str]) -> None:
        """Refuse a ledger that names a check which does not exist.

        Raises:
            LedgerError: naming the entry.
        """
        for entry in self.entries:
            if entry.check not in known_checks and not (
                entry.is_glob and any(map(entry.names, known_checks))
            ):
                wrong = "matches no check" if entry.is_glob else "is not the id of any check"
                raise LedgerError(self.path, _label(entry.id), f"check = {entry.check!r} {wrong}")


def load(path: str | os.PathLike[str] = SHIPPED) -> Ledger:
    """Read a ledger; an empty file is one without entries.

    Raises:
        LedgerError: for a file that cannot be read, is not TOML, or holds anything but well-formed entries.
    """
    path = Path(path)
    try:
        document = parse_toml(read_file(path, LARGEST_TOML))
    except OSError as error:
        raise LedgerError(path, "", f"cannot be read ({error.strerror})") from error
    except UntrustedError as error:
        raise LedgerError(path, "", str(error)) from error
    if unknown := sorted(document.keys() - {TABLE}):
        raise LedgerError(path, "", f"has {unknown}; want only tables [[{TABLE}]]")
    tables = document.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise LedgerError(path, "", f"{TABLE} is not an array of tables; write [[{TABLE}]]")
    entries = tuple(
        entry for number, table in enumerate(tables, start=1) for entry in _entries(path, number, table)
    )
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise LedgerError(path, _label(entry.id), "the id is used twice; want each once")
        seen.add(entry.id)
    return Ledger(path, entries)


def write_entries(verdicts: Iterable[Verdict], versions: Mapping[str, str]) -> str:
    """Write entries for the verdicts that diverge, as TOML: the start of a ledger.

    The reasons have to be written.

    Args:
        verdicts: of a run; all but `diverges` and `known` are left out.
        versions: of each subject's framework, by the subject's name.

    Returns:
        A text that `load` accepts.
    """
    gathered: dict[tuple[str, str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status in {Status.DIVERGES, Status.KNOWN} and not verdict.check.startswith("ledger/"):
            key = (verdict.subject, verdict.check, verdict.device, _pinned_name(verdict))
            gathered.setdefault(key, []).append(verdict)
    tables: dict[str, dict[str, Any]] = {}
    for (subject, check, device, case), group in gathered.items():
        layer = check.partition("/")[0]
        table = {
            "id": _make_id(subject, layer, device, "" if case == check else case),
            "subject": subject,
            "versions": _from_version(versions.get(subject, "")),
            "dtypes": sorted({verdict.dtype for verdict in group}, key=_dtype_order),
            "devices": [device],
            "check": [],
            "case": _SAME if case == check else case,
            "reason": _finding(group[0]) or _TO_WRITE,
            "largest": _largest(group),
        }
        # Checks of one layer that agree in all else share a table.
        tables.setdefault(f"{layer} {table}", table)["check"].append(check)
    written = [{key: value for key, value in table.items() if value} for table in tables.values()]
    return toml(tomli_w.dumps({TABLE: _with_unique_ids(written)})) if written else ""


def _largest(group: Sequence[Verdict]) -> float | None:
    """The largest error over its bound in drawn cases, rounded up; None without."""
    found = [v.divergence for v in group if v.divergence is not None and _case_name(v) == _DRAWN]
    errors = [divergence.error_over_bound for divergence in found]
    largest = max((error for error in errors if error is not None), default=0.0)
    if None in errors or not 0 < largest < math.inf:
        return None
    unit = 10.0 ** (math.floor(math.log10(largest)) + 1 - _DIGITS)
    rounded = float(f"{math.ceil(largest / unit) * unit:.{_DIGITS}g}")
    return max(rounded, largest)


def _finding(verdict: Verdict) -> str:
    return one_line(verdict.divergence.reason, _LONGEST_REASON) if verdict.divergence else ""


def _with_unique_ids(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    for table in tables:
        count = seen[table["id"]] = seen.get(table["id"], 0) + 1
        if count > 1:
            table["id"] += f"-{count}"
    return tables


def _make_id(*texts: str) -> str:
    """An id made of some texts: their letters and digits, joined by hyphens."""
    name = "".join(c if c.isalnum() else "-" for c in "-".join(texts))
    return "-".join(part for part in name.split("-") if part)


_TEXTS: Final = ("id", "subject", "reason", "versions", "case", "evidence", "script", "surprise")
_LISTS: Final = ("dtypes", "devices")
_REQUIRED: Final = ("id", "subject", "check", "reason")


def _entries(path: Path, number: int, table: Mapping[str, Any]) -> list[Entry]:
    """The entries of a table: one for each of its checks."""
    name = table.get("id")
    label = _label(name) if isinstance(name, str) and name else f"entry {number}"

    def fail(message: str) -> NoReturn:
        raise LedgerError(path, label, message)

    known = [item.name for item in fields(Entry)]
    if unknown := sorted(table.keys() - set(known)):
        fail(f"has {unknown}; want only {', '.join(known)}")
    if missing := [key for key in _REQUIRED if key not in table]:
        fail(f"lacks {', '.join(missing)}")
    _check_types(table, fail)
    _check_values(table, fail)
    lists = {key: tuple(table.get(key, ())) for key in _LISTS}
    largest = {"largest": float(table["largest"])} if "largest" in table else {}
    case = table.get("case", "")
    several = isinstance(table["check"], list)

    def entry(check: str) -> Entry:
        suffix = f"-{_make_id(check.partition('/')[2]) or _make_id(check) or 'all'}" if several else ""
        is_glob = any(c in check for c in _GLOB)
        own = {
            "id": f"{table['id']}{suffix}",
            "check": check,
            "case": check if case == _SAME and not is_glob else case,
        }
        return Entry(**{**table, **lists, **largest, **own})

    return [entry(check) for check in _checks(table)]


def _checks(table: Mapping[str, Any]) -> list[Any]:
    check = table["check"]
    return check if isinstance(check, list) else [check]


def _check_types(table: Mapping[str, Any], fail: Callable[[str], NoReturn]) -> None:
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            fail(f"{key} = {table[key]!r} is not a string")
    checks = _checks(table)
    if not checks or not all(isinstance(check, str) for check in checks):
        fail(f"check = {table['check']!r} is neither a string nor a list of strings")
    texts = [*((key, table[key]) for key in _REQUIRED if key != "check"), *(("check", c) for c in checks)]
    if empty := [key for key, text in texts if not text.strip()]:
        fail(f"{empty[0]} is empty; want a text")
    for key in _LISTS:
        values = table.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
            fail(f"{key} = {values!r} is not a list of strings; leave it out for all of them")


def _check_values(table: Mapping[str, Any], fail: Callable[[str], NoReturn]) -> None:
    if any(not (c.isalnum() or c in "-_.") for c in table["id"]):
        fail(f"id = {table['id']!r} has other characters than letters, digits, '-', '_' and '.'")
    for dtype in table.get("dtypes", []):
        if dtype not in DTYPES:
            fail(f"dtypes has {dtype!r}; want some of {', '.join(DTYPES)}")
    try:
        _specifiers(table.get("versions", ""))
    except InvalidSpecifier:
        fail(f"versions = {table['versions']!r} is not a specifier of PEP 440, such as '>=2.4,<3'")
    evidence = table.get("evidence", "")
    if evidence and not evidence.startswith(("https://", "http://")):
        fail(f"evidence = {evidence!r} is not a URL that starts with https://")
    largest = table.get("largest", 1)
    if isinstance(largest, bool) or not isinstance(largest, int | float) or not 0 < largest < math.inf:
        fail(f"largest = {largest!r} is not a positive number: the largest error as a multiple of its bound")
    script = table.get("script", "")
    if script and script not in {path.name for path in SCRIPTS.iterdir()}:
        fail(f"script = {script!r} is not the name of a file in {SCRIPTS.name}/ of the reports")


def _make_known(verdict: Verdict, entry: Entry | None) -> Verdict:
    if entry is None:
        return verdict
    measured = {**verdict.measured, "ledger": entry.id}
    return replace(verdict, status=Status.KNOWN, reason=entry.reason, measured=measured)


def _stale(entry: Entry, verdict: Verdict) -> Verdict:
    finding = (
        f"the entry {entry.id} of the ledger is stale: {verdict.check} no longer diverges for "
        f"{verdict.subject} in {verdict.dtype} on {verdict.device}; remove the entry, or narrow its "
        "versions, dtypes or devices"
    )
    return Verdict(
        check=f"ledger/{entry.id}",
        status=Status.DIVERGES,
        subject=verdict.subject,
        dtype=verdict.dtype,
        device=verdict.device,
        reason=finding,
        since=verdict.since,
        divergence=Divergence(
            quantity=Quantity.OUTCOME,
            reason=finding,
            expected="diverges",
            actual=verdict.status.value,
        ),
        reproduce=verdict.reproduce,
    )


def _label(name: str) -> str:
    return f"entry {name!r}"


def _case_name(verdict: Verdict) -> str:
    case = verdict.divergence.case if verdict.divergence else None
    return str(case.get("name", "")) if case else ""


def _pinned_name(verdict: Verdict) -> str:
    name = _case_name(verdict)
    return "" if name == _DRAWN else name


def _admits_version(specifier: str, version: str) -> bool:
    if not specifier:
        return True
    try:
        return _specifiers(specifier).contains(_version(version), prereleases=True)
    except InvalidVersion:
        return False


def _from_version(version: str) -> str:
    """The versions from one on.

    Of a release they begin with its minor version, so that a patch changes nothing.
    """
    try:
        parsed = _version(version)
    except InvalidVersion:
        return ""
    return f">={parsed.public}" if parsed.is_prerelease else f">={parsed.major}.{parsed.minor}"


def _version(text: str) -> Version:
    """The version of a framework, which a subject or a record of any origin names."""
    if len(text) > _LONGEST_VERSION:
        raise InvalidVersion(text[:_LONGEST_VERSION])
    return Version(text)


def _specifiers(text: str) -> SpecifierSet:
    if len(text) > _LONGEST_VERSION:
        raise InvalidSpecifier(text[:_LONGEST_VERSION])
    return SpecifierSet(text)


def _dtype_order(dtype: str) -> int:
    return DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES)
