"""Is a JSON value what the protocol wants at its place? If not: where, what came, and what would be right."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

LONGEST_TEXT: Final = 10_000
"""Characters of a message or reason that are kept."""

_LONGEST_SHOWN: Final = 80

T = TypeVar("T")

_NAMES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "true or false",
}


class Malformed(ValueError):  # noqa: N818 - named for what the line is
    """A line, or a part of it, that does not follow the protocol; the message says where and how."""


def shown(value: object) -> str:
    """A value as a message shows it: ASCII, and short."""
    text = ascii(value)
    return (
        text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 20]}... ({len(text)} characters)"
    )


def text(value: str) -> str:
    """A text from the other side, made safe to be written anywhere."""
    # Half a surrogate pair would fail wherever the text is encoded later.
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def of_kind(value: object, kind: type[T], where: str) -> T:
    """The value, which must be of a JSON type; a bool is no integer."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Malformed(f"{where} is {shown(value)}; want {_NAMES[kind]}")
    return value


def field(holder: object, name: str, kind: type[T], where: str) -> T:
    """A field that must be there, of a JSON type."""
    fields = of_kind(holder, dict, where)
    if name not in fields:
        raise Malformed(f"{where} lacks {name!r}")
    return of_kind(fields[name], kind, f"{where}.{name}")


def optional(holder: Mapping[str, Any], name: str, kind: type[T], where: str) -> T | None:
    """A field that may be null or absent."""
    return None if holder.get(name) is None else field(holder, name, kind, where)


def count(value: object, where: str) -> int:
    """An integer that is at least 0."""
    if (number := of_kind(value, int, where)) < 0:
        raise Malformed(f"{where} is {shown(number)}; want at least 0")
    return number


def number(holder: object, name: str, where: str) -> int:
    """A field that is an integer of at least 0."""
    return count(field(holder, name, int, where), f"{where}.{name}")


def one_of(value: object, known: Collection[str], where: str) -> str:
    """A string out of a closed set."""
    if not isinstance(value, str) or value not in known:
        raise Malformed(f"{where} is {shown(value)}; known are {', '.join(known)}")
    return value


def strings(value: object, where: str) -> tuple[str, ...]:
    """An array of strings."""
    items: list[object] = of_kind(value, list, where)
    return tuple(text(of_kind(item, str, f"{where}[{i}]")) for i, item in enumerate(items))
