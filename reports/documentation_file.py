"""The documentation of one's own optimizer, read from a TOML file.

title = "mypackage.optim.Adamax"
source = "https://example.org/adamax.html"    # where it is documented
required = ["lr"]                             # arguments without a default; none if it is left out
silent = ["ascent"]                           # parts of the rule that it does not mention

[rule]                                        # the page's rule if it is left out; so is each part
epsilon = "in-denominator"
decay = "decoupled"

[defaults]
betas = [0.9, 0.999]

[raises]                                      # by the clauses of the contract, or globs of them
"betas/*-above" = "ValueError"

[accepts]
clauses = ["lr/zero", "weight-decay/float"]
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, get_type_hints

from ..impl.protocol.messages import ARGUMENTS
from ..reference.contract import CLAUSES
from ..reference.documentation import Documentation
from ..reference.rules import Rule
from .untrusted import (
    LARGEST_TOML,
    UntrustedError,
    find_mismatch,
    parse_toml,
    read_file,
    shorten,
    validator,
)

_PARTS: Final = {name: get_type_hints(Rule)[name] for name in (part.name for part in fields(Rule))}
_WORDS: Final = {"type": "string", "minLength": 1, "maxLength": 300}
_BETA: Final = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_NUMBER: Final = {"type": "number", "minimum": 0}
_DEFAULTS: Final = {
    "lr": _NUMBER,
    "betas": {"type": "array", "items": _BETA, "minItems": 2, "maxItems": 2},
    "eps": _NUMBER,
    "weight_decay": _NUMBER,
    "maximize": {"type": "boolean"},
}


def _word(name: str) -> str:
    return name.lower().replace("_", "-")


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_SCHEMA: Final = validator(
    {
        **_table(
            {
                "title": _WORDS,
                "source": _WORDS,
                "required": {"type": "array", "items": {"enum": list(ARGUMENTS)}},
                "silent": {"type": "array", "items": {"enum": [_word(name) for name in _PARTS]}},
                "rule": _table(
                    {_word(name): {"enum": [_word(x.name) for x in kind]} for name, kind in _PARTS.items()}
                ),
                "defaults": _table(_DEFAULTS),
                "raises": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "pattern": r"^[A-Za-z_]\w{0,99}\Z"},
                },
                "accepts": _table({"clauses": {"type": "array", "items": {"type": "string"}}}),
            }
        ),
        "required": ["title", "source"],
    }
)


class DocumentationError(Exception):
    """The file does not state a documentation; the message says what would be right."""

    def __init__(self, path: str | os.PathLike[str], message: str) -> None:
        super().__init__(shorten(f"the documentation {path} {message}"))


def load(path: str | os.PathLike[str] | None) -> Documentation | None:
    """Read the documentation that a file states; None if there is no file.

    Raises:
        DocumentationError: the file cannot be read, or holds something else.
    """
    if path is None:
        return None
    try:
        stated = parse_toml(read_file(path, LARGEST_TOML))
    except OSError as error:
        raise DocumentationError(path, f"cannot be read ({error.strerror})") from error
    except UntrustedError as error:
        raise DocumentationError(path, str(error)) from error
    if wrong := find_mismatch(_SCHEMA, stated):
        raise DocumentationError(path, f"is not one: {wrong}")
    defaults, required = dict(stated.get("defaults", {})), tuple(stated.get("required", ()))
    if both := sorted(set(defaults) & set(required)):
        raise DocumentationError(path, f"has a default of {both[0]}, which it says is required")
    if "betas" in defaults:
        defaults["betas"] = tuple(defaults["betas"])
    raises, accepts = stated.get("raises", {}), tuple(stated.get("accepts", {}).get("clauses", ()))
    _require_clauses(path, (*raises, *accepts))
    for clause in CLAUSES:
        if _matches(clause.id, raises) and _matches(clause.id, accepts):
            raise DocumentationError(path, f"says of {clause.id} that it raises, and that it is accepted")
    parts = {_part(name): _member(_part(name), word) for name, word in stated.get("rule", {}).items()}
    return Documentation(
        title=stated["title"],
        source=stated["source"],
        rule=Rule(**parts),
        defaults=defaults,
        required=required,
        raises=raises,
        silent=tuple(_part(name) for name in stated.get("silent", ())),
        accepts=accepts,
    )


def _part(word: str) -> str:
    return word.replace("-", "_")


def _member(part: str, word: str) -> Any:
    return next(member for member in _PARTS[part] if _word(member.name) == word)


def _matches(clause: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(clause, glob) for glob in globs)


def _require_clauses(path: str | os.PathLike[str], globs: Iterable[str]) -> None:
    names = [clause.id for clause in CLAUSES]
    for glob in globs:
        if not any(_matches(name, (glob,)) for name in names):
            near = "".join(f"; did you mean {name}?" for name in get_close_matches(glob, names, 1))
            listed = near or "; adamax-conformance checks 'contract/*' lists them"
            raise DocumentationError(path, f"has {glob!r}, which is not a clause of the contract{listed}")
