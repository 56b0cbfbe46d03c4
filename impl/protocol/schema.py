"""The JSON Schema of the pipe's lines, generated from the messages.

python -m adamax_conformance.impl.protocol.schema     write impl/schema/protocol.schema.json again
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from . import messages
from .codec import ERROR_KINDS
from .messages import OPERATIONS
from .serialization import object_schema, reference
from .values import HEXADECIMAL, MOST_DIMENSIONS

FILE: Final = Path(__file__).parents[1] / "schema" / "protocol.schema.json"

_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}


def _object(members: dict[str, Any], *, is_closed: bool = False) -> dict[str, Any]:
    """An object whose members all must be there; a closed one has no others."""
    schema = {"type": "object", "properties": members, "required": list(members)}
    return schema | ({"additionalProperties": False} if is_closed else {})


def _array(items: dict[str, Any], **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


def _values() -> dict[str, Any]:
    """The definitions of `values`: numbers, arrays and arguments."""
    number, array, argument = (reference(name) for name in ("number", "array", "argument"))
    shape = _array(_COUNT, maxItems=MOST_DIMENSIONS)
    tagged = {
        "float": number,
        "complex": _array(number, minItems=2, maxItems=2),
        "tuple": _array(argument),
        "list": _array(argument),
        "array": array,
        "numpy": _object({"dtype": {"enum": ["float16", "float32", "float64"]}, "value": number}),
    }
    return {
        "number": {"type": "string", "pattern": f"^{HEXADECIMAL}$"},
        "array": {
            "oneOf": [
                _object({"shape": shape, "data": _array(number)}),
                _object({"shape": shape, "base64": {"type": "string", "contentEncoding": "base64"}}),
            ]
        },
        "argument": {
            "oneOf": [
                {"type": ["null", "boolean", "integer", "string"]},
                *(_object({tag: content}, is_closed=True) for tag, content in tagged.items()),
            ]
        },
    }


def _error() -> dict[str, Any]:
    schema = _object({"kind": {"enum": list(ERROR_KINDS)}, "message": _TEXT})
    schema["properties"] |= {"type": _TEXT, "bases": _array(_TEXT), "changed": {"type": ["boolean", "null"]}}
    return schema | {"if": {"properties": {"kind": {"const": "rejected"}}}, "then": {"required": ["type"]}}


def protocol_schema() -> dict[str, Any]:
    """The JSON Schema of every line: `request`, and `answer-to-OPERATION` for each."""
    parts = {
        kind.__name__: object_schema(kind) for kind in (messages.Schedule, messages.GroupSpec, messages.State)
    }
    requests: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for name, (request, answer) in OPERATIONS.items():
        requests[name] = object_schema(request, id=_COUNT, op={"const": name})
        parts[answer.__name__] = object_schema(answer)
        outcomes = {"ok": reference(answer.__name__), "skipped": _TEXT, "error": reference("error")}
        answers[f"answer-to-{name}"] = {
            "type": "object",
            "properties": {"id": _COUNT, **outcomes},
            "required": ["id"],
            "oneOf": [{"required": [outcome]} for outcome in outcomes],
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The pipe's lines: requests, and the answer to each",
        "description": "A line from the suite is a request; a line from the program is an answer to the operation "
        "that was asked for. PROTOCOL.md says what they mean.",
        "anyOf": [reference(name) for name in ("request", *answers)],
        "$defs": {
            **_values(),
            **parts,
            "error": _error(),
            **requests,
            "request": {"oneOf": [reference(name) for name in requests]},
            **answers,
        },
    }


def format_schema() -> str:
    """The text of `FILE`."""
    return json.dumps(protocol_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(format_schema(), encoding="utf-8")
