"""The declared arithmetic of a device, read from a TOML file.

name = "vendor X, fast division"
divide = 2.0            # error of a division, in unit roundoffs of the working format
flush_to_zero = true
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..oracles.error_model import CORRECTLY_ROUNDED, Arithmetic


class DeclarationError(Exception):
    """The file does not declare an arithmetic; the message says what would be right."""


def load(path: str | os.PathLike[str] | None) -> Arithmetic:
    """Read the arithmetic that a file declares; correct rounding if there is no file.

    Raises:
        DeclarationError: the file cannot be read, or holds something else.
    """
    if path is None:
        return CORRECTLY_ROUNDED
    try:
        values: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"the arithmetic {path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"the arithmetic {path} is not TOML: {error}") from error
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
    try:
        return Arithmetic(**values)
    except ValueError as error:
        raise DeclarationError(f"the arithmetic {path}: {error}") from error
