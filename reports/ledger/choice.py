"""The ledgers of a run: one's own, added to the one that ships."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from .ledger import SHIPPED, Entry, Ledger, load

_SHOWN: Final = 10


@dataclass(frozen=True)
class ChosenLedgers:
    """The ledgers that a user chose.

    Attributes:
        used: every entry that applies, one's own first.
        own: the ledgers that the user named, as they are.
    """

    used: Ledger
    own: tuple[Ledger, ...]

    def notes(self, versions: Mapping[str, str]) -> list[str]:
        """A line for each entry of one's own that is for no subject of the run.

        Args:
            versions: of each subject's framework, by the subject's name.
        """
        found = [
            f"{ledger.path}: the entry {entry.id!r} is for nobody here: {reason}"
            for ledger in self.own
            for entry in ledger.entries
            if (reason := _mismatch(entry, versions))
        ]
        more = [f"and {len(found) - _SHOWN} more entries are for nobody here"] if found[_SHOWN:] else []
        return found[:_SHOWN] + more


def choose(
    known: str | os.PathLike[str] | None,
    known_only: str | os.PathLike[str] | None,
    checks: Collection[str] | None = None,
) -> ChosenLedgers:
    """Read the ledgers that the options name.

    Args:
        known: is added to the shipped one, or to `known_only`; an entry replaces one with the same id.
        known_only: replaces the shipped one.
        checks: the ids of all checks, if each entry is to be held to them.

    Raises:
        LedgerError: one of them cannot be read, is malformed, or names a check that does not exist.
    """
    own = tuple(load(path) for path in (known, known_only) if path is not None)
    every = own if known_only is not None else (*own, load(SHIPPED))
    entries: dict[str, Entry] = {}
    for ledger in every:
        if checks is not None:
            ledger.require(checks)
        entries |= {entry.id: entry for entry in ledger.entries if entry.id not in entries}
    return ChosenLedgers(Ledger(every[0].path, tuple(entries.values())), own)


def _mismatch(entry: Entry, versions: Mapping[str, str]) -> str:
    """The reason that an entry is for none of the subjects; empty if it is for one."""
    named = {name: version for name, version in versions.items() if entry.is_for(name)}
    if not named:
        return f"subject = {entry.subject!r}, and the run has {', '.join(map(repr, versions))}"
    if not any(map(entry.admits, named.values())):
        there = ", ".join(f"{name} {version or 'without a version'}" for name, version in named.items())
        return f"versions = {entry.versions!r}, and the run has {there}"
    return ""
