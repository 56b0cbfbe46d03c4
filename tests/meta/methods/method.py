"""A method to test an optimizer, and what it says of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Judge = Callable[[type[Any], str], str | None]
"""Judge a factory in a dtype; return what was found wrong, or None."""


@dataclass(frozen=True)
class Method:
    """A way to test an optimizer, as it is published.

    Attributes:
        name: on the command line, and in the record.
        title: what it does, as Markdown.
        purpose: what it is for.
        judge: the test itself.
    """

    name: str
    title: str
    purpose: str
    judge: Judge
