"""Checks of JSON values against the protocol.

An error names the field, the value that came, and the right ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

LONGEST_TEXT: Final = 10_000
"""Characters of a message or reason that are kept."""

DEVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}(:[0-9]{1,4})?")
"""The name of a device, and its number where there are several."""

_LONGEST_SHOWN: Final = 80
_MOST_DIGITS: Final = 300
"""Of an integer on the pipe: fewer than binary64 can hold, so that none overflows as it becomes a float."""

T = TypeVar("T")

_NAMES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "true or false",
}

LONGEST_MESSAGE: Final = 300
"""The most characters of a message about a line of the other end."""


class ProtocolError(ValueError):
    """A line, or a part of it, does not follow the protocol.

    The message says where and how, in `LONGEST_MESSAGE` characters at most.
    """

    def __init__(self, message: str) -> None:
        super().__init__(
            message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 3]}..."
        )


def abbreviate(value: object) -> str:
    """The value for an error message: ASCII, and short."""
    text = ascii(value)
    return (
        text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 20]}... ({len(text)} characters)"
    )


_STRIDE: Final = 20
_LONG: Final = re.compile(rb"[0-9]{%d}" % (_MOST_DIGITS + 1))
_SPARSE: Final = re.compile(rb"[0-9]{%d}" % ((_MOST_DIGITS + 1) // _STRIDE))


def has_long_integer(line: bytes) -> bool:
    """Whether a line has more digits in a row than an integer may have."""
    # They are digits in every twentieth byte, too, which are looked at first: most lines are long and have none.
    return _SPARSE.search(line[::_STRIDE]) is not None and _LONG.search(line) is not None


def bounded_integer(digits: str) -> int:
    """The integer of a JSON text; `json.loads` calls this with its digits."""
    if len(digits) > _MOST_DIGITS:
        raise ProtocolError(f"an integer has {len(digits)} digits; want at most {_MOST_DIGITS}")
    return int(digits)


def clean_text(value: str) -> str:
    """A text from the other side, made safe to be written anywhere."""
    # Half a surrogate pair would fail wherever the text is encoded later.
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def require_type(value: object, kind: type[T], where: str) -> T:
    """The value, which must be of a JSON type; a bool does not count as an integer."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProtocolError(f"{where} is {abbreviate(value)}; want {_NAMES[kind]}")
    return value


def require_member(holder: Mapping[str, Any], name: str, kind: type[T], where: str) -> T:
    """A member of an object that must be there, of a JSON type."""
    if name not in holder:
        raise ProtocolError(f"{where} lacks {name!r}")
    return require_type(holder[name], kind, f"{where}.{name}")


def require_count(value: object, where: str) -> int:
    """An integer that is at least 0."""
    if (number := require_type(value, int, where)) < 0:
        raise ProtocolError(f"{where} is {abbreviate(number)}; want at least 0")
    return number


def require_device(value: str) -> str:
    """The name of a device, as a framework has it: `cuda`, `hpu`, `cuda:1`."""
    if DEVICE.fullmatch(value) is None:
        raise ProtocolError(f"the device is {abbreviate(value)}; want a name such as 'cuda' or 'cuda:1'")
    return value


def require_id(holder: Mapping[str, Any], where: str) -> int:
    """The id of a request or an answer."""
    return require_count(require_member(holder, "id", int, where), f"{where}.id")


def require_choice(value: object, known: Collection[str | int], where: str) -> Any:
    """A string or an integer out of a closed set."""
    if type(value) not in {str, int} or value not in known:
        raise ProtocolError(f"{where} is {abbreviate(value)}; known are {', '.join(map(str, known))}")
    return value
