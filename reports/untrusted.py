"""Read files and lines that come from elsewhere, within limits.

A record, a ledger, a recording or its progress file may come from another machine, or from someone who wants to
stop this one. Every parser of the reports reads through this module. Sizes, nesting, digits, types and ranges are
checked before a value is looped over, converted or shown.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, NoReturn, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from .escape import one_line

LONGEST_MESSAGE: Final = 300
"""The most characters of an error message on such a file."""
LARGEST_RECORD: Final = 1 << 28
"""Bytes; a whole run of every subject takes a hundredth of it."""
LARGEST_MANIFEST: Final = 1 << 28
"""Bytes; a line takes about 250, so it holds a million steps."""
LARGEST_TOML: Final = 1 << 20
"""Bytes; the ledger that ships takes a tenth of it."""

_DIGITS: Final = 300
"""Of an integer: fewer than binary64 can hold, so that none overflows as it becomes a float."""
_DEPTH: Final = 64
_TOML_LINE: Final = 16_000
_TOML_PARTS: Final = 8
"""The most parts of a key with dots: what tomllib does with them grows with their square."""
_SHOWN: Final = 120
_QUOTED: Final = re.compile(r""""[^"\n]*"|'[^'\n]*'""")
_LONG_KEY: Final = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{_TOML_PARTS},}}")


class UntrustedError(ValueError):
    """Raised for text that is beyond a limit, or not what it should be.

    The message is one line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, LONGEST_MESSAGE))


def shorten(message: str) -> str:
    """An error message on one line, of at most `LONGEST_MESSAGE` characters."""
    return one_line(message, LONGEST_MESSAGE)


def read_file(path: str | os.PathLike[str], limit: int, *, follow: bool = True) -> bytes:
    """Read a regular file.

    Args:
        path: of the file.
        limit: the most bytes that it may have.
        follow: whether the path may be a symbolic link; not for a file that the user did not name.

    Raises:
        UntrustedError: it is not a regular file (a pipe would wait for ever), or larger.
        OSError: it cannot be read.
    """
    with open_regular(path, follow=follow) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UntrustedError(f"is larger than {limit:,} bytes")
    return content


def open_regular(path: str | os.PathLike[str], *, follow: bool = False) -> BinaryIO:
    """Open a regular file to read its bytes; see `read_file`.

    An address of fsspec is neither a link nor a pipe.
    """
    address: Any = path
    if not isinstance(address, str | os.PathLike):
        return cast("BinaryIO", address.open("rb"))
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        if os.path.islink(path):  # noqa: PTH114 - a path of any kind
            raise UntrustedError("is a symbolic link; want a regular file")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags)
    except ValueError as error:  # a null character
        raise UntrustedError(f"cannot be the name of a file ({error})") from error
    try:
        _require_regular(handle)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _require_regular(handle: int) -> None:
    """Refuse a pipe or a device; a folder has an error of its own when it is read."""
    mode = os.fstat(handle).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UntrustedError("is not a regular file")


def parse_json(
    content: bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """The value of a JSON text, whose numbers are all finite.

    Args:
        content: of the text, in UTF-8.
        object_pairs_hook: makes the value of an object, as `json.loads` calls it.

    Raises:
        UntrustedError: it is not JSON, is nested too deeply, or has a number out of range.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
            object_pairs_hook=object_pairs_hook,
        )
    except RecursionError:
        raise UntrustedError("is nested too deeply") from None
    except UntrustedError:
        raise
    except ValueError as error:
        raise UntrustedError(one_line(str(error), _SHOWN)) from None
    if content.count(b"[") + content.count(b"{") > _DEPTH:
        _require_limits(value)
    return value


def parse_toml(content: bytes) -> dict[str, Any]:
    """The values of a TOML document.

    Raises:
        UntrustedError: it is not TOML, is nested too deeply, or has a number, a line or a key out of range.
    """
    try:
        text = content.decode("utf-8")
        _require_short_lines(text)
        document = tomllib.loads(text)
    except RecursionError:
        raise UntrustedError("is nested too deeply") from None
    except UntrustedError:
        raise
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, and Python's limit of digits
        raise UntrustedError(f"is not TOML: {one_line(str(error), _SHOWN)}") from None
    _require_limits(document)
    return document


def _require_short_lines(text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _TOML_LINE:
            raise UntrustedError(f"line {number} has over {_TOML_LINE} characters")
        if _LONG_KEY.search(_QUOTED.sub("quoted", line)):
            raise UntrustedError(f"line {number} has a key of over {_TOML_PARTS} parts")


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator of a JSON Schema for which 2.0 is not an integer."""
    made: Draft202012Validator = _Strict(schema)
    return made


def find_mismatch(checker: Draft202012Validator, value: Any) -> str:
    """The mismatch of a value and a schema, on one line; empty if it fits.

    It says where in the value the mismatch is.
    """
    wrong = best_match(checker.iter_errors(value))
    if wrong is None:
        return ""
    where = "/".join(str(part) for part in wrong.absolute_path)
    return f"{one_line(where or 'the line', 80)}: {one_line(wrong.message, 160)}"


_Strict: Final = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise UntrustedError(f"an integer has {len(digits)} digits; want at most {_DIGITS}")
    return int(digits)


def _number(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise UntrustedError(f"{digits[:20]} is beyond the largest number")
    return value


def _no_constant(name: str) -> NoReturn:
    raise UntrustedError(f"{name} is not JSON")


def _require_limits(value: Any) -> None:
    """Refuse what is nested too deeply, and integers of too many digits.

    It does not recurse.
    """
    level, depth = [value], 0
    while level:
        if depth > _DEPTH:
            raise UntrustedError("is nested too deeply")
        depth += 1
        deeper: list[Any] = []
        for each in level:
            match each:
                case dict():
                    deeper += each.values()
                case list():
                    deeper += each
                case int() if each.bit_length() > 3 * _DIGITS:
                    raise UntrustedError(f"an integer has over {_DIGITS} digits")
        level = deeper
