"""The links of a report, which a reader may follow: nothing is loaded from them.

Each address is one of the project's own: of a documentation that it cites, of its repository, or of the evidence in the
shipped ledger. No text of a record becomes a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Final

from ...oracles.verdict import Verdict
from ...reference.documentation import DOCUMENTATION, PAGE, PAGE_ADDRESS
from ..ledger import ledger

_PACKAGE: Final = "adamax-conformance"
_REPOSITORY: Final = "Repository"
"""The label of the repository in `[project.urls]` of `pyproject.toml`, the one place that names it."""
_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.-]+(/[!#$%&()*+,./:;=?@A-Za-z0-9_~-]*)?")
_OWN: Final = (
    ("proven bounds", "oracles/BOUNDS.md"),
    ("the formula as code", "reference/formula.py"),
    ("the ledger of known divergences", "reports/ledger/ledger.toml"),
    ("the matrix of all frameworks", "reports/MATRIX.md"),
)


@dataclass(frozen=True)
class Link:
    """A place to read on.

    Attributes:
        text: what it is.
        address: with `https`; empty where none is known.
        path: of a file in the project; empty for other places.
    """

    text: str
    address: str
    path: str = ""


def is_safe(address: str) -> bool:
    """Check that an address has the scheme `https` and no odd character."""
    return _ADDRESS.fullmatch(address) is not None


THE_PAGE: Final = Link(PAGE, PAGE_ADDRESS)


@cache
def repository() -> str:
    """The address of the published repository; empty if there is none."""
    try:
        urls = metadata(_PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    address = named.get(_REPOSITORY, "").rstrip("/")
    return address if is_safe(address) else ""


def documents() -> tuple[Link, ...]:
    """The project's own documents that a reader of a report may want."""
    base = repository()
    return tuple(Link(text, f"{base}/blob/HEAD/{path}" if base else "", path) for text, path in _OWN)


def bounds() -> Link:
    """The bounds and their proofs."""
    return documents()[0]


def links_of(verdict: Verdict) -> tuple[Link, ...]:
    """The sources on one divergence: the ledger's, the subject's documentation."""
    name, source = verdict.measured.get("ledger"), verdict.measured.get("own documentation")
    found = []
    if isinstance(name, str) and (evidence := _evidence().get(name)):
        found.append(Link(f"evidence of the ledger's entry {name}", evidence))
    cited = (own for own in DOCUMENTATION.values() if own.source == source)
    found.extend(Link(f"documentation of {own.title}", own.source) for own in cited)
    return tuple(found)


@cache
def _evidence() -> Mapping[str, str]:
    """The evidence of each entry of the shipped ledger that has some."""
    return {entry.id: entry.evidence for entry in ledger.load().entries if is_safe(entry.evidence)}
