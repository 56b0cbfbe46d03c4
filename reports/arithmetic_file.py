"""The declared arithmetic of a device, read from a TOML file.

name = "vendor X, fast division"
divide = 2.0            # error of a division, in unit roundoffs of the working format
flush_to_zero = true
power_ulp = 4.0         # error of the power function, in ulp of beta1^t; 1 if it is left out
"""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Final

from ..oracles.error_model import CORRECTLY_ROUNDED, Arithmetic
from .untrusted import LARGEST_TOML, UntrustedError, parse_toml, read_file, shorten

_LARGEST: Final = 1 << 16
"""The largest error that can be declared: a result with that many unit roundoffs of it says nothing."""


class DeclarationError(Exception):
    """The file does not declare an arithmetic; the message says what would be right."""

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message))


def load(path: str | os.PathLike[str] | None) -> Arithmetic:
    """Read the arithmetic that a file declares; correct rounding if there is no file.

    Raises:
        DeclarationError: the file cannot be read, or holds something else.
    """
    if path is None:
        return CORRECTLY_ROUNDED
    try:
        values = parse_toml(read_file(path, LARGEST_TOML))
    except OSError as error:
        raise DeclarationError(f"the arithmetic {path} cannot be read ({error.strerror})") from error
    except UntrustedError as error:
        raise DeclarationError(f"the arithmetic {path} {error}") from error
    known = {f.name: type(getattr(CORRECTLY_ROUNDED, f.name)) for f in fields(Arithmetic)}
    if unknown := sorted(values.keys() - known.keys()):
        raise DeclarationError(f"the arithmetic {path} has {unknown}; known are {', '.join(known)}")
    if not str(values.get("name", "")).strip():
        raise DeclarationError(f"the arithmetic {path} lacks a name")
    for key, value in values.items():
        wanted = known[key]
        right = isinstance(value, wanted) or (wanted is float and type(value) is int)
        if not right:
            raise DeclarationError(f"the arithmetic {path}: {key} = {value!r} is not a {wanted.__name__}")
        if type(value) in {int, float} and not value <= _LARGEST:
            raise DeclarationError(
                f"the arithmetic {path}: {key} = {value!r} says nothing; want a number of at most {_LARGEST}"
            )
    try:
        return Arithmetic(**values)
    except ValueError as error:
        raise DeclarationError(f"the arithmetic {path}: {error}") from error
